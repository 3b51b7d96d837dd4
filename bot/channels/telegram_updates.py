"""What a Telegram update means. Reads only the fields that it needs, so that a new kind of update spoils nothing."""

from typing import Any

from bot.channels.reading import number_of, text_of
from handlers.incoming import Incoming, Meaning, Pressed, Said, Sent

# An animation carries a document as well, a venue a location: the first that is there counts.
KINDS = {
    "photo": "photo", "live_photo": "video", "animation": "video", "document": "file", "voice": "voice", "audio": "voice",
    "sticker": "sticker", "video": "video", "video_note": "video", "venue": "location", "location": "location",
    "contact": "contact",
}  # fmt: skip
# What Telegram itself reports in a private chat. Anything else is something that a person sent, known to us or not.
SERVICE = {
    "pinned_message", "message_auto_delete_timer_changed", "write_access_allowed", "connected_website", "users_shared",
    "chat_shared", "chat_background_set", "boost_added", "refunded_payment", "web_app_data", "proximity_alert_triggered",
}  # fmt: skip


def understood(update: dict[str, Any]) -> Incoming | None:
    """None where it is nothing for us. Raises one of `hearing.MALFORMED` where it cannot be read."""
    key = f"telegram:{number_of(update['update_id'])}"
    if query := update.get("callback_query"):
        return _pressed(key, query)
    edited = "edited_message" in update
    message = update.get("edited_message") or update.get("message")
    if message is None or message["chat"]["type"] != "private":
        return None
    meaning = _edited(message) if edited else _meaning(message)
    if meaning is None:
        return None
    return Incoming(key, _address(message["chat"]), meaning, _language(message.get("from", {})))


def _pressed(key: str, query: dict[str, Any]) -> Incoming | None:
    """The message may be missing, or too old to be shown to us: the person is in the query."""
    message = query.get("message")
    if "data" not in query or (message and message["chat"]["type"] != "private"):
        return None
    meaning = Pressed(text_of(query["data"]), str(number_of(message["message_id"])) if message else None)
    return Incoming(key, _address(query["from"]), meaning, _language(query["from"]), text_of(query["id"]))


def _address(place: dict[str, Any]) -> str:
    return f"telegram:{number_of(place['id'])}"


def _language(person: dict[str, Any]) -> str | None:
    return _text_in(person, "language_code")


def _edited(message: dict[str, Any]) -> Meaning | None:
    return Sent("edited", caption=text_of(message["text"])) if "text" in message else None


def _meaning(message: dict[str, Any]) -> Meaning | None:
    if "text" in message:
        return Said(text_of(message["text"]))
    if SERVICE & message.keys():
        return None
    field = next((field for field in KINDS if field in message), "")
    caption = _text_in(message, "caption")
    match KINDS.get(field, "other"):
        case "photo":
            largest = max(message["photo"], key=lambda size: number_of(size["width"]) * number_of(size["height"]))
            return Sent("photo", text_of(largest["file_id"]), size=_size(largest), caption=caption)
        case "file":
            file = message["document"]
            return Sent("file", text_of(file["file_id"]), _text_in(file, "file_name"), _size(file), caption)
        case kind:
            return Sent(kind, caption=caption)


def _text_in(thing: dict[str, Any], field: str) -> str | None:
    given = thing.get(field)
    return None if given is None else text_of(given)


def _size(file: dict[str, Any]) -> int | None:
    given = file.get("file_size")
    return None if given is None else number_of(given)
