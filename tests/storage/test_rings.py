"""Processes ring each other: nothing that was rung is lost, and many ring together."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

import storage.lines
import storage.postgres
from storage.database import Database
from storage.postgres import CONNECTIONS, Postgres
from storage.session import DatabaseAway

TRANSACTIONS = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint"  # each ring is one

HANG_UP = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


async def test_many_ring_together_and_all_are_heard(postgres_database: Database) -> None:
    driver, heard = postgres_database.driver, list[str]()
    listening = asyncio.create_task(driver.listen("bell", heard.append))
    async with asyncio.timeout(10):
        while "first" not in heard:
            await driver.ring("bell", "first")
            await asyncio.sleep(0.02)
        pool = await driver.pool()
        before = await pool.fetchval(TRANSACTIONS)
        await asyncio.gather(*(driver.ring("bell", str(number)) for number in range(200)))
        rung = await pool.fetchval(TRANSACTIONS) - before
        while "199" not in heard:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert [words for words in heard if words != "first"] == [str(number) for number in range(200)]
    assert rung <= 3, "the first by itself, and those who came meanwhile together"
    listening.cancel()


async def test_who_rings_in_vain_is_told() -> None:
    driver = Database("postgresql://nobody@/nowhere?host=/nowhere").driver
    outcomes = await asyncio.gather(*(driver.ring("bell", "words") for _each in range(5)), return_exceptions=True)
    assert [type(one) for one in outcomes] == [DatabaseAway] * 5


async def test_who_is_cut_off_takes_nobody_along(postgres_database: Database) -> None:
    driver, heard = postgres_database.driver, list[str]()
    pool = await driver.pool()
    everything = [await pool.acquire() for _each in range(CONNECTIONS)]
    await everything[0].add_listener("bell", lambda line, process, name, words: heard.append(words))
    rings = [asyncio.create_task(driver.ring("bell", "the first alone"))]
    await asyncio.sleep(0.02)  # it waits for a connection
    rings += [asyncio.create_task(driver.ring("bell", str(number))) for number in range(3)]
    await asyncio.sleep(0.02)
    rings[0].cancel()
    rings[1].cancel()
    for connection in everything[1:]:
        await pool.release(connection)
    outcomes = await asyncio.gather(*rings, return_exceptions=True)
    assert [type(one) for one in outcomes] == [asyncio.CancelledError] * 2 + [type(None)] * 2
    await everything[0].fetchval("SELECT 1")
    assert {"1", "2"} <= set(heard)
    await everything[0].reset()
    await pool.release(everything[0])


async def test_what_no_server_takes_is_told_and_the_next_is_rung(postgres_database: Database) -> None:
    driver = postgres_database.driver
    with pytest.raises(DatabaseAway, match="InvalidParameterValue"):
        await driver.ring("bell", "x" * 9000)
    await driver.ring("bell", "words")


async def test_the_end_leaves_nobody_waiting(postgres_database: Database) -> None:
    driver = postgres_database.driver
    pool = await driver.pool()
    everything = [await pool.acquire() for _each in range(CONNECTIONS)]
    rings = [asyncio.create_task(driver.ring("bell", "the first alone"))]
    await asyncio.sleep(0.02)
    rings.append(asyncio.create_task(driver.ring("bell", "the next")))
    await asyncio.sleep(0.02)
    await driver.rings.close()
    outcomes = await asyncio.gather(*rings, return_exceptions=True)
    assert [type(one) for one in outcomes] == [DatabaseAway] * 2
    for connection in everything:
        await pool.release(connection)


async def test_connections_that_do_not_answer_hold_nobody_up_for_long(postgres_database: Database, monkeypatch: Any) -> None:
    monkeypatch.setattr(storage.postgres, "RING_SECONDS", 0.4)
    place = urlsplit(postgres_database.driver.url)
    folder = parse_qs(place.query)["host"][0]
    async with Relay(f"{folder}/.s.PGSQL.5432") as relay:
        driver = Postgres(f"postgresql://postgres@127.0.0.1:{relay.port}{place.path}?sslmode=disable")
        pool = await driver.pool()
        open_now = [await pool.acquire() for _each in range(3)]
        for connection in open_now:
            await pool.release(connection)
        relay.mute()
        began = time.monotonic()
        for _dead in open_now:
            with pytest.raises(DatabaseAway, match="Timeout"):
                await driver.ring("bell", "words")
        await driver.ring("bell", "words")
        assert time.monotonic() - began < 2
        await driver.close()


class Relay:
    """A way to the server on which connections fall silent."""

    def __init__(self, socket: str) -> None:
        self.socket, self.lines = socket, list[asyncio.Task[None]]()
        self.heard = set[asyncio.Task[None]]()  # those that are not mute

    async def __aenter__(self) -> "Relay":
        self.server = await asyncio.start_server(self._line, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *error: object) -> None:
        self.server.close()
        for line in self.lines:
            line.cancel()
        await asyncio.gather(*self.lines, return_exceptions=True)

    def mute(self) -> None:
        """Those that are open now say nothing any more; new ones do."""
        self.heard.clear()

    async def _line(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = asyncio.current_task()
        assert line
        self.lines.append(line)
        self.heard.add(line)
        from_server, to_server = await asyncio.open_unix_connection(self.socket)

        async def carry(source: asyncio.StreamReader, goal: asyncio.StreamWriter) -> None:
            while data := await source.read(65536):
                if line in self.heard:
                    goal.write(data)

        try:
            await asyncio.gather(carry(reader, to_server), carry(from_server, writer))
        finally:
            for way in (writer, to_server):
                way.transport.abort()
            await asyncio.sleep(0)


async def settled(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_one_works_at_a_time_also_after_the_server_has_hung_up(postgres_database: Database) -> None:
    """Both lines break: one of them goes on, and whoever waits does not wait in vain."""
    first, second, working = postgres_database.driver, Postgres(postgres_database.driver.url), list[str]()

    def work(name: str) -> Callable[[], Awaitable[None]]:
        async def does() -> None:
            working.append(name)
            try:
                await asyncio.sleep(60)
            finally:
                working.remove(name)

        return does

    tasks = {"a": asyncio.create_task(first.only_one("poll", work("a")))}
    await settled(lambda: working == ["a"])
    tasks["b"] = asyncio.create_task(second.only_one("poll", work("b")))
    for _time in range(3):
        await asyncio.sleep(0.1)
        assert len(working) == 1
        await (await first.pool()).execute(HANG_UP)
        await asyncio.sleep(0.3)
        await settled(lambda: len(working) == 1)
    (one,) = working
    (other,) = tasks.keys() - {one}
    tasks[one].cancel()
    await settled(lambda: working == [other])
    tasks[other].cancel()
    await asyncio.wait(tasks.values())
    await second.close()


async def test_what_the_work_raises_is_raised(postgres_database: Database) -> None:
    async def fails() -> None:
        raise OSError("not the database's")

    with pytest.raises(OSError, match="not the database's"):
        await postgres_database.driver.only_one("poll", fails)


async def test_who_listens_hears_again_after_the_server_has_hung_up(postgres_database: Database) -> None:
    driver, heard = postgres_database.driver, list[str]()
    listening = asyncio.create_task(driver.listen("bell", heard.append))
    for number in range(3):
        async with asyncio.timeout(10):
            while str(number) not in heard:
                await driver.ring("bell", str(number))
                await asyncio.sleep(0.02)
        await (await driver.pool()).execute(HANG_UP)
    listening.cancel()


async def test_what_a_machine_that_vanished_holds_is_free_again(
    postgres_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It loses its power in the middle of a transaction: its row is locked, and nobody hangs up."""
    monkeypatch.setitem(storage.lines.VANISHED, "idle_in_transaction_session_timeout", "300ms")
    vanished = Postgres(postgres_database.driver.url)
    lock = "SELECT * FROM place WHERE id = 1 FOR UPDATE"
    with pytest.raises(DatabaseAway):
        async with vanished.transaction() as gone:
            await gone.fetch(lock, ())
            async with asyncio.timeout(5), postgres_database.driver.transaction() as one:
                assert await one.fetch(lock, ())
    await vanished.close()
