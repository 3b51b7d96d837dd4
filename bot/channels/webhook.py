"""A webhook behind a shared secret: who may call, how much is read, which answer makes the platform deliver again."""

import hmac
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from aiohttp import web

LARGEST_BODY = 1024 * 1024  # bytes
RETRY_AFTER = {"Retry-After": "2"}
Handler = Callable[[web.Request], Awaitable[web.Response]]
Take = Callable[[dict[str, Any]], Awaitable[dict[str, Any] | None]]


def webhook(
    header: str, secret: str, take: Take, log: logging.Logger, is_probe: Callable[[dict[str, Any]], bool] | None = None
) -> Handler:
    """Answers 200 only when `take` has said that the update is safe, with what it gives to be answered.

    A platform that probes may do so without the secret, and wants its 200 for what cannot be read as well.
    """
    expected = secret.encode()

    async def hook(request: web.Request) -> web.Response:
        # aiohttp keeps bytes that are not UTF-8 as surrogates, which do not encode otherwise.
        given = request.headers.get(header, "").encode("utf-8", "surrogateescape")
        known = hmac.compare_digest(given, expected)
        if is_probe and not known and is_probe(_read(await read_body(request)) or {"": None}):
            return web.Response()
        if not known:
            log.warning("call without the secret", extra={"action": "webhook_forbidden"})
            return web.Response(status=403)
        update = _read(await read_body(request))
        if update is None:
            log.warning("body is not an update", extra={"action": "webhook_bad_body"})
            return web.Response(status=200 if is_probe else 400)
        answer = await take(update)
        if answer is None:
            return web.Response(status=503, headers=RETRY_AFTER)
        return web.Response(body=orjson.dumps(answer), content_type="application/json") if answer else web.Response()

    return hook


async def read_body(request: web.Request) -> bytes:
    """The whole body. Raises HTTPRequestEntityTooLarge."""
    length, content, body = request.content_length or 0, request.content, bytearray()
    if length > LARGEST_BODY:
        raise web.HTTPRequestEntityTooLarge(LARGEST_BODY, length)
    while not content.at_eof():
        body += await content.readany()
        if len(body) > LARGEST_BODY:
            raise web.HTTPRequestEntityTooLarge(LARGEST_BODY, len(body))
    return bytes(body)


def _read(body: bytes) -> dict[str, Any] | None:
    try:
        update = orjson.loads(body)
    except ValueError:
        return None
    return update if isinstance(update, dict) else None
