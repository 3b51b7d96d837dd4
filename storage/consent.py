"""What a person agreed to: a ledger to which lines are only ever added."""

from datetime import datetime
from typing import Any

from sqlmodel import Field, col, select

from storage.moment import Moment
from storage.row import Row
from storage.session import Session
from storage.statements import query

EXAMINE, PUBLISH, REMIND = "examine", "publish", "remind"  # purposes


class Consent(Row, table=True):
    """One answer to one purpose, with the words that were on the screen."""

    id: int | None = Field(default=None, primary_key=True)
    person_id: int = Field(foreign_key="person.id", index=True)
    purpose: str
    granted: bool
    version: str
    words: str
    address: str
    given_by: int = Field(foreign_key="person.id")
    at: datetime = Field(sa_type=Moment)


@query
def _of_person(person_id):
    return select(Consent).where(Consent.person_id == person_id).order_by(col(Consent.id))


def said_last(person_id: Any, purpose: Any) -> Any:
    """The person's last answer on this purpose."""
    said = (Consent.person_id == person_id, Consent.purpose == purpose)
    return select(Consent.granted).where(*said).order_by(col(Consent.id).desc()).limit(1)


@query
def last_word(person_id, purpose):
    return said_last(person_id, purpose)


async def consents(session: Session, person_id: int) -> dict[str, Consent]:
    """The latest answer for each purpose; a purpose never asked is absent."""
    return {row.purpose: row for row in (await session.exec(_of_person(person_id))).all()}


async def has_agreed(session: Session, person_id: int, purpose: str) -> bool:
    """Whether the person's last word on this purpose was yes."""
    return bool((await session.exec(last_word(person_id, purpose))).first())
