"""The composition root: the only module that sees everything."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import SecretStr

from bot import clock
from bot.channels import Channel
from bot.channels.telegram import Telegram
from bot.channels.webchat import WebChat
from bot.channels.zalobot import ZaloBot
from bot.channels.zalooa import ZaloOa
from bot.intake import Intake
from bot.metrics import Metrics
from bot.pace import Pace
from bot.sender import Sender
from bot.settings import SettingProblem, Settings
from bot.web.seats import Seats
from bot.web.server import serve
from handlers.account import consent, conversation, link, mydata, people, profile, village
from handlers.approval import conversation as approval
from handlers.approval import errands, invitation, newvillage, rebind, signing
from handlers.assessment import conversation as assessment
from handlers.assessment import evidence, family, review, status
from handlers.router import Router
from handlers.titles.published import publish_built_in
from locales import Reader
from storage.database import Database
from storage.files import FileStore

SLICES = (
    conversation, consent, profile, people, village, mydata, link,
    assessment, evidence, family, review, status,
    approval, invitation, signing, newvillage, errands, rebind,
)  # fmt: skip
BURST = 40
ROLES = ("web", "sender", "clock")


def utc_now() -> datetime:
    return datetime.now(UTC)


def all_routes() -> Router:
    """Every named call of every slice."""
    return Router().include(*(part.router for part in SLICES))


@dataclass
class App:
    """The whole bot on one database."""

    settings: Settings
    database: Database
    files: FileStore
    router: Router
    sender: Sender
    intake: Intake
    channels: dict[str, Channel]

    @asynccontextmanager
    async def running(self, roles: Collection[str] = ROLES, http: bool = True) -> AsyncIterator["App"]:
        """Does what these roles do; ends by finishing what is in hand.

        `web` hears, and sends what its own turns say; `sender` sends what is due by time or was left by others; `clock`
        keeps time.
        """
        async with asyncio.TaskGroup() as tasks, contextlib.AsyncExitStack() as stack:
            loops = [tasks.create_task(self.sender.run(claims="sender" in roles))]
            if "clock" in roles:
                loops.append(tasks.create_task(clock.run(self.database, self.intake.now, self._with_history())))
            if http:
                hearing = self.channels if "web" in roles else {}
                await stack.enter_async_context(serve(self.settings, self.database, hearing, self.intake))
            try:
                for channel in self.channels.values() if "web" in roles else ():
                    await channel.start(self.intake.receive)
                yield self
            finally:
                await asyncio.gather(*(channel.stop() for channel in self.channels.values()))
                self.sender.give_back()
                await self.sender.drain()
                for loop in loops:
                    loop.cancel()

    def _with_history(self) -> list[str]:
        return [name for name, channel in self.channels.items() if channel.can.keeps_history]


def build(
    settings: Settings,
    database: Database,
    channels: Iterable[Channel] | None = None,
    now: Callable[[], datetime] = utc_now,
    clock: Callable[[], float] = time.monotonic,
) -> App:
    """Puts the parts together. Raises SettingProblem or ChannelProblem."""
    files = FileStore(settings.data_dir / "evidence")
    router = all_routes()
    metrics = Metrics()
    sender = Sender(database, files, now, metrics, clock, _file_address(settings))
    pace = Pace(settings.messages_per_minute, BURST, clock)
    intake = Intake(database, router, files, sender, pace, now, settings.association_name, metrics)
    chosen = channels if channels is not None else _channels(settings, database, files, now)
    named = {channel.name: channel for channel in chosen}
    sender.channels = intake.channels = named
    return App(settings, database, files, router, sender, intake, named)


async def prepare(database: Database, now: datetime) -> None:
    """Brings the database up to date; a new one gets the criteria that come with the program."""
    await database.upgrade()

    async def publish() -> None:
        async with database.transaction() as session:
            await publish_built_in(session, now)

    # Of several processes that begin at once, one does it.
    await database.driver.only_one("criteria", publish)


def _channels(settings: Settings, database: Database, files: FileStore, now: Callable[[], datetime]) -> list[Channel]:
    """The channels that the settings switch on: one line each."""
    one = database.driver.only_one
    channels: list[Channel] = [WebChat(database, files, secret_key(settings), settings.web_address)]
    if token := _value(settings.telegram_bot_token):
        secret = _value(settings.telegram_webhook_secret) or None
        channels.append(Telegram(token, settings.telegram_api_url, settings.public_url or None, secret, menu, one))
    if any(zalo_bot := [_value(settings.zalo_bot_token), _value(settings.zalo_bot_webhook_secret)]):
        token, secret = zalo_bot[0], zalo_bot[1] or None
        channels.append(ZaloBot(token, settings.zalo_bot_api_url, settings.public_url or None, secret, database, now, one))
    if any(keys := [settings.zalo_oa_app_id, _value(settings.zalo_oa_app_secret), _value(settings.zalo_oa_secret_key)]):
        hosts = (settings.public_url, settings.zalo_oa_api_url, settings.zalo_oauth_url)
        channels.append(ZaloOa(*keys, *hosts, settings.zalo_oa_templates, database, now))
    return channels


def _value(secret: SecretStr) -> str:
    return secret.get_secret_value()


def menu(language: str) -> list[tuple[str, str]]:
    """The commands with their meaning, for a platform's menu."""
    reader = Reader(language)
    return [(name, text.render(reader)) for name, text in conversation.COMMANDS.items()]


def _file_address(settings: Settings) -> Callable[[str], str | None]:
    """Where a platform may fetch a file, if the world reaches this server."""
    if not settings.public_url:
        return lambda sha256: None
    seats = Seats(secret_key(settings), secure=True)
    return lambda sha256: settings.public_url + seats.file_path(sha256)


def secret_key(settings: Settings) -> bytes:
    """The key that signs cookies: set, or made once and kept."""
    if given := settings.secret_key.get_secret_value():
        return given.encode()
    path = settings.data_dir / "secret_key"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        # Whole or not at all: a key cut short by a power cut would sign like any other.
        part = path.with_name("secret_key.part")
        part.touch(mode=0o600)
        part.write_text(secrets.token_urlsafe(32))
        part.replace(path)
    key = path.read_text().strip()
    if len(key) < 32:
        raise SettingProblem(f"SECRET_KEY: {path} is damaged; delete it, and every web chat begins anew, or set SECRET_KEY")
    return key.encode()
