"""The short way of a platform's call: it answers what aiohttp would, to anybody, in however many pieces they come."""

import asyncio
import contextlib
import itertools
import json
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvloop
from aiohttp import web
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.channels.webhook import AGAIN, Answer, Hook, webhook
from bot.web.shortcut import LONGEST_BODY, LONGEST_HEAD, Shortcut

HEADER, SECRET = "X-Secret-Token", "a-secret_0123456789"
LAST = b"GET /end HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
HEAD = {"Host": "x", "Content-Type": "application/json", HEADER: SECRET}
BODY = b'{"update_id": 1, "words": "xin ch\xc3\xa0o"}'
UNREADABLE = " 400"
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def call(body: bytes = BODY, head: dict[str, str] | None = None, first: str = "POST /hook HTTP/1.1") -> bytes:
    """A request as platforms write it."""
    fields = {**HEAD, "Content-Length": str(len(body)), **(head or {})}
    return "\r\n".join([first, *(f"{name}: {value}" for name, value in fields.items() if value), "", ""]).encode() + body


class House:
    """A server of aiohttp's, with the short way before it or without."""

    def __init__(self, short: bool, idle: float = 300, patience: float = 60) -> None:
        self.short, self.idle, self.patience, self.updates = short, idle, patience, list[Any]()
        self.gate: asyncio.Event | None = None
        self.guests: list[asyncio.StreamWriter] = []

    async def take(self, update: dict[str, Any]) -> dict[str, Any] | None:
        if self.gate:
            await self.gate.wait()
        if update.get("fails"):
            raise RuntimeError("a fault of ours")
        self.updates.append(update)
        return None if update.get("again") else {"took": update.get("update_id")} if "update_id" in update else {}

    @asynccontextmanager
    async def open(self) -> AsyncIterator["House"]:
        async def end(request: web.Request) -> web.Response:
            return web.Response(text="end")

        async def echo(given: bytes, body: bytes) -> Answer:
            return 200, json.dumps([given.decode("latin-1"), body.decode("latin-1")]).encode()

        async def cut_off(given: bytes, body: bytes) -> Answer:
            raise asyncio.CancelledError

        hooks = [
            webhook("/hook", HEADER, SECRET, self.take, logging.getLogger("test")), Hook("/echo", HEADER, echo),
            Hook("/cut_off", HEADER, cut_off),
        ]  # fmt: skip
        app = web.Application(client_max_size=LONGEST_BODY * 4)
        app.add_routes([*hooks, web.get("/end", end)])
        self.runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self.runner.setup()
        assert self.runner.server
        self.shortcut = Shortcut(hooks, self.runner.server, self.idle, self.patience)
        served = self.shortcut if self.short else self.runner.server
        self.listening = await asyncio.get_running_loop().create_server(served, "127.0.0.1", 0)  # type: ignore[arg-type]
        self.port = self.listening.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            self.listening.close()
            await asyncio.gather(self.shortcut.close(1), self.runner.cleanup())

    async def leave(self) -> None:
        """All guests hang up."""
        for writer in self.guests:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def connect(self) -> Connection:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.guests.append(writer)
        return reader, writer

    @property
    def by_aiohttp(self) -> int:
        """So many calls came to aiohttp."""
        assert self.runner.server
        return self.runner.server.requests_count


async def answered(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """One answer."""
    async with asyncio.timeout(5):
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: *(\d+)", head)
        assert length, head
        return int(head[9:12]), await reader.readexactly(int(length[1]))


async def said(connection: Connection, *pieces: bytes) -> None:
    for piece in pieces:
        connection[1].write(piece)
        await connection[1].drain()
        await asyncio.sleep(0.002)  # so that each comes by itself


def answers(stream: bytes) -> list[Any]:
    """The status, what counts of the head, and the content of each answer in what came until the end."""
    found = []
    while stream:
        head, _end, rest = stream.partition(b"\r\n\r\n")
        fields = {name.lower(): value for name, value in re.findall(rb"\r\n([\w-]+): *([^\r]*)", head)}
        length = int(fields.get(b"content-length", b"0"))
        # What it says of a call that cannot be read is aiohttp's own business.
        content = rest[:length] if head[9:12] in (b"200", b"403", b"503") else b""
        kind = fields.get(b"content-type", b"").partition(b";")[0] if content else b""
        found.append((head[:12].decode(), kind, fields.get(b"retry-after"), content))
        stream = rest[length:]
    return found


class Ear(asyncio.Protocol):
    """Keeps what comes, also where the connection breaks afterwards."""

    def __init__(self) -> None:
        self.stream, self.over = b"", asyncio.Event()

    def data_received(self, data: bytes) -> None:
        self.stream += data

    def connection_lost(self, error: Exception | None) -> None:
        self.over.set()


async def dialogue(short: bool, pieces: list[bytes], patient: bool) -> tuple[list[Any], list[Any]]:
    """What the house answers to these pieces and a last question, and what it took."""
    async with House(short).open() as house:
        writer, ear = await asyncio.get_running_loop().create_connection(Ear, "127.0.0.1", house.port)
        for piece in [*pieces, LAST]:
            if piece is LAST and patient:
                await asyncio.sleep(0.02)
            if not ear.over.is_set():
                writer.write(piece)
                await asyncio.sleep(0.002)  # so that each comes by itself
        try:
            async with asyncio.timeout(0.3):
                await ear.over.wait()
        except TimeoutError:
            ear.stream += b"HTTP/1.1 000 waits for more\r\n\r\n"
        if not ear.over.is_set():
            writer.abort()
        return answers(ear.stream), house.updates


_heads = st.fixed_dictionaries(
    {},
    optional={
        HEADER: st.sampled_from([SECRET, "another", "", "Ã¡", " " + SECRET + " "]),
        "Proxy-Connection": st.sampled_from(["keep-alive", "close"]),
        "Host": st.sampled_from(["x", "bot.example:8080", ""]),
        "Connection": st.sampled_from(["keep-alive", "Keep-Alive", "close", "upgrade", "keep-alive, te"]),
        "Expect": st.just("100-continue"),
        "Transfer-Encoding": st.sampled_from(["chunked", "identity"]),
        "Content-Encoding": st.sampled_from(["gzip", "identity"]),
        "Content-Length": st.sampled_from(["0", "3", "007", "+5", "-1", "1e1", "", "99999999"]),
        "content-length": st.sampled_from(["5", str(len(BODY))]),
        "X-Forwarded-For": st.sampled_from(["203.0.113.5, 198.51.100.7", "\t", ""]),
        "X_Odd": st.just("y"),
        "Upgrade": st.just("websocket"),
    },
)
_bodies = st.sampled_from([BODY, b"", b"{}", b"[1]", b"nonsense", b'{"update_id": 2, "again": 1}', b"5\r\nhello\r\n0\r\n\r\n"])
_firsts = st.sampled_from(
    ["POST /hook HTTP/1.1"] * 4
    + ["POST /echo HTTP/1.1", "POST /hook HTTP/1.0", "POST /hook?x=1 HTTP/1.1", "POST /h%6Fok HTTP/1.1", "GET /hook HTTP/1.1"]
    + ["POST  /hook HTTP/1.1", "post /hook HTTP/1.1", "POST http://x/hook HTTP/1.1", "POST /nowhere HTTP/1.1", "POST * HTTP/1.1"]
)
_calls = st.builds(call, _bodies, _heads, _firsts)


@settings(max_examples=60, deadline=None)
@given(calls=st.lists(_calls, min_size=1, max_size=3), cuts=st.sets(st.integers(1, 600), max_size=3), patient=st.booleans())
@example(calls=[call(), call()], cuts=set(), patient=False)
@example(calls=[call(), call()], cuts={len(call())}, patient=True)
@example(calls=[call()], cuts={len(call()) - 3}, patient=True)
@example(calls=[call(head={"Host": ""})], cuts=set(), patient=True)
@example(calls=[call(head={"Connection": "close"})], cuts=set(), patient=True)
@example(calls=[call(head={"Proxy-Connection": "close"}), call()], cuts={len(call()) + 25}, patient=True)
@example(calls=[call(head={"Expect": "100-continue"})], cuts=set(), patient=True)
@example(calls=[call(b"5\r\nhello\r\n0\r\n\r\n", {"Transfer-Encoding": "chunked"})], cuts=set(), patient=True)
@example(calls=[call(head={"Content-Encoding": "gzip"})], cuts=set(), patient=True)
@example(calls=[call(head={"content-length": str(len(BODY))})], cuts=set(), patient=True)
@example(calls=[call(head={"Content-Length": f"+{len(BODY)}"})], cuts=set(), patient=True)
@example(calls=[call().replace(b"\r\n", b"\n")], cuts=set(), patient=True)
@example(calls=[call().replace(b"Host: x", b"Host: x\r\n folded: 1")], cuts=set(), patient=True)
@example(calls=[call().replace(b"Host: x", b"Host: x\0")], cuts=set(), patient=True)
@example(calls=[b"\r\n" + call()], cuts=set(), patient=True)
def test_it_answers_what_aiohttp_would(calls: list[bytes], cuts: set[int], patient: bool) -> None:
    stream = b"".join(calls)
    at = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    pieces = [stream[a:b] for a, b in itertools.pairwise(at)]
    (short, taken), (whole, taken_whole) = (uvloop.run(dialogue(kind, pieces, patient)) for kind in (True, False))
    if short[-1] == whole[-1] and UNREADABLE in whole[-1][0]:
        # By then aiohttp has forgotten the calls before it that came in the same piece.
        assert short[: len(whole) - 1] == whole[:-1]
    else:
        assert (short, taken) == (whole, taken_whole)


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Awaitable[None]], None]:
    return request.param  # type: ignore[no-any-return]


def test_a_platform_calls_again_and_again(run: Callable[..., None]) -> None:
    async def calls() -> None:
        async with House(short=True).open() as house:
            reader, writer = await house.connect()
            for number in range(20):
                body = json.dumps({"update_id": number}).encode()
                request = call(body)
                for piece in (request,) if number % 2 else (request[:-4], request[-4:-1], request[-1:]):
                    await said((reader, writer), piece)
                assert await answered(reader) == (200, b'{"took":%d}' % number)
            writer.write(call(b'{"again": 1}'))
            head = await reader.readuntil(b"\r\n\r\n")
            assert b" 503 " in head and b"Retry-After: 2" in head and b"Date: " in head
            writer.write(call(head={HEADER: "wrong"}))
            assert (await answered(reader))[0] == 403
            assert len(house.updates) == 21 and house.by_aiohttp == 0
            # A proxy sends everything over one connection.
            writer.write(b"GET /end HTTP/1.1\r\nHost: x\r\n\r\n")
            assert await answered(reader) == (200, b"end")
            writer.write(call())
            assert await answered(reader) == (200, b'{"took":1}')
            assert house.by_aiohttp == 2 and not house.shortcut.lines
            await house.leave()

    run(calls())


def test_much_is_read_and_too_much_is_aiohttps(run: Callable[..., None]) -> None:
    async def calls() -> None:
        async with House(short=True).open() as house:
            for size, by_aiohttp in ((LONGEST_BODY, 0), (LONGEST_BODY + 1, 1)):
                reader, writer = await house.connect()
                body = b'{"update_id": 1}'.ljust(size)
                writer.write(call(body))
                assert await answered(reader) == (200, b'{"took":1}')
                assert house.by_aiohttp == by_aiohttp
            reader, writer = await house.connect()
            writer.write(call(head={"X-Long": "a" * LONGEST_HEAD}))
            assert await answered(reader) == (200, b'{"took":1}')
            assert house.by_aiohttp == 2
            await house.leave()

    run(calls())


def test_a_fault_of_ours_is_an_answer_too(run: Callable[..., None], caplog: pytest.LogCaptureFixture) -> None:
    async def calls() -> None:
        async with House(short=True).open() as house:
            reader, writer = await house.connect()
            writer.write(call(b'{"fails": 1}'))
            assert (await answered(reader))[0] == 500
            writer.write(call())
            assert (await answered(reader))[0] == 200
            await house.leave()

    run(calls())
    assert "call not answered" in caplog.text


def test_who_goes_away_meanwhile_is_heard_all_the_same(run: Callable[..., None]) -> None:
    async def calls() -> None:
        async with House(short=True).open() as house:
            house.gate = asyncio.Event()
            _reader, writer = await house.connect()
            writer.write(call())
            await _until(lambda: any(line.task for line in house.shortcut.lines))
            writer.transport.abort()
            await asyncio.sleep(0.02)
            assert house.shortcut.lines, "the end would wait for it"
            house.gate.set()
            await _until(lambda: house.updates and not house.shortcut.lines)
            await house.leave()

    run(calls())


def test_who_does_not_read_is_let_go(run: Callable[..., None]) -> None:
    async def calls() -> None:
        async with House(short=True).open() as house:
            writer, ear = await asyncio.get_running_loop().create_connection(Ear, "127.0.0.1", house.port)
            writer.pause_reading()
            request = call(b"x" * 200_000, first="POST /echo HTTP/1.1")
            await _until(lambda: house.shortcut.lines)
            # It goes on asking: each answer is as long as the question.
            async with asyncio.timeout(20):
                while house.shortcut.lines:
                    if not writer.get_write_buffer_size():
                        writer.write(request)
                    await asyncio.sleep(0.002)
            assert house.by_aiohttp == 0
            writer.abort()
            await ear.over.wait()

    run(calls())


def test_who_does_not_wait_is_not_read(run: Callable[..., None]) -> None:
    async def calls() -> None:
        async with House(short=True).open() as house:
            house.gate = asyncio.Event()
            writer, ear = await asyncio.get_running_loop().create_connection(Ear, "127.0.0.1", house.port)
            count = 2000
            writer.write(call(b'{"update_id": 1}'.ljust(10_000)) * count)
            await asyncio.sleep(0.1)
            assert sum(len(line.heard) for line in house.shortcut.lines) < 1 << 20
            house.gate.set()
            await _until(lambda: ear.stream.count(b'{"took":1}') == count)
            assert len(house.updates) == count and house.by_aiohttp == count - 1
            writer.close()
            await ear.over.wait()

    run(calls())


def test_who_is_silent_is_let_go(run: Callable[..., None]) -> None:
    async def calls() -> None:
        async with House(short=True, idle=0.3, patience=0.1).open() as house:
            house.gate = asyncio.Event()
            silent, half, busy = [await house.connect() for _each in range(3)]
            await said(half, call()[:-1])
            await said(busy, call())
            async with asyncio.timeout(2):
                assert await half[0].read() == b""
                assert len(house.shortcut.lines) == 2, "who has not begun to call may take longer"
                assert await silent[0].read() == b""
            house.gate.set()
            assert (await answered(busy[0]))[0] == 200, "whose turn is in hand waits as long as it takes"
            async with asyncio.timeout(2):
                assert await busy[0].read() == b""
            await house.leave()

    run(calls())


def test_a_call_after_a_long_silence_may_come_in_pieces(run: Callable[..., None]) -> None:
    async def calls() -> None:
        async with House(short=True, patience=0.3).open() as house:
            one = await house.connect()
            await said(one, call())
            assert (await answered(one[0]))[0] == 200
            await asyncio.sleep(0.4)
            await said(one, call()[:-1])
            house.shortcut._look()
            await said(one, call()[-1:])
            assert (await answered(one[0]))[0] == 200
            assert house.by_aiohttp == 0
            await house.leave()

    run(calls())


def test_who_cannot_be_answered_is_let_go(run: Callable[..., None]) -> None:
    """As at aiohttp: whoever waits would wait for ever."""

    async def calls(short: bool) -> None:
        async with House(short).open() as house:
            reader, writer = await house.connect()
            writer.write(call(first="POST /cut_off HTTP/1.1") * 2)
            async with asyncio.timeout(2):
                assert await reader.read() == b""
            await house.leave()

    for short in (True, False):
        run(calls(short))


def test_who_comes_at_the_end_is_not_heard(run: Callable[..., None]) -> None:
    async def calls() -> None:
        async with House(short=True).open() as house:
            house.shortcut.closing = True
            reader, writer = await house.connect()
            writer.write(call())
            async with asyncio.timeout(2):
                with contextlib.suppress(ConnectionError):
                    assert await reader.read() == b""
            assert not house.updates
            await house.leave()

    run(calls())


def test_who_has_no_secret_is_not_read() -> None:
    asked = []

    async def answer(body: bytes) -> Answer:
        hook = webhook("/hook", HEADER, SECRET, House(short=True).take, logging.getLogger("test"), asked.append)
        return await hook.answer(b"another", body)

    assert asyncio.run(answer(b'{"x": 1}')) == (403, b"") and asked == [{"x": 1}]
    assert asyncio.run(answer(b'{"x": 1}'.ljust(5000))) == (403, b"") and len(asked) == 1


def test_the_end_waits_for_what_is_in_hand(run: Callable[..., None]) -> None:
    async def calls() -> None:
        house = House(short=True)
        async with house.open():
            house.gate = asyncio.Event()
            idle, one = await house.connect(), await house.connect()
            one[1].write(call() + call())
            await _until(lambda: any(line.task for line in house.shortcut.lines))
            asyncio.get_running_loop().call_later(0.1, house.gate.set)
        assert await answered(one[0]) == (200, b'{"took":1}')
        async with asyncio.timeout(5):
            assert await one[0].read() == b"", "what came behind it comes again"
            assert await idle[0].read() == b""
        await asyncio.sleep(0.02)
        assert len(house.updates) == 1
        for _reader, writer in (idle, one):
            await house.leave()

    run(calls())


async def _until(there: Callable[[], Any]) -> None:
    async with asyncio.timeout(5):
        while not there():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


def test_again_is_a_status_that_makes_platforms_deliver_again() -> None:
    assert AGAIN == 503
