"""A session: what one transaction knows and changes. Each row is one object, written back where it was changed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

from sqlmodel import SQLModel

from storage.row import CHANGED
from storage.statements import Asked, Compiled, Grammar, Slot, columns_of, compile_statement, key_of, table_of

M = TypeVar("M", bound=SQLModel)
T = TypeVar("T")


class Conflict(Exception):
    """Somebody else was first, in another process: done again, the same turn finds what they did."""


class StatementFailed(Exception):
    """The database refused a statement. Says why in the database's words, without the values."""


class DatabaseAway(Exception):
    """The database cannot be reached, or not now."""


class Connection(Protocol):
    """A driver's connection with a transaction open on it."""

    # Each raises Conflict, DatabaseAway or StatementFailed.

    async def fetch(self, sql: str, values: Sequence[Any]) -> Sequence[Sequence[Any]]:
        """The rows."""

    async def execute(self, sql: str, values: Sequence[Any]) -> int:
        """How many rows were changed."""

    async def insert(self, sql: str, values: Sequence[Any]) -> Any:
        """The number that the database gave to the new row."""

    async def execute_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None: ...


class Result(Generic[T]):
    """What a statement gave."""

    def __init__(self, rows: list[T], rowcount: int) -> None:
        self._rows, self.rowcount = rows, rowcount

    def __iter__(self) -> Iterator[T]:
        return iter(self._rows)

    def all(self) -> list[T]:
        return list(self._rows)

    def first(self) -> T | None:
        return self._rows[0] if self._rows else None

    def one(self) -> T:
        """Raises LookupError where there is not exactly one."""
        if len(self._rows) != 1:
            raise LookupError(f"{len(self._rows)} rows where there should be one")
        return self._rows[0]


class Session:
    """Reads before it writes: what was added or changed is written when it is asked for, at the latest at the end.

    `database` is the one that it belongs to, for those who keep something for each.
    """

    def __init__(self, connection: Connection, grammar: Grammar, database: Any) -> None:
        self.connection, self.grammar, self.database = connection, grammar, database
        self.locked: set[Any] = set()  # (model, key) of the rows that are held until the end
        self._rows: dict[tuple[type[SQLModel], Any], tuple[Any, dict[str, Any]]] = {}
        self._new: list[SQLModel] = []
        self._answers: dict[Asked, Result[Any]] = {}
        self._tables: set[str] = set()  # of the rows that are known or new

    async def get(self, model: type[M], key: Any, lock: bool = False) -> M | None:
        """The row with this key. With `lock`, as it is when nobody else holds it, and held until the end."""
        if key is None:
            return None
        hold = lock and (model, key) not in self.locked
        if not hold and (known := self._rows.get((model, key))):
            return known[0]  # type: ignore[no-any-return]
        await self._flush_for({table_of(model).name})
        made = self.grammar.by_key(model, hold)
        keys = key if isinstance(key, tuple) else (key,)
        rows = await self.connection.fetch(made.sql, keys)
        if hold:
            self.locked.add((model, key))
        return self._object(made.slots[0], rows[0], fresh=hold) if rows else None

    async def exec(self, statement: Any) -> Result[Any]:
        """Runs a statement of SQLModel's, or a query of ours that is compiled already."""
        if isinstance(statement, Asked):
            return await self._asked(statement)
        made = compile_statement(statement, self.grammar.dialect)
        await self._flush_for(made.tables)
        if made.slots:
            return await self._fetched(made, {})
        self._forget(made.tables)
        return Result([], await self.connection.execute(made.sql, made.values({})))

    async def _asked(self, asked: Asked) -> Result[Any]:
        """What was asked before and has not changed since needs no second look."""
        made = asked.query.in_words_of(self.grammar.dialect)
        await self._flush_for(made.tables)
        if not made.slots:
            self._forget(made.tables)
            return Result([], await self.connection.execute(made.sql, made.values(asked.named())))
        if (known := self._answers.get(asked)) is None:
            known = self._answers[asked] = await self._fetched(made, asked.named())
        return known

    async def _fetched(self, made: Compiled, values: Mapping[str, Any]) -> Result[Any]:
        rows = await self.connection.fetch(made.sql, made.values(values))
        return Result(self._read(made, rows), len(rows))

    def _forget(self, tables: Iterable[str]) -> None:
        """The answers that a change of these tables makes doubtful."""
        if self._answers:
            names = set(tables)
            self._answers = {
                asked: known
                for asked, known in self._answers.items()
                if names.isdisjoint(asked.query.in_words_of(self.grammar.dialect).tables)
            }

    async def exec_many(self, statement: Any, rows: Sequence[dict[str, Any]]) -> None:
        """Runs an INSERT or UPDATE once for each of the rows."""
        if rows:
            made = compile_statement(statement, self.grammar.dialect, list(rows[0]))
            self._forget(made.tables)
            await self.connection.execute_many(made.sql, [made.values(row) for row in rows])

    async def update_many(self, model: type[SQLModel], names: tuple[str, ...], rows: Sequence[dict[str, Any]]) -> None:
        """Writes these columns of rows that were not read here; each row's key is in `key_<name>`."""
        made = self.grammar.update(model, names)
        self._forget(made.tables)
        await self.connection.execute_many(made.sql, [made.values(row) for row in rows])

    def add(self, row: SQLModel) -> None:
        """Will be a new row; one that was read here is written back anyway."""
        known = self._rows.get((type(row), _key(row)))
        if (known is None or known[0] is not row) and not any(row is new for new in self._new):
            self._new.append(row)
            self._tables.add(table_of(type(row)).name)

    def add_all(self, rows: Iterable[SQLModel]) -> None:
        for row in rows:
            self.add(row)

    async def flush(self) -> None:
        """Writes what was added, which then has its numbers, and what was changed. Raises Conflict."""
        await self.flush_new()
        for row, before in self._rows.values():
            now = row.__dict__
            if not now.get(CHANGED):
                continue
            now[CHANGED] = False
            names = columns_of(type(row))
            if changed := tuple(n for n in names if now[n] is not before[n] and now[n] != before[n]):
                made = self.grammar.update(type(row), changed)
                await self.connection.execute(made.sql, made.values(now | _named_key(row, before)))
                before.update({name: now[name] for name in changed})
                self._forget(made.tables)

    async def flush_new(self) -> None:
        """Writes what was added, and no more."""
        if new := self._new:
            self._new = []
            for row in new:
                await self._insert(row)
            self._forget(table_of(type(row)).name for row in new)

    async def _insert(self, row: SQLModel) -> None:
        model, now = type(row), row.__dict__
        (name, *more) = key_of(model)
        numbered = not more and now[name] is None
        made = self.grammar.insert(model, numbered)
        number = await self.connection.insert(made.sql, made.values(now))
        if numbered:
            now[name] = number
        now[CHANGED] = False
        self._rows[model, _key(row)] = (row, now.copy())

    async def _flush_for(self, tables: Iterable[str]) -> None:
        """A statement sees what was done before it."""
        if not self._tables.isdisjoint(tables):
            await self.flush()

    def _read(self, made: Compiled, rows: Sequence[Sequence[Any]]) -> list[Any]:
        if len(made.slots) == 1:
            return [self._object(made.slots[0], row) for row in rows]
        return [made.row(self._parts(made.slots, row)) for row in rows]

    def _parts(self, slots: Sequence[Slot], row: Sequence[Any]) -> Iterator[Any]:
        at = 0
        for slot in slots:
            width = len(slot.names)
            yield self._object(slot, row[at : at + width])
            at += width

    def _object(self, slot: Slot, row: Sequence[Any], fresh: bool = False) -> Any:
        values = list(row)
        for at, read in slot.readers:
            values[at] = read(values[at])
        if slot.model is None:
            return values[0]
        named = dict(zip(slot.names, values, strict=True))
        key = _key_in(slot.model, named)
        known = self._rows.get((slot.model, key))
        if known and not fresh:
            return known[0]
        if key is None:
            return None  # the empty side of an outer join
        row_object = known[0] if known else object.__new__(slot.model)
        row_object.__dict__.update(named)
        self._rows[slot.model, key] = (row_object, named)
        self._tables.add(table_of(slot.model).name)
        return row_object


def _key(row: SQLModel) -> Any:
    return _key_in(type(row), row.__dict__)


def _key_in(model: type[SQLModel], named: dict[str, Any]) -> Any:
    names = key_of(model)
    return named[names[0]] if len(names) == 1 else tuple(named[name] for name in names)


def _named_key(row: SQLModel, before: dict[str, Any]) -> dict[str, Any]:
    return {f"key_{name}": before[name] for name in key_of(type(row))}
