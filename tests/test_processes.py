"""Two processes on one PostgreSQL: the same talk at either, news across, and one goes on where the other died."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from storage.database import Database
from tests.conftest import create
from tests.faults.test_crashes import TALK
from tests.forks import Bot as Forked
from tests.forks import Forks
from tests.running import ROOT, Bot
from tests.web.page import Page


@pytest.fixture
def pair(postgres_database: Database, tmp_path: Path) -> Iterator[tuple[Bot, Bot]]:
    settings = {"DATABASE_URL": postgres_database.driver.url, "SECRET_KEY": "k" * 40}
    bots = (Bot(tmp_path, settings=settings), Bot(tmp_path, settings=settings))
    for bot in bots:
        bot.start()
    yield bots
    for bot in bots:
        if bot.process and bot.process.poll() is None:
            bot.stop()


async def test_a_talk_goes_on_at_the_other_process(pair: tuple[Bot, Bot]) -> None:
    """Each message at another process than the one before; then the page stays, and the news comes across."""
    jar = aiohttp.CookieJar(unsafe=True)
    for number, (words, then) in enumerate(TALK):
        async with Page(pair[number % 2].base, jar=jar) as page:
            await page.open(start="v-18685-001" if number == 0 else None)
            await page.sees(f"^{TALK[number - 1][1]}" if number else "^Dạ, kính chào")
            await (page.presses(words[1:-1]) if words.startswith("[") else page.says(words))
            await page.sees(f"^{then}")
    async with Page(pair[0].base, jar=jar) as here, Page(pair[1].base, jar=jar) as there:
        for page in (here, there):
            await page.open()
            await page.sees("^Câu 5")
        await here.presses("Chưa có, câu tiếp theo")
        for page in (here, there):
            await page.sees("^Câu 6/10")
        assert len(there.said()) == len(here.said())


async def test_a_dead_process_leaves_nothing_behind(pair: tuple[Bot, Bot]) -> None:
    """The one dies in the middle of a turn; the other answers the same message within ten seconds, once."""
    jar = aiohttp.CookieJar(unsafe=True)
    async with Page(pair[0].base, jar=jar) as page:
        await page.open()
        await page.sees("^Dạ, kính chào")
        message, token = page.button("Bắt đầu")
        await page.send(frame := {"type": "press", "token": token, "message": message, "id": "at-the-end"})
        pair[0].kill()
    async with Page(pair[1].base, jar=jar) as page:
        await page.open()
        await page.send(frame)
        await page.was_heard("at-the-end")
        await page.sees("^Để xét danh hiệu", seconds=10)
        assert len([line for line in page.said() if line["text"].startswith("Để xét danh hiệu")]) == 1


def test_sqlite_is_for_one_process(tmp_path: Path) -> None:
    bot = Bot(tmp_path)
    bot.start()
    second = subprocess.run(
        [sys.executable, "-m", "bot", "run"], cwd=ROOT, capture_output=True, text=True, timeout=20,
        env=os.environ | {"DATA_DIR": str(tmp_path), "HTTP_PORT": "0", "TELEGRAM_BOT_TOKEN": "", "DATABASE_URL": ""},
    )  # fmt: skip
    assert second.returncode == 2
    assert second.stderr.strip() == f"DATABASE_URL: another bot serves from {tmp_path}/bot.sqlite3; several processes need PostgreSQL"
    bot.kill()
    bot.start()
    bot.stop()


@pytest.mark.parametrize("roles", ["", "web,king"])
def test_an_unknown_role_is_one_line(roles: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bot", "run", "--roles", roles]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20, env=os.environ | {"DATA_DIR": str(tmp_path)})
    assert (done.returncode, done.stderr) == (2, f"--roles: {roles!r} is not some of web, sender, clock\n")


async def test_a_web_process_and_a_sender(postgres_database: Database, tmp_path: Path) -> None:
    """What a web process said and could not send is sent by the one that sends."""
    settings = {"DATABASE_URL": postgres_database.driver.url, "SECRET_KEY": "k" * 40}
    web, sender = Bot(tmp_path, settings=settings, roles="web"), Bot(tmp_path, settings=settings, roles="sender,clock")
    web.start()
    sender.start()
    async with Page(web.base) as page:
        await page.open()
        await page.sees("^Dạ, kính chào")
    async with aiohttp.ClientSession() as http, http.get(f"{sender.base}/chat/1") as answer:
        assert answer.status == 404
    await asyncio.sleep(0)
    for bot in (web, sender):
        bot.stop()


@pytest.mark.parametrize("public", [True, False], ids=["reached by the world", "tried out"])
async def test_three_processes_begin_at_once_on_a_new_database(
    public: bool, parent: Forks, postgres: str, tmp_path: Path
) -> None:
    """One fills it, one key signs for all; and no open invitation stands in the log of what the world can reach."""
    name = f"new_{os.getpid()}_{public:d}"
    await create(postgres, name)
    settings = {"DATABASE_URL": postgres % name, "TELEGRAM_BOT_TOKEN": ""} | ({} if public else {"PUBLIC_URL": ""})
    bots = [Forked(parent, tmp_path, settings, roles) for roles in ("web", "web", "sender,clock")]
    try:
        for bot in bots:
            bot.start()
        for bot in bots:
            await bot.ready()
        await asyncio.sleep(0.1)  # the hints stand below the line that says so
        said = "".join(bot.output() for bot in bots)
        for bot in bots:
            await bot.stop()
    finally:
        for bot in bots:
            bot.kill()
    assert said.count("A new database") == 1 and "Traceback" not in said
    assert ("?start=" in said) is not public and ("officers invite" in said) is public
    (key,) = tmp_path.glob("secret_key*")
    assert len(key.read_text()) >= 32 and key.stat().st_mode & 0o77 == 0
