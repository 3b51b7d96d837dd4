"""Helpers of the channels' tests: a `receive` that writes down what it hears, and channels that run on the stand-in."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from aiohttp import web

from bot.channels import Receipt, Receive
from bot.channels.telegram import Telegram
from handlers.incoming import Incoming
from tests.channels.telegram_api import TOKEN, TelegramApi

SECRET = "a-secret_0123456789"


class Listener:
    """`trouble` is what comes of the next messages instead; who has a gate waits before it."""

    def __init__(self, api: TelegramApi) -> None:
        self.api = api
        self.begun: list[Incoming] = []
        self.heard: list[Incoming] = []
        self.trouble: list[Exception | Receipt] = []
        self.gates: dict[str, asyncio.Event] = {}

    def gate(self, number: int) -> asyncio.Event:
        return self.gates.setdefault(f"telegram:{number}", asyncio.Event())

    async def __call__(self, incoming: Incoming) -> Receipt:
        self.begun.append(incoming)
        self.api.changed()
        if gate := self.gates.get(incoming.address):
            await gate.wait()
        if self.trouble:
            return _happens(self.trouble.pop(0))
        again = incoming in self.heard
        self.heard.append(incoming)
        self.api.changed()
        return Receipt(again=again)

    @property
    def said(self) -> list[str]:
        return [getattr(incoming.meaning, "text", "") for incoming in self.heard]

    async def hears(self, count: int, seconds: float = 5) -> list[Incoming]:
        await self.api.until(lambda: len(self.heard) >= count, lambda: f"{count} messages in {self.said}", seconds)
        return self.heard

    async def begins(self, count: int) -> None:
        await self.api.until(lambda: len(self.begun) >= count, lambda: f"{count} beginnings")


def _happens(trouble: Exception | Receipt) -> Receipt:
    if isinstance(trouble, Exception):
        raise trouble
    return trouble


@contextlib.asynccontextmanager
async def polling(api: TelegramApi, receive: Receive, **settings: Any) -> AsyncIterator[Telegram]:
    channel = Telegram(TOKEN, api.url, **settings)
    await channel.start(receive)
    try:
        yield channel
    finally:
        await channel.stop()


@contextlib.asynccontextmanager
async def hooked(api: TelegramApi, receive: Callable[[Incoming], Awaitable[Receipt]]) -> AsyncIterator[Telegram]:
    """A channel behind a web server of its own."""
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        channel = Telegram(TOKEN, api.url, f"http://127.0.0.1:{place.getsockname()[1]}", SECRET)
        app = web.Application()
        app.add_routes(channel.routes(receive))
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        await web.SockSite(runner, place).start()
        await channel.start(receive)
        try:
            yield channel
        finally:
            await channel.stop()
            await runner.cleanup()
