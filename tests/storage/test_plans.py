"""The statements that run twice a second look only at what they are about, however much was sent before."""

from datetime import UTC, datetime

import pytest

from storage import delivery
from storage.database import Database
from storage.delivery import Delivery, Urgency
from storage.speaker import newcomer
from storage.statements import Asked, new

NOW = datetime(2026, 11, 20, tzinfo=UTC)
ASKED = [
    delivery._due("telegram", Urgency.REPLY, NOW, 100),
    delivery._due_broadcasts("telegram", Urgency.BROADCAST, NOW, 100),
    delivery._stale(NOW, NOW),
    delivery._named("telegram:1", "1"),
]


@pytest.fixture(params=[0, 1000])
async def outbox(request: pytest.FixtureRequest, sqlite_database: Database) -> Database:
    """With so many broadcasts in it, and what SQLite then knows of them."""
    async with sqlite_database.transaction() as session:
        person = (await newcomer(session, "telegram:1", NOW)).person
        await session.flush()
        said = {"channel": "telegram", "person_id": person.id, "not_before": NOW, "created_at": NOW}
        for number in range(request.param):
            session.add(new(Delivery, address=f"telegram:{number}", urgency=Urgency.BROADCAST, **said))
        await session.flush()
        await session.connection.execute("ANALYZE", ())
    return sqlite_database


async def _steps(asked: Asked, database: Database) -> list[str]:
    made = asked.query.in_words_of(database.grammar.dialect)
    async with database.transaction() as session:
        return [str(row[3]) for row in await session.connection.fetch("EXPLAIN QUERY PLAN " + made.sql, made.values(asked.values))]


@pytest.mark.parametrize("asked", ASKED, ids=["due", "broadcasts", "stale", "named"])
async def test_an_index_is_used(asked: Asked, outbox: Database) -> None:
    steps = await _steps(asked, outbox)
    assert not [step for step in steps if step.startswith("SCAN") and "USING INDEX" not in step], steps


@pytest.mark.parametrize("asked", ASKED[:2], ids=["due", "broadcasts"])
async def test_who_must_wait_is_looked_up_among_those_that_may_hold_others_up(asked: Asked, outbox: Database) -> None:
    """The index of all messages has a page for each address of a broadcast, and the claim would read a hundred of them."""
    (held_up,) = [step for step in await _steps(asked, outbox) if "delivery_1" in step]
    assert "ix_delivery_waiting (address=? AND not_before>?)" in held_up
    async with outbox.transaction() as session:
        found = await session.connection.fetch("SELECT idx FROM sqlite_stat1 WHERE idx = 'ix_delivery_waiting'", ())
    assert not found, "no broadcast is among them: taking it writes no page of its address"
