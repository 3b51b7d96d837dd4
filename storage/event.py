"""What happened: appended where the deed is done, never changed. Names are source:subject:action."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON
from sqlmodel import Field, col, select

from storage.moment import Moment
from storage.row import Row
from storage.session import Session
from storage.statements import query


class Event(Row, table=True):
    id: int | None = Field(default=None, primary_key=True)
    at: datetime = Field(sa_type=Moment)
    name: str
    actor_id: int | None = Field(default=None, foreign_key="person.id")
    address: str | None = None
    assessment_id: int | None = Field(default=None, foreign_key="assessment.id", index=True)
    detail: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)


@query
def _of_paper(assessment_id):
    return select(Event).where(Event.assessment_id == assessment_id).order_by(col(Event.id))


async def last_withdrawal(session: Session, assessment_id: int) -> int:
    """The round in which the paper was last taken back; 0 where it never was."""
    rounds = [e.detail["round"] for e in await events_of(session, assessment_id) if e.name == "assessment:paper:withdraw"]
    return max(rounds, default=0)


async def events_of(session: Session, assessment_id: int) -> list[Event]:
    """Everything that happened to a paper, in order."""
    return (await session.exec(_of_paper(assessment_id))).all()
