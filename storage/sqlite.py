"""SQLite in the loop: its calls take microseconds, a hop to a thread and back takes ten times as long.

One turn writes at a time (`Database.transaction`), so that no call waits for a lock that this process holds.
"""

import asyncio
import contextlib
import fcntl
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Dialect, Engine, StaticPool, create_engine, event
from sqlalchemy.dialects.sqlite.pysqlite import dialect

from storage.groups import Groups, Member
from storage.session import Conflict, Connection, DatabaseAway, StatementFailed, Write
from storage.statements import Compiled, Query

log = logging.getLogger("storage.sqlite")
BUSY_SECONDS, LOOK_SECONDS = 15, 0.05  # for how long a command of an operator may hold the file; how often we look
STATEMENTS = 500  # kept prepared
MOST = 64  # turns that share a commit, unless more are ready at once
TAKEN = ("SQLITE_CONSTRAINT_PRIMARYKEY", "SQLITE_CONSTRAINT_UNIQUE")
# What was committed goes from the log into the file in a thread of its own, so that a slow disk holds nobody up; only where
# that does not keep pace (80 MB) does a commit do it.
PRAGMAS = ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "wal_autocheckpoint=20000")
TIDY_AFTER = 4000  # rows; to the log a commit of its own is worth five
A_COMMIT = 5
LONG_LOG = 8000  # pages; it begins anew only after a moment in which all of it is in the file


class Sqlite(Connection):
    """The one connection of this process to the file at `path`; without a path, a database in memory."""

    def __init__(self, path: str) -> None:
        self.dialect: Dialect = dialect()
        if path and path != ":memory:":
            Path(path).expanduser().parent.mkdir(parents=True, exist_ok=True)
        self.path, self._connection, self._cursor, self.turn = path or ":memory:", None, None, asyncio.Lock()
        self.group: list[asyncio.Future[None]] | None = None  # who waits for the commit
        self.untidy, self.tidying = 0, None
        self.postponed: int | None = None  # a commit waits for the turn to end; so many waited for it
        self.groups, self.given = Groups(partial(Share, self)), dict[str, int]()

    @property
    def connection(self) -> sqlite3.Connection:
        if self._connection is None:
            try:
                connection = sqlite3.connect(
                    self.path, LOOK_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=STATEMENTS
                )
                for pragma in PRAGMAS:
                    connection.execute(f"PRAGMA {pragma}")
            except sqlite3.DatabaseError as error:
                raise DatabaseAway(f"{self.path}: {error}") from error
            self._connection, self._cursor = connection, connection.cursor()
        return self._connection

    def transaction(self, together: bool = False) -> "Share | Member":
        """One turn's share in a group of them."""
        return Member(self.groups) if together else Share(self)

    async def begin(self) -> list[asyncio.Future[None]]:
        """Opens a group: as long as each round of the loop brings more turns they share one commit, whoever waits for it.

        A commit costs as much as all the statements of a turn; under load a group is dozens of turns.
        """
        # A deferred transaction that turns into a writer fails at once under a second writer.
        for _look in range(int(BUSY_SECONDS / LOOK_SECONDS)):
            with contextlib.suppress(DatabaseAway):
                self.run("BEGIN IMMEDIATE")
                break
            # Nobody else waits meanwhile: the loop goes on.
            await asyncio.sleep(LOOK_SECONDS)
        else:
            self.run("BEGIN IMMEDIATE")
        self.group = []
        asyncio.get_running_loop().call_soon(self._commit, 0)
        return self.group

    def _commit(self, before: int) -> None:
        """`before` is how many waited one round ago."""
        if self.group is None:
            return  # closed meanwhile
        count, loop = len(self.group), asyncio.get_running_loop()
        if self.turn.locked():
            # One of the group waits for something else than the database: when that is over we are called again.
            self.postponed = count
            return
        if before < count < MOST:
            loop.call_soon(self._commit, count)
            return
        self._keep()

    def _keep(self) -> None:
        """Commits the group, and tells those who wait for it."""
        try:
            self.run("COMMIT")
        except Exception as error:
            with contextlib.suppress(sqlite3.Error):  # those who wait are told in any case
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
            self.undone(error)
        else:
            group, self.group = self.group or [], None
            for waiting in group:
                if not waiting.done():
                    waiting.set_result(None)
            self.untidy += A_COMMIT
            self._tidy()

    def commit_soon(self) -> None:
        """Goes on with a commit that was held up."""
        if self.postponed is not None:
            asyncio.get_running_loop().call_soon(self._commit, self.postponed)
            self.postponed = None

    def _tidy(self) -> None:
        if self.untidy > TIDY_AFTER and self.path != ":memory:" and (self.tidying is None or self.tidying.done()):
            self.untidy, self.tidying = 0, asyncio.create_task(self._empty_log())

    async def _empty_log(self) -> None:
        """Puts what the log holds into the file beside the turns; where it has grown long, also what they added meanwhile,
        before the next may write: a commit that had to do so would hold up the loop."""
        if await asyncio.to_thread(self._checkpoint) > LONG_LOG:
            async with self.turn:
                if self.group is not None:
                    self._keep()
                await asyncio.to_thread(self._checkpoint)
            self.commit_soon()

    def _checkpoint(self) -> int:
        """Gives the pages in the log; what is in the way stays for the next time."""
        try:
            with contextlib.closing(sqlite3.connect(self.path, 0)) as beside:
                beside.execute("PRAGMA synchronous=NORMAL")
                return beside.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[1]  # type: ignore[no-any-return]
        except sqlite3.Error as error:
            log.warning("the log is not emptied", extra={"action": "checkpoint_failed", "reason": str(error)})
            return 0

    def undone(self, error: Exception) -> None:
        """Nothing of this group is kept: whoever waits for its commit is told."""
        group, self.group = self.group or [], None
        for waiting in group:
            if not waiting.done():
                waiting.set_exception(error)

    async def fetch(self, sql: str, values: Sequence[Any]) -> list[Any]:
        return self.run(sql, values).fetchall()

    async def execute(self, sql: str, values: Sequence[Any]) -> int:
        return self.run(sql, values).rowcount

    async def write(self, writes: Sequence[Write], last: bool = False) -> list[int | None]:
        self.untidy += len(writes)
        return [self.run(made.sql, values).lastrowid for made, values in writes]

    async def look_for_all(self, query: Query, asked: Sequence[Sequence[Any]]) -> Sequence[Sequence[Any] | None]:
        made = query.in_words_of(self.dialect)
        return [self.run(made.sql, made.values(values)).fetchone() for values in asked]

    def spare(self, table: str) -> int:
        """Behind the last: nobody else writes while a turn lasts."""
        last: int = self.given.get(table) or self.run(f"SELECT coalesce(max(id), 0) FROM {table}").fetchone()[0]  # noqa: S608
        self.given[table] = last + 1
        return last + 1

    async def numbers(self, table: str, count: int) -> Sequence[int]:
        return [self.spare(table) for _row in range(count)]

    async def write_kinds(self, kinds: dict[Compiled, list[Sequence[Any]]]) -> None:
        for made, rows in kinds.items():
            self.untidy += len(rows)
            self.run(made.sql, rows, self.connection.executemany)

    async def execute_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        self.run(sql, rows, self.connection.executemany)

    def run(self, sql: str, values: Sequence[Any] = (), how: Callable[..., sqlite3.Cursor] | None = None) -> sqlite3.Cursor:
        """What it gave has to be taken before the next: one cursor does them all, a new one each time costs."""
        try:
            return (how or (self._cursor or self.connection.cursor()).execute)(sql, values)
        except sqlite3.IntegrityError as error:
            raise (Conflict if error.sqlite_errorname in TAKEN else StatementFailed)(str(error)) from error
        except sqlite3.OperationalError as error:
            raise DatabaseAway(str(error)) from error

    async def ring(self, name: str, words: str) -> None:
        """There is nobody else to tell."""

    async def listen(self, name: str, hear: Callable[[str], None]) -> None:
        """Nobody else rings."""

    async def only_one(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """There is nobody else."""
        await work()

    def keep_others_out(self) -> None:
        """Raises DatabaseAway where another process serves from this file. Ends with the process, however that ends."""
        if self.path == ":memory:":
            return
        self._door = open(f"{self.path}.lock", "w")  # noqa: SIM115
        try:
            fcntl.flock(self._door, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DatabaseAway(f"another bot serves from {self.path}") from error

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
        await self.groups.close()
        self._commit(MOST)
        if self.tidying is not None:
            await asyncio.wait([self.tidying])
        if self._connection is not None:
            self._connection.close()
            self._connection = self._cursor = None


class Share:
    """Undone by itself where its turn fails; kept, and told so, together with the others of its group."""

    def __init__(self, database: Sqlite) -> None:
        self.database = database

    async def __aenter__(self) -> Sqlite:
        # Waiting here in order is fair, waiting in SQLite is a lottery.
        await self.database.turn.acquire()
        self.database.given.clear()
        try:
            self.group = await self.database.begin() if self.database.group is None else self.database.group
            self.database.run("SAVEPOINT one")
        except BaseException:
            self._over()
            raise
        return self.database

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        database = self.database
        try:
            if database.connection.in_transaction:
                if error is not None:
                    database.run("ROLLBACK TO one")
                database.run("RELEASE one")
            if error is None:
                kept = asyncio.get_running_loop().create_future()
                self.group.append(kept)
        finally:
            self._over()
        if error is None:
            await kept

    def _over(self) -> None:
        # Where the disk is full SQLite undoes everything, the turns before this one as well.
        if not self.database.connection.in_transaction:
            self.database.undone(DatabaseAway("undone together with another turn"))
        self.database.turn.release()
        self.database.commit_soon()
