"""The database: one engine, one transaction a turn, the same code on SQLite and PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, DateTime, Dialect, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import StaticPool
from sqlalchemy.types import TypeDecorator
from sqlmodel.ext.asyncio.session import AsyncSession

from storage import sqlite

DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}
BUSY_SECONDS = 15


class DatabaseProblem(Exception):
    """The database cannot be used; the message is one line for the operator."""


class Moment(TypeDecorator[datetime]):
    """A point in time: aware in Python, UTC in the database."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone is not a point in time")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value if value is None or value.tzinfo else value.replace(tzinfo=UTC)


class Database:
    """Opens transactions on the database at `url` (sqlite:///… or postgresql://…)."""

    def __init__(self, url: str) -> None:
        self.engine = _engine(url)
        self.sqlite = self.engine.dialect.name == "sqlite"
        # SQLite has one writer; waiting here in order is fair, waiting in SQLite is a lottery.
        self._writer: AbstractAsyncContextManager[Any] = asyncio.Lock() if self.sqlite else nullcontext()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """One transaction: returning commits, raising rolls back."""
        async with self._writer, AsyncSession(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    async def upgrade(self) -> None:
        """Brings the tables to this program's version.

        Raises DatabaseProblem where the database is newer than the program or cannot be reached.
        """
        try:
            async with self.engine.connect() as connection:
                await connection.run_sync(_upgrade)
                await connection.commit()
        except OSError as error:
            raise DatabaseProblem(f"DATABASE_URL: the database does not answer ({error})") from error

    async def close(self) -> None:
        await self.engine.dispose()


def _engine(url: str) -> AsyncEngine:
    scheme, _, rest = url.partition("://")
    driver = DRIVERS.get(scheme.partition("+")[0])
    if not driver or not _:
        raise DatabaseProblem("DATABASE_URL: must begin with sqlite:/// or postgresql://")
    if not driver.startswith("sqlite"):
        return create_async_engine(f"{driver}://{rest}", pool_size=10, max_overflow=10, hide_parameters=True)
    path = rest.removeprefix("/")
    if path and path != ":memory:":
        Path(path).expanduser().parent.mkdir(parents=True, exist_ok=True)
        engine = create_async_engine(f"{driver}://{rest}", connect_args={"async_creator_fn": _connect}, hide_parameters=True)
    else:
        engine = create_async_engine(f"{driver}://", poolclass=StaticPool, connect_args={"async_creator_fn": _connect})
    _tame_sqlite(engine)
    return engine


async def _connect(path: str, **options: Any) -> sqlite.Connection:
    return await sqlite.connect(path, BUSY_SECONDS, **options)


def _tame_sqlite(engine: AsyncEngine) -> None:
    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: Any, record: Any) -> None:
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        # A deferred transaction that turns into a writer fails at once under a second writer.
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def alembic_config() -> Config:
    """Alembic's settings, without a file of its own."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def _upgrade(connection: Connection) -> None:
    config = alembic_config()
    script = ScriptDirectory.from_config(config)
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7391401)")
    current = MigrationContext.configure(connection).get_current_revision()
    if current and current not in {revision.revision for revision in script.walk_revisions()}:
        raise DatabaseProblem(f"DATABASE_URL: the database is newer than this program (its version is {current})")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
