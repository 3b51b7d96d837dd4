"""What could not be brought to a person on any channel: somebody of the village tells them by word of mouth."""

from datetime import datetime
from typing import Any

from sqlalchemy import func
from sqlmodel import Field, col, select

from storage.moment import Moment
from storage.row import Row
from storage.session import Session


class Errand(Row, table=True):
    id: int | None = Field(default=None, primary_key=True)
    person_id: int = Field(foreign_key="person.id", index=True)
    place_id: int | None = Field(default=None, foreign_key="place.id", index=True)  # the village
    text: str  # in the person's words
    created_at: datetime = Field(sa_type=Moment)
    done_at: datetime | None = Field(default=None, sa_type=Moment)
    done_by: int | None = Field(default=None, foreign_key="person.id")


def _open_in(villages: list[int]) -> tuple[Any, ...]:
    return (col(Errand.done_at).is_(None), col(Errand.place_id).in_(villages))


async def next_errand(session: Session, villages: list[int], after: int = 0) -> Errand | None:
    """The first open errand in these villages whose number is above `after`."""
    query = select(Errand).where(*_open_in(villages), col(Errand.id) > after).order_by(col(Errand.id)).limit(1)
    return (await session.exec(query)).first()


async def open_count(session: Session, villages: list[int]) -> int:
    """How many errands wait in these villages."""
    return (await session.exec(select(func.count()).select_from(Errand).where(*_open_in(villages)))).one()


async def waits_for(session: Session, person_id: int, text: str) -> bool:
    """Whether the same is to be told to this person already."""
    same = (Errand.person_id == person_id, Errand.text == text, col(Errand.done_at).is_(None))
    return (await session.exec(select(Errand.id).where(*same).limit(1))).first() is not None
