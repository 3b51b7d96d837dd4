"""The pace at which a channel speaks unasked, kept once for all processes; who holds it claims, the others wait."""

from datetime import datetime, timedelta

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Field

from storage.moment import Moment
from storage.row import Row
from storage.session import Session
from storage.statements import query


class Turnstile(Row, table=True):
    channel: str = Field(primary_key=True)
    level: float  # messages that may go at once
    at: datetime = Field(sa_type=Moment)  # when the level was so
    closed_until: datetime | None = Field(default=None, sa_type=Moment)  # the platform asked everybody to wait


@query
def _first(channel, level, at):
    return insert(Turnstile).values(channel=channel, level=level, at=at).on_conflict_do_nothing()


async def turnstile(session: Session, channel: str, now: datetime) -> Turnstile:
    """The channel's turnstile, held until the transaction ends."""
    if (row := await session.get(Turnstile, channel, lock=True)) is None:
        await session.exec(_first(channel, 0.0, now - timedelta(minutes=1)))
        row = await session.get(Turnstile, channel, lock=True)
    assert row is not None
    return row


def passes(row: Turnstile, per_second: float, now: datetime) -> int:
    """How many may go now: half a second's worth at most, so that no second sees more than the pace and a half."""
    if row.closed_until and row.closed_until > now:
        return 0
    grown = row.level + max(0.0, (now - row.at).total_seconds()) * per_second
    row.level, row.at = min(grown, max(1.0, per_second / 2)), now
    return int(row.level)


async def close(session: Session, channel: str, until: datetime) -> None:
    """Nobody speaks unasked before that."""
    row = await turnstile(session, channel, until)
    row.closed_until = max(until, row.closed_until or until)
