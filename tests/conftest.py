"""Databases for tests: a migrated template, copied for each test, on SQLite and PostgreSQL."""

import asyncio
import itertools
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.app import prepare
from storage.database import Database
from storage.places import official, villages
from tests.forks import Forks, forks
from tests.running import postgres_server

NOW = datetime(2026, 11, 20, 1, 0, tzinfo=UTC)
_copies = itertools.count(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update", action="store_true", help="rewrite the golden talks")
    parser.addoption("--kills", type=int, default=200, help="how often the bots of tests/faults/test_kills.py are killed")


async def fill(url: str) -> None:
    """Tables, criteria, Hà Tĩnh and the sample villages."""
    database = Database(url)
    await prepare(database, NOW)
    async with database.transaction() as session:
        await official.load(session, "Hà Tĩnh", NOW)
        rows, faults = await villages.read_villages(villages.SAMPLE, session)
        assert not faults, faults
        await villages.import_villages(session, rows, NOW)
    await database.close()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "bot.sqlite3"
    asyncio.run(fill(f"sqlite:///{path}"))
    return path


@pytest.fixture(scope="session")
def parent() -> Iterator[Forks]:
    """The parent of the bots that start in a tenth of a second."""
    with forks() as parent:
        yield parent


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A PostgreSQL server of this test run's own; gives the address without a database's name."""
    with postgres_server() as server:
        yield f"postgresql://postgres@/%s?host={server.pgdata}"


@pytest.fixture(scope="session")
def postgres_template(postgres: str) -> str:
    asyncio.run(create(postgres, "template_bot"))
    asyncio.run(fill(postgres % "template_bot"))
    return postgres


async def create(postgres: str, name: str, template: str | None = None) -> None:
    """A new database on the server."""
    await _order(postgres, f"CREATE DATABASE {name}" + (f" TEMPLATE {template}" if template else ""))


async def drop(postgres: str, name: str) -> None:
    """The database is gone, and what the server still had to write is written."""
    await _order(postgres, f"DROP DATABASE {name} WITH (FORCE)")


async def _order(postgres: str, statement: str) -> None:
    import asyncpg

    connection = await asyncpg.connect(postgres % "postgres")
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture
async def sqlite_database(sqlite_template: Path, tmp_path: Path) -> AsyncIterator[Database]:
    path = tmp_path / "bot.sqlite3"
    shutil.copy(sqlite_template, path)
    database = Database(f"sqlite:///{path}")
    yield database
    await database.close()


@pytest.fixture
async def postgres_database(postgres_template: str) -> AsyncIterator[Database]:
    name = f"test_{os.getpid()}_{next(_copies)}"
    await create(postgres_template, name, "template_bot")
    database = Database(postgres_template % name)
    yield database
    await database.close()


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> Database:
    return request.getfixturevalue(f"{request.param}_database")
