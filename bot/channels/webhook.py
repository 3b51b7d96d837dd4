"""What a platform calls: who may, how much is read, which answer makes it deliver again."""

import hmac
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import orjson
from aiohttp import web

from bot.channels.reading import object_of

LARGEST_BODY = 1024 * 1024  # bytes
LARGEST_PROBE = 4096
AGAIN = 503  # the platform is to deliver it once more …
RETRY_AFTER = {"Retry-After": "2"}  # … not at once
JSON = "application/json"
Answer = tuple[int, bytes]  # the status, and JSON where there is any
Take = Callable[[dict[str, Any]], Awaitable[dict[str, Any] | None]]


class Hook(web.AbstractRouteDef):
    """One header of a call and its body say everything: `answer` gets these two, the header empty where it is missing."""

    def __init__(self, path: str, header: str, answer: Callable[[bytes, bytes], Coroutine[Any, Any, Answer]]) -> None:
        self.path, self.header, self.answer = path, header, answer

    def register(self, router: web.UrlDispatcher) -> list[web.AbstractRoute]:
        """As every route of aiohttp's; what is plain need not come this far (`bot.web.shortcut`)."""
        return [router.add_post(self.path, self._respond)]

    async def _respond(self, request: web.Request) -> web.Response:
        # aiohttp keeps bytes that are not UTF-8 as surrogates, which do not encode otherwise.
        given = request.headers.get(self.header, "").encode("utf-8", "surrogateescape")
        status, content = await self.answer(given, await _body(request))
        headers = RETRY_AFTER if status == AGAIN else None
        return web.Response(status=status, headers=headers, body=content, content_type=JSON if content else None)


def webhook(
    path: str,
    header: str,
    secret: str,
    take: Take,
    log: logging.Logger,
    is_probe: Callable[[dict[str, Any]], bool] | None = None,
) -> Hook:
    """Behind a shared secret. Answers 200 only when `take` has said that the update is safe, with what it gives to be answered.

    A platform that probes may do so without the secret.
    """
    expected = secret.encode()

    async def answer(given: bytes, body: bytes) -> Answer:
        if not hmac.compare_digest(given, expected):
            # Whoever has no secret is not read, beyond a few words.
            if is_probe and len(body) <= LARGEST_PROBE and is_probe(object_of(body) or {}):
                return 200, b""
            log.warning("call without the secret", extra={"action": "webhook_forbidden"})
            return 403, b""
        update = object_of(body)
        if update is None:
            # It would come again and again, and never be another.
            log.error("body is not an update", extra={"action": "webhook_bad_body"})
            return 200, b""
        taken = await take(update)
        if taken is None:
            return AGAIN, b""
        return 200, orjson.dumps(taken) if taken else b""

    return Hook(path, header, answer)


async def _body(request: web.Request) -> bytes:
    """The whole body. Raises HTTPRequestEntityTooLarge."""
    length, content, body = request.content_length or 0, request.content, bytearray()
    if length > LARGEST_BODY:
        raise web.HTTPRequestEntityTooLarge(LARGEST_BODY, length)
    while not content.at_eof():
        body += await content.readany()
        if len(body) > LARGEST_BODY:
            raise web.HTTPRequestEntityTooLarge(LARGEST_BODY, len(body))
    return bytes(body)
