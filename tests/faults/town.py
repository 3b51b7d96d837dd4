"""A town: bots on one database, a stand-in of Telegram, a crowd. When the fault is over, the books are checked."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlmodel import col, func, select

from storage.database import Database
from storage.delivery import Delivery, Fate
from tests.channels.listening import SECRET
from tests.channels.telegram_api import TOKEN
from tests.faults.books import Books
from tests.faults.crowd import Crowd, invitations
from tests.faults.platform import BadDay
from tests.forks import Bot, Forks

DRAINED_WITHIN = 30.0  # seconds; the lease of a dead process is ten


@dataclass
class Town:
    api: BadDay
    crowd: Crowd
    bots: list[Bot]
    database: Database
    books: Books | None = None

    async def finishes(self) -> Books:
        """Everybody gets to the end of their talk, the queues drain, the bots stop in time; then the books are read."""
        await self.crowd.closes()
        await self.drains()
        await asyncio.gather(*(bot.stop() for bot in self.bots))
        self.books = await Books.read(self.database)
        return self.books

    async def drains(self) -> None:
        until = time.monotonic() + DRAINED_WITHIN
        while left := await self._left():
            assert time.monotonic() < until, f"{left} deliveries are not sent"
            await asyncio.sleep(0.1)

    async def _left(self) -> int:
        async with self.database.transaction() as session:
            query = select(func.count()).select_from(Delivery).where(col(Delivery.fate).in_([Fate.QUEUED, Fate.CLAIMED]))
            return (await session.exec(query)).one()


@asynccontextmanager
async def town(
    parent: Forks, database: Database, folder: Path, seed: int, bots: int = 1, at_once: int = 10
) -> AsyncIterator[Town]:
    """`bots` processes on this database, the officers in office, the first citizens on their way."""
    codes = await invitations(database)
    async with BadDay.open() as api:
        assert isinstance(api, BadDay)
        settings = {
            "TELEGRAM_BOT_TOKEN": TOKEN, "TELEGRAM_API_URL": api.url, "TELEGRAM_WEBHOOK_SECRET": SECRET,
            "DATABASE_URL": database_url(database), "SECRET_KEY": "k" * 40, "MESSAGES_PER_MINUTE": "1000000",
        }  # fmt: skip
        running = [Bot(parent, folder, settings) for _ in range(bots)]
        api.doors = [bot.base for bot in running]
        there = Town(api, Crowd(api, seed, at_once), running, database)
        try:
            for bot in running:
                bot.start()
                await bot.ready()
            await there.crowd.opens(codes)
            yield there
        finally:
            await there.crowd.leaves()
            for bot in running:
                bot.kill()


def database_url(database: Database) -> str:
    driver = database.driver
    return f"sqlite:///{driver.path}" if database.alone else driver.url  # type: ignore[union-attr]


def copied(template: Path, folder: Path) -> Database:
    """A new database in a file of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(template, folder / "bot.sqlite3")
    return Database(f"sqlite:///{folder / 'bot.sqlite3'}")
