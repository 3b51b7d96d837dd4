"""The command line: what an operator does."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import typer

from bot.app import prepare, utc_now
from bot.settings import Settings, read_settings
from storage.database import Database
from storage.place import Place
from storage.places.search import PlaceIndex
from storage.session import Session

T = TypeVar("T")


@asynccontextmanager
async def open_database(settings: Settings | None = None) -> AsyncIterator[Database]:
    """The database of the settings, brought up to date."""
    database = Database((settings or read_settings()).database)
    try:
        await prepare(database, utc_now())
        yield database
    finally:
        await database.close()


def in_transaction(work: Callable[[Session], Awaitable[T]]) -> T:
    """Runs `work` in one transaction on the database of the settings."""

    async def run() -> T:
        async with open_database() as database, database.transaction() as session:
            return await work(session)

    return asyncio.run(run())


async def find_place(session: Session, words: str, level: str) -> Place:
    """The one place that an operator means by a code or a name; complains and exits where it is not one."""
    from storage.place import by_code

    if place := await by_code(session, words):
        return place if place.level == level else complain(f"{words} is a {place.level}; a {level} is needed here")
    found = (await PlaceIndex.load(session)).find(words, level=level)
    best = [one for one in found if one.score == found[0].score]
    if len(best) == 1:
        place = await session.get(Place, best[0].place_id)
        assert place is not None
        return place
    if not found:
        return complain(f"no {level} is called {words!r}; list them with: python -m bot areas list")
    return complain(f"{words!r} could be: {'; '.join(one.label for one in found)}. Say which, or give its code.")


def complain(words: str) -> Place:
    """One line for the operator, and exit code 2."""
    typer.echo(words, err=True)
    raise typer.Exit(2)
