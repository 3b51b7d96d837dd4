"""PostgreSQL through asyncpg."""

import asyncio
import contextlib
import math
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import lru_cache, partial
from typing import Any

import asyncpg
from sqlalchemy import Dialect, NullPool
from sqlalchemy.dialects.postgresql.asyncpg import dialect
from sqlalchemy.ext.asyncio import create_async_engine

from storage import lines
from storage.groups import Groups, Member
from storage.lines import AWAY, COMMAND_SECONDS, PATIENCE, VANISHED
from storage.many import NUMBERS, lists, look_for_many, sequence_of, write_for_many, write_together
from storage.session import Conflict, Connection, DatabaseAway, StatementFailed, Write
from storage.statements import Compiled, Query
from storage.together import Together

CONNECTIONS = 10
START_SECONDS = 2.5  # for the first: an operator who mistyped an address is told within five, and Python takes two of them
CLOSE_SECONDS = 1
UNDO_SECONDS = 1
RING_SECONDS = 2  # all who ring wait for the one that is under way
GROUPS = 2  # while one is on its way to the server, the other is worked on
STATEMENTS = 500  # kept prepared on each connection
MOST_PARTS = 12  # of one statement: more than a turn writes, and few enough to have been prepared before
# Every statement of a turn finds its rows by their keys: there is nothing to plan anew for each of them, and what is the best
# way while the tables are small is not when they have grown.
SETTINGS = {"plan_cache_mode": "force_generic_plan"} | dict.fromkeys(
    ("enable_bitmapscan", "enable_hashjoin", "enable_mergejoin", "enable_seqscan", "jit"), "off"
)
RING = "SELECT pg_notify(name, words) FROM unnest($1::text[], $2::text[]) AS rings (name, words)"
_NUMBERED = " RETURNING "
_PARAMETER = re.compile(r"\$(\d+)")


class _Connection(asyncpg.Connection):
    def get_reset_query(self) -> str:
        """Nothing is left to be reset: each transaction ends, and none changes a setting."""
        return ""


class Postgres:
    """A pool of connections to the database at `url`."""

    def __init__(self, url: str) -> None:
        self.dialect: Dialect = dialect()
        self.url, self._pool, self._opening = url, None, asyncio.Lock()
        self.groups = Groups(partial(Held, self), GROUPS)
        self.rings = Together(self._ring)

    def transaction(self, together: bool = False) -> "Held | Member":
        """A connection of the pool for one transaction; or a share in one, where nobody else is waited for."""
        return Member(self.groups) if together else Held(self)

    async def pool(self) -> Any:
        return self._pool or await self._open()

    async def _open(self) -> Any:
        async with self._opening:
            if self._pool is None:
                try:
                    self._pool = await asyncpg.create_pool(
                        self.url,
                        min_size=1,
                        max_size=CONNECTIONS,
                        connection_class=_Connection,
                        # A new one has to learn every statement anew: those who wait for it would wait 20 ms, once a minute.
                        max_queries=math.inf,
                        timeout=PATIENCE,
                        statement_cache_size=STATEMENTS,
                        command_timeout=COMMAND_SECONDS,
                        server_settings=SETTINGS | VANISHED,
                    )
                except AWAY as error:
                    raise DatabaseAway(type(error).__name__) from error
            return self._pool

    async def ring(self, name: str, words: str) -> None:
        """Tells every process that listens. Raises DatabaseAway.

        To the server it is a commit, one at a time for all processes: whoever rings meanwhile does so with the next.
        """
        await self.rings.ask((name, words))

    async def _ring(self, calls: list[tuple[str, str]]) -> None:
        pool = await self.pool()
        try:
            async with asyncio.timeout(RING_SECONDS):
                connection = await pool.acquire()
                try:
                    await connection.execute(RING, *lists(calls))
                except asyncio.CancelledError:
                    # The driver would wait for a server that does not answer.
                    _cut(connection)
                    raise
                finally:
                    await pool.release(connection)
        except (*AWAY, asyncpg.PostgresError) as error:
            raise DatabaseAway(type(error).__name__) from None

    async def listen(self, name: str, hear: Callable[[str], None]) -> None:
        """Calls `hear` with what any process rings, for ever; what rings while the line is down is not heard."""
        await lines.listen(self.url, name, hear)

    async def only_one(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Does `work` to its end while no other process does."""
        await lines.only_one(self.url, name, work)

    async def migrate(self, work: Any) -> Any:
        """Runs `work` with a connection of SQLAlchemy's, for Alembic."""
        url = self.url.replace("postgresql://", "postgresql+asyncpg://", 1)
        engine = create_async_engine(url, poolclass=NullPool, connect_args={"timeout": START_SECONDS})
        async with engine.begin() as connection:
            return await connection.run_sync(work)

    async def close(self) -> None:
        await self.groups.close()
        await self.rings.close()
        if self._pool is None:
            return
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()
        # Not before: whoever still asks meanwhile would open another pool.
        self._pool = None


class Held:
    """A connection in its transaction, until that ends."""

    def __init__(self, database: Postgres) -> None:
        self.database = database

    async def __aenter__(self) -> "PostgresConnection":
        self.pool = await self.database.pool()
        try:
            self.connection = await self.pool.acquire()
        except AWAY as error:
            raise DatabaseAway(type(error).__name__) from error
        self.one = PostgresConnection(self.connection)
        try:
            await self.one.begin()
        except BaseException as error:
            await self._leave(error)
            raise
        return self.one

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        try:
            if error is None:
                await self.one.commit()
        except BaseException as failed:
            error = failed
            raise
        finally:
            await self._leave(error)

    async def _leave(self, error: BaseException | None) -> None:
        """Undoes what is not committed, and gives the connection back."""
        try:
            if error is not None:
                # Not by hanging up: a server that waits for somebody else's row would not notice, and keep all that we hold.
                async with asyncio.timeout(UNDO_SECONDS):
                    await self.connection.execute("ROLLBACK")
        except BaseException as unanswered:
            # It does not answer, or the line is broken, and it undoes it by itself.
            _cut(self.connection)
            if not isinstance(unanswered, AWAY):
                raise
        finally:
            await self.pool.release(self.connection)


class PostgresConnection(Connection):
    """One connection in its transaction."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    async def begin(self) -> None:
        await self._run(self.connection.execute, "BEGIN")

    async def commit(self) -> None:
        await self._run(self.connection.execute, "COMMIT")

    async def fetch(self, sql: str, values: Sequence[Any]) -> Sequence[Any]:
        return await self._run(self.connection.fetch, sql, *values)  # type: ignore[no-any-return]

    async def execute(self, sql: str, values: Sequence[Any]) -> int:
        status: str = await self._run(self.connection.execute, sql, *values)
        return int(status.rpartition(" ")[2]) if status[-1:].isdigit() else 0

    async def numbers(self, table: str, count: int) -> Sequence[int]:
        return [number for (number,) in await self.fetch(NUMBERS, (sequence_of(table), count))]

    async def write(self, writes: Sequence[Write], last: bool = False) -> Sequence[Any]:
        """Few statements for many: each way to the server and back costs as much as ten rows."""
        numbers: list[Any] = []
        for some in _portions(writes):
            sql, values = _together(tuple(made.sql for made, _values in some)), [v for _made, values in some for v in values]
            numbers += await self._run(self.connection.fetchrow, sql, *values)
        return numbers

    async def execute_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        await self._run(self.connection.executemany, sql, rows)

    async def write_many(self, made: Compiled, rows: Sequence[Sequence[Any]]) -> None:
        sql = write_for_many(made)
        await (self.execute_many(made.sql, rows) if sql is None else self.execute(sql, lists(rows)))

    async def look_for_all(self, query: Query, asked: Sequence[Sequence[Any]]) -> Sequence[Sequence[Any] | None]:
        """What others hold is not waited for."""
        made = look_for_many(query)
        found = {row[-1]: row[:-1] for row in await self.fetch(made.sql, made.values(lists(asked)))}
        return [found.get(place) for place in range(1, len(asked) + 1)]

    async def write_kinds(self, kinds: dict[Compiled, list[Sequence[Any]]]) -> None:
        """All of these rows, in few statements."""
        many = [made for made in kinds if write_for_many(made)]
        for begun in range(0, len(many), MOST_PARTS):
            some = tuple(many[begun : begun + MOST_PARTS])
            await self.execute(write_together(some), [values for made in some for values in lists(kinds[made])])
        for made in kinds:
            if not write_for_many(made):
                await self.execute_many(made.sql, kinds[made])

    async def _run(self, work: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        try:
            return await work(*args)
        # The database's details quote what was to be written: they go no further.
        except (asyncpg.UniqueViolationError, asyncpg.DeadlockDetectedError, asyncpg.SerializationError) as error:
            raise Conflict(error.args[0]) from None
        except AWAY as error:
            raise DatabaseAway(type(error).__name__) from None
        except asyncpg.PostgresError as error:
            # What it says of a value quotes it.
            said = "" if isinstance(error, asyncpg.DataError) else f": {error.args[0]}"
            raise StatementFailed(f"{type(error).__name__}{said}") from None


def _cut(connection: Any) -> None:
    """Does not wait for the server."""
    # Where the server was first, the pool has taken the connection back already.
    with contextlib.suppress(asyncpg.InterfaceError):
        connection.terminate()


def _portions(writes: Sequence[Write]) -> Iterator[Sequence[Write]]:
    """One statement does its parts in any order: two new rows whose numbers tell their order are not in the same."""
    begun = 0
    for at, (made, _values) in enumerate(writes):
        in_order = _NUMBERED in made.sql and any(made is other for other, _values in writes[begun:at])
        if in_order or at - begun == MOST_PARTS:
            yield writes[begun:at]
            begun = at
    yield writes[begun:]


@lru_cache(1000)
def _together(statements: tuple[str, ...]) -> str:
    """One statement that does all of these, and gives the number of each new row, in order; NULL for the others."""
    parts, numbers, count = list[str](), list[str](), 0
    for at, sql in enumerate(statements):
        body, _numbered, column = sql.partition(_NUMBERED)
        parts.append(f"w{at} AS ({_PARAMETER.sub(lambda found, before=count: f'${int(found[1]) + before}', sql)})")
        numbers.append(f"(SELECT {column.rpartition('.')[2]} FROM w{at})" if column else "NULL")  # noqa: S608
        count += max((int(found[1]) for found in _PARAMETER.finditer(body)), default=0)
    return f"WITH {', '.join(parts)} SELECT {', '.join(numbers)}"
