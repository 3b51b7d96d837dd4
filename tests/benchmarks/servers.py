"""The servers under load, each in a process of its own: ours, and the least that could be written by hand."""

import asyncio
import os
import sys
from pathlib import Path
from types import TracebackType

import aiohttp
import psutil

from tests.channels.listening import SECRET
from tests.channels.telegram_api import TOKEN
from tests.running import ROOT, free_port


class Server:
    """A process that hears Telegram's webhook and speaks to the Bot API at `api_url`."""

    bare = False

    def __init__(self, folder: Path) -> None:
        self.folder, self.port, self.api_port = folder, free_port(), free_port()
        self.process: asyncio.subprocess.Process | None = None

    @property
    def webhook(self) -> str:
        return f"http://127.0.0.1:{self.port}/telegram/webhook"

    @property
    def headers(self) -> dict[str, str]:
        return {"X-Telegram-Bot-Api-Secret-Token": SECRET}

    def command(self) -> list[str]:
        raise NotImplementedError

    def settings(self) -> dict[str, str]:
        return {
            "DATA_DIR": str(self.folder), "HTTP_PORT": str(self.port), "TELEGRAM_BOT_TOKEN": TOKEN, "LOG_LEVEL": "ERROR",
            "TELEGRAM_API_URL": f"http://127.0.0.1:{self.api_port}", "PUBLIC_URL": f"http://127.0.0.1:{self.port}",
            "TELEGRAM_WEBHOOK_SECRET": SECRET, "MESSAGES_PER_MINUTE": "1000000",
        }  # fmt: skip

    async def __aenter__(self) -> "Server":
        self.process = await asyncio.create_subprocess_exec(
            *self.command(), cwd=ROOT, env=os.environ | self.settings(), stdout=asyncio.subprocess.DEVNULL
        )
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
        await self.process.wait()

    def cpu_seconds(self) -> float:
        assert self.process
        times = psutil.Process(self.process.pid).cpu_times()
        return times.user + times.system

    def megabytes(self) -> float:
        assert self.process
        return psutil.Process(self.process.pid).memory_info().rss / 2**20


class OurServer(Server):
    def command(self) -> list[str]:
        return [sys.executable, "-m", "bot", "run"]


class BareServer(Server):
    """aiohttp, one commit, one call: what a turn costs before any guarantee."""

    bare = True

    def command(self) -> list[str]:
        return [sys.executable, "-m", "tests.benchmarks.bare"]
