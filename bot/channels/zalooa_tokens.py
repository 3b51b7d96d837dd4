"""The Official Account's keys: a pair that works for a day, whose second half works once.

The next pair is in the database before it is used; of all processes one fetches it, the others wait for it.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import orjson

from bot.channels import TryAgain
from bot.channels.zalooa_client import AWAY, LATER, MUCH_LATER, PATIENCE, CutOff, OaError, read, result
from storage.credential import Credential
from storage.database import Database

log = logging.getLogger("bot.zalooa")
NAME = "zalooa"
PATH = "/v4/oa/access_token"
LEASE = timedelta(seconds=30)
RENEW_AT = 0.8  # of a pair's life
LOOK_EVERY, ASK_AGAIN = 20.0, 0.1  # seconds
CONNECT = "python -m bot zalo connect"


class NoToken(TryAgain):
    """Nobody has consented, or the consent is over: what is to be said waits for a human."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}; run: {CONNECT}", MUCH_LATER)


class Tokens:
    def __init__(self, database: Database, app_id: str, app_secret: str, oauth_url: str, now: Callable[[], datetime]) -> None:
        self.database, self.app_id, self.oauth_url, self.now = database, app_id, oauth_url, now
        self._app_secret = app_secret
        self._known: str | None = None

    async def current(self) -> str:
        """The access token. Raises NoToken."""
        if self._known is None:
            async with self.database.transaction() as session:
                row = await session.get(Credential, NAME)
            self._known = _usable(row).access_token
        return self._known

    async def renew(self, stale: str) -> str:
        """The token that follows the stale one. Raises NoToken, or TryAgain where the platform cannot be asked."""
        self._known = None
        give_up = time.monotonic() + LEASE.total_seconds() * 2
        while time.monotonic() < give_up:
            async with self.database.transaction() as session:
                row = _usable(await session.get(Credential, NAME, lock=True))
                if row.access_token != stale:
                    self._known = row.access_token
                    return row.access_token
                mine = row.leased_until is None or row.leased_until <= self.now()
                if mine:
                    row.leased_until = self.now() + LEASE
                refresh_token = row.refresh_token
            if mine:
                return await self._fetch_next(refresh_token)
            await asyncio.sleep(ASK_AGAIN)
        raise TryAgain("another process fetches the next token", LATER)

    async def exchange(self, code: str, verifier: str) -> None:
        """Keeps the first pair, for the code of a consent. Raises OaError."""
        await self._keep(await self._ask(code=code, code_verifier=verifier, grant_type="authorization_code"))

    async def run(self) -> None:
        """Fetches the next pair in time. Ends by cancellation."""
        while True:
            try:
                await self.look()
            except TryAgain as later:
                log.info("no new token yet", extra={"action": "token_waits", "reason": str(later)})
            except Exception as error:
                log.warning("tokens not looked at", extra={"action": "token_failed", "error": type(error).__name__})
            await asyncio.sleep(LOOK_EVERY)

    async def look(self) -> None:
        """Fetches the next pair if four fifths of this one's life are over. Raises NoToken or TryAgain."""
        async with self.database.transaction() as session:
            row = await session.get(Credential, NAME)
        if row and not row.problem and self.now() >= row.obtained_at + (row.expires_at - row.obtained_at) * RENEW_AT:
            await self.renew(row.access_token)

    async def _fetch_next(self, refresh_token: str) -> str:
        try:
            pair = await self._ask(refresh_token=refresh_token, grant_type="refresh_token")
        except OaError as error:
            permanent = error.code != AWAY and error.code < 500
            await self._failed(str(error) if permanent else None)
            if permanent:
                raise NoToken(str(error)) from None
            raise TryAgain(str(error), LATER) from None
        return await self._keep(pair)

    async def _failed(self, problem: str | None) -> None:
        async with self.database.transaction() as session:
            row = await session.get(Credential, NAME, lock=True)
            assert row is not None
            row.leased_until, row.problem = None, problem
        if problem:
            words = f"Zalo Official Account: the consent is over, nothing can be sent there; run: {CONNECT}"
            log.error(words, extra={"action": "consent_over", "reason": problem})

    async def _keep(self, pair: dict[str, Any]) -> str:
        """Commits the pair; only then it may be used."""
        now = self.now()
        values = {
            "access_token": str(pair["access_token"]), "refresh_token": str(pair["refresh_token"]), "obtained_at": now,
            "expires_at": now + timedelta(seconds=float(pair["expires_in"])), "leased_until": None, "problem": None,
        }  # fmt: skip
        async with self.database.transaction() as session:
            row = await session.get(Credential, NAME, lock=True)
            if row is None:
                session.add(Credential(channel=NAME, **values))
            else:
                for name, value in values.items():
                    setattr(row, name, value)
        self._known = values["access_token"]
        return self._known

    async def _ask(self, **values: str) -> dict[str, Any]:
        form, headers = {"app_id": self.app_id, **values}, {"secret_key": self._app_secret}
        try:
            async with (
                aiohttp.ClientSession(timeout=PATIENCE) as http,
                http.post(f"{self.oauth_url}{PATH}", data=form, headers=headers) as got,
            ):
                body = await read(got)
                if got.status == 404:
                    raise OaError(got.status, "the platform knows neither this app nor its secret")
                pair = _flat(got.status, body)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise OaError(AWAY, type(error).__name__) from None
        if not {"access_token", "refresh_token", "expires_in"} <= pair.keys():
            raise CutOff(AWAY, "no tokens in the answer")
        return pair


def _flat(status: int, body: bytes) -> dict[str, Any]:
    """These answers have no envelope, unless something is wrong. Raises OaError."""
    data = result(status, body)
    return data or {name: value for name, value in orjson.loads(body).items() if isinstance(value, str | int)}


def _usable(row: Credential | None) -> Credential:
    if row is None:
        raise NoToken("the Official Account is not connected")
    if row.problem:
        raise NoToken(f"the consent is over ({row.problem})")
    return row
