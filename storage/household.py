"""A household: its head, its village, its counts. No child's name is ever kept."""

from datetime import datetime

from sqlmodel import Field, col, select

from storage.moment import Moment
from storage.row import Row
from storage.session import Session
from storage.statements import query


class Household(Row, table=True):
    id: int | None = Field(default=None, primary_key=True)
    head_name: str
    place_id: int = Field(foreign_key="place.id", index=True)
    members: int | None = None
    school_age: int | None = None  # children of school age
    in_school: int | None = None  # of these, how many go to school
    created_at: datetime = Field(sa_type=Moment)


class HouseholdMember(Row, table=True):
    household_id: int = Field(primary_key=True, foreign_key="household.id")
    person_id: int = Field(primary_key=True, foreign_key="person.id", index=True)
    is_head: bool = False
    since: datetime = Field(sa_type=Moment)
    until: datetime | None = Field(default=None, sa_type=Moment)


@query
def _of_person(person_id):
    member = (HouseholdMember.person_id == person_id, col(HouseholdMember.until).is_(None))
    join = select(Household).join(HouseholdMember, col(HouseholdMember.household_id) == col(Household.id))
    return join.where(*member).order_by(col(Household.id).desc()).limit(1)


@query
def _members(household_id):
    here = (HouseholdMember.household_id == household_id, col(HouseholdMember.until).is_(None))
    return select(HouseholdMember.person_id).where(*here)


async def household_of(session: Session, person_id: int) -> Household | None:
    """The household to which the person belongs now."""
    return (await session.exec(_of_person(person_id))).first()


async def households_in(session: Session, place_id: int) -> list[Household]:
    """The households of a village."""
    return list((await session.exec(select(Household).where(Household.place_id == place_id).order_by(col(Household.id)))).all())


async def members_of(session: Session, household_id: int) -> set[int]:
    """The people who are known to belong to the household now."""
    return set((await session.exec(_members(household_id))).all())
