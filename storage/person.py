"""A human, the addresses at which they are heard, and the people for whom they may speak."""

from datetime import datetime

from sqlalchemy import Index, func
from sqlmodel import Field, col, select

from storage.moment import Moment
from storage.row import Row
from storage.session import Session
from storage.statements import query


class Person(Row, table=True):
    id: int | None = Field(default=None, primary_key=True)
    created_at: datetime = Field(sa_type=Moment)
    language: str = "vi"
    you: str = "ông/bà"
    full_name: str | None = None
    birth_year: int | None = None
    place_id: int | None = Field(default=None, foreign_key="place.id", index=True)
    group: str | None = None


class Address(Row, table=True):
    """`"telegram:3527065"`: the channel and what that channel calls the chat."""

    address: str = Field(primary_key=True, max_length=120)
    person_id: int = Field(foreign_key="person.id", index=True)
    created_at: datetime = Field(sa_type=Moment)  # since when this is where they are: what was said before was to another
    last_heard_at: datetime = Field(sa_type=Moment)
    unreachable_since: datetime | None = Field(default=None, sa_type=Moment)


class Proxy(Row, table=True):
    """`holder` may speak for `person`: a grandchild for her grandmother, a neighbour who helps."""

    __table_args__ = (Index("ix_proxy_pair", "holder_id", "person_id", unique=True),)

    id: int | None = Field(default=None, primary_key=True)
    holder_id: int = Field(foreign_key="person.id", index=True)
    person_id: int = Field(foreign_key="person.id", index=True)
    relation: str  # family | helper
    since: datetime = Field(sa_type=Moment)


@query
def _at(address):
    both = select(Address, Person).join(Person, col(Address.person_id) == col(Person.id))
    return both.where(Address.address == address)


@query
def _reachable(person_id):
    there = (Address.person_id == person_id, col(Address.unreachable_since).is_(None))
    return select(Address).where(*there).order_by(col(Address.last_heard_at).desc(), col(Address.address))


@query
def _all_of(person_id):
    return select(Address).where(Address.person_id == person_id).order_by(col(Address.address))


@query
def _spoken_for(holder_id):
    both = select(Person).join(Proxy, col(Proxy.person_id) == col(Person.id))
    return both.where(Proxy.holder_id == holder_id).order_by(col(Proxy.id))


@query
def _between(holder_id, person_id):
    return select(Proxy).where(Proxy.holder_id == holder_id, Proxy.person_id == person_id)


@query
def _holders(person_id):
    return select(Proxy).where(Proxy.person_id == person_id)


async def addressed(session: Session, address: str) -> tuple[Address, Person] | None:
    """The address and its person, if it was heard before."""
    return (await session.exec(_at(address))).first()


async def last_address(session: Session, person_id: int) -> Address | None:
    """Where this person was heard last and can still be reached."""
    return (await session.exec(_reachable(person_id))).first()


async def reachable_at(session: Session, person_id: int) -> list[Address]:
    """Where this person can still be reached, the address heard last first."""
    return (await session.exec(_reachable(person_id))).all()


async def every_address(session: Session, person_id: int) -> list[Address]:
    """Every address of this person, reachable or not."""
    return (await session.exec(_all_of(person_id))).all()


async def people_on(session: Session, channel: str) -> int:
    """How many addresses there are on a channel."""
    there = select(func.count()).select_from(Address).where(col(Address.address).startswith(f"{channel}:"))
    return (await session.exec(there)).one()


async def people_in(session: Session, villages: list[int]) -> list[Person]:
    """Those who live in these villages and gave their name."""
    here = (col(Person.place_id).in_(villages), col(Person.full_name).is_not(None))
    return list((await session.exec(select(Person).where(*here).order_by(col(Person.id)))).all())


async def speaks_for(session: Session, holder_id: int) -> list[Person]:
    """The other people for whom this person may speak, oldest first."""
    return (await session.exec(_spoken_for(holder_id))).all()


async def proxy(session: Session, holder_id: int, person_id: int) -> Proxy | None:
    """By what right the holder speaks for the person, if by any."""
    return (await session.exec(_between(holder_id, person_id))).first()


async def holders_for(session: Session, person_id: int) -> list[Proxy]:
    """Who may speak for this person."""
    return (await session.exec(_holders(person_id))).all()
