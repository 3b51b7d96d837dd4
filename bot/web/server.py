"""The aiohttp application: what the channels serve, and health."""

import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from aiohttp import web
from sqlalchemy import text

from bot.channels import Channel, Receive
from bot.settings import SettingProblem, Settings
from storage.database import Database

log = logging.getLogger("bot.web")
LARGEST_BODY = 22 * 1024 * 1024  # bytes: a photo of 20 MB in its envelope
STOP_SECONDS = 5


def application(database: Database, channels: Iterable[Channel], receive: Receive) -> web.Application:
    """Everything that is served over HTTP."""

    async def alive(request: web.Request) -> web.Response:
        return web.json_response({"ok": True})

    async def ready(request: web.Request) -> web.Response:
        try:
            async with database.transaction() as session:
                await session.exec(text("SELECT 1"))  # type: ignore[call-overload]
        except Exception:
            log.exception("not ready", extra={"action": "not_ready"})
            return web.json_response({"ok": False}, status=503)
        return web.json_response({"ok": True})

    app = web.Application(client_max_size=LARGEST_BODY)
    app.add_routes([web.get("/healthz", alive), web.get("/readyz", ready)])
    for channel in channels:
        app.add_routes(channel.routes(receive))
    return app


@asynccontextmanager
async def serve(settings: Settings, database: Database, channels: dict[str, Channel], receive: Receive) -> AsyncIterator[None]:
    """Listens while the context lasts. Raises SettingProblem where the port cannot be had."""
    runner = web.AppRunner(application(database, channels.values(), receive), access_log=None, shutdown_timeout=STOP_SECONDS)
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
