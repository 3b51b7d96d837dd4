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
from storage.session import DatabaseAway

log = logging.getLogger("bot.zalooa")
NAME = "zalooa"
PATH = "/v4/oa/access_token"
LEASE = timedelta(seconds=30)
RENEW_AT = 0.8  # of a pair's life
LOOK_EVERY, ASK_AGAIN, REST = 20.0, 0.1, 5.0  # seconds
TOO_YOUNG = timedelta(seconds=60)  # to be refused for its age
INVALID_GRANT, NO_SUCH_APP = -118, -14000  # a human must act; -14002 and below are of the app
CONNECT = "python -m bot zalo connect"


class NoToken(TryAgain):
    """Nobody has consented, or the consent is over: what is to be said waits for a human."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}; run: {CONNECT}", MUCH_LATER)


class Tokens:
    """Gives the token that is good now; whoever asks, in whichever process, one fetches the next."""

    def __init__(self, database: Database, app_id: str, app_secret: str, oauth_url: str, now: Callable[[], datetime]) -> None:
        self.database, self.app_id, self.oauth_url, self.now = database, app_id, oauth_url, now
        self._app_secret = app_secret
        self._known: str | None = None
        self._fetching: asyncio.Task[str] | None = None
        self._rests_until = 0.0  # after a failure; time.monotonic()

    async def current(self) -> str:
        """The access token. Raises NoToken."""
        if self._known is None:
            async with self.database.transaction() as session:
                row = await session.get(Credential, NAME)
            self._known = _usable(row).access_token
        return self._known

    async def renew(self, stale: str) -> str:
        """The token that follows the stale one. Raises NoToken, or TryAgain where it cannot be had right now."""
        if self._fetching is None or self._fetching.done():
            if self._rests_until > time.monotonic():
                raise TryAgain("no new token a moment ago", LATER)
            self._fetching = asyncio.create_task(self._renew(stale))
        # Whoever asked may give up; a pair that is on its way must be kept all the same.
        return await asyncio.shield(self._fetching)

    async def finish(self, seconds: float) -> None:
        """Waits for a pair that is on its way: fetched and not kept, it would be lost."""
        if self._fetching and not self._fetching.done():
            await asyncio.wait([self._fetching], timeout=seconds)

    async def _renew(self, stale: str) -> str:
        self._known = None
        give_up = time.monotonic() + LEASE.total_seconds() + 5
        while time.monotonic() < give_up:
            async with self.database.transaction() as session:
                row = _usable(await session.get(Credential, NAME, lock=True))
                if row.access_token != stale:
                    self._known = row.access_token
                    return row.access_token
                if self.now() - row.obtained_at < TOO_YOUNG:
                    raise TryAgain("Zalo refuses a token that it gave just now", LATER)
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
            permanent = error.code == INVALID_GRANT or error.code <= NO_SUCH_APP
            if not await self._failed(refresh_token, str(error) if permanent else None):
                return await self.current()
            if permanent:
                raise NoToken(str(error)) from None
            self._rests_until = time.monotonic() + REST
            raise TryAgain(str(error), LATER) from None
        return await self._keep(pair, refresh_token)

    async def _failed(self, refresh_token: str, problem: str | None) -> bool:
        """Whether it matters: somebody may have connected anew meanwhile."""
        async with self.database.transaction() as session:
            row = await session.get(Credential, NAME, lock=True)
            if row is None or row.refresh_token != refresh_token:
                return False
            row.leased_until, row.problem = None, problem
        if problem:
            words = f"Zalo Official Account: the consent is over, nothing can be sent there; run: {CONNECT}"
            log.error(words, extra={"action": "consent_over", "reason": problem})
        return True

    async def _keep(self, pair: dict[str, Any], instead_of: str | None = None) -> str:
        """Commits the pair; only then it may be used. Does not give up: nothing else brings this pair back."""
        while True:
            try:
                return await self._written(pair, instead_of)
            except DatabaseAway as away:
                log.error("a new token waits for the database", extra={"action": "token_not_kept", "reason": str(away)})
                await asyncio.sleep(1)

    async def _written(self, pair: dict[str, Any], instead_of: str | None) -> str:
        now = self.now()
        values = {
            "access_token": str(pair["access_token"]), "refresh_token": str(pair["refresh_token"]), "obtained_at": now,
            "expires_at": now + timedelta(seconds=float(pair["expires_in"])), "leased_until": None, "problem": None,
        }  # fmt: skip
        async with self.database.transaction() as session:
            row = await session.get(Credential, NAME, lock=True)
            if row is None:
                session.add(Credential(channel=NAME, **values))
            elif instead_of is None or row.refresh_token == instead_of:
                for name, value in values.items():
                    setattr(row, name, value)
            else:
                values["access_token"] = row.access_token  # somebody has connected anew
        self._known = str(values["access_token"])
        return self._known

    async def _ask(self, **values: str) -> dict[str, Any]:
        form, headers = {"app_id": self.app_id, **values}, {"secret_key": self._app_secret}
        try:
            async with (
                aiohttp.ClientSession(timeout=PATIENCE) as http,
                http.post(f"{self.oauth_url}{PATH}", data=form, headers=headers) as got,
            ):
                body = await read(got)
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
