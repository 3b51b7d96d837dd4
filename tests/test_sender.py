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
from bot.clock import SENT_FOR, keep_outbox_small
from bot.metrics import Metrics
from bot.outbox import LEASE
from bot.sender import GIVE_UP_AFTER, Sender
from handlers.incoming import Sent
from storage.database import Database
from storage.delivery import Delivery, Fate, Urgency
from storage.files import FileStore
from storage.person import Address
from storage.session import DatabaseAway
from storage.speaker import newcomer
from storage.turnstile import turnstile
from tests.conftest import NOW


class Platform:
    """A platform that says no as often as a test wants."""

    name = "talk"
    can = Can(text_limit=4096)

    def __init__(self) -> None:
        self.troubles: dict[str, deque[Exception]] = defaultdict(deque)
        self.arrived: dict[str, list[str]] = defaultdict(list)
        self.slow: dict[str, asyncio.Event] = {}
        self.begun: list[int] = []
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
        self.begun.append(message.begun)
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

    async def queue(self, who: str, *texts: str, urgency: Urgency = Urgency.NOTICE) -> list[Delivery]:
        """Committed, and to be sent when it is due."""
        written = await self.write(who, *texts)
        async with self.database.transaction() as session:
            for row in written:
                row = await session.get(Delivery, row.id)
                row.fate, row.claimed_until, row.urgency = Fate.QUEUED, None, urgency  # type: ignore[union-attr]
        return written

    async def write(self, who: str, *texts: str, until: datetime | None = None) -> list[Delivery]:
        """Committed, claimed, not yet posted: as a turn leaves them."""
        async with self.database.transaction() as session:
            address = await session.get(Address, f"talk:{who}")
            assert address
            written = [
                Delivery(
                    address=address.address, channel="talk", person_id=address.person_id, text=text, fate=Fate.CLAIMED,
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


async def test_what_cannot_be_looked_up_now_is_sent_later(office: Office, tmp_path: Path) -> None:
    """A platform's key that lies in a database that is away, a photo on a disk that is not there: nothing is given up."""
    office.sender.voice.files = FileStore(tmp_path / "disk")
    office.platform.troubles["An"].append(DatabaseAway("gone"))
    (photo,) = await office.write("Bình", "ảnh")
    photo.attachment = {"sha256": "ab" * 32, "media_type": "image/jpeg", "name": None}
    office.sender.post([*await office.write("An", "một"), photo])
    await office.sender.drain()
    assert await office.fates("An") == await office.fates("Bình") == [Fate.QUEUED]
    path = FileStore(tmp_path / "disk").preview("ab" * 32)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"jpeg")
    async with office.database.transaction() as session:
        row = await session.get(Delivery, photo.id)
        assert row
        row.attachment = photo.attachment
    await office.later(2)
    assert office.platform.arrived == {"An": ["một"], "Bình": ["ảnh"]}


async def test_another_process_goes_on_with_the_next_piece(office: Office) -> None:
    """One piece has arrived, then the platform says later; the others are sent by whoever is there then."""
    office.platform.troubles["An"] += [(first := TryAgain("429", 1)), TryAgain("before any further piece", 1)]
    first.begun = 1
    office.sender.post(await office.write("An", "dài"))
    await office.sender.drain()
    office.sender = office.another()
    await office.later(2)
    office.sender = office.another()
    await office.later(4)
    assert (office.platform.arrived["An"], office.platform.begun) == (["dài"], [1])


async def test_a_photo_that_is_gone_holds_nobody_up(office: Office) -> None:
    photo, _after = written = await office.write("An", "ảnh", "sau đó")
    photo.attachment = {"sha256": "ab" * 32, "media_type": "image/jpeg", "name": None}
    office.sender.post(written)
    await office.sender.drain()
    assert await office.fates("An") == [Fate.FAILED, Fate.SENT]


async def test_looks_between_leave_one_who_waits_to_note(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look writes what became of what was sent; whoever had begun to wait before it goes on waiting alone."""
    monkeypatch.setattr("bot.sender.NOTE_EVERY", 60)  # on a slow machine the wait must not be over before the looks are
    for number in range(5):
        office.sender.post(await office.write("An", f"tin {number}"))
        await office.platform.has_brought("An", *(f"tin {one}" for one in range(number + 1)))
        await office.sender.look()
    assert len(office.sender.tasks) == 1
    await office.sender.drain()
    assert await office.fates("An") == [Fate.SENT] * 5


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


async def test_outcomes_of_every_kind_are_noted_together(office: Office) -> None:
    """Each changes its own columns; what it says nothing of stays as it was."""
    office.platform.troubles["An"] += [SendError("never"), TryAgain("429", 3)]
    office.sender.post(await office.write("An", "một", "hai", "ba") + await office.write("Bình", "một", "hai"))
    await office.sender.drain()
    async with office.database.transaction() as session:
        rows = list((await session.exec(select(Delivery).order_by(col(Delivery.id)))).all())
    later = NOW + timedelta(seconds=3)
    assert [(row.fate, row.tries, row.not_before, row.claimed_until is None, row.problem) for row in rows] == [
        (Fate.FAILED, 0, NOW, False, "never"),
        (Fate.QUEUED, 1, later, True, "429"),
        (Fate.QUEUED, 0, later, True, None),
        (Fate.SENT, 0, NOW, False, None),
        (Fate.SENT, 0, NOW, False, None),
    ]
    assert [(row.sent_at, row.message_id) for row in rows[2:]] == [(None, None), (NOW, f"m{rows[3].id}"), (NOW, f"m{rows[4].id}")]
    await office.later(4)
    assert await office.fates("An") == [Fate.FAILED, Fate.SENT, Fate.SENT]
    async with office.database.transaction() as session:
        again = await session.get(Delivery, rows[1].id)
        assert again and (again.tries, again.problem, again.sent_at) == (1, "429", office.now)


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


async def test_replies_go_first_and_the_rest_at_the_pace_of_the_channel(office: Office) -> None:
    """However many processes look: what they send unasked in a second is what the platform allows, and half of it more."""
    office.platform.can = Can(text_limit=4096, unasked_per_second=10)
    names = [f"dân {number}" for number in range(40)]
    await office.people(*names)
    for name in names:
        await office.queue(name, "nhắc việc", urgency=Urgency.BROADCAST)
    await office.queue("Bình", "có phiếu mới")
    await office.queue("An", "câu tiếp theo", urgency=Urgency.REPLY)
    senders = [office.sender, *([] if office.database.alone else [office.another(), office.another()])]
    arrived = []
    for _half_second in range(8):
        office.now += timedelta(seconds=0.5)
        for sender in senders:
            await sender.look()
            await sender.drain()
        arrived.append(sum(map(len, office.platform.arrived.values())))
    assert (office.platform.arrived["An"], office.platform.arrived["Bình"]) == (["câu tiếp theo"], ["có phiếu mới"])
    assert arrived == [6, 11, 16, 21, 26, 31, 36, 41]


async def test_a_platform_that_complains_of_the_pace_is_left_alone(office: Office) -> None:
    office.platform.can = Can(text_limit=4096, unasked_per_second=10)
    office.platform.troubles["An"].append(TryAgain("429", 6, too_fast=True))
    await office.queue("An", "một", urgency=Urgency.BROADCAST)
    await office.later(1)
    await office.queue("Bình", "một", urgency=Urgency.BROADCAST)
    office.sender.post(await office.write("Bình", "câu tiếp theo"))
    await office.later(1)
    assert office.platform.arrived == {"Bình": ["câu tiếp theo"]}, "who asked need not wait"
    await office.later(6)
    await office.later(1)
    assert (office.platform.arrived["An"], office.platform.arrived["Bình"]) == (["một"], ["câu tiếp theo", "một"])


@pytest.mark.parametrize("behind", [Urgency.REPLY, Urgency.NOTICE, Urgency.BROADCAST])
@pytest.mark.parametrize("refused", [Urgency.NOTICE, Urgency.BROADCAST])
async def test_whoever_is_to_be_left_alone_is_told_nothing_else(office: Office, refused: Urgency, behind: Urgency) -> None:
    """Also by a process that was not told so."""
    office.platform.troubles["An"].append(TryAgain("429", 60))
    await office.queue("An", "một", urgency=refused)
    await office.later(1)
    await office.queue("An", "hai", urgency=behind)
    office.sender = office.another()
    await office.later(30)
    assert not office.platform.arrived["An"]
    await office.later(60)
    await office.later(0)
    assert sorted(office.platform.arrived["An"]) == ["hai", "một"]


async def test_nobody_is_told_two_things_at_once(office: Office) -> None:
    office.platform.can = Can(text_limit=4096, seconds_between=0.3)
    await office.queue("An", "một", "hai")
    began = asyncio.get_running_loop().time()
    await office.later(0)
    assert office.platform.arrived["An"] == ["một", "hai"]
    assert asyncio.get_running_loop().time() - began > 0.3


async def test_who_stops_leaves_the_notices_to_the_next(office: Office) -> None:
    office.platform.can = Can(text_limit=4096, seconds_between=60)
    await office.queue("An", "một", "hai", "ba")
    await office.sender.look()
    await office.platform.has_brought("An", "một")
    office.sender.give_back()
    await office.queue("Bình", "bốn")
    office.sender.news.set()
    await office.sender.drain()
    assert await office.fates("An") == [Fate.SENT, Fate.QUEUED, Fate.QUEUED]
    assert await office.fates("Bình") == [Fate.QUEUED], "it took something more"


async def test_a_reply_stays_behind_what_another_process_is_still_sending(postgres_database: Database, tmp_path: Path) -> None:
    """Two presses in a breath, heard by two processes: what they are answered arrives in that order."""
    office = Office(postgres_database, tmp_path)
    await office.people("An")
    first, second = office.sender, office.another()
    office.platform.slow["An"] = asyncio.Event()
    [one] = await office.write("An", "một")
    first.post([one])
    assert first.may_follow(one.id, one.fate) and not second.may_follow(one.id, one.fate)
    second.post(await office.queue("An", "hai", urgency=Urgency.REPLY))
    assert await second.look() == 0
    office.platform.slow["An"].set()
    await first.drain()
    await second.look()
    await second.drain()
    assert office.platform.arrived["An"] == ["một", "hai"]


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


async def test_what_was_sent_long_ago_is_forgotten(office: Office) -> None:
    """Not what waits, not what an officer is still to decide, not what is recent, not where we keep the history ourselves."""
    old = await office.write("An", "một", "hai")
    office.sender.post(old)
    await office.sender.drain()
    async with office.database.transaction() as session:
        prompt = await session.get(Delivery, old[1].id)
        prompt.about, prompt.round = 1, 1  # type: ignore[union-attr]
    await office.queue("Bình", "chưa gửi")
    office.now += SENT_FOR + timedelta(seconds=1)
    office.sender.post(await office.write("An", "ba"))
    await office.sender.drain()
    assert await keep_outbox_small(office.database, office.now, ["telegram"]) == 0
    assert await keep_outbox_small(office.database, office.now, ["talk"]) == 1
    assert await office.fates("An") == [Fate.SENT, Fate.SENT]
    assert await office.fates("Bình") == [Fate.QUEUED]


async def test_who_stops_waits_for_what_is_being_noted(postgres_database: Database, tmp_path: Path) -> None:
    """Cut off in the middle, the next process would take it for left behind, and say it again."""
    office = Office(postgres_database, tmp_path)
    await office.people("An")
    [row] = await office.write("An", "một")
    async with office.database.transaction() as session:
        await session.get(Delivery, row.id, lock=True)
        office.sender.post([row])
        async with asyncio.timeout(10):
            while not office.sender.outcomes.writing.locked():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        drained = asyncio.create_task(office.sender.drain())
        await asyncio.sleep(0.1)
        assert not drained.done()
    await drained
    assert await office.fates("An") == [Fate.SENT]


async def test_what_is_claimed_while_another_is_refused_stays_behind_it(postgres_database: Database, tmp_path: Path) -> None:
    office = Office(postgres_database, tmp_path)
    await office.people("An")
    await office.sender.look()
    office.platform.slow["An"] = asyncio.Event()
    office.platform.troubles["An"].append(TryAgain("500", 3))
    await office.queue("An", "một")
    await office.sender.look()
    await office.queue("An", "hai")
    async with office.database.transaction() as session:
        await turnstile(session, "talk", NOW)
        looking = asyncio.create_task(office.sender.look())
        await asyncio.sleep(0.1)
        office.platform.slow["An"].set()
        async with asyncio.timeout(10):
            while not office.sender.paused:  # noqa: ASYNC110
                await asyncio.sleep(0)
    await looking
    await office.sender.drain()
    assert not office.platform.arrived["An"]
    await office.later(4)
    assert office.platform.arrived["An"] == ["một", "hai"]
