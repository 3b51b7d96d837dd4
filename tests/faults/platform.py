"""The stand-in of Telegram on a bad day: slow, saying no, hanging up in the middle of an answer, delivering everything twice."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

from aiohttp import web

from tests.channels.telegram_api import TelegramApi, _values
from tests.channels.telegram_methods import Problem, Webhook

EARLY = 0.9  # of the time asked for: the two ends do not look at the clock in the same instant


class BadDay(TelegramApi):
    """What it does is done first: a message has arrived before its answer is late, or cut off."""

    def __init__(self, token: str = "") -> None:
        super().__init__(token)
        self.slow: dict[int, float] = {}  # chat -> seconds that its next answer takes
        self.holds_back = False  # updates wait for `delivers`
        self.says_no: Callable[[str, int | None], Problem | None] = lambda method, chat: None
        self.hangs_up: Callable[[str], bool] = lambda method: False
        self.everything_twice = False
        self.troubles = 0
        self.kept: dict[int, dict[str, Any]] = {}  # what was delivered by hand, to be delivered again
        self.wait_until: dict[int, float] = {}
        self.too_early: list[tuple[int, float]] = []  # who was spoken to before the time that we asked for, and how much
        self.chance = random.Random(1)

    async def _serve(self, request: web.Request) -> web.Response:
        method, chat = request.match_info["method"], (await _values(request)).get("chat_id")
        if chat is not None:
            self._look_at_the_clock(chat)
        if problem := self.says_no(method, chat):
            self.troubles += 1
            if problem.retry_after and chat is not None:
                self.wait_until[chat] = asyncio.get_running_loop().time() + problem.retry_after * EARLY
            return problem.response()
        answer = await super()._serve(request)
        await asyncio.sleep(self.slow.pop(chat or 0, 0))
        if answer.status == 200 and self.hangs_up(method):
            self.troubles += 1
            await self._half(request, answer)
        return answer

    def _look_at_the_clock(self, chat: int) -> None:
        early = self.wait_until.get(chat, 0) - asyncio.get_running_loop().time()
        if early > 0:
            self.too_early.append((chat, early))

    async def _half(self, request: web.Request, answer: web.Response) -> None:
        """Anything from the first byte to all but the last one; every other time it ends before the message's number."""
        body = answer.body
        assert isinstance(body, bytes) and request.transport
        part = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(len(body))})
        await part.prepare(request)
        await part.write(body[: self.chance.randrange(1, self.chance.choice((len(body), 30)))])
        request.transport.close()

    def deliver(self) -> None:
        if not self.holds_back:
            super().deliver()

    async def delivers(self, numbers: list[int]) -> list[int]:
        """Brings these updates, one after the other, in this order; gives the webhook's answers."""
        assert self.webhook
        answers = []
        for number in numbers:
            update = self.kept[number] = self.updates.pop(number, None) or self.kept[number]
            answers.append((await self._post(self.webhook, update))[0])
        return answers

    async def _post(self, webhook: Webhook, update: dict[str, Any]) -> tuple[int, float | None]:
        if not self.everything_twice:
            return await super()._post(webhook, update)
        one, other = await asyncio.gather(super()._post(webhook, update), super()._post(webhook, update))
        return one if one[0] != 200 else other
