"""Telegram on a bad day, under load: nobody waits for somebody else, nothing is lost, nothing arrives twice."""

import asyncio
import random
from pathlib import Path

import pytest

from storage.database import Database
from tests.channels.telegram_methods import Problem
from tests.faults.books import Books
from tests.faults.crowd import ASSOCIATION, BRANCH
from tests.faults.town import Town, copied, town
from tests.forks import Forks

SLOW = 11.0  # seconds: longer than the lease of what is being sent


async def test_a_slow_platform_slows_nobody_else(parent: Forks, postgres_database: Database, tmp_path: Path) -> None:
    """The answers to one officer take longer than a claim lasts: the other process must not send them as well."""
    async with town(parent, postgres_database, tmp_path, seed=1, bots=2, at_once=5) as there:
        there.api.slow[ASSOCIATION] = SLOW
        await there.api.until(lambda: not there.api.slow, seconds=30)
        waits = asyncio.get_running_loop().time() + SLOW
        newcomers = 0
        while asyncio.get_running_loop().time() < waits:
            newcomers += 1
            began = asyncio.get_running_loop().time()
            person = there.api.person(500 + newcomers)
            await person.says("xin chào")
            await person.waits_for("kính chào", seconds=3)
            await asyncio.sleep(max(0.0, 0.5 - (asyncio.get_running_loop().time() - began)))
        books = await _checked(there)
        assert newcomers > 10 and not books.in_flight


async def test_a_storm_of_429(parent: Forks, sqlite_template: Path, tmp_path: Path) -> None:
    """Every tenth call is refused, to the officers every third: what was asked for is waited, nothing overtakes."""
    database, chance = copied(sqlite_template, tmp_path), random.Random(2)
    async with town(parent, database, tmp_path, seed=2) as there:

        def says_no(method: str, chat: int | None) -> Problem | None:
            share = 0.3 if chat in (BRANCH, ASSOCIATION) else 0.1
            return Problem(429, retry_after=1) if chance.random() < share else None

        there.api.says_no = says_no
        await _at_work(there, troubles=40)
        await _gets_better(there)
        assert not there.api.too_early
    await database.close()


async def test_errors_of_500(parent: Forks, sqlite_template: Path, tmp_path: Path) -> None:
    database, chance = copied(sqlite_template, tmp_path), random.Random(2)
    async with town(parent, database, tmp_path, seed=2) as there:
        there.api.says_no = lambda method, chat: Problem(500) if chance.random() < 0.01 else None
        await _at_work(there, troubles=6)
        await _gets_better(there)
    await database.close()


async def test_half_an_answer(parent: Forks, sqlite_template: Path, tmp_path: Path) -> None:
    """The message has arrived, and its answer says so before it breaks off: it is not sent again."""
    database, chance = copied(sqlite_template, tmp_path), random.Random(3)
    async with town(parent, database, tmp_path, seed=3) as there:
        there.api.hangs_up = lambda method: chance.random() < 0.1
        await _at_work(there, troubles=20)
        there.api.hangs_up = lambda method: False
        books = await _checked(there)
        assert not books.in_flight
        assert any(d.message_id is None for d in books.deliveries if d.edits is None), "none was cut off before its number"
    await database.close()


@pytest.mark.parametrize("bots", [1, 2])
async def test_every_update_twice(bots: int, parent: Forks, postgres_database: Database, tmp_path: Path) -> None:
    """At the same instant, and where there are two processes mostly at both of them."""
    async with town(parent, postgres_database, tmp_path, seed=4, bots=bots, at_once=5) as there:
        there.api.everything_twice = True
        await there.api.until(lambda: len(there.api.deliveries) > 400, seconds=60)
        books = await _checked(there)
        assert not books.in_flight


async def _at_work(there: Town, troubles: int) -> None:
    await there.api.until(lambda: there.api.troubles >= troubles, lambda: f"{troubles} of {there.api.troubles}", 60)


async def _gets_better(there: Town) -> None:
    there.api.says_no = lambda method, chat: None
    books = await _checked(there)
    assert not books.in_flight
    _in_order(books)


async def _checked(there: Town) -> Books:
    books = await there.finishes()
    books.check(there.api, there.crowd)
    return books


def _in_order(books: Books) -> None:
    """Each person's messages have arrived in the order in which they were said; answers do not wait for notices."""
    arrived: dict[tuple[str, int], list[int]] = {}
    for delivery in books.deliveries:
        if delivery.edits is None and not delivery.in_place:
            arrived.setdefault((delivery.address, delivery.urgency), []).append(int(delivery.message_id or 0))
    for whose, numbers in arrived.items():
        assert numbers == sorted(numbers), whose
