"""The way to the Zalo Bot Platform: one POST, its envelope, its errors. The token is in every address and in no message."""

import logging
from typing import Any

import aiohttp
import orjson

from bot.channels import SendError, TryAgain, Unreachable

log = logging.getLogger("bot.zalobot")
PATIENCE = 20  # seconds
AWAY, REFUSED, NO_TOKEN, EMPTY, TOO_MUCH = 0, 400, 401, 408, 429
SOON, LATER, MUCH_LATER = 5.0, 60.0, 600.0  # seconds; the platform never says how long
NOT_ACCEPTED = "ZALO_BOT_TOKEN: Zalo does not accept this token; copy it again from the message of Zalo Bot Creator"


class ZaloError(Exception):
    """The platform said no, or could not be asked: then `code` is AWAY."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code, self.reason = code, reason


class CutOff(ZaloError):
    """It was done, and the connection broke while that was said."""


class ZaloBotClient:
    """`call` opens the connections when they are needed; `close` ends them."""

    def __init__(self, token: str, api_url: str) -> None:
        self._base = f"{api_url}/bot{token}"
        self._secrets = (token, token.partition(":")[2])
        self._http: aiohttp.ClientSession | None = None

    @property
    def http(self) -> aiohttp.ClientSession:
        if self._http is None:
            self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64, ttl_dns_cache=300))
        return self._http

    async def close(self) -> None:
        http, self._http = self._http, None
        if http:
            await http.close()

    async def call(self, method: str, seconds: float = PATIENCE, **values: Any) -> Any:
        """The result of a method; waits `seconds` for it. Raises ZaloError."""
        timeout = aiohttp.ClientTimeout(sock_connect=10, sock_read=seconds)
        sent = {"data": orjson.dumps(values), "headers": {"Content-Type": "application/json"}, "timeout": timeout}
        try:
            async with self.http.post(f"{self._base}/{method}", **sent) as got:
                return self._result(got.status, await _read(got))
        except (aiohttp.ClientError, TimeoutError) as error:
            # The driver's own words quote the address, and the token with it.
            raise ZaloError(AWAY, type(error).__name__) from None

    def _result(self, status: int, body: bytes) -> Any:
        try:
            envelope = orjson.loads(body)
        except ValueError:
            # Half a yes is a yes; a page of somebody in between is none.
            if status == 200 and body.lstrip().startswith(b"{") and b'"ok":false' not in body.replace(b" ", b""):
                raise CutOff(AWAY, "the answer was cut off") from None
            raise ZaloError(status if status in (EMPTY, TOO_MUCH, NO_TOKEN) else AWAY, f"status {status}") from None
        if isinstance(envelope, dict) and envelope.get("ok") is True:
            return envelope.get("result")
        code = _code(envelope) or (status if status != 200 else AWAY)
        said = str(envelope.get("description", "")) if isinstance(envelope, dict) else ""
        raise ZaloError(code, self._clean(said)[:200])

    def _clean(self, words: str) -> str:
        for secret in filter(None, self._secrets):
            words = words.replace(secret, "(token)")
        return words


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    """Raises CutOff where less came than a yes."""
    body = bytearray()
    try:
        async for part in answer.content.iter_any():
            body += part
    except (aiohttp.ClientError, TimeoutError):
        if answer.status != 200 or not body:
            raise
    return bytes(body)


def _code(envelope: Any) -> int:
    """The error's number; one method writes it in another spelling."""
    if not isinstance(envelope, dict):
        return 0
    given = envelope.get("error_code", envelope.get("errorCode", 0))
    return int(given) if isinstance(given, int | str) and str(given).isdigit() else 0


def fate(error: ZaloError) -> SendError:
    """What becomes of the message that the platform did not take."""
    match error.code:
        case 429:
            # The pace, or the month's quota: which of them, it does not say.
            return TryAgain(str(error), LATER, too_fast=True)
        case 401:
            log.error(NOT_ACCEPTED, extra={"action": "token_refused"})
            return TryAgain(str(error), MUCH_LATER)
        case 403 | 408 | 0:
            # The platform's table calls 403 an internal error.
            return TryAgain(str(error), SOON)
        case 400 | 404 if "chat" in error.reason.lower() or "user" in error.reason.lower():
            return Unreachable(str(error))
        case code if code >= 500:
            return TryAgain(str(error), SOON)
    return SendError(str(error))
