"""How two records of one human become one, and two again: what moves, what stays, what forbids it. No talk."""

from datetime import timedelta
from typing import Any

from sqlmodel import select

from handlers.assessment.rules import OPEN
from handlers.errors import Refusal
from handlers.turn import Turn
from locales import _
from storage.assessment import Assessment, Status
from storage.assignment import Assignment, roles_of
from storage.consent import Consent, consents
from storage.conversation import Conversation
from storage.household import HouseholdMember, household_of
from storage.link import Joined
from storage.person import Address, Person, Proxy, every_address, proxy
from storage.row import Row
from storage.session import Session

CODE_LIVES = timedelta(minutes=10)
UNDO_FOR = timedelta(hours=24)
MAY_MOVE: dict[str, type[Row]] = {
    "assessment": Assessment, "assignment": Assignment, "consent": Consent, "proxy": Proxy, "address": Address,
}  # fmt: skip
Moves = list[list[Any]]  # [table, key, field, before, after]


async def join_to(turn: Turn, person_id: int) -> Joined:
    """Gives the speaker's address, and all that was theirs, to the person; the turn goes on as that person's.

    Raises Refusal where they must be two people, or where one paper is there twice.
    """
    former, session = turn.person, turn.session
    person = await session.get(Person, person_id, lock=True)
    assert person is not None
    if await _are_two(session, former, person):
        raise Refusal(_("Hai hồ sơ này là của hai người khác nhau nên không nối được. {You} dùng mục khai hộ ạ."))
    moves = await _moves(turn, former, person)
    await _carry_out(session, moves)
    await _join_household(turn, former, person)
    joined = Joined(address=turn.address.address, person_id=person_id, former_id=former.id or 0, moved=moves, at=turn.now)
    session.add(joined)
    await session.flush()
    turn.note("account:address:join", joined=joined.id, former=former.id, person=person_id)
    await become(turn, person)
    return joined


async def part(turn: Turn, joined: Joined) -> None:
    """Puts the address and what came with it back, as far as it is still as it was left."""
    address = await turn.session.get(Address, joined.address)
    former = await turn.session.get(Person, joined.former_id)
    if address is None or former is None or address.person_id != joined.person_id:
        raise Refusal(_("Việc nối này không còn nữa."))
    address.person_id, joined.undone_at = joined.former_id, turn.now
    await _carry_out(turn.session, [[*move[:3], *reversed(move[3:])] for move in reversed(joined.moved)])
    turn.note("account:address:part", joined=joined.id, former=joined.former_id, person=joined.person_id)
    if address.address == turn.address.address:
        await become(turn, former)


def spaced(figures: str) -> str:
    """Six figures as they are read out."""
    return f"{figures[:3]} {figures[3:]}"


async def become(turn: Turn, person: Person) -> None:
    """From here on the turn is this person's."""
    turn.person, turn.address.person_id = person, person.id or 0
    talk = await turn.session.get(Conversation, person.id)
    if talk is None:
        talk = Conversation(person_id=person.id or 0, updated_at=turn.now)
        turn.session.add(talk)
    # Whoever waits for this person looks again: the address may be somebody else's by now.
    talk.updated_at = turn.now
    turn.conversation = talk


async def _are_two(session: Session, one: Person, other: Person) -> bool:
    """Whoever speaks for somebody is somebody else."""
    ids = (one.id or 0, other.id or 0)
    return bool(await proxy(session, *ids) or await proxy(session, *reversed(ids)))


async def _moves(turn: Turn, former: Person, person: Person) -> Moves:
    session, old, new = turn.session, former.id or 0, person.id or 0
    moves = await _papers(turn, old, new)
    held = {(row.role, row.place_id) for row in await roles_of(session, new)}
    mine = await _of(session, Assignment, "person_id", old)
    moves += [["assignment", row.id, "person_id", old, new] for row in mine if (row.role, row.place_id) not in held]
    # Where else they were heard comes along: one person, wherever they write.
    others = [row.address for row in await every_address(session, old) if row.address != turn.address.address]
    moves += [["address", address, "person_id", old, new] for address in others]
    said = await consents(session, new)
    mine = await _of(session, Consent, "person_id", old)
    moves += [["consent", row.id, "person_id", old, new] for row in mine if row.purpose not in said]
    for field, other in (("holder_id", "person_id"), ("person_id", "holder_id")):
        known = {getattr(row, other) for row in await _of(session, Proxy, field, new)}
        theirs = await _of(session, Proxy, field, old)
        moves += [["proxy", row.id, field, old, new] for row in theirs if getattr(row, other) not in known]
    return moves


async def _papers(turn: Turn, old: int, new: int) -> Moves:
    """Of two papers for one title and year the one that is further on its way is the person's; the other is withdrawn."""
    theirs = {(paper.title_id, paper.year): paper for paper in await _of(turn.session, Assessment, "person_id", new)}
    moves: Moves = []
    for paper in await _of(turn.session, Assessment, "person_id", old):
        twin = theirs.get((paper.title_id, paper.year))
        if twin is None:
            moves += _given(paper, old, new)
        elif _begun(paper) and _begun(twin):
            raise Refusal(
                _(
                    "Cả hai hồ sơ đều đã nộp phiếu cho cùng một danh hiệu năm {year}. {You} gửi /trangthai, rút một phiếu, "
                    "rồi nối lại giúp ạ.",
                    year=paper.year,
                )
            )
        elif _begun(paper):
            # The subject's name may be on one paper only, at any time.
            moves += [*_given(twin, new, old, aside := f"{new}-"), *_given(paper, old, new), *_renamed(twin, aside, old)]
            moves += _withdrawn(twin)
        else:
            moves += _withdrawn(paper)
    filed = await _of(turn.session, Assessment, "filed_by", old)
    return moves + [["assessment", paper.id, "filed_by", old, new] for paper in filed]


def _begun(paper: Assessment) -> bool:
    return paper.status not in (Status.DRAFT, Status.WITHDRAWN)


def _given(paper: Assessment, old: int, new: int, name: str | None = None) -> Moves:
    moves: Moves = [["assessment", paper.id, "person_id", old, new]]
    return moves + _renamed(paper, old, new if name is None else name)


def _renamed(paper: Assessment, old: int | str, new: int | str) -> Moves:
    if paper.household_id:
        return []
    return [["assessment", paper.id, "subject", f"person:{old}", f"person:{new}"]]


def _withdrawn(paper: Assessment) -> Moves:
    return [["assessment", paper.id, "status", paper.status, Status.WITHDRAWN]] if paper.status in OPEN else []


async def _of(session: Session, model: type[Any], field: str, person_id: int) -> list[Any]:
    rows = select(model).where(getattr(model, field) == person_id).order_by(model.id)
    return (await session.exec(rows)).all()


async def _carry_out(session: Session, moves: Moves) -> None:
    """In this order; what was changed since then stays as it is now."""
    for name, key, field, before, after in moves:
        row = await session.get(MAY_MOVE[name], key, lock=True)
        if row is not None and getattr(row, field) == before:
            setattr(row, field, after)
            await session.flush()


async def _join_household(turn: Turn, former: Person, person: Person) -> None:
    theirs, mine = await household_of(turn.session, person.id or 0), await household_of(turn.session, former.id or 0)
    if theirs is None and mine is not None:
        turn.session.add(HouseholdMember(household_id=mine.id or 0, person_id=person.id or 0, since=turn.now))
