"""python -m bot channels status | leave"""

import asyncio
from collections import Counter
from typing import Annotated

import typer

from bot import logs
from bot.app import build, utc_now
from bot.commands import open_database
from bot.quota import used
from bot.retire import retire
from bot.settings import SettingProblem, read_settings

app = typer.Typer(no_args_is_help=True, help="The channels.")
MAY_LEAVE = ("telegram", "zalobot", "zalooa")


@app.callback()
def channels() -> None:
    """The channels."""


@app.command()
def leave(name: Annotated[str, typer.Argument(help=f"One of: {', '.join(MAY_LEAVE)}.")]) -> None:
    """Give a channel up for good: people go on where else they can be reached, at the same question; the others come on
    the lists of those who tell them by word of mouth. On SQLite, stop the bot first."""
    if name not in MAY_LEAVE:
        raise SettingProblem(f"channels leave: {name!r} is not one of {', '.join(MAY_LEAVE)}")
    done = asyncio.run(_leave(name))
    typer.echo(f"Go on elsewhere, at the same question: {done['continued']}")
    typer.echo(f"To be told by word of mouth (/baotin): {done['told']}")
    typer.echo(f"Half-way, reachable nowhere and of no known village: {done['unknown']}")
    typer.echo(f"Had nothing open: {done['idle']}; notices that took another way: {done['redirected']}")


@app.command()
def status() -> None:
    """Each channel: how many people, and how much of the month's messages is used where the platform counts them."""
    for line in asyncio.run(_status()):
        typer.echo(line)


async def _status() -> list[str]:
    settings = read_settings()
    async with open_database(settings) as database:
        running = build(settings, database).channels
        lines = []
        for name, channel in running.items():
            figures = await used(database, name, utc_now())
            most = f" of {channel.can.most_people}" if channel.can.most_people else ""
            month = f"; {figures.sent} of {channel.can.most_a_month} messages this month" if channel.can.most_a_month else ""
            lines.append(f"{name:9} {figures.people}{most} people{month}")
        return lines


async def _leave(name: str) -> Counter[str]:
    settings = read_settings()
    logs.set_up(settings.log_level)
    async with open_database(settings) as database:
        database.keep_others_out()
        app = build(settings, database)
        async with app.running(["sender"], http=False):
            return await retire(app, name)
