"""Citizens at our own web chat: each has a seat's cookie and an open page, as a browser has them."""

import asyncio
import ipaddress
from functools import partial
from typing import Any

import orjson

from tests.benchmarks.servers import Server
from tests.benchmarks.websocket import WebSocket
from tests.benchmarks.world import Citizen, World

HELLO = b'{"type":"hello","after":0,"opening":false}'
NETWORK = ipaddress.IPv4Address("10.0.0.0")


class WebWorld(World):
    """Plays the citizens at the web chat. The Bot API stands in here too: a server with Telegram looks for it."""

    def __init__(self, servers: list[Server], api_port: int, delay: float = 0) -> None:
        super().__init__(servers, api_port, delay)
        self.pages: dict[int, WebSocket] = {}

    async def __aexit__(self, *error: Any) -> None:
        for page in self.pages.values():
            page.close()
        await super().__aexit__(*error)

    async def post(self, citizen: Citizen, words: str) -> None:
        """Does not wait for the answer. The first words open the page instead, where a new chat begins by itself."""
        if page := self.pages.get(citizen.number):
            page.send(orjson.dumps(self._frame(citizen, words)))
        else:
            self.pages[citizen.number] = await self._open(citizen)

    async def _open(self, citizen: Citizen) -> WebSocket:
        """Fetches the page for its cookie and says hello."""
        port = self.servers[citizen.number % len(self.servers)].port
        protocol = partial(WebSocket, partial(self._told, citizen))
        _transport, page = await asyncio.get_running_loop().create_connection(protocol, "127.0.0.1", port)
        # One network address may open only so many chats a minute: each citizen has an own, as a proxy would say it.
        headers = {"Host": f"127.0.0.1:{port}", "X-Forwarded-For": str(NETWORK + citizen.number)}
        cookie = _cookie(await page.get("/chat/1", headers))
        await page.open("/ws/1", headers | {"Origin": f"http://127.0.0.1:{port}", "Cookie": cookie})
        page.send(HELLO)
        return page

    def _frame(self, citizen: Citizen, words: str) -> dict[str, Any]:
        frame = {"id": f"{next(citizen.messages):032x}"}  # as long as the page's own
        if not words.startswith("["):
            return frame | {"type": "say", "text": words}
        message, token = citizen.buttons[words[1:-1]]
        return frame | {"type": "press", "token": token, "message": message}

    def _told(self, citizen: Citizen, content: bytes) -> None:
        frame = orjson.loads(content)
        if frame["type"] == "line":
            buttons = {one["label"]: (frame["id"], one["token"]) for row in frame["buttons"] for one in row}
            self.shows(citizen, frame["text"], buttons)
        elif frame["type"] == "error" and citizen.heard and not citizen.heard.done():
            citizen.heard.set_exception(AssertionError(frame["text"]))


def _cookie(head: bytes) -> str:
    """What a browser sends back. Raises IndexError where no cookie is given."""
    return head.decode().split("Set-Cookie: ")[1].partition(";")[0]
