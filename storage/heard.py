"""What was heard, so that nothing is heard twice, and what went wrong, so that it can be heard again."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, delete, literal_column, or_, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import aliased
from sqlmodel import Field, col, select

from storage.delivery import Delivery
from storage.moment import Moment
from storage.row import Row
from storage.session import Session
from storage.statements import query

_THERE = text("line IS NOT NULL")


class Heard(Row, table=True):
    # Where the platform keeps the history nobody asks what was heard at an address, and each message would pay for it.
    __table_args__ = (Index("ix_heard_line", "address", "at", sqlite_where=_THERE, postgresql_where=_THERE),)

    key: str = Field(primary_key=True, max_length=200)
    address: str
    at: datetime = Field(sa_type=Moment, index=True)
    line: dict[str, Any] | None = Field(default=None, sa_type=JSON)  # kept only where the channel keeps no history of its own


class Mishap(Row, table=True):
    """A turn that failed by our fault, kept for replay; the person was told its number."""

    number: str = Field(primary_key=True)
    at: datetime = Field(sa_type=Moment)
    address: str
    incoming: dict[str, Any] = Field(sa_type=JSON)
    error: str


@query
def _mark(called, where, when, what):
    return insert(Heard).values(key=called, address=where, at=when, line=what).on_conflict_do_nothing()


def heard_before(key: Any) -> Any:
    """Whether the message with this key was heard: that is marked on the first answer to it, or here where there is none."""
    # Asked for many keys at once, PostgreSQL would answer an EXISTS out of a list of all keys there are.
    one = literal_column("1")
    marks = (select(one).where(mark == key).limit(one).scalar_subquery() for mark in (aliased(Delivery).answers, col(Heard.key)))
    return or_(*(mark.is_not(None) for mark in marks))


@query
def _was_heard(key):
    return select(heard_before(key))


async def was_heard(session: Session, key: str) -> bool:
    return bool((await session.exec(_was_heard(key))).one())


async def mark_heard(session: Session, key: str, address: str, at: datetime, line: dict[str, Any] | None) -> bool:
    """Keeps that the message was heard; False where it was heard before."""
    return (await session.exec(_mark(key, address, at, line))).rowcount > 0


@query
def _at_address(address, since, most):
    return select(Heard).where(_THERE, Heard.address == address, Heard.at >= since).order_by(col(Heard.at).desc()).limit(most)


async def lines_heard(session: Session, address: str, since: datetime, most: int) -> list[Heard]:
    """The person's latest lines at this address since then, oldest first."""
    return (await session.exec(_at_address(address, since, most))).all()[::-1]


async def forget_heard(session: Session, before: datetime) -> int:
    """Drops the marks older than `before`, where they carry no history; gives how many."""
    done = await session.exec(delete(Heard).where(col(Heard.at) < before, col(Heard.line).is_(None)))
    return done.rowcount
