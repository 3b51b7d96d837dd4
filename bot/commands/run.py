"""python -m bot run"""

import asyncio
import gc
import signal

import typer
import uvloop
from sqlmodel import col, select

from bot import logs
from bot.app import ROLES, App, build, secret_key, utc_now
from bot.commands import open_database
from bot.commands.officers import web_link
from bot.settings import SettingProblem, Settings, read_settings
from handlers.account.village import index_of_places
from handlers.approval.invitation import PREFIX
from locales.catalogue import languages
from storage.assignment import Assignment, Invitation, invite
from storage.database import Database
from storage.place import Place
from storage.places import official, villages
from storage.session import Session

SAMPLE = ("branch", "association", "committee")
NEXT = ("areas import FILE.csv", "officers invite --role association --area AREA")


def run(roles: str = typer.Option(",".join(ROLES), help="What this process does; several processes need PostgreSQL.")) -> None:
    """Serve: the web chat always, Telegram where a token is set."""
    settings = read_settings()
    logs.set_up(settings.log_level)
    uvloop.run(_serve(settings, _known(roles)))


def _known(roles: str) -> list[str]:
    """The roles by name. Raises SettingProblem."""
    chosen = [role.strip() for role in roles.split(",") if role.strip()]
    if not chosen or set(chosen) - set(ROLES):
        raise SettingProblem(f"--roles: {roles!r} is not some of {', '.join(ROLES)}")
    return chosen


async def _serve(settings: Settings, roles: list[str]) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(logs.unheard)
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    async with open_database(settings) as database:
        hints: list[str] = []

        async def begin() -> None:
            secret_key(settings)
            hints.extend(await _first_steps(settings, database))

        # Of several processes that begin at once, one does it, and the first one's key is everybody's.
        await database.driver.only_one("first steps", begin)
        database.keep_others_out()
        app = build(settings, database)
        async with database.transaction() as session:
            await index_of_places(session)
        database.compile_queries()
        languages()
        _spare_the_collector()
        async with app.running(roles):
            _greet(settings, app, hints)
            await stopped.wait()


def _spare_the_collector() -> None:
    """What is loaded by now stays: to look through all of it for garbage would stop everybody for 50 ms, again and again.

    What comes later is looked through when there is more of it than all turns in hand make (some 80 objects each): a turn
    leaves no cycles behind, and whoever looks at 1,000 finds only turns that go on. So garbage never takes more than a few
    megabytes, and a look never takes more than a few milliseconds.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 2, 20)


async def _first_steps(settings: Settings, database: Database) -> list[str]:
    """On a database that is new: the places of Hà Tĩnh, and what to do next. Where nobody but us can reach it, also a few
    invented villages, and links to try the whole way: what the world can reach has no open invitations in its log."""
    async with database.transaction() as session:
        if (await session.exec(select(Place).limit(1))).first() is not None:
            return []
        await official.load(session, "Hà Tĩnh", utc_now())
        if settings.public_url:
            return ["A new database. Load your villages, and invite officers:", *(f"  python -m bot {words}" for words in NEXT)]
        rows, faults = await villages.read_villages(villages.SAMPLE, session)
        assert not faults, faults
        await villages.import_villages(session, rows, utc_now())
        links = await _sample_links(session, settings)
        return ["A new database. Open these in four tabs; each officer's link works once:", *links] if links else []


async def _sample_links(session: Session, settings: Settings) -> list[str]:
    if (await session.exec(select(Invitation).limit(1))).first() or (await session.exec(select(Assignment).limit(1))).first():
        return []
    village = (await session.exec(select(Place).where(Place.level == "village").order_by(col(Place.id)))).first()
    assert village is not None
    links = [f"  citizen      {web_link(settings, f'v-{village.code}')}"]
    for role in SAMPLE:
        place_id = village.id if role == "branch" else village.parent_id
        code = await invite(session, role, place_id or 0, utc_now())
        links.append(f"  {role:12} {web_link(settings, PREFIX + code, seat=role)}")
    return links


def _greet(settings: Settings, app: App, hints: list[str]) -> None:
    typer.echo(f"Web chat: {web_link(settings, '').partition('?')[0]}")
    if "telegram" in app.channels:
        typer.echo(f"Telegram: {app.channels['telegram'].link('') or 'connecting'}")
    else:
        typer.echo("Telegram: off (set TELEGRAM_BOT_TOKEN in .env)")
    for line in hints:
        typer.echo(line)
