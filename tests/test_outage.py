"""The database goes away in the middle of a talk, and comes back: nothing is lost, nothing twice, nobody left in the dark."""

import asyncio
import os
import signal
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest

from bot.channels import BUSY, Can
from bot.channels.hearing import PATIENCE
from bot.quota import Quota, used
from bot.web.server import READY_SECONDS
from storage.database import Database
from tests.channels.telegram_api import TelegramApi
from tests.channels.test_telegram_talk import telegram_bot
from tests.conftest import NOW, fill
from tests.running import Bot, postgres_server
from tests.web.page import Page


@pytest.fixture
def server() -> Iterator[Any]:
    """A PostgreSQL of this test's own, which it may stop."""
    with postgres_server() as server:
        yield server


async def stop(server: Any) -> None:
    os.kill(server.get_pid(), signal.SIGQUIT)
    await asyncio.to_thread(server.get_postmaster_info().process.wait, 20)


@contextmanager
def hanging(server: Any) -> Iterator[None]:
    """It takes what is sent, and says nothing."""
    first = psutil.Process(server.get_pid())
    processes = [first, *first.children(recursive=True)]
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            process.resume()


async def test_who_writes_while_postgresql_hangs_is_told_so_in_good_time(server: Any, tmp_path: Path) -> None:
    url = f"postgresql://postgres@/postgres?host={server.pgdata}"
    await fill(url)
    database = Database(url)
    async with TelegramApi.open() as api, telegram_bot(api, database, tmp_path, webhook=True) as app:
        an = api.person(77, "An")
        await an.says("xin chào")
        await an.waits_for("kính chào")
        await app.sender.drain()
        with hanging(server):
            began = time.monotonic()
            async with aiohttp.ClientSession() as http, http.get(f"{app.settings.public_url}/readyz") as answer:
                assert answer.status == 503
            assert time.monotonic() - began < READY_SECONDS + 2
            await an.says("/trogiup")
            await api.until(lambda: an.sees[-1].text == BUSY, seconds=PATIENCE + 2)
        await api.until(lambda: "bấm nút" in an.sees[-1].text, seconds=40)
        await api.all_heard(seconds=40)
        assert [message.text for message in an.sees].count(BUSY) == 1
    await database.close()


@pytest.mark.parametrize("roles", ["web,sender,clock", "sender,clock"])
async def test_a_process_ends_while_postgresql_hangs(server: Any, roles: str, tmp_path: Path) -> None:
    url = f"postgresql://postgres@/postgres?host={server.pgdata}"
    await fill(url)
    bot = Bot(tmp_path, settings={"DATABASE_URL": url, "SECRET_KEY": "k" * 40}, roles=roles)
    await asyncio.to_thread(bot.start)
    with hanging(server):
        await asyncio.sleep(1)  # it has asked, and waits
        began = time.monotonic()
        await asyncio.to_thread(bot.stop)
        assert time.monotonic() - began < 10


async def test_the_count_of_a_month_keeps_no_process_from_ending(server: Any) -> None:
    url = f"postgresql://postgres@/postgres?host={server.pgdata}"
    await fill(url)
    database = Database(url)
    quota = Quota(database, "zalobot", Can(text_limit=2000, most_a_month=3000), lambda: NOW)
    quota.count()
    await quota.write()
    quota.count()
    with hanging(server):
        async with asyncio.timeout(4):
            await quota.close()
    assert (await used(database, "zalobot", NOW)).sent == 1
    await database.close()


@pytest.mark.parametrize("webhook", [True, False], ids=["webhook", "polling"])
async def test_postgresql_goes_and_comes_back(server: Any, webhook: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    url = f"postgresql://postgres@/postgres?host={server.pgdata}"
    await fill(url)
    database = Database(url)
    async with (
        TelegramApi.open() as api,
        telegram_bot(api, database, tmp_path, webhook, per_minute=60) as app,
        Page(app.settings.web_address) as page,
    ):
        an, binh = api.person(77, "An"), api.person(78, "Bình")
        await an.says("xin chào")
        await an.waits_for("kính chào")
        await page.open()
        await page.sees("^Dạ, kính chào")
        await app.sender.drain()
        await stop(server)
        chi = await page.presses("Bắt đầu")
        await an.presses("Bắt đầu")
        await binh.says("xin chào")
        await api.until(lambda: any(call.get("text") == BUSY for call in api.calls_of("answerCallbackQuery")), seconds=15)
        await binh.waits_for("Hệ thống đang bận")
        # Nobody brings the page's words again but the person: the page keeps them.
        await api.until(lambda: any("gửi lại giúp" in words for words in page.errors), seconds=15)
        if webhook:
            # They are brought again and again, oftener than anybody may speak: nobody is taken for a flood for that.
            brought = len(api.deliveries)
            await api.until(lambda: len(api.deliveries) > brought + 200, seconds=30)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            await asyncio.to_thread(server.ensure_postgres_running)
        await api.until(lambda: any("Để xét danh hiệu" in m.text for m in an.sees), seconds=30)
        await api.until(lambda: any("kính chào" in m.text for m in binh.sees), seconds=30)
        await page.presses("Bắt đầu", chi)
        await page.sees("^Để xét danh hiệu")
        await api.all_heard(seconds=30)
        await app.sender.drain()
        assert len([m for m in an.sees if "Để xét danh hiệu" in m.text]) == 1
        assert len([m for m in binh.sees if "kính chào" in m.text]) == 1
        assert len([m for m in binh.sees if m.text == BUSY]) == 1
        actions = [getattr(record, "action", "") for record in caplog.records]
        assert actions.count("receive_waits") == 1, "said once, not each time"
        assert "frame_failed" not in actions
    await database.close()
