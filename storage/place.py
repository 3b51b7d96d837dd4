"""Where people live: province, commune, village, with dates and successors."""

from datetime import date, datetime

from sqlmodel import Field, col, func, select

from storage.moment import Moment
from storage.row import Row
from storage.session import Session
from storage.statements import query


class Place(Row, table=True):
    id: int | None = Field(default=None, primary_key=True)
    code: str = Field(unique=True)  # official code; a village's is "<commune code>-<number>"
    level: str = Field(index=True)  # province | commune | village
    kind: str  # tỉnh, thành phố, xã, phường, thôn, tổ dân phố …
    name: str  # without its kind
    key: str = Field(index=True)  # folded name: lower case, no tone marks
    parent_id: int | None = Field(default=None, foreign_key="place.id", index=True)
    difficult_area: bool = False
    confirmed: bool = True  # a village typed by a citizen waits for an officer's yes
    proposed_by: int | None = None
    valid_from: date | None = None
    valid_to: date | None = None
    successor_id: int | None = Field(default=None, foreign_key="place.id")
    created_at: datetime = Field(sa_type=Moment)


class PlaceAlias(Row, table=True):
    """Another name by which people call a place: an old commune, a former hamlet."""

    id: int | None = Field(default=None, primary_key=True)
    place_id: int = Field(foreign_key="place.id", index=True)
    name: str
    key: str = Field(index=True)


@query
def _coded(code):
    return select(Place).where(Place.code == code)


@query
def _inside(parent_id):
    within = (Place.parent_id == parent_id, col(Place.valid_to).is_(None))
    return select(Place).where(*within).order_by(col(Place.key), col(Place.id))


@query
def _places_stamp():
    confirmed = func.count(col(Place.id)).filter(col(Place.confirmed).is_(True))
    return select(func.count(col(Place.id)), func.max(Place.id), func.count(col(Place.valid_to)), confirmed)


@query
def _names_stamp():
    return select(func.count(col(PlaceAlias.id)), func.max(PlaceAlias.id))


async def by_code(session: Session, code: str) -> Place | None:
    return (await session.exec(_coded(code))).first()


async def children(session: Session, parent_id: int) -> list[Place]:
    """The places directly under this one that are in force, by name."""
    return (await session.exec(_inside(parent_id))).all()


async def unconfirmed(session: Session, commune_id: int) -> list[Place]:
    """The villages that citizens typed and nobody has confirmed yet."""
    return [place for place in await children(session, commune_id) if not place.confirmed]


async def chain(session: Session, place_id: int) -> list[Place]:
    """The place itself, then what it lies in: village, commune, province."""
    found: list[Place] = []
    current: int | None = place_id
    while current is not None and (place := await session.get(Place, current)):
        found.append(place)
        current = place.parent_id
    return found


async def villages_under(session: Session, place_id: int) -> list[int]:
    """The ids of all villages in a place; of a village, its own."""
    place = await session.get(Place, place_id)
    if place is None or place.level == "village":
        return [place_id]
    inner = select(Place.id).where(Place.parent_id == place_id)
    if place.level == "province":
        inner = select(Place.id).where(col(Place.parent_id).in_(inner))
    return [row for row in (await session.exec(inner)).all() if row is not None]


async def places_under(session: Session, place_id: int) -> list[int]:
    """The ids of a place and of all places in it."""
    inner = select(Place.id).where(Place.parent_id == place_id)
    within = (Place.id == place_id) | (Place.parent_id == place_id) | col(Place.parent_id).in_(inner)
    return [row for row in (await session.exec(select(Place.id).where(within))).all() if row is not None]


async def stamp(session: Session) -> tuple[int, ...]:
    """Another one whenever a place or a name is added, or a place is confirmed or ends: what was read is then out of date."""
    numbers = [*(await session.exec(_places_stamp())).one(), *(await session.exec(_names_stamp())).one()]
    return tuple(number or 0 for number in numbers)
