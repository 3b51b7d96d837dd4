"""What the bot could bring to a person on no channel: an officer of the village tells them by word of mouth."""

from handlers.approval.area import area_of
from handlers.approval.roles import ROLES
from handlers.errors import Refusal
from handlers.router import Router
from handlers.turn import Turn, button
from locales import Words, _, join, plain
from storage.assignment import holders
from storage.errand import Errand, next_errand, open_count
from storage.person import Person
from storage.place import chain
from storage.session import Session

router = Router("errands")

WAITING = _("Có phiếu chờ {you} xem xét. {You} gửi /hangcho để xem ạ.")
COME = _("Có người trong địa bàn mà trợ lý không nhắn tin được. Nhờ {you} báo tin giúp ạ.")
SHOW = button(_("Xem ai cần báo tin"), "errands.show")


def gone(channel: str) -> Words:
    """Said where a channel is gone and the person has no other."""
    return _(
        "Trợ lý không nhắn được cho {you} qua {channel} nữa. Mời {you} mở trợ lý ở nơi khác, gửi /lienket và gõ mã do chi hội "
        "cấp (cán bộ gửi /doimay). Mọi câu trả lời vẫn còn.",
        channel=channel,
    )


async def tellers(session: Session, place_id: int) -> list[list[Person]]:
    """The officers who could tell somebody who lives here, the nearest first."""
    places = await chain(session, place_id)
    return [
        await holders(session, role.id, place.id or 0)
        for place in places
        for role in ROLES.values()
        if role.level == place.level and not role.signs
    ]


@router.command("/baotin", "báo tin")
@router.page
async def show(turn: Turn) -> None:
    """The first person who is to be told something."""
    await _show(turn, 0)


@router.page
async def after(turn: Turn, errand_id: int) -> None:
    """The next one."""
    await _show(turn, errand_id)


@router.call
async def done(turn: Turn, errand_id: int) -> None:
    """The person was told."""
    errand = await turn.session.get(Errand, errand_id, lock=True)
    if errand is None or errand.place_id not in await area_of(turn):
        raise Refusal(_("Việc này không thuộc địa bàn của {you}."))
    if errand.done_at is None:
        errand.done_at, errand.done_by = turn.now, turn.me
        turn.note("approval:errand:done", errand=errand.id, person=errand.person_id)
    person = await turn.session.get(Person, errand.person_id)
    turn.settle(_("✓ Đã báo tin: {name}", name=(person.full_name if person else None) or "…"))
    await _show(turn, errand_id)


async def _show(turn: Turn, after_id: int) -> None:
    villages = await area_of(turn)
    count = await open_count(turn.session, villages)
    errand = await next_errand(turn.session, villages, after_id) or await next_errand(turn.session, villages)
    if errand is None:
        return turn.ask(_("Không còn ai cần báo tin. Cảm ơn {you}!"), button(_("Về trang chính"), "account.menu"))
    person = await turn.session.get(Person, errand.person_id)
    where = ", ".join(f"{place.kind} {place.name}" for place in (await chain(turn.session, errand.place_id or 0))[:2])
    turn.ask(
        join(
            [
                _("Cần báo tin: {count} việc.", count=count),
                _(
                    "{name}, sinh {year}, {place}.",
                    name=(person.full_name if person else None) or "…",
                    year=(person.birth_year if person else None) or "…",
                    place=where,
                ),
                _("Nội dung: “{text}”", text=plain(errand.text)),
                _("Nói trực tiếp hoặc gọi điện xong, {you} chọn “Đã báo tin”."),
            ],
            "\n\n",
        ),
        button(_("Đã báo tin"), "errands.done", errand.id or 0),
        button(_("Để sau, xem việc khác"), "errands.after", errand.id or 0) if count > 1 else None,
        button(_("Về trang chính"), "account.menu"),
    )


