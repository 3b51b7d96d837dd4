"""Zalo Official Account: hears by a signed webhook, speaks with up to five buttons, within the platform's windows."""

import asyncio
import contextlib
import dataclasses
import logging
import re
import time
import unicodedata
from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from aiohttp import web

from bot.channels import (
    BUSY,
    FINISH_SECONDS,
    Attachment,
    Can,
    ChannelProblem,
    Edit,
    NotFetched,
    NotNow,
    NotThere,
    Outgoing,
    Receive,
    SendError,
    TryAgain,
)
from bot.channels.cutting import Piece, cut, pieces
from bot.channels.hearing import Hearing
from bot.channels.piecewise import in_pieces
from bot.channels.webhook import AGAIN, Answer, Hook
from bot.channels.zalo_media import HOSTS, fetch_media
from bot.channels.zalooa_client import OPERATOR, STALE_FILE, STALE_TOKEN, CutOff, OaClient, OaError, fate, until_morning
from bot.channels.zalooa_events import signed, understood
from bot.channels.zalooa_files import Uploads
from bot.channels.zalooa_tokens import NoToken, Tokens
from handlers.incoming import Incoming, Sent
from storage.database import Database, DatabaseAway

log = logging.getLogger("bot.zalooa")
PATH, CONNECTED = "/zalooa/webhook", "/zalooa/connected"
HEADER = "X-ZEvent-Signature"
NOT_TAKEN = (-201, -210)  # an upload that the platform cannot read, or too large
IN_TIME = 1.5  # seconds; the platform waits for two
MOST_BUTTONS, LONGEST_TITLE, LONGEST_TEMPLATE_TEXT = 5, 100, 400
A_DAY = 24 * 3600.0  # seconds
KINDS = ("result", "more", "prompt", "notice")
CAN = Can(
    text_limit=2000, label="Zalo", most_buttons=MOST_BUTTONS, edits=False, unasked_per_second=20, seconds_between=1,
    window=timedelta(days=7),
)  # fmt: skip
SHARE = "Gửi họ tên bằng một lần bấm"
SHARE_NOTE = "Trợ lý chỉ giữ họ tên; số điện thoại và địa chỉ gửi kèm không được lưu. Hoặc gõ họ tên như thường."
PAGE = (
    '<!doctype html><html lang="vi"><meta charset="utf-8"><title>Đã đồng ý</title><p>Zalo đã nhận sự đồng ý. Chép toàn bộ địa '
    "chỉ trên thanh địa chỉ của trình duyệt, rồi dán vào cửa sổ lệnh đang chờ."
)


class ZaloOa:
    """Needs `public_url`; the keys come from `python -m bot zalo connect`."""

    name = "zalooa"

    def __init__(
        self,
        app_id: str,
        app_secret: str,
        secret_key: str,
        public_url: str,
        api_url: str,
        oauth_url: str,
        templates: str,
        database: Database,
        now: Callable[[], datetime],
        media_hosts: Collection[str] = HOSTS,
    ) -> None:
        given = {"ZALO_OA_APP_ID": app_id, "ZALO_OA_APP_SECRET": app_secret, "ZALO_OA_SECRET_KEY": secret_key}
        if missing := [name for name, value in (given | {"PUBLIC_URL": public_url}).items() if not value]:
            raise ChannelProblem(f"{missing[0]}: needed for the Zalo Official Account, together with the other ZALO_OA settings")
        self.templates = read_templates(templates)
        self.can = dataclasses.replace(CAN, templates=frozenset(self.templates))
        self.app_id, self._secret_key, self.public_url, self.now = app_id, secret_key, public_url, now
        self.client, self.media_hosts = OaClient(api_url), media_hosts
        self.tokens = Tokens(database, app_id, app_secret, oauth_url, now)
        self.uploads = Uploads(self._upload)
        self.alerted: dict[int, float] = {}
        self.hearing, self.speaking = False, 0
        self.renewing: asyncio.Task[None] | None = None
        self.heard = Hearing(understood, None, self._apologise, log)

    def routes(self, receive: Receive) -> Iterable[web.AbstractRouteDef]:
        async def answer(signature: bytes, raw: bytes) -> Answer:
            event = signed(raw, signature, self.app_id, self._secret_key)
            if event is None:
                log.warning("call without the signature", extra={"action": "webhook_forbidden"})
                return 403, b""
            app_id = event.get("app_id", self.app_id)
            if not isinstance(app_id, str | int) or str(app_id) != self.app_id:
                return 200, b""
            return 200 if self.hearing and await self._in_time(receive, event) else AGAIN, b""

        async def connected(request: web.Request) -> web.Response:
            return web.Response(text=PAGE, content_type="text/html")

        return [Hook(PATH, HEADER, answer), web.get(CONNECTED, connected)]

    async def start(self, receive: Receive) -> None:
        """Begins to hear, connected or not: what is to be said waits until somebody has consented."""
        self.hearing = True
        try:
            await self.tokens.current()
        except NoToken as missing:
            log.error("Zalo Official Account: %s", missing, extra={"action": "no_token"})
        self.renewing = asyncio.create_task(self.tokens.run())

    async def stop(self) -> None:
        """What was heard before can still be answered."""
        self.hearing = False
        if self.renewing:
            self.renewing.cancel()
            await asyncio.wait([self.renewing])
        await asyncio.gather(self.heard.finish(FINISH_SECONDS), self.tokens.finish(FINISH_SECONDS))
        await self._close_if_idle()

    async def send(self, message: Outgoing) -> str:
        message = message._replace(text=unicodedata.normalize("NFC", message.text))
        self.speaking += 1
        try:
            if message.outside:
                return await self._template(message)
            # Buttons and a picture do not go into one message.
            caption = 0 if message.buttons else self.can.text_limit
            say = partial(self._say, message)
            name = await in_pieces(pieces(message, self.can.text_limit, caption), message.begun, say)
            if message.wants_name:
                await self._offer_to_share(message.chat)
            return name
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

    async def _in_time(self, receive: Receive, event: dict[str, Any]) -> bool:
        """Whether it is safe before the platform stops waiting; where not, it goes on, and is known when it comes again."""
        try:
            async with asyncio.timeout(IN_TIME):
                return await self.heard.take_whole(receive, event)
        except TimeoutError:
            log.warning("not heard in time", extra={"action": "webhook_late"})
            return False

    async def _say(self, message: Outgoing, piece: Piece, last: bool) -> str:
        file, text = piece
        buttons = _buttons(message) if last else []
        body: dict[str, Any] = {"text": text} if text else {}
        if buttons:
            body["attachment"] = {"type": "template", "payload": {"buttons": buttons}}
        try:
            if file is None:
                return await self._cs(message.chat, body)
            shown = await self._shown(file)
            if shown is None:
                named = "\n".join(part for part in (text, f"{file.name}: {file.url}" if file.url else file.name) if part)
                return await self._cs(message.chat, {"text": named})
            try:
                return await self._cs(message.chat, body | {"attachment": shown})
            except OaError as error:
                if error.code != STALE_FILE:
                    raise
                return await self._cs(message.chat, body | {"attachment": await self.uploads.shown(file, anew=True)})
        except OaError as error:
            raise self._fate(error) from None

    async def _shown(self, file: Attachment) -> dict[str, Any] | None:
        try:
            return await self.uploads.shown(file)
        except OaError as error:
            if error.code not in NOT_TAKEN:
                raise
            log.warning("file not taken by the platform", extra={"action": "upload_refused", "code": error.code})
            return None

    async def _cs(self, chat: str, body: dict[str, Any]) -> str:
        try:
            data = await self._post("/v3.0/oa/message/cs", {"recipient": {"user_id": chat}, "message": body})
        except CutOff:
            log.warning("sent, the answer was cut off", extra={"action": "answer_cut_off"})
            return ""
        return str(data.get("message_id", ""))

    async def _offer_to_share(self, chat: str) -> None:
        """A tap instead of typing one's name; whoever types is heard as well, so that a trouble with it is none."""
        shown = {"title": SHARE, "subtitle": SHARE_NOTE, "image_url": f"{self.public_url}/static/icon.png"}
        body = {"attachment": {"type": "template", "payload": {"template_type": "request_user_info", "elements": [shown]}}}
        try:
            await self._cs(chat, body)
        except (OaError, SendError) as error:
            log.info("no offer to share a name", extra={"action": "share_not_offered", "reason": str(error)})

    async def _template(self, message: Outgoing) -> str:
        """Beyond the window: the approved template of this kind of notice, by day."""
        if wait := until_morning(self.now()):
            raise NotNow("templates go by day", wait)
        text = cut(" ".join(message.text.split()), LONGEST_TEMPLATE_TEXT)[0]
        body = {"user_id": message.chat, "template_id": self.templates[message.kind or ""], "template_data": {"noi_dung": text}}
        try:
            data = await self._post("/v3.0/oa/message/template", body)
        except CutOff:
            return ""
        except OaError as error:
            raise self._fate(error) from None
        return str(data.get("message_id") or data.get("msg_id") or "")

    async def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return await self._with_token(lambda token: self.client.post(path, token, body))

    async def _upload(self, path: str, content: bytes, name: str, media_type: str) -> dict[str, Any]:
        return await self._with_token(lambda token: self.client.upload(path, token, content, name, media_type))

    async def _with_token(self, ask: Callable[[str], Any]) -> dict[str, Any]:
        """Once more with a new token where this one is stale. Raises OaError, NoToken or TryAgain."""
        try:
            token = await self.tokens.current()
            try:
                return await ask(token)  # type: ignore[no-any-return]
            except OaError as error:
                if error.code not in STALE_TOKEN:
                    raise
            return await ask(await self.tokens.renew(token))  # type: ignore[no-any-return]
        except DatabaseAway as away:
            raise TryAgain(str(away), 1) from None

    def _fate(self, error: OaError) -> SendError:
        """Tells the operator once a day what only the operator can mend."""
        words = OPERATOR.get(error.code)
        if words and time.monotonic() - self.alerted.get(error.code, -A_DAY) >= A_DAY:
            self.alerted[error.code] = time.monotonic()
            log.error("Zalo Official Account: %s", words, extra={"action": "operator_needed", "code": error.code})
        return fate(error, self.now())

    async def _apologise(self, incoming: Incoming) -> None:
        with contextlib.suppress(SendError, OaError):
            await self._cs(incoming.address.partition(":")[2], {"text": BUSY})

    async def _close_if_idle(self) -> None:
        if not self.hearing and not self.speaking:
            await self.client.close()


def _buttons(message: Outgoing) -> list[dict[str, str]]:
    flat = [button for row in message.buttons for button in row]
    return [{"title": _title(label), "type": "oa.query.hide", "payload": f"#{token}"} for label, token in flat]


def _title(label: str) -> str:
    return label if len(label) <= LONGEST_TITLE else label[: LONGEST_TITLE - 1] + "…"


def read_templates(words: str) -> dict[str, str]:
    """The approved template of each kind of notice: `result=7895417a7d3f9461cd2e,more=…`. Raises ChannelProblem."""
    found: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in words.split(","))):
        kind, _equals, template = part.partition("=")
        if kind not in KINDS or not re.fullmatch(r"[A-Za-z0-9]{1,60}", template):
            raise ChannelProblem(f"ZALO_OA_TEMPLATES: {part[:60]!r} is not one of {', '.join(KINDS)}, then = and a template's id")
        found[kind] = template
    return found
