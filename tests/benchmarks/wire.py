"""As little HTTP/1.1 as a load needs: what measures must cost less than what is measured."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

Answer = Callable[[bytes], None]


class _Framed(asyncio.Protocol):
    """Cuts the stream into messages with a Content-Length."""

    def __init__(self) -> None:
        self.buffer = bytearray()
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = bytes(self.buffer[:end])
            size = _length(head)
            if len(self.buffer) < end + 4 + size:
                return
            body = bytes(self.buffer[end + 4 : end + 4 + size])
            del self.buffer[: end + 4 + size]
            self.arrived(head, body)

    def arrived(self, head: bytes, body: bytes) -> None:
        raise NotImplementedError

    def write(self, data: bytes) -> None:
        if self.transport and not self.transport.is_closing():
            self.transport.write(data)

    def close(self) -> None:
        if self.transport:
            self.transport.close()


def _length(head: bytes) -> int:
    lowered = head.lower()
    at = lowered.find(b"content-length:")
    return int(lowered[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0


class Serving(_Framed):
    """Gives each request's path, head and body to `serve`, with the function that answers it."""

    def __init__(self, serve: Callable[[str, bytes, bytes, Answer], None]) -> None:
        super().__init__()
        self.serve = serve

    def arrived(self, head: bytes, body: bytes) -> None:
        self.serve(head.split(b" ", 2)[1].decode(), head, body, self._answer)

    def _answer(self, content: bytes) -> None:
        self.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(content), content))


class Line(_Framed):
    """One connection; one request at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: asyncio.Future[bytes] | None = None

    async def ask(self, request: bytes) -> bytes:
        """The head of the answer. Raises ConnectionResetError where the connection ends before."""
        self.waiting = asyncio.get_running_loop().create_future()
        self.write(request)
        return await self.waiting

    def arrived(self, head: bytes, body: bytes) -> None:
        if self.waiting and not self.waiting.done():
            self.waiting.set_result(head)

    def connection_lost(self, error: Exception | None) -> None:
        if self.waiting and not self.waiting.done():
            self.waiting.set_exception(ConnectionResetError())


def status(head: bytes) -> int:
    """The status that the head of an answer gives."""
    return int(head[9:12])


class Poster:
    """Posts to one address over connections that stay open. Gives the status; raises OSError."""

    def __init__(self, port: int, path: str, headers: dict[str, str]) -> None:
        self.port, self.idle = port, deque[Line]()
        lines = [f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Content-Type: application/json"]
        self.head = "\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers.items())]).encode()

    async def post(self, body: bytes) -> int:
        loop = asyncio.get_running_loop()
        line = self.idle.pop() if self.idle else (await loop.create_connection(Line, "127.0.0.1", self.port))[1]
        head = await line.ask(b"%b\r\nContent-Length: %d\r\n\r\n%b" % (self.head, len(body), body))
        self.idle.append(line)
        return status(head)

    def close(self) -> None:
        for line in self.idle:
            line.close()
