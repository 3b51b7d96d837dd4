"""The servers under load, each in processes of their own on a core of their own."""

import asyncio
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import ClassVar

import aiohttp
import psutil

from tests.channels.listening import SECRET
from tests.channels.telegram_api import TOKEN
from tests.running import ROOT, free_port

BOT_CORE, WORLD_CORE = 0, 1


@dataclass(frozen=True)
class Contestant:
    """How its server is started; `ours` where it is the real bot, on this kind of database."""

    name: str
    command: tuple[str, ...]
    ours: str = ""  # sqlite | postgres
    processes: int = 1
    page: bool = False  # its citizens sit at the web chat, not at Telegram
    python: str = sys.executable


class Server:
    """A process that hears Telegram's webhook and speaks to the Bot API at `api_port`."""

    headers: ClassVar = {"X-Telegram-Bot-Api-Secret-Token": SECRET}

    def __init__(
        self, contestant: Contestant, folder: Path, api_port: int, database_url: str = "", cores: tuple[int, ...] = (BOT_CORE,)
    ) -> None:
        self.contestant, self.folder, self.api_port = contestant, folder, api_port
        self.database_url, self.cores, self.port = database_url, cores, free_port()
        self.process: asyncio.subprocess.Process | None = None

    def _settings(self) -> dict[str, str]:
        return {
            "DATA_DIR": str(self.folder), "HTTP_PORT": str(self.port), "TELEGRAM_BOT_TOKEN": TOKEN, "LOG_LEVEL": "ERROR",
            "TELEGRAM_API_URL": f"http://127.0.0.1:{self.api_port}", "PUBLIC_URL": f"http://127.0.0.1:{self.port}",
            "TELEGRAM_WEBHOOK_SECRET": SECRET, "MESSAGES_PER_MINUTE": "1000000", "DATABASE_URL": self.database_url,
            "SECRET_KEY": "k" * 40,
        }  # fmt: skip

    async def __aenter__(self) -> "Server":
        self.process = await asyncio.create_subprocess_exec(
            self.contestant.python,
            *self.contestant.command,
            cwd=ROOT,
            env=os.environ | self._settings(),
            stdout=asyncio.subprocess.DEVNULL,
        )
        psutil.Process(self.process.pid).cpu_affinity(list(self.cores))
        async with aiohttp.ClientSession() as http, asyncio.timeout(60):
            while True:
                try:
                    async with http.get(f"http://127.0.0.1:{self.port}/healthz"):
                        return self
                except aiohttp.ClientError:
                    await asyncio.sleep(0.05)

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self.process
        self.process.terminate()
        try:
            async with asyncio.timeout(10):
                await self.process.wait()
        except TimeoutError:
            # A peer that is a thousand updates behind does not end by itself.
            self.process.kill()
            await self.process.wait()

    def cpu_seconds(self) -> float:
        assert self.process
        times = psutil.Process(self.process.pid).cpu_times()
        return times.user + times.system

    def megabytes(self) -> float:
        assert self.process
        return psutil.Process(self.process.pid).memory_info().rss / 2**20


OURS = ("-m", "bot", "run")
LIMIT = Contestant("hand-written limit", ("-m", "tests.benchmarks.peers.limit"))
STOCK = Contestant("python-telegram-bot, PicklePersistence", ("-m", "tests.benchmarks.peers.stock"))
STOCK_SQLMODEL = Contestant("… and one SQLModel commit an answer", ("-m", "tests.benchmarks.peers.stock", "--sqlmodel"))
# It wants other versions of what we use: it has an environment of its own.
PEERS = str(ROOT / ".venv" / "peers" / "bin" / "python")
AIOGRAM = Contestant("aiogram, states in SQLite", ("-m", "tests.benchmarks.peers.aiogram_fsm"), python=PEERS)
SQLITE = Contestant("**ours, SQLite**", OURS, "sqlite")
POSTGRES = Contestant("**ours, PostgreSQL**", OURS, "postgres")
POSTGRES_TWICE = Contestant("**ours, PostgreSQL, two processes**", OURS, "postgres", 2)
SQLITE_PAGE = Contestant("**our web chat, SQLite**", OURS, "sqlite", page=True)
POSTGRES_PAGE = Contestant("**our web chat, PostgreSQL**", OURS, "postgres", page=True)
