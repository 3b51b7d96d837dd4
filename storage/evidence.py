"""What a person offers as evidence for an answer: words, a photo, a file."""

from datetime import datetime

from sqlalchemy import func
from sqlmodel import Field, col, select

from storage.moment import Moment
from storage.row import Row
from storage.session import Session
from storage.statements import query


class Evidence(Row, table=True):
    """Files lie in the file store under their SHA-256; `asked` means that the branch is asked to vouch."""

    id: int | None = Field(default=None, primary_key=True)
    assessment_id: int = Field(foreign_key="assessment.id", index=True)
    question_id: str
    kind: str  # text | photo | file | asked
    text: str | None = None
    sha256: str | None = None
    media_type: str | None = None
    size: int | None = None
    file_name: str | None = None
    added_by: int = Field(foreign_key="person.id")
    added_at: datetime = Field(sa_type=Moment)
    removed_at: datetime | None = Field(default=None, sa_type=Moment)


@query
def in_paper(assessment_id):
    standing = (Evidence.assessment_id == assessment_id, col(Evidence.removed_at).is_(None))
    return select(Evidence).where(*standing).order_by(col(Evidence.id))


async def evidence_of(session: Session, assessment_id: int, question_id: str | None = None) -> list[Evidence]:
    """What stands as evidence in a paper, or for one of its questions, in order of arrival."""
    pieces = (await session.exec(in_paper(assessment_id))).all()
    return pieces if question_id is None else [piece for piece in pieces if piece.question_id == question_id]


async def evidence_count(session: Session, assessment_id: int) -> int:
    query = select(func.count()).select_from(Evidence)
    return (await session.exec(query.where(Evidence.assessment_id == assessment_id, col(Evidence.removed_at).is_(None)))).one()
