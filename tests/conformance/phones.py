"""How a person uses each channel: what a golden talk says that they do, done there over real HTTP. One class a channel."""

import asyncio
import itertools
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

from aiohttp.test_utils import unused_port

from bot.app import App, build
from bot.settings import Settings
from handlers.incoming import Incoming, Left, Meaning, Opened, Said, Sent
from storage.database import Database
from tests.channels import telegram_api, telegram_people, zalobot_api, zalooa_api
from tests.channels.listening import SECRET
from tests.talks import NarrowChannel, Player, address_of, photo
from tests.web.page import Page

ORDINAL = re.compile(r"^(\d+)\. (.*)$", re.MULTILINE)
CODE = re.compile(r"\b\d{3} \d{3}\b")
MORE = ("Xem thêm", "See more")
POINTS = re.compile(r" \(\d+ (?:điểm|points)\)$")


class CannotBeDone(Exception):
    """This channel has no way to do what the talk does."""


class Phone(Protocol):
    """One person on one channel. `texts` is all that the bot ever showed, `messages` what is to be seen now: text, labels."""

    address: str

    async def says(self, text: str) -> None: ...
    async def opens(self, payload: str) -> None: ...
    async def presses(self, label: str, said: str | None) -> None: ...
    async def sends_photo(self, name: str, caption: str | None) -> None: ...
    async def sends_document(self, name: str, content: bytes) -> None: ...
    def texts(self) -> list[str]: ...
    def messages(self) -> list[tuple[str, list[str]]]: ...


def listed(text: str) -> list[tuple[int, str]]:
    """The numbered choices of a message without buttons, in order."""
    return [(int(number), label) for number, label in ORDINAL.findall(text)]


class Typing:
    """What a person does where there is nothing to press: types the number that stands before the label."""

    before = 0  # so much was to be read when the person last said something

    async def says(self, text: str) -> None:
        raise NotImplementedError

    def texts(self) -> list[str]:
        raise NotImplementedError

    async def opens(self, payload: str) -> None:
        await self.says(f"/start {payload}")

    async def presses(self, label: str, said: str | None) -> None:
        texts, anew = self.texts(), False
        for at in range(len(texts) - 1, -1, -1):
            # Above a question, which begins the numbers anew, only what was said together with it still counts.
            if anew and at < self.before:
                break
            if (said is None or said in texts[at]) and (choice := self._choice(texts[at], label)):
                return await self.says(choice)
            anew = anew or any(number == 1 for number, _label in listed(texts[at]))
        raise CannotBeDone(f"{label} is on no list any more")

    def messages(self) -> list[tuple[str, list[str]]]:
        return [(text, [label for _n, label in listed(text)] + re.findall(r"^• (.*)$", text, re.MULTILINE)) for text in self.texts()]

    @staticmethod
    def _choice(text: str, label: str) -> str | None:
        if f"\n• {label}\n" in text:
            return label
        bare = POINTS.sub("", label)
        return next((str(n) for n, words in listed(text) if words == label or words.startswith(f"{bare}:")), None)


class TelegramPhone:
    def __init__(self, person: telegram_people.Person) -> None:
        self.person, self.address = person, f"telegram:{person.number}"

    async def says(self, text: str) -> None:
        self.person.blocked = False
        await self.person.says(text)

    async def opens(self, payload: str) -> None:
        await self.person.opens(payload)

    async def presses(self, label: str, said: str | None) -> None:
        # A question that was answered in its place has gone; who scrolls up finds it no more.
        found = next((m for m in reversed(self.person.sees) if (said or "") in m.text and m.token(label)), None)
        if found is None:
            raise CannotBeDone(f"{label}: the message has become another")
        await self.person.presses(label, found)

    async def sends_photo(self, name: str, caption: str | None) -> None:
        await self.person.sends_photo(photo(name), caption)

    async def sends_document(self, name: str, content: bytes) -> None:
        await self.person.sends_document(content, name)

    def texts(self) -> list[str]:
        mine = [call.values for call in self.person.api.calls if str(call.values.get("chat_id")) == str(self.person.number)]
        return [str(values.get("text") or values.get("caption") or "") for values in mine]

    def messages(self) -> list[tuple[str, list[str]]]:
        return [(m.text, [label for row in m.buttons for label in row]) for m in self.person.sees]


class ZaloBotPhone(Typing):
    def __init__(self, person: zalobot_api.Person) -> None:
        self.person, self.address = person, f"zalobot:{person.chat}"

    async def says(self, text: str) -> None:
        self.before = len(self.person.sees)
        await self.person.says(text)

    async def sends_photo(self, name: str, caption: str | None) -> None:
        self.before = len(self.person.sees)
        await self.person.sends_photo(photo(name), caption)

    async def sends_document(self, name: str, content: bytes) -> None:
        """The platform carries none: the person is told so, and takes a picture of it."""
        await self.person.sends_document(content, name)
        await self.person.waits_for("Trợ lý chỉ nhận")
        await self.person.sends_photo(photo(name))

    def texts(self) -> list[str]:
        return [message.text for message in self.person.sees]


class ZaloOaPhone:
    def __init__(self, person: zalooa_api.Person) -> None:
        self.person, self.address = person, f"zalooa:{person.user}"

    async def says(self, text: str) -> None:
        await self.person.says(text)

    async def opens(self, payload: str) -> None:
        await self.says(f"/start {payload}")

    async def presses(self, label: str, said: str | None) -> None:
        """What the first buttons do not show comes with "Xem thêm"."""
        offers = [m for m in reversed(self.person.sees) if (said or "") in m.text and m.choices]
        newest = offers[0] if offers else None
        while newest and said is None and label not in dict(newest.choices) and newest.choices[-1][0] in MORE:
            seen = len(self.person.sees)
            await self.person.presses(newest.choices[-1][0], newest)
            await self.person.api.until(lambda seen=seen: len(self.person.sees) > seen, lambda: "the further choices")
            newest = self.person.sees[-1]
        for message in [newest, *offers] if newest else []:
            if label in dict(message.choices):
                await self.person.presses(label, message)
                return
        raise CannotBeDone(f"{label} is nowhere to be seen")

    async def sends_photo(self, name: str, caption: str | None) -> None:
        await self.person.sends_photo(photo(name), caption)

    async def sends_document(self, name: str, content: bytes) -> None:
        await self.person.sends_document(content, name)

    def texts(self) -> list[str]:
        return [message.text for message in self.person.sees]

    def messages(self) -> list[tuple[str, list[str]]]:
        return [(m.text, [title for title, _payload in m.choices]) for m in self.person.sees]


class Pager(NarrowChannel):
    name = "pager"


class PagerPhone(Typing):
    """Text alone, without a network between: the narrowest channel that there can be."""

    def __init__(self, town: "Town", name: str) -> None:
        self.town, self.who, self.address = town, f"{name}@pager", f"pager:{name}"

    async def says(self, text: str) -> None:
        await self._hears(Said(text))

    async def opens(self, payload: str) -> None:
        await self._hears(Opened(payload))

    async def sends_photo(self, name: str, caption: str | None) -> None:
        self.town.player.channel.files[name] = photo(name)
        await self._hears(Sent("photo", name, name, caption=caption))

    async def sends_document(self, name: str, content: bytes) -> None:
        await self.sends_photo(name, None)

    def texts(self) -> list[str]:
        return [shown.text for shown in self.town.player.channel.shown.get(self.who, [])]

    async def _hears(self, meaning: Meaning) -> None:
        self.before = len(self.texts())
        await self.town.app.intake.receive(Incoming(f"pager:{next(self.town.keys)}", self.address, meaning))


class WebPhone:
    def __init__(self, page: Page) -> None:
        self.page = page
        cookie = next(one.value for one in page.http.cookie_jar if one.key.startswith("chat_"))
        self.address = f"webchat:{cookie.partition('.')[0]}"

    async def _heard(self, frame_id: str) -> None:
        await self.page.was_heard(frame_id)

    async def says(self, text: str) -> None:
        await self._heard(await self.page.says(text))

    async def opens(self, payload: str) -> None:
        await self._heard(await self.page._send({"type": "open", "text": payload}, None))

    async def presses(self, label: str, said: str | None) -> None:
        for line in reversed(self.page.said()):
            token = next((one["token"] for row in line["buttons"] for one in row if one["label"] == label), None)
            if (said or "") in line["text"] and token:
                return await self._heard(await self.page._send({"type": "press", "token": token, "message": line["id"]}, None))
        raise CannotBeDone(f"{label}: the buttons are gone from that line")

    async def sends_photo(self, name: str, caption: str | None) -> None:
        status, _answer = await self.page.uploads(photo(name), name, caption)
        assert status == 200

    async def sends_document(self, name: str, content: bytes) -> None:
        status, _answer = await self.page.uploads(content, name)
        assert status == 200

    def texts(self) -> list[str]:
        return self.page.ever

    def messages(self) -> list[tuple[str, list[str]]]:
        return [(line["text"], [one["label"] for row in line["buttons"] for one in row]) for line in self.page.said()]


class Town:
    """The whole bot with one channel, and the people who use it."""

    def __init__(self, app: App, player: Player, settled: Callable[[], Any], phone: Callable[[str], Any]) -> None:
        self.app, self.player, self._settled, self._phone = app, player, settled, phone
        self.phones: dict[str, Phone] = {}
        self.keys = itertools.count(1)

    async def phone(self, name: str) -> Phone:
        if name not in self.phones:
            self.phones[name] = await self._phone(name)
        return self.phones[name]

    async def beside(self, who: str, words: str) -> None:
        """Somebody on a second channel, which has no buttons."""
        meaning = Said(self.code() if words == "(mã)" else words)
        await self.app.intake.receive(Incoming(f"zalo:{next(self.keys)}", address_of(who), meaning))

    def code(self) -> str:
        """The six figures that somebody was shown."""
        found = [code for phone in self.phones.values() for text in phone.texts() for code in CODE.findall(text)]
        return found[-1]

    async def leaves(self, name: str) -> None:
        """Blocks us: where the platform tells us, or else where we find out."""
        phone = await self.phone(name)
        if isinstance(phone, TelegramPhone):
            phone.person.api.block(phone.person.number)
        else:
            await self.app.intake.receive(Incoming(f"{phone.address}:left", phone.address, Left()))

    async def quiet(self) -> None:
        """Until all that was said is heard and answered."""
        await self._settled()
        await self.app.sender.drain()
        # What goes at the channel's pace needs time, which is the talk's own here.
        self.player.clock += timedelta(seconds=1)
        await self.app.sender.look()
        await self.app.sender.drain()


@asynccontextmanager
async def _served(database: Database, folder: Path, **more: Any) -> AsyncIterator[tuple[App, Player, str]]:
    port = unused_port()
    base = f"http://127.0.0.1:{port}"
    settings = Settings(  # type: ignore[call-arg]
        _env_file=None, http_port=port, data_dir=folder, secret_key="s" * 40, association_name="Hội Khuyến học tỉnh Hà Tĩnh",
        messages_per_minute=6000, **{name: base if value is None else value for name, value in more.items()},
    )  # fmt: skip
    player = Player(database, folder)
    app = build(settings, database, now=lambda: player.clock)
    for beside in (NarrowChannel(player.channel), Pager(player.channel)):
        app.channels[beside.name] = beside
    async with app.running():
        yield app, player, base


@asynccontextmanager
async def telegram(database: Database, folder: Path) -> AsyncIterator[Town]:
    async with telegram_api.TelegramApi.open() as api:
        own = {"telegram_bot_token": telegram_api.TOKEN, "telegram_api_url": api.url, "telegram_webhook_secret": SECRET}
        async with _served(database, folder, public_url=None, **own) as (app, player, _base):

            async def phone(name: str) -> TelegramPhone:
                return TelegramPhone(api.person(100 + len(api.people), name))

            yield Town(app, player, api.all_heard, phone)


@asynccontextmanager
async def zalobot(database: Database, folder: Path) -> AsyncIterator[Town]:
    async with zalobot_api.ZaloBotApi.open() as api:
        own = {"zalo_bot_token": zalobot_api.TOKEN, "zalo_bot_api_url": api.url, "zalo_bot_webhook_secret": SECRET}
        async with _served(database, folder, public_url=None, **own) as (app, player, _base):
            app.channels["zalobot"].media_hosts = [api.host]  # type: ignore[attr-defined]

            async def phone(name: str) -> ZaloBotPhone:
                return ZaloBotPhone(api.person(name))

            yield Town(app, player, api.all_heard, phone)


@asynccontextmanager
async def zalooa(database: Database, folder: Path) -> AsyncIterator[Town]:
    async with zalooa_api.ZaloOaApi.open() as api:
        own = {
            "zalo_oa_app_id": zalooa_api.APP_ID, "zalo_oa_app_secret": zalooa_api.APP_SECRET, "zalo_oa_templates": "",
            "zalo_oa_secret_key": zalooa_api.SECRET_KEY, "zalo_oa_api_url": api.url, "zalo_oauth_url": api.url,
        }  # fmt: skip
        async with _served(database, folder, public_url=None, **own) as (app, player, base):
            channel: Any = app.channels["zalooa"]
            channel.media_hosts, api.webhook, api.clock = [api.host], f"{base}/zalooa/webhook", lambda: player.clock
            await channel.tokens._keep(api.tokens())

            async def phone(name: str) -> ZaloOaPhone:
                return ZaloOaPhone(api.person(name))

            yield Town(app, player, api.all_heard, phone)


@asynccontextmanager
async def webchat(database: Database, folder: Path) -> AsyncIterator[Town]:
    async with AsyncExitStack() as pages, _served(database, folder) as (app, player, base):

        async def phone(name: str) -> WebPhone:
            page = await pages.enter_async_context(Page(base))
            await page.open("")
            return WebPhone(page)

        yield Town(app, player, lambda: asyncio.sleep(0), phone)


@asynccontextmanager
async def pager(database: Database, folder: Path) -> AsyncIterator[Town]:
    async with _served(database, folder) as (app, player, _base):

        async def phone(name: str) -> PagerPhone:
            return PagerPhone(town, name)

        town = Town(app, player, lambda: asyncio.sleep(0), phone)
        yield town


CHANNELS = {"telegram": telegram, "zalobot": zalobot, "zalooa": zalooa, "webchat": webchat, "pager": pager}
