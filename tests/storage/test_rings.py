"""Processes ring each other: nothing that was rung is lost, and many ring together."""

import asyncio

from storage.database import Database
from storage.postgres import CONNECTIONS
from storage.session import DatabaseAway

TRANSACTIONS = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint"  # each ring is one


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


async def test_who_is_cut_off_leaves_no_other_in_the_dark(postgres_database: Database) -> None:
    """Whoever rings for all may end in the middle: the others do not believe that they were heard."""
    driver = postgres_database.driver
    pool = await driver.pool()
    everything = [await pool.acquire() for _each in range(CONNECTIONS)]
    rings = [asyncio.create_task(driver.ring("bell", "the first alone"))]
    await asyncio.sleep(0.02)  # it waits for a connection
    rings += [asyncio.create_task(driver.ring("bell", "words")) for _each in range(3)]
    await asyncio.sleep(0.02)
    rings[0].cancel()
    await asyncio.sleep(0.02)  # the second waits for a connection, for all three
    rings[1].cancel()
    outcomes = await asyncio.gather(*rings, return_exceptions=True)
    cut = asyncio.CancelledError
    assert [type(one) for one in outcomes] == [cut, cut, DatabaseAway, DatabaseAway]
    for connection in everything:
        await pool.release(connection)
    await driver.ring("bell", "words")
