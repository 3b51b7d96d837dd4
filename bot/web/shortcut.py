"""The short way of a platform's call: what is plain is read here, everything else is aiohttp's from its first byte on.

A platform calls a hundred times a second, always in the same few words. aiohttp's way from the bytes to a handler and back takes
70 µs of processor, this one 15. It interprets nothing: where a head does not look exactly as it should, a body ends otherwise
than by its length, or a call comes before the last is answered, the connection is aiohttp's with what was heard, and stays so.
"""

import asyncio
import email.utils
import logging
import re
import time
from collections.abc import Callable, Coroutine, Iterable
from functools import lru_cache
from http import HTTPStatus
from typing import Any, NamedTuple

from bot.channels.webhook import AGAIN, JSON, RETRY_AFTER, Answer, Hook

log = logging.getLogger("bot.web")
LONGEST_HEAD, LONGEST_BODY = 2048, 256 * 1024  # bytes; what is longer is not what a platform usually says
_END = b"\r\n\r\n"
# One way only to match each byte: nobody keeps it busy.
_HEAD = re.compile(rb"POST (/[!-~]*) HTTP/1\.1\r\n((?:[A-Za-z0-9-]+:[ -~]*\r\n)+)\r\n")
_LENGTH = re.compile(rb"[0-9]{1,6}")
# Whoever sends one of these wants more than an answer.
_NOT_PLAIN = {b"transfer-encoding", b"content-encoding", b"expect", b"upgrade", b"trailer", b"te", b"proxy-connection"}


class _Head(NamedTuple):
    """What a plain head says."""

    path: str
    headers: dict[bytes, bytes]  # the names in small letters
    size: int  # bytes of the head
    length: int  # bytes of the body


class Shortcut:
    """Makes the protocol of each connection; `other` makes aiohttp's.

    A connection may lie idle for `idle` seconds, longer than a proxy keeps one; a call that has begun must be whole within
    one or two times `patience`.
    """

    def __init__(
        self, hooks: Iterable[Hook], other: Callable[[], asyncio.Protocol], idle: float = 3630, patience: float = 60
    ) -> None:
        self.hooks = {hook.path: (hook.header.lower().encode(), hook.answer) for hook in hooks}
        self.other, self.idle, self.patience, self.closing = other, idle, patience, False
        self.lines = set[_Line]()
        self.looking: asyncio.TimerHandle | None = None

    def __call__(self) -> asyncio.Protocol:
        return _Line(self)

    def opened(self, line: "_Line") -> None:
        self.lines.add(line)
        if self.looking is None:
            self._look_later()

    def _look_later(self) -> None:
        """One look over all of them costs less than a timer for each."""
        self.looking = asyncio.get_running_loop().call_later(self.patience, self._look)

    def _look(self) -> None:
        now = time.monotonic()
        for line in [line for line in self.lines if line.task is None]:
            if now - line.used > (self.patience if line.heard else self.idle):
                # Not closed: that would wait for those who never read their last answer.
                line.transport.abort()
        self.looking = None
        if self.lines:
            self._look_later()

    async def close(self, seconds: float) -> None:
        """Finishes what is in hand, waits at most so long for it and as long for what is cut off, and lets everybody go."""
        self.closing = True
        if self.looking:
            self.looking.cancel()
        for line in [line for line in self.lines if line.task is None]:
            line.close()
        if tasks := [line.task for line in self.lines if line.task]:
            _done, late = await asyncio.wait(tasks, timeout=seconds)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=seconds)
        for line in list(self.lines):
            line.close()


class _Line(asyncio.Protocol):
    """One connection, and one call at a time on it."""

    def __init__(self, shortcut: Shortcut) -> None:
        self.shortcut, self.heard, self.used = shortcut, bytearray(), time.monotonic()
        self.transport: Any = None
        self.task: asyncio.Task[None] | None = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        if self.shortcut.closing:
            self.close()
        else:
            self.shortcut.opened(self)

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        if self.task is None:
            self.shortcut.lines.discard(self)

    def data_received(self, data: bytes) -> None:
        if not self.heard:
            self.used = time.monotonic()
        self.heard += data
        if self.task is None:
            self._go_on()
        elif self.transport:
            # Who does not wait for the answer is aiohttp's when it is there.
            self.transport.pause_reading()

    def pause_writing(self) -> None:
        """Who asks on and on and does not read is not waited for."""
        self.transport.abort()

    def _go_on(self) -> None:
        """Takes the call in hand as soon as it is whole."""
        end = self.heard.find(_END, 0, LONGEST_HEAD)
        head = _read(bytes(self.heard[: end + len(_END)])) if end > 0 else None
        hook = self.shortcut.hooks.get(head.path) if head else None
        if head is None or hook is None:
            self._leave()
            return
        whole = head.size + head.length
        if len(self.heard) >= whole:
            (header, answer), body = hook, bytes(self.heard[head.size : whole])
            del self.heard[:whole]
            self.task = asyncio.create_task(self._answer(answer(head.headers.get(header, b""), body)))

    async def _answer(self, work: Coroutine[Any, Any, Answer]) -> None:
        try:
            status, content = await work
        except Exception:
            log.exception("call not answered", extra={"action": "hook_failed"})
            status, content = 500, b""
        except BaseException:
            self.close()
            raise
        finally:
            self.task, self.used = None, time.monotonic()
            if self.transport is None:
                # A turn goes on although nobody waits for it any more; now it is over.
                self.shortcut.lines.discard(self)
        if self._open:
            self.transport.write(_answered(int(time.time()), status, len(content)) + content)
        if self.heard or self.shortcut.closing:
            self._leave()

    def _leave(self) -> None:
        """From here on it is aiohttp's."""
        if not self._open or self.shortcut.closing:
            self.close()
            return
        self.shortcut.lines.discard(self)
        protocol = self.shortcut.other()
        self.transport.set_protocol(protocol)
        protocol.connection_made(self.transport)
        self.transport.resume_reading()
        protocol.data_received(bytes(self.heard))

    @property
    def _open(self) -> bool:
        return self.transport is not None and not self.transport.is_closing()

    def close(self) -> None:
        if self.transport:
            self.transport.close()


@lru_cache(500)
def _read(head: bytes) -> _Head | None:
    """None where it is not plain. A platform's heads differ in nothing but the length."""
    plain = _HEAD.fullmatch(head)
    if plain is None:
        return None
    pairs = [line.split(b":", 1) for line in plain[2].split(b"\r\n")[:-1]]
    headers = {name.lower(): value.strip() for name, value in pairs}
    length = headers.get(b"content-length", b"")
    if len(headers) < len(pairs) or b"host" not in headers or not headers.keys().isdisjoint(_NOT_PLAIN):
        return None
    if headers.get(b"connection", b"keep-alive").lower() != b"keep-alive":
        return None
    if not _LENGTH.fullmatch(length) or int(length) > LONGEST_BODY:
        return None
    return _Head(plain[1].decode(), headers, len(head), int(length))


@lru_cache(100)
def _answered(second: int, status: int, length: int) -> bytes:
    """The head of an answer."""
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", f"Date: {email.utils.formatdate(second, usegmt=True)}"]
    lines += [f"{name}: {value}" for name, value in RETRY_AFTER.items() if status == AGAIN]
    lines += [f"Content-Type: {JSON}"] if length else []
    return "\r\n".join([*lines, f"Content-Length: {length}", "", ""]).encode()
