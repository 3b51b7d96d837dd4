"""SQLite without a thread: its calls take microseconds, a hop to a thread and back takes ten times as long.

It stands where SQLAlchemy expects an aiosqlite connection, and answers at once. Only one turn writes at a time
(`Database.transaction`), so that no call waits for a lock that this process holds.
"""

import sqlite3
from collections.abc import Sequence
from typing import Any


class Cursor:
    def __init__(self, cursor: sqlite3.Cursor) -> None:
        self.cursor = cursor
        self.arraysize = cursor.arraysize

    async def __aenter__(self) -> "Cursor":
        return self

    @property
    def description(self) -> Any:
        return self.cursor.description

    @property
    def rowcount(self) -> int:
        return self.cursor.rowcount

    @property
    def lastrowid(self) -> int | None:
        return self.cursor.lastrowid

    async def execute(self, statement: str, values: Sequence[Any] = ()) -> "Cursor":
        self.cursor.execute(statement, values)
        return self

    async def executemany(self, statement: str, rows: Sequence[Sequence[Any]]) -> "Cursor":
        self.cursor.executemany(statement, rows)
        return self

    async def fetchall(self) -> list[Any]:
        return self.cursor.fetchall()

    async def close(self) -> None:
        self.cursor.close()


class Connection:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection: sqlite3.Connection | None = connection
        self.isolation_level = None

    def cursor(self) -> Cursor:
        assert self._connection
        return Cursor(self._connection.cursor())

    async def commit(self) -> None:
        assert self._connection
        self._connection.commit()

    async def rollback(self) -> None:
        assert self._connection
        self._connection.rollback()

    async def create_function(self, *args: Any, **options: Any) -> None:
        assert self._connection
        self._connection.create_function(*args, **options)

    async def close(self) -> None:
        if self._connection:
            self._connection.close()
            self._connection = None

    def stop(self) -> None:
        """What SQLAlchemy calls where it cannot wait."""
        if self._connection:
            self._connection.close()
            self._connection = None


async def connect(path: str, busy_seconds: float, **options: Any) -> Connection:
    """Opens the file; transactions are begun by hand, in the words of `Database`."""
    options.pop("check_same_thread", None)
    connection = sqlite3.connect(path, timeout=busy_seconds, isolation_level=None, check_same_thread=False, **options)
    return Connection(connection)
