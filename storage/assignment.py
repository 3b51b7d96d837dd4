"""Who holds which role where, and the one-time codes by which a role is given."""

import hashlib
import secrets
from datetime import datetime, timedelta

from sqlalchemy import func
from sqlmodel import Field, col, select

from storage.moment import Moment
from storage.person import Person
from storage.row import Row
from storage.session import Session
from storage.statements import query


class Assignment(Row, table=True):
    id: int | None = Field(default=None, primary_key=True)
    person_id: int = Field(foreign_key="person.id", index=True)
    role: str
    place_id: int = Field(foreign_key="place.id", index=True)
    since: datetime = Field(sa_type=Moment)
    until: datetime | None = Field(default=None, sa_type=Moment)


class Invitation(Row, table=True):
    """A role offered to whoever holds the code; only the code's hash is kept."""

    id: int | None = Field(default=None, primary_key=True)
    role: str
    place_id: int = Field(foreign_key="place.id")
    code_hash: str = Field(unique=True)
    expires_at: datetime = Field(sa_type=Moment)
    used_at: datetime | None = Field(default=None, sa_type=Moment)
    used_by: int | None = Field(default=None, foreign_key="person.id")


class WrongCode(Row, table=True):
    id: int | None = Field(default=None, primary_key=True)
    address: str = Field(index=True)
    at: datetime = Field(sa_type=Moment)


@query
def _of_person(person_id):
    held = (Assignment.person_id == person_id, col(Assignment.until).is_(None))
    return select(Assignment).where(*held).order_by(col(Assignment.id))


@query
def _holders(role, place_id):
    held = (Assignment.role == role, Assignment.place_id == place_id, col(Assignment.until).is_(None))
    both = select(Person).join(Assignment, col(Assignment.person_id) == col(Person.id))
    return both.where(*held).order_by(col(Assignment.id))


async def roles_of(session: Session, person_id: int) -> list[Assignment]:
    """The roles that the person holds now."""
    return (await session.exec(_of_person(person_id))).all()


async def holders(session: Session, role: str, place_id: int) -> list[Person]:
    """The officers who hold `role` in exactly this place now."""
    return (await session.exec(_holders(role, place_id))).all()


async def invite(session: Session, role: str, place_id: int, now: datetime, days: int = 7) -> str:
    """Makes an invitation and gives its code: 128 bits, shown once, kept only as a hash."""
    code = secrets.token_urlsafe(16)
    session.add(Invitation(role=role, place_id=place_id, code_hash=_hash(code), expires_at=now + timedelta(days=days)))
    return code


async def invitation(session: Session, code: str) -> Invitation | None:
    """The invitation with this code, held until the turn ends: it works once."""
    query = select(Invitation).where(Invitation.code_hash == _hash(code)).with_for_update()
    return (await session.exec(query)).first()


async def wrong_codes(session: Session, address: str, since: datetime) -> int:
    query = select(func.count()).select_from(WrongCode).where(WrongCode.address == address, WrongCode.at >= since)
    return (await session.exec(query)).one()


def _hash(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()
