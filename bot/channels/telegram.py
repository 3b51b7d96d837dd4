"""Telegram: hears by polling or by webhook, speaks through the Bot API; the only module that knows its driver."""

import asyncio
import contextlib
import json
import logging
import re
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any
from urllib.parse import urlencode

import orjson
from telegram import Bot, BotCommand, InlineKeyboardMarkup
from telegram.error import BadRequest, Conflict, InvalidToken, TelegramError

from bot.channels import (
    BUSY,
    Buttons,
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
from bot.channels.polling import OnlyOne, Polling, by_itself, end, patiently
from bot.channels.telegram_client import NOT_ACCEPTED, PATIENCE, CutOff, Request, Slower, address_of, fate, hush, reason
from bot.channels.telegram_updates import understood
from bot.channels.webhook import Hook, webhook
from handlers.incoming import Incoming, Sent

log = logging.getLogger("bot.telegram")
PATH = "/telegram/webhook"
HEADER = "X-Telegram-Bot-Api-Secret-Token"
ALLOWED = ["message", "edited_message", "callback_query"]
LARGEST_FILE = 20 * 1024 * 1024  # bytes
CAPTION_LIMIT = 1024
NOT_THERE = ("message to edit not found", "message can't be edited")
NO_PREVIEW = {"is_disabled": True}
Keyboard = dict[str, Any]  # among the values of a call; empty where there are no buttons


class Telegram:
    """`only_one` lets one process at a time poll: Telegram refuses a second."""

    name = "telegram"
    can = Can(text_limit=4096, label="Telegram", unasked_per_second=20, seconds_between=1, in_place=True)

    def __init__(
        self,
        token: str,
        api_url: str = "https://api.telegram.org",
        public_url: str | None = None,
        webhook_secret: str | None = None,
        commands: Callable[[str], list[tuple[str, str]]] | None = None,
        only_one: OnlyOne = by_itself,
    ) -> None:
        if public_url and not re.fullmatch(r"[A-Za-z0-9_-]{1,256}", webhook_secret or ""):
            raise ChannelProblem("TELEGRAM_WEBHOOK_SECRET: needed with PUBLIC_URL; 1 to 256 letters, digits, - and _")
        if not re.fullmatch(r"\d+:[A-Za-z0-9_-]+", token):
            raise ChannelProblem(NOT_ACCEPTED)
        self.only_one = only_one
        self.token, self.public_url, self.secret, self.commands = token, public_url, webhook_secret or "", commands
        hush()
        origin, path = address_of(api_url)
        hearing, speaking = self.requests = (Request(origin, PATIENCE), Request(origin, 20))
        api_url = origin + path
        self.bot = Bot(token, f"{api_url}/bot", f"{api_url}/file/bot", speaking, hearing)
        self.base_url, self.driver = self.bot.base_url, _Driver(self)
        self.username: str | None = None
        self.hearing, self.speaking = False, 0
        self.polling: Polling | None = None
        self.loop: asyncio.Task[None] | None = None
        self.heard = Hearing(understood, None if public_url else self._acknowledge, self._apologise, log)

    def routes(self, receive: Receive) -> Iterable[Hook]:
        async def take(update: dict[str, Any]) -> dict[str, Any] | None:
            if not (self.hearing and await self.heard.take(receive, update)):
                return None
            # What may be lost without harm travels back with the answer.
            query = update.get("callback_query")
            asked = query.get("id") if isinstance(query, dict) else None
            return {"method": "answerCallbackQuery", "callback_query_id": asked} if isinstance(asked, str) else {}

        return [webhook(PATH, HEADER, self.secret, take, log)] if self.public_url else []

    async def start(self, receive: Receive) -> None:
        """Raises ChannelProblem where the token is refused; any other trouble is logged and tried again."""
        self.polling = None if self.public_url else Polling(self._updates, self.parse, partial(self.heard.hear, receive))
        self.hearing, connected = True, False
        await asyncio.gather(*(request.initialize() for request in self.requests))
        try:
            connected = await self._connect()
        except InvalidToken:
            # The driver's message and its traceback may carry the token.
            raise ChannelProblem(NOT_ACCEPTED) from None
        except TelegramError as error:
            self._trouble(error)
        self.loop = asyncio.create_task(self._listen(self.polling, connected))

    async def stop(self) -> None:
        """What was heard before can still be answered."""
        self.hearing = False
        await end(self.loop, self.polling, self.heard)
        await self.requests[0].shutdown()
        await self.close_if_idle()

    async def send(self, message: Outgoing) -> str:
        async def say(piece: Piece, last: bool) -> str:
            async with self.driver:
                return await self._said(message.chat, piece, _keyboard(message.buttons) if last else {})

        return await in_pieces(pieces(message, self.can.text_limit, CAPTION_LIMIT), message.begun, say)

    async def edit(self, change: Edit) -> None:
        async with self.driver:
            try:
                await self._rewrite(change)
            except CutOff:
                return  # it is changed
            except BadRequest as error:
                said = error.message.lower()
                if said.startswith(NOT_THERE):
                    raise NotThere(said) from error
                if not said.startswith("message is not modified"):
                    raise

    async def fetch(self, sent: Sent) -> bytes:
        if sent.reference is None or (sent.size or 0) > LARGEST_FILE:
            raise NotFetched("nothing to fetch, or too much")
        try:
            async with self.driver:
                file = await self.bot.get_file(sent.reference)
                if (file.file_size or 0) > LARGEST_FILE:
                    raise NotFetched("too big")
                content = bytes(await file.download_as_bytearray(read_timeout=60))
        except NotFetched:
            raise
        except Exception as error:
            raise NotFetched(reason(error, self.token)) from error
        if len(content) > LARGEST_FILE:
            raise NotFetched("too big")
        return content

    def link(self, payload: str) -> str | None:
        if self.username is None:
            return None
        return f"https://t.me/{self.username}" + (f"?start={payload}" if payload else "")

    def parse(self, update: dict[str, Any]) -> Incoming | None:
        return self.heard.parse(update)

    async def _connect(self) -> bool:
        self.username = (await self.bot.get_me()).username
        if self.public_url:
            await self.bot.set_webhook(
                self.public_url + PATH, secret_token=self.secret, allowed_updates=ALLOWED, max_connections=40
            )
        else:
            await self.bot.delete_webhook()
        for language, code in (("vi", None), ("en", "en")) if self.commands else ():
            await self._show_menu(language, code)
        return True

    async def _show_menu(self, language: str, code: str | None) -> None:
        assert self.commands
        try:
            menu = [BotCommand(name, meaning) for name, meaning in self.commands(language)]
            await self.bot.set_my_commands(menu, language_code=code)
        except TelegramError as error:
            log.warning("no menu", extra={"action": "menu_failed", "language": language, "reason": reason(error, self.token)})

    async def _listen(self, polling: Polling | None, connected: bool) -> None:
        """Ends by cancellation, or as soon as Telegram knows our webhook."""
        if not connected:
            await patiently(self._connect, self._trouble)
        if polling:
            await self.only_one("telegram-poll", lambda: patiently(polling.step, self._trouble))

    async def _updates(self, offset: int | None, seconds: int) -> list[dict[str, Any]]:
        # Not the driver's get_updates: one update that it cannot parse would take all others of the batch with it.
        query = {"timeout": seconds, "allowed_updates": json.dumps(ALLOWED)}
        query |= {} if offset is None else {"offset": offset}
        url = f"{self.bot.base_url}/getUpdates?{urlencode(query)}"
        updates: Any = await self.requests[0].post(url, read_timeout=seconds + PATIENCE)
        return list(updates)

    async def _acknowledge(self, query_id: str) -> None:
        """Ends the waiting sign on the button."""
        try:
            async with self.driver:
                await self._call("answerCallbackQuery", {"callback_query_id": query_id})
        except SendError as error:
            log.debug("press not acknowledged", extra={"action": "acknowledge_failed", "reason": str(error)})

    async def _call(self, method: str, values: dict[str, Any]) -> Any:
        """A method of the Bot API as it stands there; the driver's own wrapping costs a turn a third of its time."""
        return await self.requests[1].call(f"{self.base_url}/{method}", orjson.dumps(values))

    async def _apologise(self, incoming: Incoming) -> None:
        """The message could not be kept, and comes again by itself; the person should know that it is not lost."""
        with contextlib.suppress(SendError):
            async with self.driver:
                if incoming.origin:
                    await self._call("answerCallbackQuery", {"callback_query_id": incoming.origin, "text": BUSY})
                else:
                    await self._call("sendMessage", {"chat_id": incoming.address.partition(":")[2], "text": BUSY})

    async def _said(self, chat: str, piece: Piece, keyboard: Keyboard) -> str:
        """Telegram's number of the message; empty where it arrived and the number did not reach us."""
        try:
            return await self._say(chat, piece, keyboard)
        except CutOff as cut:
            log.warning("sent, the answer was cut off", extra={"action": "answer_cut_off", "number": cut.message_id})
            return str(cut.message_id or "")

    async def _say(self, chat: str, piece: Piece, keyboard: Keyboard) -> str:
        """Telegram's number of the message."""
        file, text = piece
        if file is None:
            words = {"chat_id": chat, "text": text, "link_preview_options": NO_PREVIEW, **keyboard}
            return str((await self._call("sendMessage", words))["message_id"])
        send = self.bot.send_photo if file.kind == "photo" else self.bot.send_document
        markup = InlineKeyboardMarkup.de_json(keyboard["reply_markup"]) if keyboard else None
        message = await send(
            chat, file.content, caption=text or None, reply_markup=markup, filename=file.name, write_timeout=60, read_timeout=60
        )
        return str(message.message_id)

    async def _rewrite(self, change: Edit) -> None:
        place = {"chat_id": change.chat, "message_id": int(change.message_id), **_keyboard(change.buttons)}
        if change.text is None:
            await self._call("editMessageReplyMarkup", place)
            return
        try:
            await self._call("editMessageText", {**place, "text": change.text, "link_preview_options": NO_PREVIEW})
        except BadRequest as error:
            if "no text in the message" not in error.message.lower():
                raise
            await self._call("editMessageCaption", {**place, "caption": change.text})

    async def close_if_idle(self) -> None:
        if not self.hearing and not self.speaking:
            await self.requests[1].shutdown()

    def _trouble(self, error: Exception) -> float:
        ours = isinstance(error, Conflict | InvalidToken) or not isinstance(error, TelegramError)
        level = logging.ERROR if ours else logging.WARNING
        log.log(level, "Telegram cannot be heard", extra={"action": "poll_failed", "reason": reason(error, self.token)})
        return error.after if isinstance(error, Slower) else 0


class _Driver:
    """Keeps the connections open while we hear; before and after, for as long as somebody speaks.

    Answers to the last messages are sent after `stop`. Raises what became of the message.
    """

    def __init__(self, channel: Telegram) -> None:
        self.channel = channel

    async def __aenter__(self) -> None:
        self.channel.speaking += 1
        self.channel.requests[1].open()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        self.channel.speaking -= 1
        if not self.channel.hearing:
            await self.channel.close_if_idle()
        if isinstance(error, TelegramError):
            raise fate(error, self.channel.token) from error


def _keyboard(buttons: Buttons) -> Keyboard:
    rows = [[{"text": label, "callback_data": token} for label, token in row] for row in buttons]
    return {"reply_markup": {"inline_keyboard": rows}} if rows else {}
