"""The aiohttp application: what the channels serve, and health."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from aiohttp import web

from bot.channels import Channel
from bot.channels.webhook import Hook
from bot.intake import Intake
from bot.metrics import CONTENT_TYPE
from bot.settings import SettingProblem, Settings
from bot.web.shortcut import Shortcut
from storage.database import Database
from storage.session import DatabaseAway, StatementFailed

log = logging.getLogger("bot.web")
READY_SECONDS = 3  # whoever asks does not wait longer for a database that does not answer
LARGEST_BODY = 22 * 1024 * 1024  # bytes: a photo of 20 MB in its envelope
BACKLOG = 128  # connections that wait to be taken
STOP_SECONDS = 1  # what the channels had in hand is finished by then


def application(database: Database, intake: Intake, routes: Iterable[web.AbstractRouteDef]) -> web.Application:
    """Everything that is served over HTTP."""

    async def alive(request: web.Request) -> web.Response:
        return web.json_response({"ok": True})

    async def ready(request: web.Request) -> web.Response:
        """Whether messages can be taken: the database answers, and has this program's tables."""
        try:
            async with asyncio.timeout(READY_SECONDS):
                current = await database.is_current()
        except (DatabaseAway, StatementFailed, TimeoutError) as error:
            log.error("not ready", extra={"action": "not_ready", "reason": str(error) or "TimeoutError"})
            return web.json_response({"ok": False, "reason": "database"}, status=503)
        if not current:
            return web.json_response({"ok": False, "reason": "migrations"}, status=503)
        return web.json_response({"ok": True})

    async def metrics(request: web.Request) -> web.Response:
        try:
            limited = [name for name, channel in intake.channels.items() if channel.can.most_a_month]
            page = await intake.metrics.page(database, intake.now(), limited)
        except DatabaseAway:
            return web.Response(status=503)
        return web.Response(body=page, headers={"Content-Type": CONTENT_TYPE})

    app = web.Application(client_max_size=LARGEST_BODY)
    app.add_routes([web.get("/healthz", alive), web.get("/readyz", ready), web.get("/metrics", metrics), *routes])
    return app


@asynccontextmanager
async def serve(settings: Settings, database: Database, channels: dict[str, Channel], intake: Intake) -> AsyncIterator[None]:
    """Listens while the context lasts. Raises SettingProblem where the port cannot be had."""
    routes = [route for channel in channels.values() for route in channel.routes(intake.receive)]
    runner = web.AppRunner(application(database, intake, routes), access_log=None, shutdown_timeout=STOP_SECONDS)
    await runner.setup()
    assert runner.server is not None
    shortcut = Shortcut((route for route in routes if isinstance(route, Hook)), runner.server)
    try:
        loop = asyncio.get_running_loop()
        listening = await loop.create_server(shortcut, settings.http_host, settings.http_port, backlog=BACKLOG)
    except OSError as error:
        await runner.cleanup()
        where = f"{settings.http_host}:{settings.http_port}"
        raise SettingProblem(f"HTTP_PORT: cannot listen on {where} ({error.strerror}); set another port") from error
    try:
        yield
    finally:
        listening.close()
        await asyncio.gather(shortcut.close(STOP_SECONDS), runner.cleanup())
