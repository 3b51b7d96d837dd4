"""What an update of the Zalo Bot Platform means. Reads only the fields that it needs."""

from typing import Any

from bot.channels.reading import name_of, text_of
from handlers.incoming import Incoming, Meaning, Said, Sent

PROBE = "webhook.test"
KINDS = {"voice": "voice", "sticker": "sticker"}


def unwrapped(body: dict[str, Any]) -> dict[str, Any]:
    """The event itself: bodies come flat or in an envelope."""
    result = body.get("result")
    return result if "event_name" not in body and isinstance(result, dict) else body


def is_probe(body: dict[str, Any]) -> bool:
    """Whether it only asks if somebody is there."""
    event = unwrapped(body)
    message = event.get("message")
    sent = isinstance(message, dict) and (message.get("from") or message.get("chat"))
    return event.get("event_name") == PROBE and not sent


def understood(body: dict[str, Any], own_id: str | None = None) -> Incoming | None:
    """None where it is nothing for us. Raises one of `hearing.MALFORMED` where it cannot be read."""
    event = unwrapped(body)
    name = event["event_name"]
    if not name.startswith("message.") or not name.endswith(".received"):
        return None
    message = event["message"]
    sender, chat = message["from"], message["chat"]
    if sender.get("is_bot") or name_of(sender) == own_id or chat["chat_type"] != "PRIVATE":
        return None
    meaning = _meaning(name.removeprefix("message.").removesuffix(".received"), message)
    return Incoming(f"zalobot:{name_of(message, 'message_id')}", f"zalobot:{name_of(chat)}", meaning)


def _meaning(kind: str, message: dict[str, Any]) -> Meaning:
    match kind:
        case "text":
            return Said(text_of(message["text"]))
        case "image":
            caption = message.get("caption")
            return Sent("photo", _picture(message), caption=text_of(caption) if caption else None)
    return Sent(KINDS.get(kind, "other"))


def _picture(message: dict[str, Any]) -> str:
    """Its address, in whichever of the three spellings."""
    photos = message.get("photos") or [{}]
    url = message.get("photo_url") or message.get("photo") or photos[0]["url"]
    return text_of(url)
