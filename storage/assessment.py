"""A paper: one citizen's or household's self-assessment for a title and a year, pinned to a revision."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, UniqueConstraint, func
from sqlmodel import Field, col, select

from storage.moment import Moment
from storage.person import Person, Proxy
from storage.place import Place
from storage.row import Row
from storage.session import Session
from storage.statements import query


class Status(StrEnum):
    DRAFT = "draft"
    SUBMITTED = "submitted"
    NEED_MORE = "need_more"
    RECOGNIZED = "recognized"
    NOT_MET = "not_met"
    WITHDRAWN = "withdrawn"


class Assessment(Row, table=True):
    # One subject, one title, one year, one paper: nobody is counted twice.
    __table_args__ = (UniqueConstraint("title_id", "year", "subject"),)

    id: int | None = Field(default=None, primary_key=True)
    title_id: str
    revision_id: int = Field(foreign_key="revision.id")
    year: int
    subject: str  # "person:12" or "household:7"
    person_id: int = Field(foreign_key="person.id", index=True)  # the citizen, or who answers for the household
    household_id: int | None = Field(default=None, foreign_key="household.id", index=True)
    filed_by: int = Field(foreign_key="person.id")
    place_id: int = Field(foreign_key="place.id", index=True)
    difficult_area: bool = False
    group: str | None = None
    answers: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)  # question -> choice
    skipped: list[str] = Field(default_factory=list, sa_type=JSON)
    reopened: list[str] = Field(default_factory=list, sa_type=JSON)  # what an officer asked about
    status: str = Field(default=Status.DRAFT, index=True)
    step: str | None = Field(default=None, index=True)  # the role whose turn it is
    round: int = 0  # grows with each submission and decision; a prompt belongs to one round
    stranded: bool = False  # submitted, and nobody is there who may decide
    points: int | None = None  # as they were when submitted
    created_at: datetime = Field(sa_type=Moment)
    updated_at: datetime = Field(sa_type=Moment)
    submitted_at: datetime | None = Field(default=None, sa_type=Moment)


@query
def _seen_by(holder_id):
    spoken_for = select(Proxy.person_id).where(Proxy.holder_id == holder_id)
    own = (Assessment.person_id == holder_id) | col(Assessment.person_id).in_(spoken_for)
    return select(Assessment).where(own).order_by(col(Assessment.updated_at).desc(), col(Assessment.id).desc())


@query
def _beside(place_id, title_id, year, birth_year, paper_id, person_id):
    both = select(Assessment, Person).join(Person, col(Person.id) == col(Assessment.person_id))
    same = (Assessment.place_id == place_id, Assessment.title_id == title_id, Assessment.year == year)
    others = (col(Assessment.id) != paper_id, col(Assessment.person_id) != person_id, col(Assessment.round) > 0)
    return both.where(*same, *others, Person.birth_year == birth_year, Assessment.status != Status.WITHDRAWN)


@query
def _about(title_id, year, subject):
    return select(Assessment).where(Assessment.title_id == title_id, Assessment.year == year, Assessment.subject == subject)


async def paper_in_hand(session: Session, paper_id: int) -> Assessment | None:
    """The paper, locked until the turn ends: of two people who answer in it at once, one waits."""
    return await session.get(Assessment, paper_id, lock=True)


async def papers_of(session: Session, holder_id: int) -> list[Assessment]:
    """All papers that this person may see as their own: for themselves and for those they speak for."""
    return (await session.exec(_seen_by(holder_id))).all()


async def paper_about(session: Session, title_id: str, year: int, subject: str) -> Assessment | None:
    return (await session.exec(_about(title_id, year, subject))).first()


async def papers_beside(session: Session, paper: Assessment, birth_year: int | None) -> list[tuple[Assessment, Person]]:
    """The other papers of the same village, title and year that are or were on their way, of people born in that year."""
    same = (paper.place_id, paper.title_id, paper.year, birth_year)
    return (await session.exec(_beside(*same, paper.id, paper.person_id))).all()


async def queue(session: Session, role: str, places: list[int], limit: int = 100) -> list[Assessment]:
    """The papers that wait for `role` in these villages, the longest waiting first."""
    query = select(Assessment).where(*_waiting(role, places))
    return list((await session.exec(query.order_by(col(Assessment.submitted_at), col(Assessment.id)).limit(limit))).all())


async def queue_length(session: Session, role: str, places: list[int]) -> int:
    return (await session.exec(select(func.count()).select_from(Assessment).where(*_waiting(role, places)))).one()


async def stranded_by_place(session: Session, places: list[int]) -> list[tuple[Place, str, int]]:
    """For each village and role: how many papers wait there for nobody."""
    query = (
        select(Place, Assessment.step, func.count())
        .join(Assessment, col(Assessment.place_id) == col(Place.id))
        .where(Assessment.status == Status.SUBMITTED, col(Assessment.stranded), col(Assessment.place_id).in_(places))
        .group_by(col(Place.id), col(Assessment.step))
        .order_by(col(Place.id))
    )
    return [(place, step or "", count) for place, step, count in (await session.exec(query)).all()]


async def stranded_count(session: Session, role: str, village_id: int) -> int:
    """How many papers of a village wait for this role while nobody is there."""
    query = select(func.count()).select_from(Assessment).where(*_waiting(role, [village_id]), col(Assessment.stranded))
    return (await session.exec(query)).one()


async def stranded_papers(session: Session, role: str, places: list[int]) -> list[Assessment]:
    """The papers that wait in these villages for a role that nobody held."""
    query = select(Assessment).where(*_waiting(role, places), col(Assessment.stranded))
    return list((await session.exec(query)).all())


def _waiting(role: str, places: list[int]) -> tuple[Any, ...]:
    return (Assessment.status == Status.SUBMITTED, Assessment.step == role, col(Assessment.place_id).in_(places))
