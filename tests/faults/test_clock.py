"""The clock jumps while messages are on their way: none is sent by two, none waits for an hour."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from aiohttp.test_utils import unused_port
from sqlmodel import col, select

from bot.app import App, build, utc_now
from bot.outbox import LEASE
from bot.settings import Settings
from storage.database import Database
from storage.delivery import Delivery, Fate
from storage.event import Event
from tests.channels.listening import SECRET
from tests.channels.telegram_api import TOKEN
from tests.faults.platform import BadDay
from tests.faults.town import database_url

HOUR = timedelta(hours=1)
SOON = 8.0  # seconds in which everything must be there, whatever the clock says


class Clock:
    """The time of day of one machine, which somebody sets."""

    def __init__(self) -> None:
        self.wrong = timedelta()

    def __call__(self) -> datetime:
        return utc_now() + self.wrong


@asynccontextmanager
async def bot_with(clock: Clock, api: BadDay, database: Database, folder: Path) -> AsyncIterator[App]:
    """A whole bot on this clock, behind a webhook."""
    port = unused_port()
    settings = Settings(  # type: ignore[call-arg]
        _env_file=None, http_port=port, data_dir=folder, secret_key="s" * 40, telegram_bot_token=TOKEN, telegram_api_url=api.url,
        public_url=f"http://127.0.0.1:{port}", telegram_webhook_secret=SECRET, messages_per_minute=6000,
    )  # fmt: skip
    app = build(settings, database, now=clock)
    async with app.running():
        yield app


@pytest.mark.parametrize("jump", [HOUR, -HOUR], ids=["forward", "back"])
async def test_the_clock_jumps(jump: timedelta, postgres_database: Database, tmp_path: Path) -> None:
    """Two processes on one machine: one message is being sent, another waits because of a 429, a third behind it.

    None is sent by both, and none waits for an hour.
    """
    clock, other_side = Clock(), Database(database_url(postgres_database))
    async with BadDay.open(TOKEN) as api:
        assert isinstance(api, BadDay)
        # The webhook leads to the one that was started last.
        async with bot_with(clock, api, other_side, tmp_path) as other, bot_with(clock, api, postgres_database, tmp_path) as app:
            slow, refused = api.person(1, "An"), api.person(2, "Bình")
            for person in (slow, refused):
                await person.says("xin chào")
                await person.waits_for("kính chào")
            api.slow[1] = 4
            api.fail_next("sendMessage", 429, retry_after=2)
            await refused.says("/trogiup")
            await _comes(lambda: bool(app.sender.paused))
            await refused.says("/ngonngu")
            await slow.says("/trogiup")
            await _comes(lambda: not api.slow)
            await slow.says("/ngonngu")
            await api.all_heard()

            clock.wrong = jump
            await other.sender.look()
            for person in (slow, refused):
                await person.waits_for("chọn ngôn ngữ", SOON)
            await asyncio.sleep(1)
            assert [_kind(m.text) for m in slow.sees] == [_kind(m.text) for m in refused.sees] == ["hello", "help", "language"]
        await _nothing_left(postgres_database, reclaimed=False)
    await other_side.close()


async def test_the_clock_is_behind_after_a_power_cut(sqlite_database: Database, tmp_path: Path) -> None:
    """A small computer without a battery: the claims of the dead process end, as it seems, in an hour."""
    clock = Clock()
    async with BadDay.open(TOKEN) as api:
        assert isinstance(api, BadDay)
        async with bot_with(clock, api, sqlite_database, tmp_path):
            an = api.person(1, "An")
            await an.says("xin chào")
            await an.waits_for("kính chào")
        async with sqlite_database.transaction() as session:
            row = (await session.exec(select(Delivery).order_by(col(Delivery.id).desc()))).first()
            assert row
            row.fate, row.claimed_until, row.message_id = Fate.CLAIMED, clock() + LEASE, None
        clock.wrong = -HOUR
        async with bot_with(clock, api, sqlite_database, tmp_path):
            await api.until(lambda: len(an.sees) == 2, seconds=SOON)
        await _nothing_left(sqlite_database, reclaimed=True)


async def _comes(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def _kind(text: str) -> str:
    return "hello" if "kính chào" in text else "language" if "chọn ngôn ngữ" in text else "help"


async def _nothing_left(database: Database, reclaimed: bool) -> None:
    async with database.transaction() as session:
        fates = (await session.exec(select(Delivery.fate))).all()
        assert set(fates) == {Fate.SENT}
        taken = (await session.exec(select(Event).where(Event.name == "sender:delivery:reclaim"))).all()
        assert bool(taken) == reclaimed
