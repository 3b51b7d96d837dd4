"""python -m bot db upgrade"""

import asyncio

import typer

from bot.commands import open_database

app = typer.Typer(no_args_is_help=True, help="The database.")


@app.callback()
def database() -> None:
    """The database."""


@app.command()
def upgrade() -> None:
    """Bring the database's tables to this program's version. The start of the bot does the same."""

    async def work() -> None:
        async with open_database():
            typer.echo("The database is up to date.")

    asyncio.run(work())
