"""Posting over connections that stay open, against a server that answers byte by byte as the test says."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from bot.channels.posting import KEPT_SECONDS, BrokeOff, Poster

YES = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
CUT = b"\0"  # the connection ends here


class Host:
    """Answers the n-th request with the n-th answer, the last one again and again; counts the connections."""

    def __init__(self, answers: list[list[bytes]]) -> None:
        self.answers, self.connections, self.requests = answers, 0, list[bytes]()
        self.lines = list[asyncio.StreamWriter]()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.lines.append(writer)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                size = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                self.requests.append(head + await reader.readexactly(size))
                for part in self.answers[min(len(self.requests), len(self.answers)) - 1]:
                    if part is CUT:
                        return writer.close()
                    writer.write(part)
                    await writer.drain()
                    await asyncio.sleep(0.01)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def hang_up(self) -> None:
        for line in self.lines:
            line.close()


@asynccontextmanager
async def posting(*answers: list[bytes], seconds: float = 5) -> AsyncIterator[tuple[Poster, Host]]:
    host = Host(list(answers))
    server = await asyncio.start_server(host, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    connector = aiohttp.TCPConnector()
    poster = Poster(f"http://127.0.0.1:{port}", connector, seconds, patience=2)
    try:
        yield poster, host
    finally:
        poster.close()
        await connector.close()
        server.close()
        host.hang_up()
        await server.wait_closed()


async def test_what_is_sent_and_that_the_connection_stays() -> None:
    async with posting([YES]) as (poster, host):
        assert await poster.post("/botX/sendMessage", b'{"a":1}') == (200, b"{}")
        assert await poster.post("/botX/sendMessage", b'{"b":2}') == (200, b"{}")
        assert host.connections == 1
    first = host.requests[0]
    assert first.startswith(b"POST /botX/sendMessage HTTP/1.1\r\nHost: 127.0.0.1:")
    assert first.endswith(b'Content-Type: application/json\r\nContent-Length: 7\r\n\r\n{"a":1}')


async def test_calls_side_by_side_do_not_wait_for_each_other() -> None:
    async with posting([YES]) as (poster, host):
        assert await asyncio.gather(*(poster.post("/x", b"{}") for _call in range(5))) == [(200, b"{}")] * 5
        assert host.connections == 5


@pytest.mark.parametrize(
    "parts",
    [
        [b"HTTP/1.1 200 OK\r\nContent-Le", b"ngth: 5\r\n\r\nab", b"cde"],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", b"3\r\ncde\r\n0\r\n\r\n"],
        [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde"],
        [b"HTTP/1.0 200 OK\r\n\r\nab", b"cde", CUT],
    ],
    ids=["in pieces", "in chunks", "announced", "until the end"],
)
async def test_an_answer_is_put_together(parts: list[bytes]) -> None:
    async with posting(parts) as (poster, _host):
        assert await poster.post("/x", b"{}") == (200, b"abcde")


async def test_answers_of_every_kind_are_read_from_one_connection() -> None:
    chunked = [b"HTTP/1.1 200 OK\r\nServer: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", b"0\r\nLast: x\r\n\r\n"]
    refused = [b"HTTP/1.1 429 Too Many Requests\r\nContent-Le", b"ngth: 3\r\n\r\nabc"]
    empty = [b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"]
    announced = [b"HTTP/1.1 100 Continue\r\n\r\n", YES]
    kinds = {(200, b"ab"): chunked, (429, b"abc"): refused, (200, b""): empty, (200, b"{}"): announced}
    async with posting(*kinds.values(), *kinds.values()) as (poster, host):
        assert [await poster.post("/x", b"{}") for _each in range(8)] == [*kinds, *kinds]
        assert host.connections == 1


async def test_a_connection_that_ends_between_two_answers() -> None:
    async with posting([YES], [CUT], [YES]) as (poster, host):
        await poster.post("/x", b"{}")
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await poster.post("/x", b"{}")
        assert await poster.post("/x", b"{}") == (200, b"{}")
        assert host.connections == 2


async def test_a_connection_that_the_host_closed_is_not_used_again() -> None:
    closing = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"
    async with posting([closing], [YES]) as (poster, host):
        assert await poster.post("/x", b"{}") == (200, b"{}")
        assert await poster.post("/x", b"{}") == (200, b"{}")
        assert host.connections == 2
        host.hang_up()
        await asyncio.sleep(0.1)
        assert await poster.post("/x", b"{}") == (200, b"{}")
        assert host.connections == 3


async def test_a_connection_that_was_not_used_for_long_is_left() -> None:
    async with posting([YES]) as (poster, host):
        await asyncio.gather(*(poster.post("/x", b"{}") for _call in range(3)))
        poster.idle = type(poster.idle)((connection, since - KEPT_SECONDS - 1) for connection, since in poster.idle)
        await poster.post("/x", b"{}")
        assert (host.connections, len(poster.idle)) == (4, 1)


async def test_an_answer_that_breaks_off() -> None:
    async with posting([b'HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"ok":true', CUT], [YES]) as (poster, host):
        with pytest.raises(BrokeOff) as broke:
            await poster.post("/x", b"{}")
        assert (broke.value.status, broke.value.part) == (200, b'{"ok":true')
        assert await poster.post("/x", b"{}") == (200, b"{}")
        assert host.connections == 2


@pytest.mark.parametrize("parts", [[CUT], [b"HTTP/1.1 200", CUT], [b"what?\r\n\r\n"]], ids=["none", "a word", "no HTTP"])
async def test_no_answer(parts: list[bytes]) -> None:
    async with posting(parts) as (poster, _host):
        with pytest.raises(aiohttp.ClientError):
            await poster.post("/x", b"{}")
        assert not poster.idle
        assert not poster.under_way


async def test_a_host_that_is_silent_is_given_up() -> None:
    async with posting([], [YES], seconds=0.2) as (poster, host):
        with pytest.raises(aiohttp.ClientError):
            await asyncio.wait_for(poster.post("/x", b"{}"), 4)
        assert await poster.post("/x", b"{}") == (200, b"{}")
        assert host.connections == 2


async def test_a_call_that_is_given_up_leaves_no_half_answer_behind() -> None:
    slow = [YES[:30], YES[30:]]
    async with posting(slow, [YES]) as (poster, host):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(poster.post("/x", b"{}"), 0.005)
        assert await poster.post("/x", b"{}") == (200, b"{}")
        assert host.connections == 2


async def test_nobody_there() -> None:
    connector = aiohttp.TCPConnector()
    poster = Poster("http://127.0.0.1:1", connector, 1, patience=1)
    with pytest.raises(aiohttp.ClientConnectorError):
        await poster.post("/x", b"{}")
    await connector.close()
