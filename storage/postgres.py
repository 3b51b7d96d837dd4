"""PostgreSQL through asyncpg."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from sqlalchemy import Dialect, NullPool
from sqlalchemy.dialects.postgresql.asyncpg import dialect
from sqlalchemy.ext.asyncio import create_async_engine

from storage.session import Conflict, DatabaseAway, StatementFailed

CONNECTIONS = 10
LOOK_SECONDS = 1.0
PATIENCE = 4.0  # seconds for a connection: an operator who mistyped an address is told soon
STATEMENTS = 500  # kept prepared on each connection
AWAY = (
    asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError, asyncpg.InsufficientResourcesError,
    asyncpg.InterfaceError, OSError, TimeoutError,
)  # fmt: skip


class _Connection(asyncpg.Connection):
    def get_reset_query(self) -> str:
        """Nothing is left to be reset: each transaction ends, and none changes a setting."""
        return ""


class Postgres:
    """A pool of connections to the database at `url`."""

    def __init__(self, url: str) -> None:
        self.dialect: Dialect = dialect()
        self.url, self._pool, self._opening = url, None, asyncio.Lock()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["PostgresConnection"]:
        pool = self._pool or await self._open()
        try:
            connection = await pool.acquire()
        except AWAY as error:
            raise DatabaseAway(type(error).__name__) from error
        try:
            one = PostgresConnection(connection)
            await one.execute("BEGIN", ())
            try:
                yield one
                await one.execute("COMMIT", ())
            except BaseException:
                if connection.is_in_transaction():
                    await connection.execute("ROLLBACK")
                raise
        finally:
            await pool.release(connection)

    async def _open(self) -> Any:
        async with self._opening:
            if self._pool is None:
                try:
                    self._pool = await asyncpg.create_pool(
                        self.url,
                        min_size=1,
                        max_size=CONNECTIONS,
                        connection_class=_Connection,
                        timeout=PATIENCE,
                        statement_cache_size=STATEMENTS,
                    )
                except AWAY as error:
                    raise DatabaseAway(type(error).__name__) from error
            return self._pool

    async def ring(self, name: str, words: str) -> None:
        """Tells every process that listens."""
        async with self.transaction() as one:
            await one.fetch("SELECT pg_notify($1, $2)", (name, words))

    async def listen(self, name: str, hear: Callable[[str], None]) -> None:
        """Calls `hear` with what any process rings, for ever; what rings while the line is down is not heard."""

        def heard(connection: Any, process: int, channel: str, words: str) -> None:
            hear(words)

        while True:
            async with self._line() as line:
                broken = asyncio.Event()
                line.add_termination_listener(lambda line, broken=broken: broken.set())
                await line.add_listener(name, heard)
                await broken.wait()

    @asynccontextmanager
    async def only_one(self, name: str) -> AsyncIterator[None]:
        """Waits until no other process is inside; when that one dies, its line breaks and the next may enter."""
        async with self._line() as line:
            await line.fetchval("SELECT pg_advisory_lock(hashtext($1))", name)
            yield

    @asynccontextmanager
    async def _line(self) -> AsyncIterator[Any]:
        """A connection of its own, for as long as it takes to get one."""
        while True:
            try:
                line = await asyncpg.connect(self.url, timeout=PATIENCE)
                break
            except AWAY:
                await asyncio.sleep(LOOK_SECONDS)
        try:
            yield line
        finally:
            line.terminate()

    async def migrate(self, work: Any) -> Any:
        """Runs `work` with a connection of SQLAlchemy's, for Alembic."""
        engine = create_async_engine(
            self.url.replace("postgresql://", "postgresql+asyncpg://", 1), poolclass=NullPool, connect_args={"timeout": PATIENCE}
        )
        async with engine.begin() as connection:
            return await connection.run_sync(work)

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.close()
            self._pool = None


class PostgresConnection:
    """One connection in its transaction."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    async def fetch(self, sql: str, values: Sequence[Any]) -> Sequence[Any]:
        return await self._run(self.connection.fetch, sql, *values)  # type: ignore[no-any-return]

    async def execute(self, sql: str, values: Sequence[Any]) -> int:
        status: str = await self._run(self.connection.execute, sql, *values)
        return int(status.rpartition(" ")[2]) if status[-1:].isdigit() else 0

    async def insert(self, sql: str, values: Sequence[Any]) -> Any:
        return await self._run(self.connection.fetchval, sql, *values)

    async def execute_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        await self._run(self.connection.executemany, sql, rows)

    async def _run(self, work: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        try:
            return await work(*args)
        # The database's details quote what was to be written: they go no further.
        except (asyncpg.UniqueViolationError, asyncpg.DeadlockDetectedError, asyncpg.SerializationError) as error:
            raise Conflict(error.args[0]) from None
        except AWAY as error:
            raise DatabaseAway(type(error).__name__) from None
        except asyncpg.PostgresError as error:
            raise StatementFailed(f"{type(error).__name__}: {error.args[0]}") from None
