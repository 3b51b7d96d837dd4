"""SQLite in the loop: its calls take microseconds, a hop to a thread and back takes ten times as long.

One turn writes at a time (`Database.transaction`), so that no call waits for a lock that this process holds.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Dialect, Engine, StaticPool, create_engine, event
from sqlalchemy.dialects.sqlite.pysqlite import dialect

from storage.session import AlreadyThere, DatabaseAway, StatementFailed

BUSY_SECONDS = 15  # for which a command of an operator may hold the file
TAKEN = ("SQLITE_CONSTRAINT_PRIMARYKEY", "SQLITE_CONSTRAINT_UNIQUE")
PRAGMAS = ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON")


class Sqlite:
    """The one connection of this process to the file at `path`; without a path, a database in memory."""

    def __init__(self, path: str) -> None:
        self.dialect: Dialect = dialect()
        if path and path != ":memory:":
            Path(path).expanduser().parent.mkdir(parents=True, exist_ok=True)
        self.path, self._connection, self._turn = path or ":memory:", None, asyncio.Lock()

    @property
    def connection(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = sqlite3.connect(self.path, BUSY_SECONDS, isolation_level=None, check_same_thread=False)
            for pragma in PRAGMAS:
                self._connection.execute(f"PRAGMA {pragma}")
        return self._connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["Sqlite"]:
        # Waiting here in order is fair, waiting in SQLite is a lottery.
        async with self._turn:
            # A deferred transaction that turns into a writer fails at once under a second writer.
            self._run("BEGIN IMMEDIATE")
            try:
                yield self
                self._run("COMMIT")
            except BaseException:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise

    async def fetch(self, sql: str, values: Sequence[Any]) -> list[Any]:
        return self._run(sql, values).fetchall()

    async def execute(self, sql: str, values: Sequence[Any]) -> int:
        return self._run(sql, values).rowcount

    async def insert(self, sql: str, values: Sequence[Any]) -> int | None:
        return self._run(sql, values).lastrowid

    async def execute_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        self.connection.executemany(sql, rows)

    def _run(self, sql: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        try:
            return self.connection.execute(sql, values)
        except sqlite3.IntegrityError as error:
            raise (AlreadyThere if error.sqlite_errorname in TAKEN else StatementFailed)(str(error)) from error
        except sqlite3.OperationalError as error:
            raise DatabaseAway(str(error)) from error

    async def migrate(self, work: Any) -> Any:
        """Runs `work` with a connection of SQLAlchemy's, for Alembic."""
        with self._engine().begin() as connection:
            return work(connection)

    def _engine(self) -> Engine:
        engine = create_engine("sqlite://", creator=lambda: self.connection, poolclass=StaticPool)

        @event.listens_for(engine, "begin")
        def begin(connection: Any) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

        return engine

    async def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
