"""The methods of the Bot API that the stand-in knows, with their refusals in Telegram's words."""

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from aiohttp import web

from bot.channels.cutting import units
from tests.channels.telegram_people import BOT, Message, Person

if TYPE_CHECKING:
    from tests.channels.telegram_api import TelegramApi

ME = BOT | {"can_join_groups": False, "can_read_all_group_messages": False, "supports_inline_queries": False}
NOT_MODIFIED = (
    "message is not modified: specified new message content and reply markup are exactly the same as a current content "
    "and reply markup of the message"
)
PICTURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF", b"GIF8")
Values = dict[str, Any]


@dataclass
class Webhook:
    url: str
    secret: str = ""
    connections: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(40))
    last_error: str | None = None


class Problem(Exception):
    """An answer that says no."""

    def __init__(self, code: int, description: str = "", retry_after: int | None = None) -> None:
        super().__init__(description)
        self.code, self.retry_after = code, retry_after
        self.description = description or (
            f"Too Many Requests: retry after {retry_after}" if code == 429 else "Internal Server Error"
        )

    def response(self) -> web.Response:
        body: Values = {"ok": False, "error_code": self.code, "description": self.description}
        headers = {}
        if self.retry_after is not None:
            body["parameters"], headers["Retry-After"] = {"retry_after": self.retry_after}, str(self.retry_after)
        return web.json_response(body, status=self.code, headers=headers)


def bad(description: str) -> Problem:
    return Problem(400, f"Bad Request: {description}")


def get_me(api: "TelegramApi", values: Values) -> Values:
    return ME


def set_my_commands(api: "TelegramApi", values: Values) -> bool:
    for command in values["commands"]:
        if not re.fullmatch(r"[a-z0-9_]{1,32}", command["command"]):
            raise bad("BOT_COMMAND_INVALID")
        if not 1 <= len(command["description"]) <= 256:
            raise bad("BOT_COMMAND_DESCRIPTION_INVALID")
    api.commands[values.get("language_code") or ""] = values["commands"]
    return True


def set_webhook(api: "TelegramApi", values: Values) -> bool:
    url, secret = values.get("url", ""), values.get("secret_token", "")
    if not url:
        return delete_webhook(api, values)
    if urlsplit(url).scheme != "https" and urlsplit(url).hostname != "127.0.0.1":
        raise bad("bad webhook: An HTTPS URL must be provided for webhook")
    if secret and not re.fullmatch(r"[A-Za-z0-9_-]{1,256}", secret):
        raise bad("secret token contains unallowed characters")
    api.allowed = values.get("allowed_updates") or api.allowed
    api.set_webhook(Webhook(url, secret))
    return True


def delete_webhook(api: "TelegramApi", values: Values) -> bool:
    api.set_webhook(None)
    if values.get("drop_pending_updates"):
        api.updates.clear()
    return True


def get_webhook_info(api: "TelegramApi", values: Values) -> Values:
    hook = api.webhook
    info = {"url": hook.url if hook else "", "has_custom_certificate": False, "pending_update_count": len(api.updates)}
    return info | ({"last_error_message": hook.last_error} if hook and hook.last_error else {})


def send_message(api: "TelegramApi", values: Values) -> Values:
    person = _reached(api, values)
    return person.shown(_text(values.get("text", "")), _markup(values)).as_json()


def send_photo(api: "TelegramApi", values: Values) -> Values:
    person, content = _reached(api, values), _file(values, "photo")
    if len(content) > 10_000_000:
        raise bad("PHOTO_SAVE_FILE_INVALID")
    if not content.startswith(PICTURES):
        raise bad("IMAGE_PROCESS_FAILED")
    return person.shown(_caption(values), _markup(values), "photo", content).as_json()


def send_document(api: "TelegramApi", values: Values) -> Values:
    person, content = _reached(api, values), _file(values, "document")
    name = values.get("document name", "file")
    return person.shown(_caption(values), _markup(values), "document", content, name).as_json()


def edit_message_text(api: "TelegramApi", values: Values) -> Values:
    message = _own(api, values)
    if message.content is not None:
        raise bad("there is no text in the message to edit")
    return _changed(message, _text(values.get("text", "")), _markup(values))


def edit_message_caption(api: "TelegramApi", values: Values) -> Values:
    message = _own(api, values)
    if message.content is None:
        raise bad("there is no caption in the message to edit")
    return _changed(message, _caption(values), _markup(values))


def edit_message_reply_markup(api: "TelegramApi", values: Values) -> Values:
    message = _own(api, values)
    return _changed(message, message.text, _markup(values))


def answer_callback_query(api: "TelegramApi", values: Values) -> bool:
    query = values.get("callback_query_id")
    if query not in api.queries:
        raise bad("query is too old and response timeout expired or query ID is invalid")
    api.answered.add(query)
    return True


def get_file(api: "TelegramApi", values: Values) -> Values:
    file_id = values.get("file_id", "")
    if file_id not in api.files:
        raise bad("wrong file_id or the file is temporarily unavailable")
    size = len(api.files[file_id])
    if size > 20 * 2**20:
        raise bad("file is too big")
    return {"file_id": file_id, "file_unique_id": f"u{file_id}", "file_size": size, "file_path": f"files/{file_id}"}


METHODS: dict[str, Callable[["TelegramApi", Values], Any]] = {
    "getMe": get_me, "setMyCommands": set_my_commands,
    "setWebhook": set_webhook, "deleteWebhook": delete_webhook, "getWebhookInfo": get_webhook_info,
    "sendMessage": send_message, "sendPhoto": send_photo, "sendDocument": send_document,
    "editMessageText": edit_message_text, "editMessageCaption": edit_message_caption,
    "editMessageReplyMarkup": edit_message_reply_markup,
    "answerCallbackQuery": answer_callback_query, "getFile": get_file,
}  # fmt: skip


def _reached(api: "TelegramApi", values: Values) -> Person:
    person = api.people.get(values.get("chat_id", 0))
    if person is None:
        raise bad("chat not found")
    if person.blocked:
        raise Problem(403, "Forbidden: bot was blocked by the user")
    return person


def _own(api: "TelegramApi", values: Values) -> Message:
    """The message that is to be changed."""
    person = _reached(api, values)
    message = next((m for m in person.sees if m.message_id == values.get("message_id")), None)
    if message is not None:
        return message
    if values.get("message_id") in person.said:
        raise bad("message can't be edited")
    raise bad("message to edit not found")


def _changed(message: Message, text: str, markup: Values | None) -> Values:
    if (text, markup) == (message.text, message.markup):
        raise bad(NOT_MODIFIED)
    message.text, message.markup, message.edits = text, markup, message.edits + 1
    return message.as_json()


def _text(text: Any) -> str:
    if not str(text).strip():
        raise bad("message text is empty")
    if units(str(text)) > 4096:
        raise bad("message is too long")
    return str(text)


def _caption(values: Values) -> str:
    caption = str(values.get("caption", ""))
    if units(caption) > 1024:
        raise bad("message caption is too long")
    return caption


def _file(values: Values, field: str) -> bytes:
    content = values.get(field)
    if isinstance(content, str) and content.startswith("attach://"):
        name = content.removeprefix("attach://")
        content, values[f"{field} name"] = values.get(name), values.get(f"{name} name")
    if not isinstance(content, bytes):
        raise bad(f"there is no {field} in the request")
    if not content:
        raise bad("file must be non-empty")
    return content


def _markup(values: Values) -> Values | None:
    """Checked like Telegram does; only an inline keyboard is part of a message."""
    markup = values.get("reply_markup")
    rows = markup.get("inline_keyboard") if isinstance(markup, dict) else None
    if not rows:
        return None
    buttons = [button for row in rows for button in row]
    if len(buttons) > 100 or len(json.dumps(markup)) > 10_000:
        raise bad("reply markup is too long")
    for button in buttons:
        if not button.get("text", "").strip():
            raise bad("can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard")
        if "callback_data" in button and not 1 <= len(button["callback_data"].encode()) <= 64:
            raise bad("BUTTON_DATA_INVALID")
    return {"inline_keyboard": rows}
