"""What an event of the Official Account means, and whether the platform sent it. An allow-list: all else is nothing for us."""

import hashlib
import hmac
import re
from typing import Any

from bot.channels.reading import name_of, object_of, text_of
from handlers.incoming import Incoming, Left, Meaning, Pressed, Said, Sent, Withdrew

# A tap comes back as text: what we wrote into the button. A person can type it too; it is input like any other.
TAP = re.compile(r"#([a-z]+\.[a-z_]+(?::[A-Za-z0-9_.\-]{1,40})*)")
LONGEST_TOKEN = 64  # bytes
LARGEST_EVENT = 256 * 1024  # bytes; it has to be read before it shows who wrote it
OTHERS = {
    "user_send_audio": "voice", "user_send_video": "video", "user_send_sticker": "sticker", "user_send_location": "location",
    "user_send_link": "other", "user_send_business_card": "contact",
}  # fmt: skip


def signed(raw: bytes, header: bytes, app_id: str, secret_key: str) -> dict[str, Any] | None:
    """The event, where the platform signed these very bytes: SHA-256 over app id, body, time and the Official Account's
    secret key."""
    event = object_of(raw) if len(raw) <= LARGEST_EVENT else None
    timestamp = event.get("timestamp", "") if event else None
    if not isinstance(timestamp, str | int):
        return None
    wanted = hashlib.sha256(app_id.encode() + raw + str(timestamp).encode("utf-8", "surrogatepass") + secret_key.encode())
    given = header.strip().lower().removeprefix(b"mac=")
    return event if hmac.compare_digest(given, wanted.hexdigest().encode()) else None


def understood(event: dict[str, Any]) -> Incoming | None:
    """None where it is nothing for us. Raises one of `hearing.MALFORMED` where it cannot be read."""
    name = event["event_name"]
    if not isinstance(name, str):
        raise ValueError("event_name")
    meaning = _meaning(name, event)
    if meaning is None:
        return None
    user = name_of(event["follower"] if name in ("follow", "unfollow") else event["sender"])
    return Incoming(f"zalooa:{_key(name, user, event)}", f"zalooa:{user}", meaning)


def _meaning(name: str, event: dict[str, Any]) -> Meaning | None:
    match name:
        case "user_send_text":
            return _text(text_of(event["message"]["text"]))
        case "user_send_image" | "user_send_gif":
            caption = event["message"].get("text")
            url = _attached(event).get("url")
            return Sent("photo", text_of(url) if url else None, caption=text_of(caption) if caption else None)
        case "user_send_file":
            file = _attached(event)
            return Sent("file", text_of(file["url"]), text_of(file.get("name") or "tep")[:120], _size(file.get("size")))
        case "follow":
            return Said("/start")
        case "unfollow":
            return Left()
        case "user_submit_info":
            # Only the name: the rest was not asked for, and is not kept.
            return Sent("contact", caption=text_of(event["info"]["name"])[:100])
        case "user_withdraw":
            return Withdrew()
    return Sent(OTHERS[name]) if name in OTHERS else None


def _size(given: Any) -> int | None:
    """It comes in words."""
    return int(given) if isinstance(given, str | int) and str(given).isdecimal() else None


def _text(text: str) -> Meaning:
    tap = TAP.fullmatch(text.strip())
    return Pressed(tap[1]) if tap and len(tap[1].encode()) <= LONGEST_TOKEN else Said(text)


def _attached(event: dict[str, Any]) -> dict[str, Any]:
    return event["message"]["attachments"][0]["payload"]  # type: ignore[no-any-return]


def _key(name: str, user: str, event: dict[str, Any]) -> str:
    """What the platform calls it; some events have no name, and no two of them the same time."""
    message = event.get("message")
    if isinstance(message, dict) and message.get("msg_id"):
        return name_of(message, "msg_id")
    return hashlib.sha256(f"{name} {user} {event['timestamp']}".encode()).hexdigest()
