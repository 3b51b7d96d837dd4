"""A message to one address, with its fate: the outbox."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, Index, func, text, update
from sqlmodel import Field, SQLModel, col, select

from storage.moment import Moment
from storage.session import Session
from storage.statements import query

EVER = datetime.max.replace(tzinfo=UTC)


class Fate(StrEnum):
    QUEUED = "queued"
    CLAIMED = "claimed"
    SENT = "sent"
    FAILED = "failed"
    UNREACHABLE = "unreachable"
    DROPPED = "dropped"  # overtaken before it was sent


def _index(name: str, *columns: str, where: str) -> Index:
    """Of these rows only: a million that were sent long ago cost the next one nothing."""
    return Index(name, *columns, sqlite_where=text(where), postgresql_where=text(where))


class Delivery(SQLModel, table=True):
    __table_args__ = (
        _index("ix_delivery_due", "not_before", "id", where="fate = 'queued'"),
        _index("ix_delivery_claimed", "claimed_until", where="fate = 'claimed'"),
        _index("ix_delivery_message", "address", "message_id", where="message_id IS NOT NULL"),
        _index("ix_delivery_about", "about", "round", where="about IS NOT NULL"),
        Index("ix_delivery_address", "address", "id"),
    )

    id: int | None = Field(default=None, primary_key=True)
    address: str
    person_id: int = Field(foreign_key="person.id")
    text: str | None = None  # None in an edit: the text stays, only the buttons change
    buttons: list[Any] = Field(default_factory=list, sa_type=JSON)  # rows of [label, token]
    attachment: dict[str, Any] | None = Field(default=None, sa_type=JSON)  # kind, sha256, name, media_type
    edits: int | None = None  # the delivery whose message this one changes
    about: int | None = None  # the paper of an officer's prompt
    round: int | None = None  # … and the round that it asks about
    fate: str = Fate.QUEUED
    tries: int = 0
    not_before: datetime = Field(sa_type=Moment)
    claimed_until: datetime | None = Field(default=None, sa_type=Moment)
    created_at: datetime = Field(sa_type=Moment)
    sent_at: datetime | None = Field(default=None, sa_type=Moment)
    message_id: str | None = None  # what the platform calls it
    problem: str | None = None


@query
def _named(address, message_id):
    named = (Delivery.address == address, Delivery.message_id == message_id)
    return select(Delivery.id).where(*named).order_by(col(Delivery.id)).limit(1)


@query
def _about(assessment_id, round_):
    return select(Delivery).where(Delivery.about == assessment_id, Delivery.round == round_).order_by(col(Delivery.id))


@query
def _sent_to(address, after):
    gone = (Fate.FAILED, Fate.DROPPED, Fate.UNREACHABLE)
    kept = (Delivery.address == address, col(Delivery.id) > after, col(Delivery.fate).not_in(gone))
    return select(Delivery).where(*kept).order_by(col(Delivery.id))


@query
def _nth_latest(address, count):
    return select(Delivery.id).where(Delivery.address == address).order_by(col(Delivery.id).desc()).offset(count).limit(1)


@query
def _due(now, most):
    due = (Delivery.fate == Fate.QUEUED, Delivery.not_before <= now)
    oldest = select(Delivery).where(*due).order_by(col(Delivery.not_before), col(Delivery.id)).limit(most)
    return oldest.with_for_update(skip_locked=True)


@query
def _stale(end, never):
    # A claim that ends later than any was made for was made before the clock was set back.
    over = (col(Delivery.claimed_until) <= end) | (col(Delivery.claimed_until) > never)
    stale = (Delivery.fate == Fate.CLAIMED, over)
    return select(Delivery.id).where(*stale).order_by(col(Delivery.id)).with_for_update(skip_locked=True)


async def claim(session: Session, now: datetime, until: datetime, limit: int = 100) -> list[Delivery]:
    """Takes the oldest deliveries that are due, so that no one else sends them before `until`."""
    rows = (await session.exec(_due(now, limit))).all()
    for row in rows:
        row.fate, row.claimed_until = Fate.CLAIMED, until
    return rows


async def release_claims(session: Session, but: set[int], now: datetime, over: datetime, never: datetime = EVER) -> list[int]:
    """Puts back what was claimed and not reported sent until `over`, or is claimed beyond `never`; gives which.

    `but` these, which are still in hand.
    """
    stale = [number for number in (await session.exec(_stale(over, never))).all() if number not in but]
    if stale:
        freed = update(Delivery).where(col(Delivery.id).in_(stale))
        await session.exec(freed.values(fate=Fate.QUEUED, claimed_until=None))
        # What was claimed was due, whatever the clock says now.
        await session.exec(freed.where(col(Delivery.not_before) > now).values(not_before=now))
    return stale


async def wait_until(session: Session, address: str, until: datetime, instead: datetime) -> None:
    """What was to wait for this address until then waits until another time."""
    waits = (Delivery.fate == Fate.QUEUED, Delivery.address == address, Delivery.not_before == until)
    await session.exec(update(Delivery).where(*waits).values(not_before=instead))


async def extend_claims(session: Session, ids: list[int], until: datetime) -> None:
    """Holds on to what is still in hand."""
    names = ("claimed_until",)
    await session.update_many(Delivery, names, [{"key_id": number, "claimed_until": until} for number in ids])


async def waiting(session: Session, addresses: set[str]) -> set[str]:
    """Those of the addresses for which something is queued."""
    query = select(Delivery.address).where(Delivery.fate == Fate.QUEUED, col(Delivery.address).in_(addresses)).distinct()
    return set((await session.exec(query)).all())


async def backlog(session: Session) -> tuple[int, datetime | None]:
    """How many deliveries wait, and since when the first of them is due."""
    query = select(func.count(), func.min(Delivery.not_before)).where(Delivery.fate == Fate.QUEUED)
    count, oldest = (await session.exec(query)).one()
    return count, oldest


async def delivered_as(session: Session, address: str, message_id: str) -> int | None:
    """The id of the delivery that the platform calls `message_id` at this address."""
    return (await session.exec(_named(address, message_id))).first()


async def prompts(session: Session, assessment_id: int, round_: int) -> list[Delivery]:
    """The officers' prompts about this round of a paper."""
    return (await session.exec(_about(assessment_id, round_))).all()


async def before_the_latest(session: Session, address: str, count: int) -> int:
    """The delivery after which only the latest `count` to this address lie; 0 where there are fewer."""
    return (await session.exec(_nth_latest(address, count))).first() or 0


async def history(session: Session, address: str, after: int = 0) -> list[Delivery]:
    """What was sent or is being sent to an address since delivery `after`, in order."""
    return (await session.exec(_sent_to(address, after))).all()
