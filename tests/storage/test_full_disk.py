"""SQLite on a full disk: who is told that it is safe finds it there, and who is told that it is not does not."""

import asyncio
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from storage.session import DatabaseAway
from storage.sqlite import Sqlite

ROWS = 300  # so wide that a change of all of them needs more than memory


@contextmanager
def full_disk() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_turns_that_share_a_commit(tmp_path: Path) -> None:
    """One of them finds the disk full in the middle, when others before it have done their part."""
    driver = Sqlite(str(tmp_path / "one.sqlite3"))
    async with driver.transaction() as one:
        await one.execute("CREATE TABLE wide (n INTEGER PRIMARY KEY, v INTEGER, words TEXT)", ())
        await one.execute_many("INSERT INTO wide VALUES (?, 0, ?)", [(n, "x" * 600) for n in range(ROWS)])
        await one.execute("CREATE TABLE told (n INTEGER PRIMARY KEY)", ())

    async def turn(number: int) -> None:
        async with driver.transaction() as one:
            await one.execute("INSERT INTO told VALUES (?)", (number,))
            if number % 5 == 3:
                await one.execute("UPDATE wide SET v = ?", (number,))

    safe: set[int] = set()
    for round_ in range(10):
        numbers = range(round_ * 20, round_ * 20 + 20)
        work = [asyncio.create_task(turn(number)) for number in numbers]
        with full_disk():
            for _step in range(round_ * 2):
                await asyncio.sleep(0)
        outcomes = await asyncio.gather(*work, return_exceptions=True)
        assert all(outcome is None or isinstance(outcome, DatabaseAway) for outcome in outcomes)
        safe |= {number for number, outcome in zip(numbers, outcomes, strict=True) if outcome is None}
    async with driver.transaction() as one:
        there = {row[0] for row in await one.fetch("SELECT n FROM told", ())}
    assert there == safe
    assert 0 < len(safe) < 200
    await driver.close()
