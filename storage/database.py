"""The database: one transaction a turn, the same code on SQLite and PostgreSQL."""

from pathlib import Path
from types import TracebackType
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from asyncpg import PostgresError
from sqlalchemy import Connection, column, select
from sqlalchemy import table as sql_table
from sqlalchemy.exc import SQLAlchemyError

from storage import tables  # noqa: F401  (all of them, before a row is read)
from storage.many import look_for_many
from storage.postgres import Postgres
from storage.session import DatabaseAway, Session
from storage.sqlite import Sqlite
from storage.statements import Grammar, queries


class DatabaseProblem(Exception):
    """The database cannot be used; the message is one line for the operator."""


class Database:
    """Opens transactions on the database at `url` (sqlite:///… or postgresql://…). Raises DatabaseProblem for any other."""

    def __init__(self, url: str) -> None:
        self.driver = _driver(url)
        self.grammar = Grammar(self.driver.dialect)
        self.kept: dict[str, Any] = {}  # what others read once and keep for as long as this database is open
        self.alone = isinstance(self.driver, Sqlite)  # no other process serves from this database

    def transaction(self, together: bool = False) -> "Transaction":
        """One transaction: returning commits, raising rolls back. Raises DatabaseAway where it cannot begin.

        `together` with others that begin at the same moment with a look and write at the end only; any other raises Conflict,
        and has to be done again by itself.
        """
        return Transaction(self, together)

    async def upgrade(self) -> None:
        """Brings the tables to this program's version.

        Raises DatabaseProblem where the database is newer than the program or cannot be reached.
        """
        try:
            await self.driver.migrate(_upgrade)
        except (OSError, ValueError, DatabaseAway, SQLAlchemyError, PostgresError) as error:
            said = "it does not answer" if isinstance(error, TimeoutError) else str(getattr(error, "orig", None) or error)
            reason = said.split("\n")[0][:200] or type(error).__name__
            raise DatabaseProblem(f"DATABASE_URL: the database cannot be used ({reason})") from error

    def keep_others_out(self) -> None:
        """On SQLite one process serves. Raises DatabaseProblem where another does."""
        if isinstance(self.driver, Sqlite):
            try:
                self.driver.keep_others_out()
            except DatabaseAway as error:
                raise DatabaseProblem(f"DATABASE_URL: {error}; several processes need PostgreSQL") from error

    async def is_current(self) -> bool:
        """Whether the tables are those of this program. Raises DatabaseAway or StatementFailed."""
        async with self.transaction() as session:
            stored = (await session.exec(select(column("version_num")).select_from(sql_table("alembic_version")))).all()
        return set(stored) == set(ScriptDirectory.from_config(alembic_config()).get_heads())

    def compile_queries(self) -> None:
        """Puts every query into the words of this database before anybody waits for one: to compile one takes up to 35 ms."""
        for one in queries():
            one.in_words_of(self.grammar.dialect)
            if one.holds and isinstance(self.driver, Postgres):
                look_for_many(one)

    async def close(self) -> None:
        await self.driver.close()


class Transaction:
    """A session for as long as its transaction lasts."""

    def __init__(self, database: Database, together: bool) -> None:
        self.database, self.opened = database, database.driver.transaction(together)

    async def __aenter__(self) -> Session:
        self.session = Session(await self.opened.__aenter__(), self.database.grammar, self.database)
        return self.session

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None:
            try:
                await self.session.flush(last=True)
            except BaseException as failed:
                await self.opened.__aexit__(type(failed), failed, failed.__traceback__)
                raise
        await self.opened.__aexit__(kind, error, trace)


def _driver(url: str) -> Sqlite | Postgres:
    scheme, found, rest = url.partition("://")
    match scheme.partition("+")[0]:
        case "sqlite" if found:
            try:
                return Sqlite(rest.removeprefix("/"))
            except OSError as error:
                raise DatabaseProblem(f"DATA_DIR: {error.strerror} ({error.filename})") from error
        case "postgresql" | "postgres" if found:
            return Postgres(f"postgresql://{rest}")
    raise DatabaseProblem("DATABASE_URL: must begin with sqlite:/// or postgresql://")


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
