"""Plays a golden talk (`*.chat`) against the whole bot, each message twice, and writes down what was said.

* 2026-11-20 08:00          the clock, on Viet Nam's time
An > xin chào               An types
An > [Đồng ý]               An presses the newest button with that label
An > [Đồng ý] ở "Câu 1/10"  … the one in the newest message that has said "Câu 1/10"
An > (mở v-18562-001)       An opens a link
An > (mời branch ở Trung Tiến, Cẩm Bình)   An opens an invitation made for them
An > (rời)                An blocks us, or stops following
An > (ảnh lop-hoc.jpg) …    An sends a photo; also (tệp …), (ảnh hỏng), (voice), (sticker), (location)
An < …                      the bot says; further lines begin with "|"; buttons stand in brackets
An ~ …                      the bot changes an earlier message
An@zalo > …                An types on a second channel, which has no buttons and changes no message
An@zalo > (mã)             … the six figures that somebody was shown last; they stand as "••• •••" in the talk
# …                         a comment
"""

import io
import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from PIL import Image

from bot.app import App, build
from bot.channels import Can, Edit, NotFetched, Outgoing, Receive
from bot.settings import Settings
from handlers.approval.invitation import PREFIX
from handlers.incoming import Incoming, Left, Meaning, Opened, Pressed, Said, Sent
from locales.folding import fold
from locales.text import HOME
from storage.assignment import invite
from storage.conversation import Conversation
from storage.database import Database
from storage.person import addressed
from storage.places.search import PlaceIndex

LEVELS = {"branch": "village", "association": "commune", "committee": "commune", "province": "province"}
_SPOKEN = re.compile(r"(\w+(?:@\w+)?) > (.*)")
_CODE = re.compile(r"\b\d{3} \d{3}\b")
_PRESS = re.compile(r'\[(.+?)\](?: ở "(.+)")?')
_DEED = re.compile(r"\((\w+)(?: (.*?))?\)(?: (.*))?")


@dataclass
class Shown:
    """A message as its reader sees it now."""

    delivery_id: int
    text: str
    rows: tuple[tuple[tuple[str, str], ...], ...]
    once_said: list[str] = field(default_factory=list)


class TalkChannel:
    """A channel into the transcript."""

    name = "talk"
    can = Can(text_limit=4096, label="Telegram")

    def __init__(self, beside: "TalkChannel | None" = None) -> None:
        """Writes into the transcript of the channel beside it, if there is one."""
        self.lines: list[tuple[int, str]] = beside.lines if beside else []
        self.shown: dict[str, list[Shown]] = beside.shown if beside else {}
        self.files: dict[str, bytes] = beside.files if beside else {}
        self.codes: list[str] = beside.codes if beside else []

    def routes(self, receive: Receive) -> Iterable:
        return []

    async def start(self, receive: Receive) -> None: ...

    async def stop(self) -> None: ...

    async def send(self, message: Outgoing) -> str:
        shown = Shown(message.delivery_id, message.text, message.buttons, [message.text])
        self.shown.setdefault(self._who(message.chat), []).append(shown)
        attached = f"({'ảnh' if message.attachment.kind == 'photo' else message.attachment.name}) " if message.attachment else ""
        self._write(message.delivery_id, self._who(message.chat), "<", attached + message.text, message.buttons)
        return f"m{message.delivery_id}"

    async def edit(self, change: Edit) -> None:
        shown = next(s for s in self.shown[self._who(change.chat)] if f"m{s.delivery_id}" == change.message_id)
        shown.text, shown.rows = change.text or shown.text, change.buttons
        shown.once_said.append(shown.text)
        self._write(change.delivery_id, self._who(change.chat), "~", shown.text, change.buttons)

    async def fetch(self, sent: Sent) -> bytes:
        try:
            return self.files[sent.reference or ""]
        except KeyError:
            raise NotFetched("gone") from None

    def link(self, payload: str) -> str | None:
        return None

    def _who(self, chat: str) -> str:
        return chat if self.name == "talk" else f"{chat}@{self.name}"

    def _write(self, order: int, chat: str, mark: str, text: str, rows: tuple) -> None:
        self.codes += _CODE.findall(text)
        first, *more = _CODE.sub("••• •••", text).split("\n")
        lines = [f"{chat} {mark} {first}", *(f"    | {line}".rstrip() for line in more)]
        lines += ["    " + " ".join(f"[{label}]" for label, _token in row) for row in rows]
        self.lines.append((order, "\n".join(lines)))

    def take(self) -> list[str]:
        """What was said since the last look, people in order of their names, each in order of arrival."""
        lines = [line for _order, line in self.lines]
        self.lines.clear()
        return lines


class NarrowChannel(TalkChannel):
    """The same where nothing can be pressed and nothing changes."""

    name = "zalo"
    can = Can(text_limit=2000, label="Zalo", buttons=False, edits=False, files=False)


def address_of(who: str) -> str:
    """ "An" is talk:An, "An@zalo" is zalo:An."""
    name, _at, channel = who.partition("@")
    return f"{channel or 'talk'}:{name}"


class Player:
    """Holds one bot and plays lines to it."""

    def __init__(self, database: Database, folder: Path, typed: bool = False, per_minute: int = 6000) -> None:
        self.clock = datetime(2026, 11, 20, 1, 0, tzinfo=UTC)
        self.channel = TalkChannel()
        self.channels = [self.channel, NarrowChannel(self.channel)]
        settings = Settings(data_dir=folder, association_name="Hội Khuyến học tỉnh Hà Tĩnh", messages_per_minute=per_minute)
        self.app: App = build(settings, database, self.channels, now=lambda: self.clock, clock=lambda: self.clock.timestamp())
        self.typed = typed
        self.keys = itertools.count(1)

    async def play(self, source: str) -> str:
        """The talk again, with what the bot really said."""
        written: list[str] = []
        for line in source.splitlines():
            if spoken := _SPOKEN.fullmatch(line):
                said = await self.line(spoken[1], spoken[2])
                written += ["", line, *said] if written and written[-1] and not written[-1].startswith("#") else [line, *said]
            elif line.startswith(("#", "*")):
                if line.startswith("* "):
                    self.set_clock(line[2:])
                written += ["", line] if written and written[-1] and not written[-1].startswith(("#", "*")) else [line]
        return "\n".join(written) + "\n"

    async def walk(self, lines: str) -> list[str]:
        """Says some lines; gives what came back to the last."""
        said: list[str] = []
        for line in filter(None, lines.splitlines()):
            spoken = _SPOKEN.fullmatch(line.strip())
            assert spoken, line
            said = await self.line(spoken[1], spoken[2])
        return said

    async def line(self, who: str, words: str) -> list[str]:
        """Says one line, twice; gives what came back."""
        incoming = Incoming(f"talk:{next(self.keys)}", address_of(who), await self.meaning(who, words))
        assert not (await self.app.intake.receive(incoming)).again
        await self.app.sender.drain()
        said = self.channel.take()
        self.clock += timedelta(seconds=1)
        receipt = await self.app.intake.receive(incoming)
        await self.app.sender.drain()
        assert receipt.again, f"heard twice: {words}"
        assert self.channel.take() == []
        return said

    async def meaning(self, who: str, words: str) -> Meaning:
        if press := _PRESS.fullmatch(words):
            return await self._press(who, press[1], press[2])
        if deed := _DEED.fullmatch(words):
            return await self._deed(who, deed[1], deed[2] or "", deed[3])
        return Said(words)

    def set_clock(self, words: str) -> None:
        self.clock = datetime.strptime(words.strip(), "%Y-%m-%d %H:%M").replace(tzinfo=HOME).astimezone(UTC)

    async def _press(self, who: str, label: str, said: str | None) -> Meaning:
        shown = self.find(who, label, said)
        token = shown[1]
        if self.typed and said is None:
            async with self.app.database.transaction() as session:
                known = await addressed(session, address_of(who))
                conversation = known and await session.get(Conversation, known[1].id)
                if conversation and [label, token] in conversation.offered:
                    return Said(fold(label) or label)
        return Pressed(token, f"m{shown[0].delivery_id}")

    def find(self, who: str, label: str, said: str | None = None) -> tuple[Shown, str]:
        """The newest message with that button, as it was when it was sent or is now."""
        for shown in reversed(self.channel.shown.get(who, [])):
            if said is None or any(said in text for text in shown.once_said):
                for button_label, token in self.buttons(shown):
                    if button_label == label:
                        return shown, token
        raise AssertionError(f"{who} sees no button [{label}]" + (f" in {said!r}" if said else ""))

    def buttons(self, shown: Shown) -> list[tuple[str, str]]:
        """Every button that the message ever had: an old phone may still show it."""
        self._ever = getattr(self, "_ever", {})
        ever = self._ever.setdefault(id(shown), [])
        ever += [button for row in shown.rows for button in row if button not in ever]
        return ever

    async def _deed(self, who: str, verb: str, what: str, caption: str | None) -> Meaning:
        if verb == "rời":
            return Left()
        if verb == "mã":
            return Said(self.channel.codes[-1])
        if verb == "mở":
            return Opened(what)
        if verb == "mời":
            return Opened(PREFIX + await self.invitation(*what.split(" ở ")))
        if verb in ("ảnh", "tệp"):
            reference = f"{who}-{next(self.keys)}"
            content = {"hỏng": b"no picture at all", "lớn": b"x"}.get(what) or (
                photo(what) if verb == "ảnh" else b"%PDF-1.7 " + what.encode()
            )
            if what != "mất":
                self.channel.files[reference] = content
            sent = Sent("photo" if verb == "ảnh" else "file", reference, what, len(content), caption)
            return replace(sent, size=21 * 1024 * 1024) if what == "lớn" else sent
        return Sent(verb)

    async def invitation(self, role: str, place: str) -> str:
        async with self.app.database.transaction() as session:
            found = (await PlaceIndex.load(session)).find(place, level=LEVELS[role])
            return await invite(session, role, found[0].place_id, self.clock)


def photo(name: str, size: tuple[int, int] = (64, 48)) -> bytes:
    """A picture with a position in its EXIF, as a phone makes it."""
    image = Image.new("RGB", size, (len(name) * 7 % 255, 120, 90))
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[2] = (18.0, 20.0, 0.0)
    out = io.BytesIO()
    image.save(out, "JPEG", exif=exif)
    return out.getvalue()
