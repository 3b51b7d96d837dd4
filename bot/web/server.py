"""The aiohttp application: what the channels serve, and health."""

import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from aiohttp import web

from bot.channels import Channel
from bot.intake import Intake
from bot.metrics import CONTENT_TYPE
from bot.settings import SettingProblem, Settings
from storage.database import Database
from storage.session import DatabaseAway, StatementFailed

log = logging.getLogger("bot.web")
LARGEST_BODY = 22 * 1024 * 1024  # bytes: a photo of 20 MB in its envelope
STOP_SECONDS = 1  # what the channels had in hand is finished by then


def application(database: Database, channels: Iterable[Channel], intake: Intake) -> web.Application:
    """Everything that is served over HTTP."""

    async def alive(request: web.Request) -> web.Response:
        return web.json_response({"ok": True})

    async def ready(request: web.Request) -> web.Response:
        """Whether messages can be taken: the database answers, and has this program's tables."""
        try:
            current = await database.is_current()
        except (DatabaseAway, StatementFailed) as error:
            log.error("not ready", extra={"action": "not_ready", "reason": str(error)})
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
    app.add_routes([web.get("/healthz", alive), web.get("/readyz", ready), web.get("/metrics", metrics)])
    for channel in channels:
        app.add_routes(channel.routes(intake.receive))
    return app


@asynccontextmanager
async def serve(settings: Settings, database: Database, channels: dict[str, Channel], intake: Intake) -> AsyncIterator[None]:
    """Listens while the context lasts. Raises SettingProblem where the port cannot be had."""
    runner = web.AppRunner(application(database, channels.values(), intake), access_log=None, shutdown_timeout=STOP_SECONDS)
    await runner.setup()
    site = web.TCPSite(runner, settings.http_host, settings.http_port)
    try:
        await site.start()
    except OSError as error:
        await runner.cleanup()
        where = f"{settings.http_host}:{settings.http_port}"
        raise SettingProblem(f"HTTP_PORT: cannot listen on {where} ({error.strerror}); set another port") from error
    try:
        yield
    finally:
        await runner.cleanup()
