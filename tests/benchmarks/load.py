"""The load: people who press as soon as the next question arrives, and a stand-in of the Bot API that answers at once."""

import asyncio
import itertools
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

from tests.benchmarks.servers import Server
from tests.channels.telegram_api import TOKEN

AGREE = ["[Bắt đầu]", "[Đồng ý]", "[Đồng ý]", "[Đồng ý]"]
ANSWERS = ["[Thường xuyên (8 điểm)]", "[Chưa có, câu tiếp theo]"] * 10
ENDING = ["[Xem kết quả]", "[Gửi cho chi hội]"]


@dataclass
class Citizen:
    """Says the next thing when the answer to the last one has come."""

    number: int
    talk: list[str]
    bare: bool = False
    buttons: dict[str, tuple[int, str]] = field(default_factory=dict)
    news: asyncio.Event = field(default_factory=asyncio.Event)


def full_talk(number: int, bare: bool) -> list[Citizen]:
    """The whole self-assessment, from the greeting to the submission."""
    return [Citizen(number, ["xin chào", *AGREE, *who(number), *ANSWERS, *ENDING], bare)]


def answers(number: int, bare: bool) -> list[Citizen]:
    """What happens a million times: a citizen who stands at the first question, and then taps through all of them."""
    ready = Citizen(number, [] if bare else ["xin chào", *AGREE, *who(number)], bare)
    return [ready, Citizen(number, ANSWERS, bare, ready.buttons)]


def who(number: int) -> list[str]:
    """No two citizens have the same name and year of birth."""
    name = f"Nguyễn Thị {'ABCDEGHKLM'[number % 10]}n {'BCDGHKLMNT'[number // 10 % 10]}a"
    return ["[bác]", name, str(1940 + number % 60), "trung tien cam binh", "[Đúng]", "[Công dân học tập]", "[Người dân trong xã]"]


def newcomers(number: int) -> Citizen:
    return Citizen(number, ["xin chào", *AGREE])


class Load:
    """Plays the citizens against a server, and measures from the message to its answer's arrival."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.citizens: dict[int, Citizen] = {}
        self.updates, self.messages = itertools.count(1), itertools.count(1)
        self.latencies: list[float] = []
        self.turns = 0
        self.http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        self.runner: web.AppRunner | None = None

    async def open(self) -> None:
        app = web.Application(client_max_size=2**24)
        app.router.add_route("*", f"/bot{TOKEN}/{{method}}", self._api)
        self.runner = web.AppRunner(app, access_log=None)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", self.server.api_port).start()

    async def close(self) -> None:
        await self.http.close()
        assert self.runner
        await self.runner.cleanup()

    async def run(self, citizens: Iterable[Citizen], at_once: int = 1000) -> float:
        """Plays them all; gives the seconds."""
        places = asyncio.Semaphore(at_once)

        async def play(citizen: Citizen) -> None:
            async with places:
                await self._play(citizen)

        began = time.perf_counter()
        await asyncio.gather(*(play(citizen) for citizen in citizens))
        return time.perf_counter() - began

    async def _play(self, citizen: Citizen) -> None:
        self.citizens[citizen.number] = citizen
        for words in citizen.talk:
            citizen.news.clear()
            update = self._update(citizen, words)
            began = time.perf_counter()
            async with self.http.post(self.server.webhook, json=update, headers=self.server.headers) as answer:
                assert answer.status == 200, await answer.text()
            await asyncio.wait_for(citizen.news.wait(), 30)
            self.latencies.append(time.perf_counter() - began)
            self.turns += 1
        del self.citizens[citizen.number]

    def _update(self, citizen: Citizen, words: str) -> dict[str, Any]:
        who = {"id": citizen.number, "is_bot": False, "first_name": "An"}
        chat = {"id": citizen.number, "type": "private"}
        message = {"message_id": next(self.messages), "date": 1_790_000_000, "chat": chat, "from": who, "text": words}
        if not words.startswith("["):
            return {"update_id": next(self.updates), "message": message}
        carrier, token = (1, "x") if citizen.bare else citizen.buttons[words[1:-1]]
        query = {"id": str(carrier), "from": who, "chat_instance": "1", "data": token}
        return {"update_id": next(self.updates), "callback_query": query | {"message": message | {"message_id": carrier}}}

    async def _api(self, request: web.Request) -> web.Response:
        method = request.match_info["method"]
        if method == "sendMessage":
            return web.json_response({"ok": True, "result": self._sent(await _values(request))})
        if method == "getMe":
            return web.json_response({"ok": True, "result": {"id": 1, "is_bot": True, "first_name": "Bot", "username": "x_bot"}})
        if method.startswith("edit"):
            values = await _values(request)
            return web.json_response({"ok": True, "result": _message(int(values["message_id"]), int(values["chat_id"]))})
        return web.json_response({"ok": True, "result": True})

    def _sent(self, values: dict[str, Any]) -> dict[str, Any]:
        number, citizen = next(self.messages), self.citizens.get(int(values["chat_id"]))
        markup = values.get("reply_markup") or {"inline_keyboard": []}
        markup = json.loads(markup) if isinstance(markup, str) else markup
        if citizen:
            for row in markup["inline_keyboard"]:
                citizen.buttons |= {button["text"]: (number, button["callback_data"]) for button in row}
            # The criteria's notice comes before the question: the person presses when there is something to press.
            if citizen.bare or markup["inline_keyboard"] or "Ví dụ" in values["text"]:
                citizen.news.set()
        return _message(number, int(values["chat_id"]))


def _message(number: int, chat: int) -> dict[str, Any]:
    return {"message_id": number, "date": 1_790_000_000, "chat": {"id": chat, "type": "private"}, "text": "x"}


async def _values(request: web.Request) -> dict[str, Any]:
    return dict(await request.json()) if request.content_type == "application/json" else dict(await request.post())
