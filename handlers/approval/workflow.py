"""The paper's way: who may decide, what each decision does, and what nobody may do. No talk."""

from dataclasses import dataclass
from datetime import date

from handlers.approval.roles import ROLES, Role
from handlers.errors import Refusal
from handlers.titles.model import Title
from handlers.titles.scoring import score
from handlers.turn import Turn
from locales import _
from storage.assessment import Assessment, Status, stranded_papers
from storage.assignment import holders, roles_of
from storage.decision import Decision, Outcome
from storage.household import Household, household_of, members_of
from storage.person import Person, holders_for, last_address, proxy
from storage.place import chain, villages_under
from storage.session import Session


@dataclass(frozen=True)
class Ruling:
    """What an officer rules on a paper."""

    outcome: Outcome
    question_id: str | None = None
    reason: str | None = None
    document_number: str | None = None
    document_date: date | None = None


async def submit(turn: Turn, paper: Assessment, title: Title) -> None:
    """Sends a draft on its way, or a completed paper back to the step that asked."""
    if paper.status == Status.DRAFT:
        paper.place_id = await _home(turn.session, paper)
    paper.difficult_area = await in_difficult_area(turn.session, paper)
    paper.points = score(title, paper.answers, paper.difficult_area).points
    if paper.status == Status.DRAFT:
        paper.step = title.route[0]
    paper.status, paper.reopened = Status.SUBMITTED, []
    paper.round += 1
    paper.submitted_at = paper.updated_at = turn.now
    turn.note("assessment:paper:submit", paper.id, points=paper.points, round=paper.round, step=paper.step)


async def withdraw(turn: Turn, paper: Assessment) -> None:
    """Takes the paper off its way; what was decided so far stays in the events."""
    paper.status, paper.step, paper.reopened = Status.WITHDRAWN, None, []
    paper.round += 1
    paper.updated_at = turn.now
    turn.note("assessment:paper:withdraw", paper.id, round=paper.round)


async def rule(turn: Turn, paper: Assessment, title: Title, ruling: Ruling) -> Decision:
    """Carries out an officer's ruling. Raises Refusal where this officer may not, or not now."""
    role = await turn_of(turn, paper)
    if ruling.outcome != Outcome.APPROVED and not ruling.reason:
        raise Refusal(_("Cần ghi lý do trước khi quyết định."))
    if ruling.outcome == Outcome.APPROVED and role.signs and not (ruling.document_number and ruling.document_date):
        raise Refusal(_("Cần số và ngày của quyết định đã ký."))
    if ruling.outcome == Outcome.NEED_MORE and ruling.question_id not in title.by_id:
        raise Refusal(_("Cần chọn câu phải bổ sung."))
    decision = Decision(
        assessment_id=paper.id or 0, round=paper.round, role=role.id, officer_id=turn.me, outcome=ruling.outcome,
        question_id=ruling.question_id, reason=ruling.reason, document_number=ruling.document_number,
        document_date=ruling.document_date, at=turn.now,
    )  # fmt: skip
    turn.session.add(decision)
    _move(paper, title, ruling)
    paper.round += 1
    paper.updated_at = turn.now
    turn.note(f"approval:paper:{ruling.outcome}", paper.id, role=role.id, step=paper.step, status=paper.status, round=paper.round)
    return decision


async def turn_of(turn: Turn, paper: Assessment) -> Role:
    """The role in which the speaker may decide this paper now. Raises Refusal with the reason why not."""
    if paper.status != Status.SUBMITTED or paper.step is None:
        raise Refusal(_("Phiếu này đã được xử lý."))
    if not await holds(turn.session, turn.me, paper.step, paper.place_id):
        raise Refusal(_("Phiếu này không thuộc phần việc của {you} lúc này."))
    if await conflicted(turn.session, turn.me, paper):
        raise Refusal(_("Đây là phiếu của {you} hoặc người nhà, nên cán bộ khác phải xem xét."))
    return ROLES[paper.step]


async def may_read(session: Session, officer_id: int, paper: Assessment) -> bool:
    """Whether the officer's area covers the paper, whatever its step."""
    if paper.status in (Status.DRAFT, Status.WITHDRAWN):
        return False
    over = {place.id for place in await chain(session, paper.place_id)}
    return any(a.place_id in over and not ROLES[a.role].watches for a in await roles_of(session, officer_id))


async def officers_for(session: Session, paper: Assessment) -> list[Person]:
    """Those who may decide the paper at its present step, and can be reached."""
    if paper.step is None:
        return []
    place_id = await seat(session, ROLES[paper.step], paper.place_id)
    found = await holders(session, paper.step, place_id) if place_id else []
    return [
        person
        for person in found
        if await last_address(session, person.id or 0) and not await conflicted(session, person.id or 0, paper)
    ]


async def unstrand(session: Session, role_id: str, place_id: int) -> None:
    """An officer has come: what waited for nobody waits for them, but for what they may not decide."""
    for paper in await stranded_papers(session, role_id, await villages_under(session, place_id)):
        paper.stranded = not await officers_for(session, paper)


async def watchers_of(session: Session, paper: Assessment) -> list[Person]:
    """Those who see where papers wait for nobody."""
    found: list[Person] = []
    for role in (role for role in ROLES.values() if role.watches):
        place_id = await seat(session, role, paper.place_id)
        found += await holders(session, role.id, place_id) if place_id else []
    return found


async def offices(session: Session, village_id: int | None) -> list[Person]:
    """The association's officers above a village, the nearest that are there: who answers for people's data."""
    for place in (await chain(session, village_id))[1:] if village_id else []:
        for role in (role for role in ROLES.values() if role.level == place.level and not role.signs):
            if found := await holders(session, role.id, place.id or 0):
                return found
    return []


async def conflicted(session: Session, officer_id: int, paper: Assessment) -> bool:
    """Whether the paper is the officer's own or their family's."""
    family = {paper.person_id} | {
        row.holder_id for row in await holders_for(session, paper.person_id) if row.relation == "family"
    }
    if paper.household_id:
        family |= await members_of(session, paper.household_id)
    household = await household_of(session, paper.person_id)
    if household is not None:
        family |= await members_of(session, household.id or 0)
    if officer_id in family:
        return True
    # The family of somebody who speaks for the officer is the officer's family too.
    held = await proxy(session, paper.person_id, officer_id)
    return held is not None and held.relation == "family"


async def holds(session: Session, person_id: int, role_id: str, village_id: int) -> bool:
    place_id = await seat(session, ROLES[role_id], village_id)
    return any(a.role == role_id and a.place_id == place_id for a in await roles_of(session, person_id))


async def seat(session: Session, role: Role, village_id: int) -> int | None:
    """The place at the role's level in which the village lies."""
    return next((place.id for place in await chain(session, village_id) if place.level == role.level), None)


async def in_difficult_area(session: Session, paper: Assessment) -> bool:
    """Whether the lower threshold holds: the village, or its commune, is marked as a difficult area."""
    return any(place.difficult_area for place in await chain(session, paper.place_id))


async def _home(session: Session, paper: Assessment) -> int:
    """Where the person or the family lives now: they may have moved since the paper was begun."""
    person = await session.get(Person, paper.person_id)
    household = await session.get(Household, paper.household_id) if paper.household_id else None
    return (household.place_id if household else person.place_id if person else None) or paper.place_id


def _move(paper: Assessment, title: Title, ruling: Ruling) -> None:
    """One step of the route, never more."""
    if ruling.outcome == Outcome.NEED_MORE:
        paper.status, paper.reopened = Status.NEED_MORE, [ruling.question_id or ""]
    elif ruling.outcome == Outcome.NOT_MET:
        paper.status, paper.step = Status.NOT_MET, None
    else:
        following = title.route[title.route.index(paper.step or "") + 1 :]
        paper.step = following[0] if following else None
        paper.status = Status.SUBMITTED if following else Status.RECOGNIZED
