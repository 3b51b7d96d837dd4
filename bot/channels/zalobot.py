"""Zalo Bot: hears by polling or by webhook, speaks text and pictures; no buttons, no changes."""

import asyncio
import contextlib
import dataclasses
import itertools
import logging
import re
import time
import unicodedata
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from functools import partial
from typing import Any

from bot.channels import (
    BUSY,
    Can,
    ChannelProblem,
    Edit,
    NotFetched,
    NotThere,
    Outgoing,
    Receive,
    SendError,
)
from bot.channels.cutting import Piece, pieces
from bot.channels.hearing import Hearing
from bot.channels.piecewise import in_pieces
from bot.channels.polling import OnlyOne, Polling, end, patiently
from bot.channels.webhook import Hook, webhook
from bot.channels.zalo_media import HOSTS, fetch_media
from bot.channels.zalobot_client import EMPTY, NO_TOKEN, NOT_ACCEPTED, REFUSED, TOO_MUCH, CutOff, ZaloBotClient, ZaloError, fate
from bot.channels.zalobot_updates import is_probe, understood, unwrapped
from bot.quota import Quota
from handlers.incoming import Incoming, Sent
from storage.database import Database

log = logging.getLogger("bot.zalobot")
PATH = "/zalobot/webhook"
HEADER = "X-Bot-Api-Secret-Token"
AFTER_A_REPLAY = 1.0  # seconds; the platform hands out the same update as often as it is asked
KNOWN = 1000
ALERT_EVERY = 3600  # seconds
CAN = Can(
    text_limit=2000, label="Zalo", buttons=False, edits=False, files=False, unasked_per_second=5, seconds_between=1,
    most_a_month=3000, most_people=50,
)  # fmt: skip
Update = dict[str, Any]


class ZaloBot:
    """`only_one` lets one process at a time poll; pictures can be shown only where the world reaches `public_url`."""

    name = "zalobot"

    def __init__(
        self,
        token: str,
        api_url: str,
        public_url: str | None,
        webhook_secret: str | None,
        database: Database,
        now: Callable[[], datetime],
        only_one: OnlyOne,
        media_hosts: Collection[str] = HOSTS,
    ) -> None:
        if not re.fullmatch(r"[^\s:/?#]+:[^\s/?#]+", token):
            raise ChannelProblem(NOT_ACCEPTED)
        if public_url and not re.fullmatch(r"[\x21-\x7e]{8,256}", webhook_secret or ""):
            raise ChannelProblem("ZALO_BOT_WEBHOOK_SECRET: needed with PUBLIC_URL; 8 to 256 letters, digits and signs")
        self.can = dataclasses.replace(CAN, files=bool(public_url))
        self.client, self.public_url, self.secret = ZaloBotClient(token, api_url), public_url, webhook_secret or ""
        self.only_one, self.media_hosts = only_one, media_hosts
        self.quota = Quota(database, self.name, self.can, now)
        self.own_id: str | None = None
        self.hearing, self.speaking = False, 0
        self.known: OrderedDict[str, None] = OrderedDict()  # updates that were handed out to us
        self.alerted: float | None = None
        self.numbers = itertools.count(1)
        self.polling: Polling | None = None
        self.loop: asyncio.Task[None] | None = None
        self.heard = Hearing(self._understood, None, self._apologise, log)

    def routes(self, receive: Receive) -> Iterable[Hook]:
        async def take(update: Update) -> Update | None:
            return {} if self.hearing and await self.heard.take(receive, update) else None

        return [webhook(PATH, HEADER, self.secret, take, log, is_probe)] if self.public_url else []

    async def start(self, receive: Receive) -> None:
        """Raises ChannelProblem where the token is refused; any other trouble is logged and tried again."""
        if not self.public_url:
            self.polling = Polling(self._updates, self.heard.parse, partial(self.heard.hear, receive))
        self.hearing, connected = True, False
        try:
            connected = await self._connect()
        except ZaloError as error:
            if error.code == NO_TOKEN:
                raise ChannelProblem(NOT_ACCEPTED) from None
            self._trouble(error)
        self.loop = asyncio.create_task(self._listen(connected))

    async def stop(self) -> None:
        """What was heard before can still be answered."""
        self.hearing = False
        await end(self.loop, self.polling, self.heard)
        await self._close_if_idle()

    async def send(self, message: Outgoing) -> str:
        # The platform counts what it shows: signs put together from several are one.
        message = message._replace(text=unicodedata.normalize("NFC", message.text))
        parts = pieces(_shown(message), self.can.text_limit, self.can.text_limit)
        self.speaking += 1
        try:
            return await in_pieces(parts, message.begun, partial(self._say, message.chat))
        finally:
            self.speaking -= 1
            await self._close_if_idle()

    async def edit(self, change: Edit) -> None:
        raise NotThere("nothing can be changed here")

    async def fetch(self, sent: Sent) -> bytes:
        if sent.reference is None:
            raise NotFetched("nothing to fetch")
        return await fetch_media(self.client.http, sent.reference, self.media_hosts)

    def link(self, payload: str) -> str | None:
        return None

    def _understood(self, update: Update) -> Incoming | None:
        return understood(update, self.own_id)

    async def _connect(self) -> bool:
        bot = await self.client.call("getMe")
        self.own_id = str(bot["id"]) if isinstance(bot, dict) and bot.get("id") else None
        if self.public_url:
            await self._set_webhook()
        else:
            # While it is set, nothing can be polled.
            await self.client.call("deleteWebhook")
        return True

    async def _set_webhook(self) -> None:
        try:
            done = await self.client.call("setWebhook", url=f"{self.public_url}{PATH}", secret_token=self.secret)
        except ZaloError as error:
            if error.code != REFUSED:
                raise
            words = "PUBLIC_URL: Zalo refuses this address; it must be reachable from outside by https, or empty to poll"
            raise ChannelProblem(f"{words} ({error.reason})") from None
        check = done.get("verification") if isinstance(done, dict) else None
        if isinstance(check, dict) and check.get("ok") is not True:
            why = {"outcome": str(check.get("outcome"))[:40], "hint": str(check.get("hint"))[:200]}
            log.error("Zalo could not reach PUBLIC_URL; is the proxy in the way?", extra={"action": "webhook_unverified"} | why)

    async def _listen(self, connected: bool) -> None:
        if not connected:
            await patiently(self._connect, self._trouble)
        if self.polling:
            await self.only_one("zalobot-poll", lambda: patiently(self._poll, self._trouble))

    async def _poll(self) -> bool:
        """Done only where the token is refused: a human must act."""
        assert self.polling
        try:
            return await self.polling.step()
        except ZaloError as error:
            if error.code != NO_TOKEN:
                raise
            log.error(NOT_ACCEPTED, extra={"action": "token_refused"})
            return True

    async def _updates(self, offset: int | None, seconds: int) -> list[Update]:
        """What was not handed out to us before, numbered by us: the platform knows neither numbers nor thanks."""
        if not self.hearing:
            return []
        try:
            result = await self.client.call("getUpdates", seconds + 15, timeout=max(seconds, 1))
        except ZaloError as error:
            if error.code == EMPTY:
                return []
            raise
        updates = [one for one in (result if isinstance(result, list) else [result]) if isinstance(one, dict)]
        fresh = [update for update in updates if self._is_new(update)]
        if updates and not fresh:
            await asyncio.sleep(AFTER_A_REPLAY)
        return fresh

    def _is_new(self, update: Update) -> bool:
        message = unwrapped(update).get("message")
        name = str(message.get("message_id")) if isinstance(message, dict) else repr(update)[:200]
        if name in self.known:
            return False
        self.known[name] = None
        if len(self.known) > KNOWN:
            self.known.popitem(last=False)
        update["update_id"] = next(self.numbers)
        return True

    async def _say(self, chat: str, piece: Piece, last: bool) -> str:
        file, text = piece
        method, values = ("sendMessage", {"text": text}) if file is None else ("sendPhoto", {"photo": file.url, "caption": text})
        try:
            result = await self.client.call(method, chat_id=chat, **{name: value for name, value in values.items() if value})
        except CutOff:
            log.warning("sent, the answer was cut off", extra={"action": "answer_cut_off"})
            result = {}
        except ZaloError as error:
            self._alert(error)
            raise fate(error) from None
        self.quota.count()
        return str(result.get("message_id", "")) if isinstance(result, dict) else ""

    def _alert(self, error: ZaloError) -> None:
        """Says once an hour that the platform takes no more: the month's messages may be used up."""
        if error.code == TOO_MUCH and (self.alerted is None or time.monotonic() - self.alerted > ALERT_EVERY):
            self.alerted = time.monotonic()
            words = "Zalo takes no more messages: too fast, or the month's 3,000 are used up (python -m bot channels status)"
            log.error(words, extra={"action": "quota_reached"})

    async def _apologise(self, incoming: Incoming) -> None:
        with contextlib.suppress(SendError):
            await self._say(incoming.address.partition(":")[2], (None, BUSY), True)

    async def _close_if_idle(self) -> None:
        if not self.hearing and not self.speaking:
            await self.quota.close()
            await self.client.close()

    def _trouble(self, error: Exception) -> float:
        said = str(error) if isinstance(error, ZaloError) else type(error).__name__
        log.warning("Zalo Bot cannot be heard", extra={"action": "poll_failed", "reason": said})
        return 0


def _shown(message: Outgoing) -> Outgoing:
    """The platform fetches pictures itself, and knows no documents: those go as an address."""
    file = message.attachment
    if file is None or (file.kind == "photo" and file.url):
        return message
    text = "\n".join(part for part in (message.text, f"{file.name}: {file.url}" if file.url else file.name) if part)
    return message._replace(text=text, attachment=None)
