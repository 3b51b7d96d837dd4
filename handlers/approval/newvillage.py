"""A village that a citizen typed: an officer of the commune confirms it, or says which one it is."""

from sqlalchemy import update
from sqlmodel import col

from handlers.approval import notices, workflow
from handlers.approval.roles import ROLES
from handlers.errors import Refusal
from handlers.router import Router
from handlers.titles.published import title_of
from handlers.turn import Button, Turn, button
from locales import Words, _, plain
from storage.assessment import Assessment, stranded_papers
from storage.assignment import holders, roles_of
from storage.household import Household
from storage.person import Person
from storage.place import Place, chain, children

router = Router("newvillage")

CONFIRMS = "association"
SCREEN = 6


@router.call
async def propose(turn: Turn, whose: str, owner_id: int, place_id: int) -> None:
    """Tells the commune's officers of a village that is not on the list, and goes on with it."""
    place = await turn.session.get(Place, place_id)
    if place is not None and not place.confirmed and place.proposed_by == turn.me:
        for officer in await holders(turn.session, CONFIRMS, place.parent_id or 0):
            turn.tell(officer.id or 0, await _question(turn, place), *_answers(place))
        turn.reply(_("Trợ lý đã ghi {place}; cán bộ xã sẽ xác nhận.", place=f"{place.kind} {place.name}"))
    await turn.go("village.keep", whose, owner_id, place_id)


@router.page
async def ask(turn: Turn, place_id: int) -> None:
    place = await _proposed(turn, place_id)
    turn.ask(await _question(turn, place), *_answers(place), button(_("Hàng chờ"), "approval.queue"))


@router.call
async def confirm(turn: Turn, place_id: int) -> None:
    place = await _proposed(turn, place_id)
    place.confirmed = True
    turn.note("places:village:confirm", place=place_id)
    turn.settle(_("✓ Đã thêm {place} vào danh sách.", place=await _name(turn, place)))
    await turn.go("approval.queue")


@router.page
async def same_as(turn: Turn, place_id: int, first: int) -> None:
    place = await _proposed(turn, place_id)
    known = [v for v in await children(turn.session, place.parent_id or 0) if v.confirmed][first:]
    turn.ask(
        _("{place} là thôn nào trong danh sách ạ?", place=f"{place.kind} {place.name}"),
        *[button(plain(f"{v.kind} {v.name}"), "newvillage.merge", place_id, v.id or 0) for v in known[:SCREEN]],
        button(_("Xem thêm"), "newvillage.same_as", place_id, first + SCREEN) if len(known) > SCREEN else None,
        button(_("Đúng là thôn mới"), "newvillage.confirm", place_id),
    )


@router.call
async def merge(turn: Turn, place_id: int, into_id: int) -> None:
    """Everyone and everything in the proposed village moves to the one that it is."""
    place, into = await _proposed(turn, place_id), await turn.session.get(Place, into_id)
    if into is None or into.parent_id != place.parent_id or not into.confirmed:
        raise Refusal(_("Thôn này không cùng xã. {You} chọn lại giúp ạ."))
    stranded = [p for role in ROLES for p in await stranded_papers(turn.session, role, [place_id])]
    place.successor_id, place.valid_to = into_id, turn.today
    for table in (Person, Household, Assessment):
        moved = update(table).where(col(table.place_id) == place_id)
        await turn.session.exec(moved.values(place_id=into_id))
    for paper in stranded:
        paper.place_id = into_id
        if await workflow.officers_for(turn.session, paper):
            await notices.arrived(turn, paper, await title_of(turn.session, paper.revision_id))
    turn.note("places:village:merge", place=place_id, into=into_id)
    turn.settle(_("✓ {place} là {into}.", place=f"{place.kind} {place.name}", into=f"{into.kind} {into.name}"))
    await turn.go("approval.queue")


async def _question(turn: Turn, place: Place) -> Words:
    name = await _name(turn, place)
    return _("Người dân ghi thôn chưa có trong danh sách: {place}. Thôn này có đúng không ạ?", place=name)


def _answers(place: Place) -> list[Button]:
    return [
        button(_("Đúng, thêm vào danh sách"), "newvillage.confirm", place.id or 0),
        button(_("Là thôn đã có"), "newvillage.same_as", place.id or 0, 0),
    ]


async def _proposed(turn: Turn, place_id: int) -> Place:
    """A village that waits for a yes in this officer's commune. Raises Refusal."""
    place = await turn.session.get(Place, place_id)
    mine = {row.place_id for row in await roles_of(turn.session, turn.me) if row.role == CONFIRMS}
    if place is None or place.parent_id not in mine:
        raise Refusal(_("Việc này dành cho cán bộ Hội Khuyến học xã."))
    if place.confirmed or place.valid_to is not None:
        raise Refusal(_("Thôn này đã được xử lý."))
    return place


async def _name(turn: Turn, place: Place) -> str:
    return ", ".join(f"{one.kind} {one.name}" for one in (await chain(turn.session, place.id or 0))[:2])
