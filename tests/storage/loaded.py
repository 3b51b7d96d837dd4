"""Databases with places, for tests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from sqlmodel import col, func, select

from storage import tables
from storage.database import Database
from storage.place import Place
from storage.places import official, villages
from storage.session import Session

NOW = datetime(2026, 11, 20, 1, 0, tzinfo=UTC)


@asynccontextmanager
async def empty_database() -> AsyncIterator[Database]:
    database = Database("sqlite://")
    try:
        await database.driver.migrate(tables.metadata.create_all)
        yield database
    finally:
        await database.close()


@asynccontextmanager
async def places(province: str | None = "Hà Tĩnh", *more: Path) -> AsyncIterator[Session]:
    """Tables in memory with one province, or all, and these village lists."""
    async with empty_database() as database, database.transaction() as session:
        await official.load(session, province, NOW)
        for path in more:
            rows, faults = await villages.read_villages(path, session)
            assert not faults
            await villages.import_villages(session, rows, NOW)
        yield session


async def count(session: Session, *conditions: object) -> int:
    return (await session.exec(select(func.count(col(Place.id))).where(*conditions))).one()  # type: ignore[arg-type]
