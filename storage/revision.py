"""The published revisions of a title's criteria; a revision, once published, never changes."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, UniqueConstraint
from sqlmodel import Field, col, select

from storage.moment import Moment
from storage.row import Row
from storage.session import Session
from storage.statements import query


class Revision(Row, table=True):
    __table_args__ = (UniqueConstraint("title_id", "number"),)

    id: int | None = Field(default=None, primary_key=True)
    title_id: str = Field(index=True)
    number: int
    sha256: str
    content: dict[str, Any] = Field(sa_type=JSON)
    published_at: datetime = Field(sa_type=Moment)


@query
def _without_content():
    return select(Revision.id, Revision.title_id, Revision.number, Revision.sha256).order_by(col(Revision.id))


async def current_revisions(session: Session) -> list[Any]:
    """Id, title, number and digest of each title's newest revision, in the order in which the titles were first published."""
    newest = {row.title_id: row for row in (await session.exec(_without_content())).all()}
    return list(newest.values())


async def publish(session: Session, title_id: str, content: dict[str, Any], sha256: str, now: datetime) -> Revision:
    """Makes `content` the title's current revision; gives the present one if it is the same."""
    present = next((row for row in await current_revisions(session) if row.title_id == title_id), None)
    if present and present.sha256 == sha256:
        same = await session.get(Revision, present.id)
        assert same is not None
        return same
    number = present.number + 1 if present else 1
    row = Revision(title_id=title_id, number=number, sha256=sha256, content=content, published_at=now)
    session.add(row)
    await session.flush()
    return row
