"""The statements that run twice a second look only at what they are about, however much was sent before."""

from datetime import UTC, datetime

import pytest

from storage import delivery
from storage.database import Database
from storage.delivery import Urgency

NOW = datetime(2026, 11, 20, tzinfo=UTC)
ASKED = [
    delivery._due("telegram", Urgency.REPLY, NOW, 100),
    delivery._due_broadcasts("telegram", Urgency.BROADCAST, NOW, 100),
    delivery._stale(NOW, NOW),
    delivery._named("telegram:1", "1"),
]


@pytest.mark.parametrize("asked", ASKED, ids=["due", "broadcasts", "stale", "named"])
async def test_an_index_is_used(asked: object, sqlite_database: Database) -> None:
    made = asked.query.in_words_of(sqlite_database.grammar.dialect)  # type: ignore[attr-defined]
    async with sqlite_database.transaction() as session:
        plan = await session.connection.fetch("EXPLAIN QUERY PLAN " + made.sql, made.values(asked.values))  # type: ignore[attr-defined]
    steps = [str(row[3]) for row in plan]
    assert not [step for step in steps if step.startswith("SCAN") and "USING INDEX" not in step], steps
