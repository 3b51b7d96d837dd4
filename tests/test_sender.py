"""The fate of what was committed: in order for one person, in parallel for all, each outcome in the database."""

import asyncio
import contextlib
import sqlite3
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Iterable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlmodel import col, select

from bot.channels import Can, Edit, NotFetched, Outgoing, Receive, SendError, TryAgain, Unreachable
from bot.metrics import Metrics
from bot.outbox import LEASE
from bot.sender import GIVE_UP_AFTER, Sender
from handlers.incoming import Sent
from storage.database import Database
from storage.delivery import Delivery, Fate
from storage.files import FileStore
from storage.person import Address, newcomer
from tests.conftest import NOW


class Platform:
    """A platform that says no as often as a test wants."""

    name = "talk"
    can = Can(text_limit=4096)

    def __init__(self) -> None:
        self.troubles: dict[str, deque[SendError]] = defaultdict(deque)
        self.arrived: dict[str, list[str]] = defaultdict(list)
        self.slow: dict[str, asyncio.Event] = {}
        self.news = asyncio.Condition()

    def routes(self, receive: Receive) -> Iterable:
        return []

    async def start(self, receive: Receive) -> None: ...

    async def stop(self) -> None: ...

    async def send(self, message: Outgoing) -> str:
        if message.chat in self.slow:
            await self.slow[message.chat].wait()
        if troubles := self.troubles[message.chat]:
            raise troubles.popleft()
        async with self.news:
            self.arrived[message.chat].append(message.text)
            self.news.notify_all()
        return f"m{message.delivery_id}"

    async def has_brought(self, chat: str, *texts: str) -> None:
        async with asyncio.timeout(10), self.news:
            await self.news.wait_for(lambda: self.arrived[chat] == [*texts])

    async def edit(self, change: Edit) -> None: ...

    async def fetch(self, sent: Sent) -> bytes:
        raise NotFetched("nothing here")

    def link(self, payload: str) -> str | None:
        return None


class Office:
    """A sender with its platform, its database and a clock that a test turns."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database, self.folder, self.now, self.platform = database, folder, NOW, Platform()
        self.sender = self.another()

    def another(self) -> Sender:
        sender = Sender(self.database, FileStore(self.folder), lambda: self.now, Metrics())
        sender.channels = {"talk": self.platform}
        return sender

    async def people(self, *names: str) -> None:
        async with self.database.transaction() as session:
            for name in names:
                await newcomer(session, f"talk:{name}", NOW)

    async def write(self, who: str, *texts: str, until: datetime | None = None) -> list[Delivery]:
        """Committed, claimed, not yet posted: as a turn leaves them."""
        async with self.database.transaction() as session:
            address = await session.get(Address, f"talk:{who}")
            assert address
            written = [
                Delivery(
                    address=address.address, person_id=address.person_id, text=text, fate=Fate.CLAIMED,
                    claimed_until=until or self.now + LEASE, not_before=self.now, created_at=self.now,
                )
                for text in texts
            ]  # fmt: skip
            session.add_all(written)
        return written

    async def later(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        await self.sender.look()
        await self.sender.drain()

    async def fates(self, who: str) -> list[str]:
        async with self.database.transaction() as session:
            query = select(Delivery.fate).where(Delivery.address == f"talk:{who}").order_by(col(Delivery.id))
            return list((await session.exec(query)).all())


@pytest.fixture
async def office(database: Database, tmp_path: Path) -> AsyncIterator[Office]:
    office = Office(database, tmp_path)
    await office.people("An", "Bình")
    yield office
    await office.sender.drain()


async def test_who_must_wait_gets_everything_in_order(office: Office) -> None:
    office.platform.troubles["An"].append(TryAgain("429", 3))
    office.sender.post(await office.write("An", "một", "hai") + await office.write("Bình", "một"))
    await office.sender.drain()
    assert office.platform.arrived == {"Bình": ["một"]}, "one person's wait is nobody else's"
    await office.later(0.5)
    office.sender.post(await office.write("An", "ba"))
    await office.sender.drain()
    assert await office.fates("An") == [Fate.QUEUED] * 3
    await office.later(2)
    assert not office.platform.arrived["An"], "too early"
    office.platform.troubles["An"].append(TryAgain("429", 3))
    await office.later(2)
    office.sender.post(await office.write("An", "bốn"))
    await office.later(20)
    await office.later(1)
    assert office.platform.arrived["An"] == ["một", "hai", "ba", "bốn"]
    assert await office.fates("An") == [Fate.SENT] * 4


async def test_who_speaks_while_others_are_taken_up_again_stays_behind_them(office: Office) -> None:
    """The pause is over, and what waited is being read from the database: a new message must not overtake it."""
    office.platform.troubles["An"].append(TryAgain("429", 3))
    office.sender.post(await office.write("An", "một", "hai"))
    await office.sender.drain()
    office.now += timedelta(seconds=4)
    new = await office.write("An", "ba")
    looking = asyncio.create_task(office.sender.look())
    await asyncio.sleep(0)
    office.sender.post(new)
    await looking
    await office.sender.drain()
    await office.later(1)
    assert office.platform.arrived["An"] == ["một", "hai", "ba"]


async def test_who_is_gone_is_noted_and_nobody_waits(office: Office) -> None:
    office.platform.troubles["An"].append(Unreachable("blocked"))
    office.sender.post(await office.write("An", "một", "hai"))
    await office.sender.drain()
    assert await office.fates("An") == [Fate.UNREACHABLE, Fate.SENT]
    async with office.database.transaction() as session:
        address = await session.get(Address, "talk:An")
        assert address and address.unreachable_since == NOW


async def test_what_never_arrives_does_not_hold_up_the_rest(office: Office) -> None:
    office.platform.troubles["An"] += [TryAgain("500", 1)] * 100
    office.sender.post(await office.write("An", "một", "hai"))
    await office.sender.drain()
    for _hour in range(20):
        await office.later(3600)
    assert await office.fates("An") == [Fate.QUEUED] * 2, "a platform may be away for a day"
    office.platform.troubles["An"] = deque([TryAgain("500", 1)])
    await office.later(GIVE_UP_AFTER.total_seconds())
    await office.later(3600)
    assert await office.fates("An") == [Fate.FAILED, Fate.SENT]


async def test_what_a_dead_process_held_is_sent_when_its_lease_is_over(office: Office) -> None:
    await office.write("An", "một", "hai", until=office.now + timedelta(seconds=5))
    office.now += timedelta(seconds=6)
    successor = office.another()
    running = asyncio.create_task(successor.run())
    await office.platform.has_brought("An", "một", "hai")
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    await successor.drain()
    assert office.platform.arrived["An"] == ["một", "hai"]
    assert await office.fates("An") == [Fate.SENT] * 2


async def test_a_slow_answer_to_one_does_not_keep_others_waiting(office: Office) -> None:
    office.platform.slow["An"] = asyncio.Event()
    office.sender.post(await office.write("An", "một") + await office.write("Bình", "một"))
    await office.platform.has_brought("Bình", "một")
    assert not office.platform.arrived["An"]
    office.platform.slow["An"].set()


async def test_a_database_that_is_away_for_a_while_ends_nothing(tmp_path: Path, sqlite_database: Database) -> None:
    """An operator's command holds the file: the bot waits without standing still, and goes on."""
    office = Office(sqlite_database, tmp_path)
    await office.people("An")
    holder = sqlite3.connect(sqlite_database.driver.path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    running = asyncio.create_task(office.sender.run())
    ticks = 0
    for _tick in range(20):
        await asyncio.sleep(0.02)
        ticks += 1
    assert ticks == 20 and not running.done()
    holder.execute("COMMIT")
    office.sender.post(await office.write("An", "một"))
    await office.platform.has_brought("An", "một")
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    await office.sender.drain()
