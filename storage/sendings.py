"""How many messages a channel sent in a month, where the platform counts them too."""

from datetime import datetime

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Field, col

from storage.moment import Moment
from storage.row import Row
from storage.session import Session
from storage.statements import query


class Sendings(Row, table=True):
    channel: str = Field(primary_key=True)
    month: str = Field(primary_key=True)  # "2026-11", on Viet Nam's calendar
    count: int = 0
    warned_at: datetime | None = Field(default=None, sa_type=Moment)


@query
def _add(channel, month, more):
    fresh = insert(Sendings).values(channel=channel, month=month, count=more)
    there = [col(Sendings.channel), col(Sendings.month)]
    return fresh.on_conflict_do_update(index_elements=there, set_={"count": Sendings.count + fresh.excluded.count})


async def count_sendings(session: Session, channel: str, month: str, more: int) -> None:
    await session.exec(_add(channel, month, more))


async def sendings(session: Session, channel: str, month: str) -> int:
    row = await session.get(Sendings, (channel, month))
    return row.count if row else 0
