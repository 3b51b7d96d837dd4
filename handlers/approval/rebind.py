"""A citizen lost the phone: the officer who knows them checks, and reads out a code for the new one."""

from handlers.account.joining import CODE_LIVES, spaced
from handlers.approval.area import area_of, knows
from handlers.errors import Misheard, Refusal
from handlers.router import Router
from handlers.turn import Turn, button
from locales import Words, _, join, plain
from locales.folding import fold
from storage.assignment import roles_of
from storage.link import make_code
from storage.person import Person, people_in
from storage.place import chain

router = Router("rebind")

SCREEN = 6


@router.command("/doimay", "đổi máy")
@router.page
async def ask(turn: Turn) -> None:
    await area_of(turn)
    turn.ask(
        _("Người dân mất hoặc đổi điện thoại: {you} gõ họ và tên người đó. Ví dụ: Nguyễn Thị Lan."),
        button(_("Về trang chính"), "account.menu"),
        waits=hear_name.token(),
    )


@router.hears
async def hear_name(turn: Turn) -> None:
    hint = _("Trợ lý không thấy ai tên như vậy trong địa bàn. {You} gõ họ và tên đầy đủ, ví dụ: Nguyễn Thị Lan.")
    wanted = fold(turn.text(hint, 60))
    people = await people_in(turn.session, await area_of(turn))
    found = [person for person in people if fold(person.full_name or "") == wanted and person.id != turn.me]
    if not found:
        raise Misheard(hint)
    labels = [await _who(turn, person) for person in found[:SCREEN]]
    turn.ask(
        _("Đúng người nào ạ?"),
        *[button(label, "rebind.check", person.id or 0) for label, person in zip(labels, found, strict=False)],
        button(_("Gõ lại"), "rebind.ask"),
        waits=hear_name.token(),
    )


@router.page
async def check(turn: Turn, person_id: int) -> None:
    """The officer vouches."""
    person = await _known(turn, person_id)
    turn.ask(
        join(
            [
                join([await _who(turn, person), plain(".")], ""),
                _(
                    "{You} đã gặp trực tiếp, hoặc gọi điện và nghe rõ là đúng người chưa ạ? Khi mã được dùng, máy cũ mất quyền "
                    "xem hồ sơ ngay."
                ),
            ],
            "\n\n",
        ),
        button(_("Đã kiểm tra, cấp mã"), "rebind.issue", person_id),
        button(_("Thôi"), "account.menu"),
    )


@router.call
async def issue(turn: Turn, person_id: int) -> None:
    person = await _known(turn, person_id)
    if turn.conversation.here != check.token(person_id):
        raise Misheard(_("Lựa chọn này đã cũ. Mời {you} gửi /doimay."))
    figures, _word = await make_code(turn.session, person_id, turn.me, turn.now, CODE_LIVES, rebinds=True)
    turn.note("approval:code:issue", person=person_id)
    turn.settle(_("✓ Đã cấp mã đổi máy cho {name}", name=person.full_name))
    turn.ask(
        _(
            "Mã đổi máy của {name}: {code}\n\n{You} đọc mã cho đúng người đó. Trên máy mới, họ mở trợ lý, gửi /lienket rồi "
            "gõ mã, trong {minutes} phút.",
            name=person.full_name,
            code=spaced(figures),
            minutes=int(CODE_LIVES.total_seconds() // 60),
        ),
        button(_("Về trang chính"), "account.menu"),
    )


async def _known(turn: Turn, person_id: int) -> Person:
    """Somebody of the officer's area, whom this officer may give a new phone. Raises Refusal."""
    person = await turn.session.get(Person, person_id)
    if person is None or person_id == turn.me or person.place_id not in await area_of(turn):
        raise Refusal(_("Người này không thuộc địa bàn của {you}."))
    mine = {row.place_id for row in await knows(turn)}
    for row in await roles_of(turn.session, person_id):
        # An officer's rights may be handed over by somebody above that officer only.
        above = {place.id for place in (await chain(turn.session, row.place_id))[1:]}
        if not mine & above:
            raise Refusal(_("Người này là cán bộ. Việc đổi máy của cán bộ do Hội cấp trên làm."))
    return person


async def _who(turn: Turn, person: Person) -> Words:
    home = ", ".join(f"{place.kind} {place.name}" for place in (await chain(turn.session, person.place_id or 0))[:2])
    return _("{name}, sinh {year}, {place}", name=person.full_name, year=person.birth_year or "…", place=home)
