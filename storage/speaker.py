"""Who speaks, and all that their turn is sure to need: one look at the database, one turn of a person at a time."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import FunctionElement, Integer, func, true
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import aliased
from sqlmodel import col, select

from storage.assessment import Assessment
from storage.consent import EXAMINE, last_word, said_last
from storage.conversation import Conversation
from storage.delivery import Delivery, Fate, Urgency
from storage.evidence import Evidence, in_paper
from storage.heard import heard_before, was_heard
from storage.moment import Moment
from storage.person import Address, Person, addressed
from storage.session import Session
from storage.statements import look, new, query


@dataclass(slots=True)
class Speaker:
    address: Address
    person: Person
    conversation: Conversation | None = None
    heard: bool = False  # this very message, before
    newest: int | None = None  # the last delivery to this address …
    fate: str | None = None  # … with its fate …
    name: str | None = None  # … and what the platform calls it
    number: int | None = None  # kept for the first delivery of this turn, where that saves a way to the database


class _NextNumber(FunctionElement[int]):
    """The number of the next delivery: nobody else gets it."""

    type = Integer()
    inherit_cache = True


@compiles(_NextNumber)
def _later(element: Any, compiler: Any, **how: Any) -> str:
    return "NULL"


@compiles(_NextNumber, "postgresql")
def _from_sequence(element: Any, compiler: Any, **how: Any) -> str:
    return "nextval('delivery_id_seq')::integer"


class _Unlocked(FunctionElement[datetime]):
    """A time as it was before the lock."""

    type = Moment()
    inherit_cache = True


@compiles(_Unlocked)
def _read_beside(element: Any, compiler: Any, **how: Any) -> str:
    return compiler.process(element.clauses, **how)  # type: ignore[no-any-return]


@compiles(_Unlocked, "sqlite")
def _nobody_waits(element: Any, compiler: Any, **how: Any) -> str:
    return "NULL"


def _newest_at(address: Any) -> Any:
    """The last message to this address: a change of an earlier one is none, nor what nobody asked for and is not sent yet."""
    one = aliased(Delivery)
    there = (one.address == address, col(one.edits).is_(None), (one.urgency == Urgency.REPLY) | (one.fate != Fate.QUEUED))
    return select(one.id).where(*there).order_by(col(one.id).desc()).limit(1).scalar_subquery()


def _at(address: Any, key: Any) -> Any:
    before = aliased(Conversation)
    unlocked = _Unlocked(select(before.updated_at).where(before.person_id == Address.person_id).scalar_subquery())
    newest = (col(Delivery.id).label("newest"), col(Delivery.fate).label("fate"), col(Delivery.message_id).label("name"))
    told = (heard_before(key).label("heard"), unlocked.label("then"), *newest, _NextNumber().label("number"))
    return (
        select(Address, Person, Conversation, *told)
        .join(Person, col(Address.person_id) == col(Person.id))
        .join(Conversation, col(Conversation.person_id) == col(Person.id))
        .join(Delivery, col(Delivery.id) == _newest_at(Address.address), isouter=True)
        .where(Address.address == address)
    )


@look(Person, Conversation)
def _speaking(address, key):
    return _at(address, key)


@look(Person, Conversation, Assessment)
def _speaking_about(address, key, paper_id):
    pieces = select(func.count()).where(Evidence.assessment_id == Assessment.id, col(Evidence.removed_at).is_(None))
    before = aliased(Assessment)
    paper = (
        Assessment,
        _Unlocked(select(before.updated_at).where(before.id == Assessment.id).scalar_subquery()).label("paper_then"),
        said_last(col(Assessment.person_id), EXAMINE).scalar_subquery().label("agreed"),
        pieces.scalar_subquery().label("pieces"),
    )
    return _at(address, key).join(Assessment, true()).where(Assessment.id == paper_id).add_columns(*paper)


@query
def _newest(address):
    return select(Delivery).where(Delivery.id == _newest_at(address))


async def speaker(session: Session, address: str, key: str, paper_id: int | None = None) -> Speaker | None:
    """Who speaks at this address; None where nobody was heard there before. `key` is the message's.

    The paper that it is about comes along, held like the person, with what is asked about it at once: whether its
    person agreed, and whether there is any evidence.
    """
    asked = _speaking(address, key) if paper_id is None else _speaking_about(address, key, paper_id)
    found = (await session.look(asked)).first()
    if found and _waited(found, paper_id):
        # While we waited another process had the person, or the paper: only what is held came to us as it is now.
        session.begin_again()
        found = (await session.exec(asked)).first()
    if found is None:
        return await (_first_words(session, address, key) if paper_id is None else speaker(session, address, key))
    held: list[Any] = [(Person, found.Person.id), (Conversation, found.Person.id)]
    if paper_id is not None:
        held.append((Assessment, paper_id))
        _bring_along(session, found)
    session.hold(*held)
    number = found.number or session.connection.spare("delivery")
    return Speaker(
        found.Address, found.Person, found.Conversation, bool(found.heard), found.newest, found.fate, found.name, number
    )


def _waited(found: Any, paper_id: int | None) -> bool:
    """Whoever has a talk or a paper in hand writes when that was; beside what is held stands what there was before."""
    if found.then is None:
        return False
    return found.then != found.Conversation.updated_at or (
        paper_id is not None and found.paper_then != found.Assessment.updated_at
    )


def _bring_along(session: Session, found: Any) -> None:
    paper = found.Assessment
    session.know(last_word(paper.person_id, EXAMINE), [] if found.agreed is None else [found.agreed])
    if not found.pieces:
        session.know(in_paper(paper.id), [])


async def _first_words(session: Session, address: str, key: str) -> Speaker | None:
    """Who is known at an address and never spoke."""
    known = await addressed(session, address)
    if known is None:
        return None
    row, person = known
    await session.get(Person, person.id, lock=True)
    talk = await session.get(Conversation, person.id, lock=True)
    newest = (await session.exec(_newest(address))).first()
    rest = (newest.id, newest.fate, newest.message_id) if newest else (None, None, None)
    return Speaker(row, person, talk, await was_heard(session, key), *rest)


async def newcomer(session: Session, address: str, now: datetime, language: str = "vi") -> Speaker:
    """A new person behind a new address: no talk, nothing said."""
    person = new(Person, created_at=now, language=language)
    session.add(person)
    await session.flush()
    row = new(Address, address=address, person_id=person.id or 0, created_at=now, last_heard_at=now)
    session.add(row)
    return Speaker(row, person)
