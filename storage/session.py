"""A session: what one transaction knows and changes. Each row is one object, written back where it was changed."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any, Generic, Protocol, TypeVar

from sqlmodel import SQLModel

from storage.row import WAS
from storage.statements import Asked, Compiled, Grammar, compile_statement, key_of, key_taker, table_of

Write = tuple[Compiled, Sequence[Any]]  # a statement and its parameters

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

    async def look(self, asked: Asked, sql: str, values: Sequence[Any]) -> Sequence[Sequence[Any]]:
        """The rows of a look, which is this statement where it is one for itself."""
        return await self.fetch(sql, values)

    def hold(self, *rows: Any) -> None:
        """Is told which rows, each (model, key), only this session works on until it ends."""

    async def fetch(self, sql: str, values: Sequence[Any]) -> Sequence[Sequence[Any]]:
        """The rows."""

    async def execute(self, sql: str, values: Sequence[Any]) -> int:
        """How many rows were changed."""

    def hold_more(self) -> None:
        """Is told that more rows are to be held."""

    def begin_again(self) -> None:
        """Is told that what was read is to be read again."""

    def spare(self, table: str) -> int | None:
        """A number for one new row that nobody else gets, where that takes no way to the database."""
        return None

    async def numbers(self, table: str, count: int) -> Sequence[int]:
        """Numbers for new rows that nobody else gets."""

    async def write(self, writes: Sequence[Write], last: bool = False) -> Sequence[Any]:
        """Does all of them; gives the number that the database gave to each new row, None for the others.

        After the `last` ones nothing but the end follows, and nobody asks for the numbers.
        """

    async def execute_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None: ...

    async def write_many(self, made: Compiled, rows: Sequence[Sequence[Any]]) -> None:
        """An insertion or change of single rows, for each of these."""
        await self.execute_many(made.sql, rows)


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
        self._rows: dict[tuple[type[SQLModel], Any], Any] = {}
        self._new: dict[int, SQLModel] = {}  # by identity: a village list has thousands
        self._answers: dict[Asked, tuple[frozenset[str], Result[Any]]] = {}  # with the tables that they are about
        self._tables: set[str] = set()  # of the rows that are known or new

    async def get(self, model: type[M], key: Any, lock: bool = False) -> M | None:
        """The row with this key. With `lock`, as it is when nobody else holds it, and held until the end."""
        if key is None:
            return None
        hold = lock and (model, key) not in self.locked
        if not hold and (known := self._rows.get((model, key))) is not None:
            return known  # type: ignore[no-any-return]
        made = self.grammar.by_key(model, hold)
        await self._write_for(made.tables)
        if hold:
            self.connection.hold_more()
        rows = await self.connection.fetch(made.sql, key if isinstance(key, tuple) else (key,))
        if hold:
            self.locked.add((model, key))
        if not rows:
            return None
        assert made.read is not None
        self._tables |= made.objects
        if not hold:
            return made.read(self._rows, rows[0])  # type: ignore[no-any-return]
        fresh = made.read({}, rows[0])
        row = self._rows.setdefault((model, key), fresh)
        row.__dict__.update(fresh.__dict__)
        return row  # type: ignore[no-any-return]

    async def exec(self, statement: Any) -> Result[Any]:
        """Runs a statement of SQLModel's, or a query of ours that is compiled already."""
        if isinstance(statement, Asked):
            known = self._answers.get(statement)
            if known is not None and self._tables.isdisjoint(known[0]):
                return known[1]
            return await self._asked(statement)
        made = compile_statement(statement, self.grammar.dialect)
        await self._write_for(made.tables)
        return await self._run(made, made.values(()))

    async def _asked(self, asked: Asked) -> Result[Any]:
        """What was asked before and has not changed since needs no second look."""
        made = asked.query.in_words_of(self.grammar.dialect)
        await self._write_for(made.tables)
        if (known := self._answers.get(asked)) is not None:
            return known[1]
        answer = await self._run(made, made.values(asked.values))
        if made.read is not None:
            self._answers[asked] = made.tables, answer
        return answer

    async def look(self, asked: Asked) -> Result[Any]:
        """What a look finds; nothing was read or written before it. Raises Conflict where this session must be alone."""
        made = asked.query.in_words_of(self.grammar.dialect)
        return self._found(made, await self.connection.look(asked, made.sql, made.values(asked.values)))

    def hold(self, *rows: Any) -> None:
        """These rows, each (model, key), are held until the end. Raises Conflict where this session must be alone."""
        self.locked.update(rows)
        self.connection.hold(*rows)

    def know(self, asked: Asked, rows: list[Any]) -> None:
        """What the answer to a question is, until something changes: it came along with something else."""
        self._answers[asked] = asked.query.in_words_of(self.grammar.dialect).tables, Result(rows, len(rows))

    def begin_again(self) -> None:
        """Forgets what was read, where another process changed it meanwhile. Raises Conflict where this session must be alone."""
        self.connection.begin_again()
        self._rows, self._answers = {}, {}

    async def _run(self, made: Compiled, values: Sequence[Any]) -> Result[Any]:
        if made.holds:
            self.connection.hold_more()
        if made.read is not None:
            return self._found(made, await self.connection.fetch(made.sql, values))
        self._forget(made.tables)
        return Result([], await self.connection.execute(made.sql, values))

    def _found(self, made: Compiled, rows: Sequence[Sequence[Any]]) -> Result[Any]:
        read, known = made.read, self._rows
        assert read is not None
        if rows:
            self._tables |= made.objects
        return Result([read(known, row) for row in rows], len(rows))

    async def _write_for(self, tables: frozenset[str]) -> None:
        """A statement sees what was done to its tables before it."""
        if self._tables.isdisjoint(tables):
            return
        changed = (row for row in self._rows.values() if WAS in row.__dict__)
        if any(table_of(type(row)).name in tables for row in (*self._new.values(), *changed)):
            await self.flush()

    def _forget(self, tables: Iterable[str]) -> None:
        """The answers that a change of these tables makes doubtful."""
        if self._answers:
            self._answers = {asked: known for asked, known in self._answers.items() if known[0].isdisjoint(tables)}

    async def exec_many(self, statement: Any, rows: Sequence[dict[str, Any]]) -> None:
        """Runs an INSERT or UPDATE once for each of the rows."""
        if rows:
            made = compile_statement(statement, self.grammar.dialect, list(rows[0]))
            await self._write_for(made.tables)
            self._forget(made.tables)
            await self.connection.execute_many(made.sql, [made.values(row) for row in rows])

    async def update_many(self, model: type[SQLModel], names: tuple[str, ...], rows: Sequence[dict[str, Any]]) -> None:
        """Writes these columns of rows that were not read here; each row's key is in `key_<name>`."""
        if not rows:
            return
        made = self.grammar.update(model, names)
        await self._write_for(made.tables)
        self._forget(made.tables)
        await self.connection.write_many(made, [made.values(row) for row in rows])

    def add(self, row: SQLModel) -> None:
        """Will be a new row; one that was read here is written back anyway."""
        model = type(row)
        if self._rows.get((model, key_taker(model)(row.__dict__))) is row:
            return
        if id(row) not in self._new:
            self._new[id(row)] = row
            self._tables.add(table_of(model).name)

    def add_all(self, rows: Iterable[SQLModel]) -> None:
        for row in rows:
            self.add(row)

    async def flush(self, last: bool = False) -> None:
        """Writes what was added, which then has its numbers, and what was changed, in one go. Raises Conflict.

        `last` where nothing follows.
        """
        changes = [self._change(model, key, row) for (model, key), row in self._rows.items() if WAS in row.__dict__]
        await self._write([change for change in changes if change], last)

    async def number(self, rows: Iterable[SQLModel]) -> None:
        """Sees to it that these new rows, of one model, have their numbers; they are written later, with what was changed."""
        missing = [row for row in rows if row.__dict__["id"] is None]
        if missing:
            kept = await self.connection.numbers(table_of(type(missing[0])).name, len(missing))
            for row, number in zip(missing, kept, strict=True):
                row.__dict__["id"] = number

    async def _write(self, changes: list[Write], last: bool = False) -> None:
        new, self._new = list(self._new.values()), {}
        writes = [self._insertion(row) for row in new] + changes
        if not writes:
            return
        for row, number in zip(new, await self.connection.write(writes, last), strict=False):
            self._numbered(row, number)
        if self._answers and not last:
            self._forget({name for made, _values in writes for name in made.tables})

    def _insertion(self, row: SQLModel) -> Write:
        model, now = type(row), row.__dict__
        (name, *more) = key_of(model)
        made = self.grammar.insert(model, numbered=not more and now[name] is None)
        return made, made.values(now)

    def _numbered(self, row: SQLModel, number: Any) -> None:
        model, now = type(row), row.__dict__
        (name, *more) = key_of(model)
        if not more and now[name] is None:
            now[name] = number
        now.pop(WAS, None)
        self._rows[model, key_taker(model)(row.__dict__)] = row

    def _change(self, model: type[SQLModel], key: Any, row: SQLModel) -> Write | None:
        """What was set, and is other than it was."""
        now = row.__dict__
        was = now.pop(WAS)
        # Sorted: in whatever order they were set, it is compiled once.
        changed = tuple(sorted([name for name, old in was.items() if now[name] is not old and now[name] != old]))
        if not changed:
            return None
        made, names = self.grammar.update(model, changed), _key_parameters(model)
        keys = {names[0]: key} if len(names) == 1 else dict(zip(names, key, strict=True))
        return made, made.values(now | keys)


@cache
def _key_parameters(model: type[SQLModel]) -> tuple[str, ...]:
    return tuple(f"key_{name}" for name in key_of(model))
