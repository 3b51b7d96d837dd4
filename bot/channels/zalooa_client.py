"""The way to the Official Account's API: errors come in a 200, each with a number and a class."""

import io
import logging
import re
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import orjson

from bot.channels import NotNow, SendError, TryAgain, Unreachable
from locales.text import HOME

log = logging.getLogger("bot.zalooa")
_ERROR = re.compile(rb'"error"\s*:\s*"?(-?\d+)')
PATIENCE = aiohttp.ClientTimeout(sock_connect=10, sock_read=20)
AWAY = 0
STALE_TOKEN = (-216, -220, 216, 401, -401)
STALE_FILE = -100
NIGHT = -234
SOON, LATER, MUCH_LATER = 5.0, 60.0, 600.0  # seconds
MORNING, EVENING = 6, 22  # o'clock in Viet Nam: between them approved templates may go
AGAIN = (AWAY, -32, -200)
USED_UP = (-211, -218)
GONE = (-213, -217, -227, -244)
OPERATOR = {
    -204: "the Official Account is disabled", -205: "the Official Account does not exist",
    -209: "the app is not activated; activate it at developers.zalo.me", -211: "the quota is used up; buy more",
    -212: "the app lacks this API; register it at developers.zalo.me", -221: "the Official Account is not verified",
    -223: "the Official Account is not authorised", -224: "the Official Account's package is too low",
    -235: "this type of Official Account may not do that", -240: "this API was shut down: a fault of this program",
    -242: "the app asks for appsecret_proof; switch that off at developers.zalo.me",
    -320: "no ZCA account is linked", -321: "the ZCA account has no money",
}  # fmt: skip


class OaError(Exception):
    """The platform said no, or could not be asked: then `code` is AWAY."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code, self.reason = code, reason


class CutOff(OaError):
    """It was done, and the connection broke while that was said."""


class OaClient:
    """`close` ends the connections; they are opened when they are needed."""

    def __init__(self, api_url: str) -> None:
        self.api_url = api_url
        self._http: aiohttp.ClientSession | None = None

    @property
    def http(self) -> aiohttp.ClientSession:
        if self._http is None:
            self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=128, ttl_dns_cache=300))
        return self._http

    async def close(self) -> None:
        http, self._http = self._http, None
        if http:
            await http.close()

    async def post(self, path: str, token: str, body: dict[str, Any]) -> dict[str, Any]:
        """The data of the answer. Raises OaError."""
        return await self._ask("POST", path, token, data=orjson.dumps(body), headers={"Content-Type": "application/json"})

    async def upload(self, path: str, token: str, content: bytes, name: str, media_type: str) -> dict[str, Any]:
        """The same for a file."""
        form = aiohttp.FormData()
        form.add_field("file", io.BytesIO(content), filename=name, content_type=media_type)
        return await self._ask("POST", path, token, data=form)

    async def get(self, path: str, token: str) -> dict[str, Any]:
        return await self._ask("GET", path, token)

    async def _ask(self, method: str, path: str, token: str, **options: Any) -> dict[str, Any]:
        options["headers"] = {**options.get("headers", {}), "access_token": token}
        try:
            async with self.http.request(method, f"{self.api_url}{path}", timeout=PATIENCE, **options) as got:
                return result(got.status, await read(got))
        except (aiohttp.ClientError, TimeoutError) as error:
            raise OaError(AWAY, type(error).__name__) from None


async def read(answer: aiohttp.ClientResponse) -> bytes:
    """The whole answer. Raises CutOff where less came than a yes."""
    body = bytearray()
    try:
        async for part in answer.content.iter_any():
            body += part
    except (aiohttp.ClientError, TimeoutError):
        if answer.status == 200 and body:
            raise _unread(200, bytes(body)) from None
        raise
    return bytes(body)


def result(status: int, body: bytes) -> dict[str, Any]:
    """The data in an answer. Raises OaError."""
    try:
        envelope = orjson.loads(body)
    except ValueError:
        raise _unread(status, body) from None
    if not isinstance(envelope, dict):
        raise OaError(AWAY, "the answer is no object")
    code = envelope.get("error", 0 if status == 200 else status)
    number = int(code) if isinstance(code, int | str) and str(code).lstrip("-").isdigit() else -1
    if number:
        raise OaError(number, str(envelope.get("message", ""))[:200])
    data = envelope.get("data")
    return data if isinstance(data, dict) else {}


def _unread(status: int, body: bytes) -> OaError:
    """Half a yes is a yes; half a no is a no; a page of somebody in between is neither."""
    if status != 200 or not body.lstrip().startswith(b"{"):
        return OaError(AWAY, f"status {status}, not JSON")
    said = _ERROR.search(body)
    code = int(said[1]) if said else 0
    return OaError(code, "the answer was cut off") if code else CutOff(AWAY, "the answer was cut off")


def fate(error: OaError, now: datetime) -> SendError:
    """What becomes of the message that the platform did not take."""
    match error.code:
        case code if code in AGAIN or code >= 500:
            return TryAgain(str(error), SOON, too_fast=code == -32)
        case code if code in USED_UP:
            # One person's own quota is nobody else's concern.
            return TryAgain(str(error), MUCH_LATER, too_fast=code == -211)
        case code if code in STALE_TOKEN:
            return TryAgain(str(error), LATER)
        case code if code in GONE:
            return Unreachable(str(error))
        case -201 if "user" in error.reason.lower():
            return Unreachable(str(error))
        case code if code == NIGHT:
            return NotNow(str(error), until_morning(now) or SOON)
    return SendError(str(error))


def until_morning(now: datetime) -> float:
    """The seconds until templates may go again; 0 by day."""
    here = now.astimezone(HOME)
    if MORNING <= here.hour < EVENING:
        return 0
    morning = here.replace(hour=MORNING, minute=0, second=0, microsecond=0)
    return ((morning if here < morning else morning + timedelta(days=1)) - here).total_seconds()
