"""How a person becomes an officer: a one-time link or code, given out by the operator."""

from datetime import timedelta

from handlers.account.profile import OFFICER_FORM, read_name
from handlers.approval import workflow
from handlers.approval.roles import ROLES
from handlers.errors import Misheard, Refusal
from handlers.router import Router
from handlers.turn import Turn, button
from locales import Text, _, join
from storage.assignment import Assignment, Invitation, WrongCode, invitation, roles_of, wrong_codes
from storage.place import chain

router = Router("invitation")

PREFIX = "m-"  # "mời": begins the payload of an invitation's link
MOST_WRONG = 5  # an hour, for one address


@router.opens(PREFIX)
@router.call
async def open_(turn: Turn, code: str) -> None:
    """Takes the invitation of a link or of `/moi <code>`."""
    found = await _check(turn, code)
    if found is None:
        return turn.ask(
            _("Mã mời này không đúng, đã dùng hoặc đã hết hạn. {You} xin Hội Khuyến học gửi lại mã mới giúp ạ."),
            button(_("Về trang chính"), "account.menu"),
        )
    await _accept(turn, found)


@router.command("/moi", "mã mời")
@router.page
async def ask_code(turn: Turn) -> None:
    turn.ask(_("Mời {you} dán mã mời. Mã dài 22 ký tự, gồm chữ và số, do Hội Khuyến học gửi riêng."), waits=hear_code.token())


@router.hears
async def hear_code(turn: Turn) -> None:
    hint = _("Mã mời dài 22 ký tự, ví dụ: Ab3dE-f6Gh1_jK2lMn4oPq. {You} dán lại giúp ạ.")
    code = turn.text(hint, 60).removeprefix(PREFIX)
    if len(code) != 22 or not code.replace("-", "").replace("_", "").isalnum():
        raise Misheard(hint)
    await open_(turn, code)


async def _check(turn: Turn, code: str) -> Invitation | None:
    """The invitation, if it is good; counts a wrong one. Raises Refusal after too many."""
    address = turn.address.address
    if await wrong_codes(turn.session, address, turn.now - timedelta(hours=1)) >= MOST_WRONG:
        raise Refusal(_("{You} đã nhập sai mã {most} lần. Một giờ nữa {you} thử lại ạ.", most=MOST_WRONG))
    found = await invitation(turn.session, code)
    if found is None or found.used_at is not None or found.expires_at <= turn.now:
        turn.session.add(WrongCode(address=address, at=turn.now))
        turn.note("approval:invitation:refuse")
        return None
    return found


async def _accept(turn: Turn, found: Invitation) -> None:
    found.used_at, found.used_by = turn.now, turn.me
    held = await roles_of(turn.session, turn.me)
    if not any(row.role == found.role and row.place_id == found.place_id for row in held):
        turn.session.add(Assignment(person_id=turn.me, role=found.role, place_id=found.place_id, since=turn.now))
    if turn.person.you == "ông/bà":
        turn.person.you = OFFICER_FORM
    await turn.session.flush()
    await workflow.unstrand(turn.session, found.role, found.place_id)
    turn.note("approval:assignment:begin", role=found.role, place=found.place_id)
    role = ROLES[found.role]
    place = ", ".join(f"{place.kind} {place.name}" for place in (await chain(turn.session, found.place_id))[:2])
    turn.reply(
        join(
            [
                _("Kính chào {you}. {You} đã nhận việc: {role} {place}.", role=Text(role.name), place=place),
                _("Khi có phiếu tới lượt, trợ lý nhắn ngay tại đây. {You} gửi /hangcho để xem hàng chờ bất cứ lúc nào."),
            ]
        )
    )
    if not turn.person.full_name:
        return await ask_name(turn)
    await turn.go("approval.queue")


@router.page
async def ask_name(turn: Turn) -> None:
    """An officer signs with a name; it is shown to colleagues beside a decision."""
    turn.ask(_("Họ và tên của {you} là gì ạ? Tên này ghi cạnh các quyết định. Ví dụ: Trần Văn Hùng."), waits=hear_name.token())


@router.hears
async def hear_name(turn: Turn) -> None:
    turn.person.full_name = read_name(turn)
    turn.note("account:name:change", person=turn.me)
    turn.settle(_("✓ Họ và tên: {name}", name=turn.person.full_name))
    await turn.go("approval.queue")
