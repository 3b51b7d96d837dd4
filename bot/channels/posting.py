"""Posts JSON to one host over connections that stay open: aiohttp's pool and parser, without its session.

The session takes 130 µs of processor a call, more than all the rest of a turn may; this takes 40.
"""

import asyncio
from collections import deque

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.streams import EofStream, StreamReader
from yarl import URL

LOOK_EVERY = 1.0  # seconds between two looks for calls that take too long
KEPT_SECONDS = 15
ANNOUNCED = 199  # up to this status the answer itself is still to come


class BrokeOff(aiohttp.ClientPayloadError):
    """The answer began with this status, and no more came than these bytes."""

    def __init__(self, status: int, part: bytes) -> None:
        super().__init__("the answer broke off")
        self.status, self.part = status, part


class Poster:
    """An answer may take so many `seconds`, a connection so many of `patience`. The connector is its owner's to close."""

    def __init__(self, origin: str, connector: aiohttp.BaseConnector, seconds: float, patience: float) -> None:
        self.connector, self.seconds = connector, seconds
        self.timeout = aiohttp.ClientTimeout(sock_connect=patience)
        self.to = aiohttp.ClientRequest("POST", URL(origin), loop=asyncio.get_running_loop())
        self.head = f" HTTP/1.1\r\nHost: {self.to.headers['Host']}\r\nContent-Type: application/json\r\nContent-Length: "
        self.idle: deque[tuple[Connection, float]] = deque()  # and since when
        self.under_way: dict[ResponseHandler, float] = {}
        self.loop = asyncio.get_running_loop()
        self.looking: asyncio.TimerHandle | None = None

    async def post(self, path: str, body: bytes) -> tuple[int, bytes]:
        """The status and the content of the answer.

        Raises aiohttp.ClientError or TimeoutError where none came in time, BrokeOff where it stopped in the middle.
        """
        connection = self._open_one() or await self._open()
        line = connection.protocol
        assert line is not None and line.transport is not None
        self._watch(line)
        try:
            line.transport.write(f"POST {path}{self.head}{len(body)}\r\n\r\n".encode() + body)
            answer, content = await line.read()
            while answer.code <= ANNOUNCED:
                answer, content = await line.read()
            received = content.read_nowait() if content.is_eof() else await whole(answer.code, content)
        except BaseException as error:
            connection.close()
            if isinstance(error, HttpProcessingError | EofStream):
                raise aiohttp.ClientPayloadError(type(error).__name__) from error
            raise
        finally:
            del self.under_way[line]
        self._keep(connection, line)
        return answer.code, received

    async def _open(self) -> Connection:
        """A new connection; it reads one answer after another by the same parser."""
        connection = await self.connector.connect(self.to, [], self.timeout)
        assert connection.protocol is not None
        connection.protocol.set_response_params(read_until_eof=True, auto_decompress=False)
        return connection

    def _open_one(self) -> Connection | None:
        """The connection used last that is still good."""
        self._leave_old()
        while self.idle:
            connection, _since = self.idle.pop()
            line = connection.protocol
            if line is not None and line.is_connected() and not line.should_close:
                return connection
            connection.close()
        return None

    def _keep(self, connection: Connection, line: ResponseHandler) -> None:
        if line.should_close:
            connection.close()
        else:
            self.idle.append((connection, self.loop.time()))

    def _leave_old(self) -> None:
        """What was not used for a while the other side may be about to close, or something between us has forgotten."""
        since = self.loop.time() - KEPT_SECONDS
        while self.idle and self.idle[0][1] < since:
            self.idle.popleft()[0].close()

    def close(self) -> None:
        while self.idle:
            self.idle.pop()[0].close()

    def _watch(self, line: ResponseHandler) -> None:
        """One look a second over all costs less than a timer for each."""
        self.under_way[line] = self.loop.time()
        if self.looking is None:
            self.looking = self.loop.call_later(LOOK_EVERY, self._look)

    def _look(self) -> None:
        self.looking = self.loop.call_later(LOOK_EVERY, self._look) if self.under_way else None
        late = self.loop.time() - self.seconds
        for line in [line for line, began in self.under_way.items() if began < late and line.transport]:
            line.transport.abort()


async def whole(status: int, content: StreamReader) -> bytes:
    """All of an answer. Raises BrokeOff."""
    received = bytearray()
    try:
        while not content.at_eof():
            received += await content.readany()
    except (aiohttp.ClientError, TimeoutError) as error:
        raise BrokeOff(status, bytes(received)) from error
    return bytes(received)
