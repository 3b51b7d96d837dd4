"""python -m bot chat"""

import asyncio
import sys
from itertools import count
from typing import Annotated

import typer

from bot import logs
from bot.app import build, prepare, utc_now
from bot.channels.terminal import Terminal
from bot.commands.run import SAMPLE
from bot.settings import read_settings
from handlers.approval.invitation import PREFIX
from handlers.incoming import Incoming, Said
from storage.assignment import invite
from storage.database import Database
from storage.place import Place, by_code
from storage.places import official, villages

HELP = "Type as {name}. “Hùng: xin chào” speaks as Hùng from then on. Invitations: {codes}. Empty line or Ctrl-D ends."


def chat(name: Annotated[str, typer.Argument(help="Who speaks first.")] = "An") -> None:
    """Talk to the bot here, as any named person, on a database in memory."""
    logs.set_up("WARNING")
    asyncio.run(_talk(name))


async def _talk(name: str) -> None:
    database = Database("sqlite://")
    await prepare(database, utc_now())
    codes = await _sample(database)
    app = build(read_settings(), database, [Terminal()])
    async with app.running(http=False):
        listed = ", ".join(f"/start {PREFIX}{code} ({role})" for role, code in codes)
        typer.echo(HELP.format(name=name, codes=listed))
        for number in count():
            await app.sender.drain()
            sys.stdout.write(f"{name} > ")
            sys.stdout.flush()
            line = (await asyncio.to_thread(sys.stdin.readline)).strip()
            if not line:
                break
            name, line = _speaker(name, line)
            await app.intake.receive(Incoming(f"terminal:{number}", f"terminal:{name}", Said(line)))
    await database.close()


def _speaker(name: str, line: str) -> tuple[str, str]:
    """ "Hùng: xin chào" changes who speaks."""
    head, colon, rest = line.partition(":")
    if colon and head.isalpha() and rest.strip():
        return head, rest.strip()
    return name, line


async def _sample(database: Database) -> list[tuple[str, str]]:
    """The sample villages, and a code for each role in the first of them."""
    async with database.transaction() as session:
        await official.load(session, "Hà Tĩnh", utc_now())
        rows, _faults = await villages.read_villages(villages.SAMPLE, session)
        await villages.import_villages(session, rows, utc_now())
        village: Place | None = await by_code(session, rows[0].code)
        assert village is not None
        place = {"branch": village.id, "association": village.parent_id, "committee": village.parent_id}
        return [(role, await invite(session, role, place[role] or 0, utc_now())) for role in SAMPLE]
