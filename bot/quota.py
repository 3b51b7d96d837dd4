"""What a channel may send in a month and to how many people, where the platform sets a limit: counted, shown, warned of."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from bot.channels import Can
from locales.text import HOME
from storage.database import Database
from storage.person import people_on
from storage.sendings import Sendings, count_sendings
from storage.session import DatabaseAway

log = logging.getLogger("bot.quota")
WRITE_EVERY = 2.0  # seconds
CLOSE_SECONDS = 1
WARN_AT = 0.8


@dataclass(frozen=True)
class Used:
    sent: int
    people: int


def month_of(now: datetime) -> str:
    """The month on Viet Nam's calendar."""
    return f"{now.astimezone(HOME):%Y-%m}"


async def used(database: Database, channel: str, now: datetime) -> Used:
    """What was used so far this month, by all processes. Raises DatabaseAway."""
    async with database.transaction() as session:
        row = await session.get(Sendings, (channel, month_of(now)))
        return Used(row.count if row else 0, await people_on(session, channel))


class Quota:
    """Counts in memory, and writes every few seconds: what a kill loses are seconds."""

    def __init__(self, database: Database, channel: str, can: Can, now: Callable[[], datetime]) -> None:
        self.database, self.channel, self.can, self.now = database, channel, can, now
        self.unwritten = 0
        self.writer: asyncio.Task[None] | None = None

    def count(self) -> None:
        """One more message was accepted."""
        self.unwritten += 1
        if self.writer is None or self.writer.done():
            self.writer = asyncio.create_task(self._soon())

    async def close(self) -> None:
        """Writes what is counted, if the database answers soon."""
        if self.writer:
            self.writer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self.writer
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self.write()

    async def _soon(self) -> None:
        while self.unwritten:
            await asyncio.sleep(WRITE_EVERY)
            await self.write()

    async def write(self) -> None:
        """Adds what was counted; warns once a month from 80 % on. Keeps it where the database is away."""
        more = self.unwritten
        if not more:
            return
        try:
            async with self.database.transaction() as session:
                await count_sendings(session, self.channel, month_of(self.now()), more)
                row = await session.get(Sendings, (self.channel, month_of(self.now())), lock=True)
                assert row is not None
                if row.warned_at is None and (words := self._warning(row.count, await people_on(session, self.channel))):
                    row.warned_at = self.now()
                    log.warning(words, extra={"action": "quota_warning", "channel": self.channel, "sent": row.count})
            self.unwritten -= more
        except DatabaseAway:
            log.info("count kept in memory", extra={"action": "quota_waits", "channel": self.channel})

    def _warning(self, sent: int, people: int) -> str | None:
        if self.can.most_a_month and sent >= WARN_AT * self.can.most_a_month:
            return (
                f"{self.channel}: {sent} of {self.can.most_a_month} messages of this month are used; beyond them nobody is "
                "answered there until next month. Connect an Official Account, or send people to the web chat."
            )
        if self.can.most_people and people >= WARN_AT * self.can.most_people:
            return (
                f"{self.channel}: {people} of {self.can.most_people} people use it; the platform turns the next away. "
                "Connect an Official Account, or send people to the web chat."
            )
        return None
