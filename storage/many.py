"""Statements for many rows at once: to PostgreSQL a statement is ten times the work of a row, and to us too.

The parameters of its own are lists, one for each parameter of the statement for a single row.
"""

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any

from sqlalchemy import ARRAY, bindparam, func
from sqlalchemy.dialects.postgresql.asyncpg import dialect
from sqlmodel import SQLModel

from storage.statements import Compiled, Query, compile_statement

_DIALECT = dialect()
NUMBERS = "SELECT nextval($1::text::regclass)::integer FROM generate_series(1, $2::integer)"
_KEY = "key_"  # before the names of the parameters by which a row is found


def lists(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """The parameters of these rows, as a statement for many takes them."""
    return [list(column) for column in zip(*rows, strict=True)]


def sequence_of(table: str) -> str:
    """Which counts the rows of a table."""
    return f"{table}_id_seq"


@cache
def look_for_many(query: Query) -> Compiled:
    """A look for everybody who asks: each row ends with the place of the asker, from 1 on.

    What others hold is left out, and so is whoever is not found.
    """
    single = query.write(*(bindparam(name, required=False) for name in query.names)).compile(dialect=_DIALECT)
    given = (bindparam(name, type_=ARRAY(single.binds[name].type)) for name in query.names)
    asked = func.unnest(*given).table_valued(*query.names, with_ordinality="place").render_derived(name="asked")
    statement = query.write(*(asked.c[name] for name in query.names)).add_columns(asked.c.place)
    statement = statement.with_for_update(of=query.holds, key_share=True, skip_locked=True)
    return compile_statement(statement, _DIALECT, places={name: at for at, name in enumerate(query.names)})


@lru_cache(1000)
def write_for_many(made: Compiled, before: int = 0) -> str | None:
    """An insertion or change of single rows, for any number of them; its parameters are numbered from `before` on.

    None where such a row has no key of one column.
    """
    (name,) = made.tables
    table = SQLModel.metadata.tables[name]
    columns = [table.c[parameter.removeprefix(_KEY)] for parameter in made.names]
    types = [f"${at}::{column.type.compile(_DIALECT)}[]" for at, column in enumerate(columns, before + 1)]
    names = [f'"{column.key}"' for column in columns]
    given = f"FROM unnest({', '.join(types)}) AS v({', '.join(names)})"
    if key_of(made) is None:
        return f'INSERT INTO "{name}" ({", ".join(names)}) SELECT * {given}'
    if len(table.primary_key) != 1:
        return None
    *changed, key = names
    return (
        f'UPDATE "{name}" SET ({", ".join(changed)}) = ROW({", ".join(f"v.{one}" for one in changed)}) '  # noqa: S608
        f'{given} WHERE "{name}".{key} = v.{key}'
    )


@cache
def key_of(made: Compiled) -> int | None:
    """Where the parameters by which a row is found begin; None of an insertion."""
    return next((at for at, name in enumerate(made.names) if name.startswith(_KEY)), None)


@cache
def order_of(made: Compiled) -> tuple[bool, int, str]:
    """What is pointed to is there before what points to it; the same kinds always come in the same order."""
    (name,) = made.tables
    return key_of(made) is not None, _tables().index(name), made.sql


@cache
def _tables() -> list[str]:
    return [table.name for table in SQLModel.metadata.sorted_tables]


@lru_cache(1000)
def write_together(kinds: tuple[Compiled, ...]) -> str:
    """One statement for many rows of each of these kinds."""
    parts, before = [], 0
    for at, made in enumerate(kinds):
        parts.append(f"w{at} AS ({write_for_many(made, before)})")
        before += len(made.names)
    return f"WITH {', '.join(parts)} SELECT"
