"""Where people live: understood as they type it, chosen from a short list, or added if it is missing."""


from sqlalchemy import func
from sqlmodel import select

from handlers.account.guards import agreed, heading
from handlers.errors import Misheard, Refusal
from handlers.router import Router
from handlers.turn import Turn, button
from locales import _, join, plain
from storage.household import Household, members_of
from storage.place import Place, chain, children, stamp
from storage.places.folding import fold
from storage.places.kinds import VILLAGE_KINDS, parted
from storage.places.search import Found, PlaceIndex, is_sure
from storage.session import Session

router = Router("village")

SCREEN = 6  # choices; with the ways out, a phone shows them at once
LONGEST_VILLAGE = 60
PERSON, HOME = "person", "home"


@router.page
async def ask(turn: Turn, whose: str, owner_id: int) -> None:
    """Asks where a person, or a household, lives."""
    await _owner(turn, whose, owner_id)
    linked = turn.conversation.linked_place
    if whose == PERSON and linked:
        return await confirm(turn, whose, owner_id, linked)
    await ask_words(turn, whose, owner_id)


@router.page
async def ask_words(turn: Turn, whose: str, owner_id: int) -> None:
    """The open question."""
    owner = await _owner(turn, whose, owner_id)
    head = None if isinstance(owner, Household) else heading(turn, owner)
    question = (
        _("Gia đình ở thôn (tổ dân phố) nào, xã (phường) nào ạ? Ví dụ: thôn Trung Tiến, xã Cẩm Bình.")
        if whose == HOME
        else _("Nhà ở thôn (tổ dân phố) nào, xã (phường) nào ạ? Ví dụ: thôn Trung Tiến, xã Cẩm Bình.")
    )
    note = _("Gõ không dấu cũng được, tên xã cũ cũng được.")
    turn.ask(join([head, question, note]), waits=hear.token(whose, owner_id))


@router.hears
async def hear(turn: Turn, whose: str, owner_id: int) -> None:
    await _owner(turn, whose, owner_id)
    hint = _("Trợ lý chưa tìm thấy nơi này. {You} gõ tên thôn và tên xã, ví dụ: thon Trung Tien, xa Cam Binh.")
    typed = turn.text(hint, longest=200)
    found = (await index_of_places(turn.session)).find(typed, limit=SCREEN)
    if not found or not any(c.isalpha() for c in typed):
        raise Misheard(hint)
    if is_sure(found):
        return await _take(turn, whose, owner_id, found[0].place_id)
    await _offer(turn, whose, owner_id, found)


@router.page
async def confirm(turn: Turn, whose: str, owner_id: int, place_id: int) -> None:
    """One village, yes or no."""
    await _owner(turn, whose, owner_id)
    turn.ask(
        _("Nơi ở là {place}, đúng không ạ?", place=await full_name_of(turn.session, place_id)),
        [
            button(_("Đúng"), "village.pick", whose, owner_id, place_id),
            button(_("Nơi khác"), "village.ask_words", whose, owner_id),
        ],
        waits=hear.token(whose, owner_id),
    )


@router.page
async def ask_village(turn: Turn, whose: str, owner_id: int, commune_id: int, first: int) -> None:
    """The villages of a commune, a screen at a time."""
    await _owner(turn, whose, owner_id)
    villages = await children(turn.session, commune_id)
    shown = [village for village in villages if village.confirmed][first:]
    more = button(_("Xem thêm"), "village.ask_village", whose, owner_id, commune_id, first + SCREEN)
    commune = await full_name_of(turn.session, commune_id)
    text = (
        _("Thôn (tổ dân phố) nào ở {commune} ạ? {You} chọn, hoặc gõ tên thôn.", commune=commune)
        if shown
        else _("Trợ lý chưa có danh sách thôn của {commune}. {You} gõ tên thôn, ví dụ: thôn Trung Tiến.", commune=commune)
    )
    turn.ask(
        text,
        *[button(plain(_called(v)), "village.pick", whose, owner_id, v.id or 0) for v in shown[:SCREEN]],
        more if len(shown) > SCREEN else None,
        button(_("Không thấy thôn của tôi"), "village.ask_missing", whose, owner_id, commune_id) if shown else None,
        button(_("Xã khác"), "village.ask_words", whose, owner_id),
        waits=hear_village.token(whose, owner_id, commune_id),
    )


@router.hears
async def hear_village(turn: Turn, whose: str, owner_id: int, commune_id: int) -> None:
    """The village's name, when the commune is known already."""
    await _owner(turn, whose, owner_id)
    hint = _("Trợ lý chưa tìm thấy thôn này. {You} gõ lại tên thôn, ví dụ: thôn Trung Tiến.")
    typed = turn.text(hint, longest=200)
    found = (await index_of_places(turn.session)).find(typed, within=commune_id, level="village", limit=SCREEN)
    if found and is_sure(found):
        return await _take(turn, whose, owner_id, found[0].place_id)
    if found:
        return await _offer(turn, whose, owner_id, found, commune_id)
    if len(typed) > LONGEST_VILLAGE or not any(c.isalpha() for c in typed):
        raise Misheard(hint)
    await ask_missing(turn, whose, owner_id, commune_id)


@router.page
async def ask_missing(turn: Turn, whose: str, owner_id: int, commune_id: int) -> None:
    """A village that we do not know: its name, as people there say it."""
    await _owner(turn, whose, owner_id)
    turn.ask(
        _(
            "Thôn này chưa có trong danh sách của {commune}. {You} gõ đúng tên thôn để trợ lý ghi thêm, cán bộ xã sẽ "
            "xác nhận. Ví dụ: thôn Trung Tiến.",
            commune=await full_name_of(turn.session, commune_id),
        ),
        button(_("Quay lại"), "village.ask_village", whose, owner_id, commune_id, 0),
        waits=hear_missing.token(whose, owner_id, commune_id),
    )


@router.hears
async def hear_missing(turn: Turn, whose: str, owner_id: int, commune_id: int) -> None:
    await _owner(turn, whose, owner_id)
    hint = _("Trợ lý cần tên thôn bằng chữ, ví dụ: thôn Trung Tiến, tổ dân phố 3.")
    typed = turn.text(hint, longest=LONGEST_VILLAGE)
    if not any(c.isalpha() for c in typed) or any(c in typed for c in "<>{}\\;\n"):
        raise Misheard(hint)
    await turn.go("newvillage.propose", whose, owner_id, (await _proposed(turn, commune_id, typed)).id or 0)


@router.call
async def pick(turn: Turn, whose: str, owner_id: int, place_id: int) -> None:
    """A place from a list: a village is kept, a commune leads to its villages."""
    await _owner(turn, whose, owner_id)
    if not (turn.conversation.here or "").startswith("village."):
        raise Misheard(_("Câu này {you} đã trả lời rồi. Muốn sửa, {you} gửi /hoso."))
    await _take(turn, whose, owner_id, place_id)


@router.call
async def keep(turn: Turn, whose: str, owner_id: int, place_id: int) -> None:
    """Writes the village down and goes on."""
    owner = await _owner(turn, whose, owner_id)
    place = await turn.session.get(Place, place_id)
    if place is None or place.level != "village" or place.valid_to or not (place.confirmed or place.proposed_by):
        raise Refusal(_("Nơi này chưa chọn được. {You} gõ lại tên thôn và tên xã giúp ạ."))
    first = owner.place_id is None
    owner.place_id = place_id
    turn.conversation.linked_place = None
    turn.note("account:place:change", whose=whose, owner=owner_id, place=place_id)
    turn.settle(_("✓ Nơi ở: {place}", place=await full_name_of(turn.session, place_id)))
    if isinstance(owner, Household):
        return await turn.go("family.go_on", owner_id)
    await turn.go(*(("assess.titles",) if first else ("account.menu",)))


async def full_name_of(session: Session, place_id: int | None) -> str:
    """ "thôn Trung Tiến, xã Cẩm Bình, tỉnh Hà Tĩnh"; empty where no place is known."""
    return ", ".join(_called(place) for place in await chain(session, place_id)) if place_id else ""


async def _take(turn: Turn, whose: str, owner_id: int, place_id: int) -> None:
    place = await turn.session.get(Place, place_id)
    if place is None or place.valid_to is not None:
        raise Refusal(_("Nơi này không còn trong danh sách. {You} gõ lại tên thôn và tên xã giúp ạ."))
    if place.level == "commune":
        return await ask_village(turn, whose, owner_id, place_id, 0)
    if place.level != "village":
        raise Misheard(_("{You} cho biết rõ thôn và xã, ví dụ: thôn Trung Tiến, xã Cẩm Bình."))
    here = turn.conversation.here or ""
    if turn.was_pressed or here.startswith("village.confirm"):
        return await keep(turn, whose, owner_id, place_id)
    # Typed words were guessed at; only the person can say that the guess is right.
    await confirm(turn, whose, owner_id, place_id)


async def _offer(turn: Turn, whose: str, owner_id: int, found: list[Found], commune_id: int | None = None) -> None:
    turn.page = turn.conversation.here
    rows = [button(_label(one), "village.pick", whose, owner_id, one.place_id) for one in found[:SCREEN]]
    missing = button(_("Không thấy thôn của tôi"), "village.ask_missing", whose, owner_id, commune_id) if commune_id else None
    waits = hear_village.token(whose, owner_id, commune_id) if commune_id else hear.token(whose, owner_id)
    turn.ask(_("{You} chọn đúng nơi ở giúp ạ, hoặc gõ lại cho rõ hơn."), *rows, missing, waits=waits)


def _label(found: Found):  # type: ignore[no-untyped-def]
    return _("{place} (trước là {former})", place=found.label, former=found.former) if found.former else plain(found.label)


async def _owner(turn: Turn, whose: str, owner_id: int):  # type: ignore[no-untyped-def]
    """The person or household whose place it is, if the speaker may answer for it. Raises Refusal."""
    if whose == PERSON:
        return await agreed(turn, owner_id)
    household = await turn.session.get(Household, owner_id) if whose == HOME else None
    if household is not None:
        for member in await members_of(turn.session, owner_id):
            if member == turn.me or member == turn.conversation.speaking_for:
                await agreed(turn, member)
                return household
    raise Refusal(_("Lựa chọn này của người khác, {you} không dùng được."))


async def _proposed(turn: Turn, commune_id: int, typed: str) -> Place:
    """The village as typed: one that the commune has already, or a new one that waits for an officer."""
    present = await children(turn.session, commune_id)
    for village in present:
        if fold(typed) in (village.key, fold(_called(village))):
            return village
    commune = await turn.session.get(Place, commune_id)
    if commune is None or commune.level != "commune":
        raise Refusal(_("Nơi này không còn trong danh sách. {You} gõ lại tên thôn và tên xã giúp ạ."))
    kind, name = parted(typed, VILLAGE_KINDS)
    count = (await turn.session.exec(select(func.count()).where(Place.parent_id == commune_id))).one()
    village = Place(
        code=f"{commune.code}-n{count + 1}", level="village", kind=kind or "thôn", name=name, key=fold(name),
        parent_id=commune_id,
        confirmed=False, proposed_by=turn.me, created_at=turn.now,
    )  # fmt: skip
    turn.session.add(village)
    await turn.session.flush()
    turn.note("places:village:propose", place=village.id)
    return village


def _called(place: Place) -> str:
    return f"{place.kind} {place.name}"


async def index_of_places(session: Session) -> PlaceIndex:
    """The search index of this database, made anew when the places have changed; whoever serves makes it beforehand."""
    now = await stamp(session)
    made, index = session.database.kept.get("places", (None, None))
    if index is None or made != now:
        index = await PlaceIndex.load(session)
        session.database.kept["places"] = now, index
    return index  # type: ignore[no-any-return]
