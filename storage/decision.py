"""What an officer decided on a paper, and why."""

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import UniqueConstraint
from sqlmodel import Field, col, select

from storage.moment import Moment
from storage.row import Row
from storage.session import Session
from storage.statements import query


class Outcome(StrEnum):
    APPROVED = "approved"
    NEED_MORE = "need_more"
    NOT_MET = "not_met"


class Decision(Row, table=True):
    # Two officers who press at the same instant: the database lets one of them be first.
    __table_args__ = (UniqueConstraint("assessment_id", "round"),)

    id: int | None = Field(default=None, primary_key=True)
    assessment_id: int = Field(foreign_key="assessment.id", index=True)
    round: int
    role: str
    officer_id: int = Field(foreign_key="person.id", index=True)
    outcome: str
    question_id: str | None = None
    reason: str | None = None
    document_number: str | None = None
    document_date: date | None = None
    at: datetime = Field(sa_type=Moment)


@query
def _on_paper(assessment_id):
    return select(Decision).where(Decision.assessment_id == assessment_id).order_by(col(Decision.id))


async def decisions_on(session: Session, assessment_id: int) -> list[Decision]:
    return (await session.exec(_on_paper(assessment_id))).all()


async def last_document(session: Session, officer_id: int) -> tuple[str, date] | None:
    """The number and date of the signed decision that this officer entered last."""
    query = (
        select(Decision)
        .where(Decision.officer_id == officer_id, col(Decision.document_number).is_not(None))
        .order_by(col(Decision.id).desc())
    )
    row = (await session.exec(query)).first()
    return (row.document_number, row.document_date) if row and row.document_number and row.document_date else None
