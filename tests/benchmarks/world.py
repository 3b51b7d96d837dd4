"""The outside world: a stand-in of the Bot API with a set delay, and citizens who press when the next question arrives."""

import asyncio
import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import orjson

from tests.benchmarks.servers import Server
from tests.benchmarks.wire import Answer, Poster, Serving

ME = b'{"ok":true,"result":{"id":1,"is_bot":true,"first_name":"Bot","username":"x_bot"}}'
YES = b'{"ok":true,"result":true}'
PATIENCE = 30  # seconds until a citizen who hears nothing counts as stuck


@dataclass
class Citizen:
    """`buttons` are those of the last message with any: label -> (message, token)."""

    number: int
    buttons: dict[str, tuple[int, str]] = field(default_factory=dict)
    heard: asyncio.Future[float] | None = None
    messages: Iterator[int] = field(default_factory=lambda: itertools.count(1))


class World:
    """Plays the citizens against the servers, all of one bot, and notes how long each answer took to arrive."""

    def __init__(self, servers: list[Server], api_port: int, delay: float = 0) -> None:
        self.servers, self.api_port, self.delay = servers, api_port, delay
        self.posters = [Poster(server.port, "/telegram/webhook", server.headers) for server in servers]
        self.citizens: dict[int, Citizen] = {}
        self.turns = itertools.cycle(self.posters)  # as a proxy spreads them, whoever speaks
        self.updates = itertools.count(time.time_ns() // 1000)  # a database may hear more than one world
        self.latencies: list[float] = []
        self.stuck = 0

    async def __aenter__(self) -> "World":
        loop = asyncio.get_running_loop()
        self.api = await loop.create_server(lambda: Serving(self._serve), "127.0.0.1", self.api_port)
        return self

    async def __aexit__(self, *_error: Any) -> None:
        for poster in self.posters:
            poster.close()
        self.api.close()

    def citizen(self, number: int) -> Citizen:
        return self.citizens.setdefault(number, Citizen(number))

    async def says(self, citizen: Citizen, words: str) -> None:
        """Types, or presses where it is `[a button]`; returns when the answer has arrived."""
        citizen.heard = asyncio.get_running_loop().create_future()
        began = time.perf_counter()
        async with asyncio.timeout(PATIENCE):
            await self.post(citizen, words)
            self.latencies.append(await citizen.heard - began)

    async def post(self, citizen: Citizen, words: str) -> None:
        """Does not wait for the answer."""
        assert await next(self.turns).post(orjson.dumps(self._update(citizen, words))) == 200

    def shows(self, citizen: Citizen, text: str, buttons: dict[str, tuple[int, str]]) -> None:
        """A message has arrived; it is the answer unless it is the notice of the criteria, which comes before the question."""
        citizen.buttons = buttons or citizen.buttons
        # The notice has no buttons; a question without any gives an example.
        if (buttons or "Ví dụ: " in text) and citizen.heard and not citizen.heard.done():
            citizen.heard.set_result(time.perf_counter())

    def _update(self, citizen: Citizen, words: str) -> dict[str, Any]:
        who = {"id": citizen.number, "is_bot": False, "first_name": "An"}
        chat = {"id": citizen.number, "type": "private", "first_name": "An"}
        update = {"update_id": next(self.updates)}
        message = {"message_id": 0, "date": 1_790_000_000, "chat": chat, "from": who, "text": words}
        if not words.startswith("["):
            return update | {"message": message | {"message_id": next(citizen.messages)}}
        # Peers have one kind of button; ours are pressed by their label.
        carrier, token = citizen.buttons.get(words[1:-1]) or next(iter(citizen.buttons.values()))
        query = {"id": str(update["update_id"]), "from": who, "chat_instance": "1", "data": token}
        return update | {"callback_query": query | {"message": message | {"message_id": carrier}}}

    def _serve(self, path: str, head: bytes, body: bytes, answer: Answer) -> None:
        method = path.rpartition("/")[2]
        content = self._called(method, head, body)
        if self.delay:
            asyncio.get_running_loop().call_later(self.delay, answer, content)
        else:
            answer(content)

    def _called(self, method: str, head: bytes, body: bytes) -> bytes:
        if method == "getMe":
            return ME
        if method not in ("sendMessage", "editMessageText"):
            return YES
        values = orjson.loads(body) if body[:1] == b"{" else {k: v[0] for k, v in parse_qs(body.decode()).items()}
        citizen = self.citizens[int(values["chat_id"])]
        number = int(values.get("message_id") or next(citizen.messages))
        markup = values.get("reply_markup")
        markup = orjson.loads(markup) if isinstance(markup, str) else markup
        rows = (markup or {}).get("inline_keyboard", ())
        self.shows(citizen, values["text"], {button["text"]: (number, button["callback_data"]) for row in rows for button in row})
        chat = {"id": citizen.number, "type": "private"}
        return orjson.dumps({"ok": True, "result": {"message_id": number, "date": 1_790_000_000, "chat": chat, "text": "x"}})
