"""Statements: written with SQLModel's `select`, compiled once, run by the database's own driver.

What an ORM's session does around a statement costs a turn more than everything else together; what stays of it
here is the way from a row to an object of ours and back.
"""

from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from inspect import signature
from operator import itemgetter
from typing import Any, NamedTuple, TypeVar

import orjson
from sqlalchemy import JSON, Boolean, Dialect, Float, Table, insert, update
from sqlalchemy import select as core_select
from sqlalchemy.sql.expression import bindparam
from sqlalchemy.sql.visitors import iterate
from sqlalchemy.types import TypeEngine
from sqlmodel import SQLModel

from storage.generated import Given, Known, Process, Slot, binder, reader
from storage.moment import Moment

# To SQLite a NaN is NULL; for each None its driver looks around for an adapter, half a microsecond long.
NOTHING = {"sqlite": float("nan")}
M = TypeVar("M", bound=SQLModel)
_queries: list["Query"] = []


@dataclass(frozen=True, eq=False)
class Compiled:
    """A statement in the words of one database."""

    sql: str
    names: tuple[str, ...]  # its parameters, in their order
    values: Callable[[Any], list[Any]]  # the parameters in the driver's types, out of what is given. Raises KeyError
    read: Callable[[Known, Sequence[Any]], Any] | None  # what a row becomes; None where it gives no rows
    tables: frozenset[str]  # that it reads or changes
    objects: frozenset[str]  # of these the ones whose rows become objects
    holds: bool  # whether it holds the rows that it reads


class Asked(NamedTuple):
    """A query with its values."""

    query: "Query"
    values: tuple[Any, ...]


class Query:
    """A statement that is compiled once for each database, whatever its values."""

    def __init__(self, write: Callable[..., Any], holds: tuple[type[SQLModel], ...] = ()) -> None:
        self.write, self.names, self.holds = write, tuple(signature(write).parameters), holds
        self.compiled: dict[str, Compiled] = {}
        self.__doc__ = write.__doc__

    def __call__(self, *values: Any) -> Asked:
        return tuple.__new__(Asked, (self, values))  # a NamedTuple's own way takes twice as long, five times a turn

    def in_words_of(self, dialect: Dialect) -> Compiled:
        """Its values are given as they are asked with, one after the other."""
        return self.compiled.get(dialect.name) or self._compile(dialect)

    def _compile(self, dialect: Dialect) -> Compiled:
        statement = self.write(*(bindparam(name, required=False) for name in self.names))
        if self.holds:
            # Others may still write rows that point to them.
            statement = statement.with_for_update(of=self.holds, key_share=True)
        places = {name: at for at, name in enumerate(self.names)}
        self.compiled[dialect.name] = made = compile_statement(statement, dialect, places=places)
        return made


def query(write: Callable[..., Any]) -> Query:
    """Makes a query of a function that writes its statement: `await session.exec(of_person(5))`."""
    _queries.append(Query(write))
    return _queries[-1]


def look(*holds: type[SQLModel]) -> Callable[[Callable[..., Any]], Query]:
    """Makes a query that holds the rows of these models until its transaction ends: `await session.look(of_person(5))`."""

    def make(write: Callable[..., Any]) -> Query:
        _queries.append(Query(write, holds))
        return _queries[-1]

    return make


def queries() -> Sequence["Query"]:
    """All that there are."""
    return _queries


def compile_statement(
    statement: Any, dialect: Dialect, columns: Sequence[str] = (), places: Mapping[str, int] | None = None
) -> Compiled:
    """What is given are these `columns`, by their names, and the keys by which a row is found; or values in these `places`."""
    done = statement.compile(dialect=dialect, column_keys=columns or None, compile_kwargs={"render_postcompile": True})
    names = tuple(done.positiontup or ())
    given = places or {name: name for name in names if columns and (name in columns or name.startswith("key_"))}
    slots = _slots(statement, dialect) if getattr(statement, "is_select", False) else ()
    return Compiled(
        done.string,
        names,
        binder(_parameters(done, names, given, dialect), NOTHING.get(dialect.name)),
        reader(slots, _row_type(tuple(found["name"] or "" for found in statement.column_descriptions))) if slots else None,
        frozenset(_tables(statement)),
        frozenset(table_of(slot.model).name for slot in slots if slot.model is not None),
        getattr(statement, "_for_update_arg", None) is not None,
    )


def _parameters(done: Any, names: Iterable[str], given: Mapping[str, str | int], dialect: Dialect) -> list[Any]:
    """What was written into the statement is bound once; the rest is given."""
    parameters, written = list[Any](), done.params
    for name in names:
        bind = _binder(_type_of(done.binds, name), dialect)
        if name in given:
            parameters.append(Given(given[name], bind))
        else:
            value = written[name]
            parameters.append(value if bind is None or value is None else bind(value))
    return parameters


@cache
def _row_type(names: tuple[str, ...]) -> Any:
    return namedtuple("Row", names, rename=True)


@cache
def blank(model: type[SQLModel]) -> dict[str, Any]:
    """What a new row of this model holds where nothing is said; a factory is in it as it is."""
    return {name: f.default_factory or (None if f.is_required() else f.default) for name, f in model.model_fields.items()}


@cache
def columns_of(model: type[SQLModel]) -> tuple[str, ...]:
    return tuple(column.key for column in table_of(model).columns)


@cache
def key_of(model: type[SQLModel]) -> tuple[str, ...]:
    return tuple(column.key for column in table_of(model).primary_key)


@cache
def key_taker(model: type[SQLModel]) -> Callable[[Mapping[str, Any]], Any]:
    """Takes the primary key out of a row's fields: as it is, or a tuple where it has several parts."""
    return itemgetter(*key_of(model))


def new(model: type[M], **values: Any) -> M:
    """A new row, made ten times faster than the model's own way, which looks at every value."""
    row = object.__new__(model)
    held = row.__dict__
    held.update(blank(model))
    held.update(values)
    for name in _factories(model):
        if name not in values:
            held[name] = held[name]()
    return row


@cache
def _factories(model: type[SQLModel]) -> tuple[str, ...]:
    return tuple(name for name, given in blank(model).items() if callable(given))


@cache
def table_of(model: type[SQLModel]) -> Table:
    return model.__table__  # type: ignore[attr-defined, no-any-return]


class Grammar:
    """The statements about single rows, for one database."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self._made: dict[Any, Any] = {}

    def by_key(self, model: type[SQLModel], lock: bool) -> Compiled:
        """The row with this primary key; with `lock` it waits until it has it alone; what points to it may still be written."""
        if (model, lock) not in self._made:
            statement: Any = core_select(model).where(*_is_row(model))
            statement = statement.with_for_update(key_share=True) if lock else statement
            self._made[model, lock] = compile_statement(statement, self.dialect)
        return self._made[model, lock]

    def insert(self, model: type[SQLModel], numbered: bool) -> Compiled:
        """A new row; `numbered` where its key is made by the database."""
        made = self._made.get((model, "insert", numbered))
        if made is None:
            names = [name for name in columns_of(model) if not (numbered and name in key_of(model))]
            statement = insert(table_of(model)).inline()
            if numbered and self.dialect.name != "sqlite":
                statement = statement.returning(*table_of(model).primary_key)
            self._made[model, "insert", numbered] = made = compile_statement(statement, self.dialect, names)
        return made  # type: ignore[no-any-return]

    def update(self, model: type[SQLModel], names: tuple[str, ...]) -> Compiled:
        """These columns of the row whose key comes in the parameters `key_…`."""
        made = self._made.get((model, names))
        if made is None:
            statement = update(table_of(model)).where(*_is_row(model))
            self._made[model, names] = made = compile_statement(statement, self.dialect, names)
        return made  # type: ignore[no-any-return]


def _is_row(model: type[SQLModel]) -> list[Any]:
    return [column == bindparam(f"key_{column.key}") for column in table_of(model).primary_key]


def _slots(statement: Any, dialect: Dialect) -> tuple[Slot, ...]:
    columns = list(statement.selected_columns)
    slots = []
    for found in statement.column_descriptions:
        expression = found["expr"]
        model = expression if isinstance(expression, type) and issubclass(expression, SQLModel) else None
        count = 1 if model is None else len(columns_of(model))
        taken, columns = columns[:count], columns[count:]
        reads = tuple((column.key if model else "", _reader(column.type, dialect)) for column in taken)
        slots.append(Slot(model, reads, () if model is None else key_of(model)))
    return tuple(slots)


def _tables(statement: Any) -> set[str]:
    """The names of the tables that the statement reads or changes."""
    entities = [found["entity"] for found in getattr(statement, "column_descriptions", ()) if found.get("entity")]
    tables = [element for element in iterate(statement) if isinstance(element, Table)]
    return {table.name for table in [*tables, *map(table_of, entities)]}


def _type_of(binds: Mapping[str, Any], name: str) -> TypeEngine[Any]:
    """An IN's parameters are called after the list: place_1_1, place_1_2."""
    return (binds[name] if name in binds else binds[name.rpartition("_")[0]]).type  # type: ignore[no-any-return]


def _binder(kind: TypeEngine[Any], dialect: Dialect) -> Process:
    if isinstance(kind, JSON):
        return _to_json
    if isinstance(kind, Moment) and dialect.name == "sqlite":
        return Moment.bound
    if isinstance(kind, Boolean):
        return int if dialect.name == "sqlite" else None
    return kind.dialect_impl(dialect).bind_processor(dialect)


def _reader(kind: TypeEngine[Any], dialect: Dialect) -> Process:
    if isinstance(kind, JSON):
        return orjson.loads
    if isinstance(kind, Moment) and dialect.name == "sqlite":
        return Moment.read
    if isinstance(kind, Float):
        return None  # every driver gives floats
    return kind.dialect_impl(dialect).result_processor(dialect, None)


def _to_json(value: Any) -> str:
    return orjson.dumps(value).decode()
