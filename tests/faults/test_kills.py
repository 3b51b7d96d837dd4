"""SIGKILL at random points under load: nothing acknowledged is lost, nothing is done twice, and the queues drain.

One seed is one kill. `make soak` runs thousands of them: pytest --kills 5000.
"""

import asyncio
import random
from pathlib import Path

import pytest

from bot.outbox import LEASE
from storage.database import Database
from tests.faults.books import Books
from tests.faults.town import Town, copied, town
from tests.forks import Bot, Forks

EACH = 40  # kills of one database's bots, one after the other
LONGEST = 0.15  # seconds from the start, or from when all is open, to the kill


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every fifth round is on PostgreSQL."""
    rounds = range(metafunc.config.getoption("--kills") // EACH)
    if "seed" in metafunc.fixturenames:
        on_postgres = "postgres" in metafunc.function.__name__
        metafunc.parametrize("seed", [number for number in rounds if (number % 5 == 4) == on_postgres])


async def test_one_process_on_sqlite(seed: int, parent: Forks, sqlite_template: Path, tmp_path: Path) -> None:
    database, chance = copied(sqlite_template, tmp_path), random.Random(seed)
    async with town(parent, database, tmp_path, seed) as there:
        (bot,) = there.bots
        for _kill in range(EACH):
            await _dies_and_rises(bot, chance)
        await _checked(there)
    await database.close()


async def test_two_processes_on_postgresql(seed: int, parent: Forks, postgres_database: Database, tmp_path: Path) -> None:
    """What one had claimed the other sends when its lease is over; meanwhile others are served."""
    chance = random.Random(seed)
    async with town(parent, postgres_database, tmp_path, seed, bots=2, at_once=20) as there:
        for _kill in range(EACH):
            await _dies_and_rises(chance.choice(there.bots), chance)
        books = await _checked(there)
        assert books.waited_for(LEASE), "what a living process had in hand was taken from it"


async def _dies_and_rises(bot: Bot, chance: random.Random) -> None:
    """Mostly in the middle of the load; every sixth time while it starts."""
    if chance.random() > 1 / 6:
        await bot.ready()
    await asyncio.sleep(chance.random() * LONGEST)
    bot.kill()
    bot.start()


async def _checked(there: Town) -> Books:
    for bot in there.bots:
        await bot.ready()
    books = await there.finishes()
    books.check(there.api, there.crowd)
    assert books.in_flight, "no kill found anything in flight: the load is too light to prove anything"
    return books
