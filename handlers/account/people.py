""" "Tôi khai cho…": the people for whom this phone may speak, and how they agreed."""

from handlers.account.guards import agreed, spoken_for
from handlers.errors import Refusal
from handlers.router import Router
from handlers.turn import Turn, button
from locales import _, plain
from storage.consent import EXAMINE
from storage.person import Person, Proxy, proxy, speaks_for
from storage.statements import new

router = Router("people")

RELATIONS = ("family", "helper")
MOST = 30  # people for one helper; more than that is an office, not a neighbour


@router.command("tôi khai cho", "khai hộ", "khai ho")
@router.page
async def choose(turn: Turn) -> None:
    await agreed(turn, turn.me)
    others = [person for person in await speaks_for(turn.session, turn.me) if person.full_name]
    turn.ask(
        _("{You} khai cho ai ạ?"),
        button(_("Khai cho tôi"), "people.speak_for", turn.me),
        *[button(plain(person.full_name or ""), "people.speak_for", person.id or 0) for person in others[-6:]],
        button(_("Thêm người"), "people.add"),
        button(_("Về trang chính"), "account.menu"),
    )


@router.call
async def speak_for(turn: Turn, person_id: int) -> None:
    person = await spoken_for(turn, person_id)
    turn.conversation.speaking_for = None if person_id == turn.me else person_id
    turn.settle(_("✓ Khai cho: {name}", name=person.full_name or _("{you}")))
    await turn.go("account.menu")


@router.page
async def add(turn: Turn) -> None:
    await agreed(turn, turn.me)
    turn.ask(
        _("Người {you} khai hộ là ai ạ? Cán bộ là người nhà sẽ không xét phiếu của nhau."),
        button(_("Người nhà tôi"), "people.added", "family"),
        button(_("Tôi giúp hộ hàng xóm"), "people.added", "helper"),
        button(_("Quay lại"), "people.choose"),
    )


@router.call
async def added(turn: Turn, relation: str) -> None:
    """Makes room for the person; nothing about them is asked before they agree."""
    await agreed(turn, turn.me)
    known = await speaks_for(turn.session, turn.me)
    if relation not in RELATIONS or turn.conversation.here != add.token():
        raise Refusal(_("Lựa chọn này không còn dùng được nữa. Mời {you} gửi /hoso."))
    if len(known) >= MOST:
        raise Refusal(_("Một máy khai hộ được nhiều nhất {most} người. {You} nhờ thêm người khác giúp ạ.", most=MOST))
    unnamed = next((person for person in known if not person.full_name), None)
    person = unnamed or await _newcomer(turn, relation)
    held = await proxy(turn.session, turn.me, person.id or 0)
    assert held is not None
    held.relation = relation
    turn.conversation.speaking_for = person.id
    turn.note("account:proxy:add", person=person.id, relation=relation)
    turn.settle(_("✓ Người nhà") if relation == "family" else _("✓ Giúp hộ hàng xóm"))
    await turn.go("consent.ask", person.id or 0, EXAMINE)


async def _newcomer(turn: Turn, relation: str) -> Person:
    person = new(Person, created_at=turn.now, language=turn.person.language)
    turn.session.add(person)
    await turn.session.flush()
    turn.session.add(Proxy(holder_id=turn.me, person_id=person.id or 0, relation=relation, since=turn.now))
    await turn.session.flush()
    return person
