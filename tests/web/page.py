"""Our own page's side of the web chat's protocol, over real HTTP and a real WebSocket."""

import asyncio
import io
import itertools
import re
from types import TracebackType
from typing import Any

import aiohttp

_ids = itertools.count(1)


class Page:
    """One open page. Keeps its lines as the real page does; sends again what was not heard."""

    def __init__(self, base: str, seat: str = "1", jar: aiohttp.CookieJar | None = None) -> None:
        self.base, self.seat = base, seat
        self.http = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True) if jar is None else jar)
        self.lines: dict[str, dict[str, Any]] = {}
        self.ever: list[str] = []  # every text of the bot that was ever to be read
        self.heard: set[str] = set()
        self.errors: list[str] = []
        self.faults: list[str] = []
        self.after = 0
        self.news = asyncio.Condition()
        self.ws: aiohttp.ClientWebSocketResponse | None = None
        self.reader: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Page":
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def open(self, start: str | None = None) -> "Page":
        """Fetches the page for its cookie, and connects."""
        async with self.http.get(f"{self.base}/chat/{self.seat}") as answer:
            assert answer.status == 200, await answer.text()
        self.ws = await self.http.ws_connect(f"{self.base}/ws/{self.seat}")
        self.reader = asyncio.create_task(self._read())
        await self.ws.send_json({"type": "hello", "after": self.after, "opening": start is not None})
        if start:
            await self._send({"type": "open", "text": start}, None)
        return self

    async def close(self) -> None:
        if self.ws:
            await self.ws.close()
        if self.reader:
            self.reader.cancel()
        await self.http.close()
        assert not self.faults, self.faults

    async def says(self, words: str, frame_id: str | None = None) -> str:
        return await self._send({"type": "say", "text": words}, frame_id)

    async def presses(self, label: str, frame_id: str | None = None) -> str:
        """Presses the newest button with this label."""
        message, token = self.button(label)
        return await self._send({"type": "press", "token": token, "message": message}, frame_id)

    async def uploads(self, content: bytes, name: str, caption: str | None = None) -> tuple[int, dict[str, Any]]:
        form = aiohttp.FormData()
        if caption:
            form.add_field("caption", caption)
        form.add_field("file", io.BytesIO(content), filename=name)
        async with self.http.post(f"{self.base}/upload/{self.seat}?id=u{next(_ids)}", data=form) as answer:
            return answer.status, await answer.json()

    def button(self, label: str) -> tuple[int, str]:
        for line in reversed(self.said()):
            for row in line["buttons"]:
                for one in row:
                    if one["label"] == label:
                        return line["id"], one["token"]
        raise AssertionError(f"no button [{label}]; the last line is {self.last()!r}")

    def said(self) -> list[dict[str, Any]]:
        """The bot's lines, oldest first."""
        return sorted((line for line in self.lines.values() if line["from"] == "bot"), key=lambda line: line["id"])

    def last(self) -> str:
        said = self.said()
        return said[-1]["text"] if said else ""

    async def sees(self, pattern: str, seconds: float = 15) -> str:
        """Waits until the bot's last line fits."""
        async with asyncio.timeout(seconds), self.news:
            await self.news.wait_for(lambda: re.search(pattern, self.last()))
        return self.last()

    async def was_heard(self, frame_id: str, seconds: float = 15) -> None:
        async with asyncio.timeout(seconds), self.news:
            await self.news.wait_for(lambda: frame_id in self.heard)

    async def send(self, frame: dict[str, Any]) -> None:
        """A frame as it is; one that was sent before must change nothing."""
        assert self.ws
        await self.ws.send_json(frame)

    async def _send(self, frame: dict[str, Any], frame_id: str | None) -> str:
        assert self.ws
        frame_id = frame_id or f"f{next(_ids)}"
        await self.ws.send_json(frame | {"id": frame_id})
        return frame_id

    async def _read(self) -> None:
        assert self.ws
        async for message in self.ws:
            async with self.news:
                try:
                    self._take(message.json())
                except AssertionError as fault:
                    self.faults.append(str(fault))
                self.news.notify_all()

    def _take(self, frame: dict[str, Any]) -> None:
        if frame["type"] == "line":
            name = f"{frame['from']}{frame['id']}"
            assert frame["from"] == "me" or name not in self.lines, f"shown twice: {frame['text'][:60]}"
            self.lines[name] = frame | {"buttons": frame.get("buttons", [])}
            self.after = max(self.after, frame["seq"])
            self.ever += [frame["text"]] if frame["from"] == "bot" else []
        elif frame["type"] == "edit" and f"bot{frame['id']}" in self.lines:
            line = self.lines[f"bot{frame['id']}"]
            line |= {"text": frame["text"] or line["text"], "buttons": frame["buttons"]}
            self.ever.append(frame["text"] or "")
        elif frame["type"] == "heard":
            self.heard.add(frame["id"])
        elif frame["type"] == "error":
            self.errors.append(frame["text"])
