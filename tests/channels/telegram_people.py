"""The people who use the stand-in's Telegram: what they do, and what they see."""

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.channels.telegram_api import TelegramApi

BOT = {"id": 123456, "is_bot": True, "first_name": "Trợ lý", "username": "tro_ly_bot"}


@dataclass
class Message:
    """A message of the bot as the person sees it now."""

    chat: dict[str, Any]
    message_id: int
    text: str  # or what stands below the picture
    markup: dict[str, Any] | None = None
    kind: str = "text"  # text | photo | document
    content: bytes | None = None
    name: str | None = None
    edits: int = 0
    date: int = field(default_factory=lambda: int(time.time()))

    @property
    def buttons(self) -> list[list[str]]:
        """The labels, by rows."""
        return [[button["text"] for button in row] for row in (self.markup or {}).get("inline_keyboard", [])]

    def token(self, label: str) -> str | None:
        """What the button with this label carries."""
        rows = (self.markup or {}).get("inline_keyboard", [])
        return next((button["callback_data"] for row in rows for button in row if button["text"] == label), None)

    def as_json(self) -> dict[str, Any]:
        shown: dict[str, Any] = {"message_id": self.message_id, "date": self.date, "chat": self.chat, "from": BOT}
        shown |= {"reply_markup": self.markup} if self.markup else {}
        if self.kind == "text":
            return shown | {"text": self.text}
        shown |= {"caption": self.text} if self.text else {}
        file = {
            "file_id": f"OUT-{self.message_id}",
            "file_unique_id": f"u{self.message_id}",
            "file_size": len(self.content or b""),
        }
        return shown | ({"photo": [file | {"width": 90, "height": 60}]} if self.kind == "photo" else {"document": file})


class Person:
    """Somebody in a private chat with the bot. `sees` are the bot's messages, the oldest first."""

    def __init__(self, api: "TelegramApi", number: int, name: str, language: str) -> None:
        self.api, self.number, self.name, self.language = api, number, name, language
        self.blocked = False
        self.sees: list[Message] = []
        self.said: set[int] = set()

    @property
    def chat(self) -> dict[str, Any]:
        return {"id": self.number, "type": "private", "first_name": self.name}

    @property
    def me(self) -> dict[str, Any]:
        return {"id": self.number, "is_bot": False, "first_name": self.name, "language_code": self.language}

    async def says(self, text: str) -> int:
        """All of these give the update_id."""
        command = text.split(maxsplit=1)[0] if text.startswith("/") else ""
        entities = {"entities": [{"type": "bot_command", "offset": 0, "length": len(command)}]} if command else {}
        return await self.sends(text=text, **entities)

    async def opens(self, payload: str) -> int:
        """A link or a QR code."""
        return await self.says(f"/start {payload}")

    async def presses(self, label: str, message: Message | None = None) -> int:
        """The button with this label in `message`, or in the newest message that has one."""
        carriers = [message] if message else [m for m in reversed(self.sees) if m.token(label) is not None]
        if not carriers or carriers[0].token(label) is None:
            raise AssertionError(f"{self.name} sees no button {label!r}, but {[m.buttons for m in self.sees]}")
        return await self.presses_token(carriers[0].token(label) or "", carriers[0])

    async def presses_token(self, token: str, message: Message | None = None) -> int:
        """What a forged or very old button would send; without a message it is inaccessible."""
        query_id = f"{4382_000_000 + self.api.number('query')}"
        self.api.queries.add(query_id)
        query = {"id": query_id, "from": self.me, "chat_instance": f"-30418{self.number}", "data": token}
        shown = message.as_json() if message else {"chat": self.chat, "message_id": 1, "date": 0}
        return self.api.add_update(callback_query=query | {"message": shown})

    async def sends_photo(self, content: bytes, caption: str | None = None) -> int:
        small = {
            "file_id": self.api.keep_file(content[:100], "small"),
            "file_size": min(len(content), 100),
            "width": 90,
            "height": 60,
        }
        large = {"file_id": self.api.keep_file(content, "large"), "file_size": len(content), "width": 1280, "height": 853}
        sizes = [size | {"file_unique_id": f"u{size['file_id']}"} for size in (small, large)]
        return await self.sends(photo=sizes, **({"caption": caption} if caption else {}))

    async def sends_document(
        self, content: bytes, name: str, media_type: str = "application/pdf", caption: str | None = None
    ) -> int:
        file_id = self.api.keep_file(content, name)
        file = {
            "file_id": file_id,
            "file_unique_id": f"u{file_id}",
            "file_name": name,
            "mime_type": media_type,
            "file_size": len(content),
        }
        return await self.sends(document=file, **({"caption": caption} if caption else {}))

    async def edits(self, message_id: int, text: str) -> int:
        message = self._message(message_id, text=text)
        return self.api.add_update(edited_message=message | {"edit_date": message["date"] + 1})

    async def sends(self, **content: Any) -> int:
        """Any message, by the fields that Telegram gives it: `sends(sticker={…})`."""
        message_id = self.api.number("message")
        self.said.add(message_id)
        return self.api.add_update(message=self._message(message_id, **content))

    async def waits_for(self, text: str, seconds: float = 5) -> Message:
        """The newest message that holds this text."""
        found: Message = await self.api.until(lambda: self._newest(text), lambda: f"{text!r} in {self._read}", seconds)
        return found

    def shown(
        self, text: str, markup: dict[str, Any] | None, kind: str = "text", content: bytes | None = None, name: str | None = None
    ) -> Message:
        self.sees.append(Message(self.chat, self.api.number("message"), text, markup, kind, content, name))
        return self.sees[-1]

    def _newest(self, text: str) -> Message | None:
        return next((message for message in reversed(self.sees) if text in message.text), None)

    @property
    def _read(self) -> list[str]:
        return [message.text for message in self.sees]

    def _message(self, message_id: int, **content: Any) -> dict[str, Any]:
        return {"message_id": message_id, "date": int(time.time()), "chat": self.chat, "from": self.me, **content}
