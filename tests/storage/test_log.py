"""SQLite's log: it is emptied beside the turns, and begins anew though they never pause."""

import asyncio
from pathlib import Path

import pytest

from storage import sqlite
from storage.database import Database
from storage.event import Event
from tests.conftest import NOW

TALKERS, TURNS = 2, 600
PAGE = 4096  # bytes


async def test_it_begins_anew_while_turns_go_on(sqlite_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "TIDY_AFTER", 60)
    monkeypatch.setattr(sqlite, "LONG_LOG", 200)
    driver = sqlite_database.driver
    before = driver.run("SELECT count(*) FROM event").fetchone()[0]

    async def talk() -> None:
        for turn in range(TURNS):
            async with sqlite_database.transaction() as session:
                session.add(Event(at=NOW, name="account:address:leave", address=f"talk:{turn}"))

    async with asyncio.timeout(30):
        await asyncio.gather(*(talk() for _each in range(TALKERS)))
    assert driver.run("SELECT count(*) FROM event").fetchone()[0] == before + TALKERS * TURNS
    assert Path(f"{driver.path}-wal").stat().st_size < 600 * PAGE
