"""The Zalo Bot channel over real HTTP against the stand-in: what it hears, what it says, and every way in which that fails."""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from bot.channels import (
    Attachment,
    ChannelProblem,
    Edit,
    NotFetched,
    NotThere,
    Outgoing,
    Receipt,
    SendError,
    TryAgain,
    Unreachable,
)
from bot.channels.cutting import units
from bot.channels.polling import by_itself
from bot.channels.zalobot import ZaloBot
from bot.channels.zalobot_updates import understood
from bot.quota import used
from handlers.incoming import Incoming, Said, Sent
from storage.database import Database
from tests.channels.listening import SECRET
from tests.channels.malformed import malformed
from tests.channels.zalobot_api import BOT_ID, TOKEN, Person, Refused, ZaloBotApi

EVENTS: list[Any] = json.loads((Path(__file__).parent / "zalobot" / "events.json").read_text(encoding="utf-8"))
NOW = datetime(2026, 11, 20, 1, 0, tzinfo=UTC)


class Ears:
    """Writes down what is heard; `trouble` is what comes of the next messages instead."""

    def __init__(self, api: ZaloBotApi) -> None:
        self.api, self.heard = api, list[Incoming]()
        self.trouble: list[Exception | Receipt] = []

    async def __call__(self, incoming: Incoming) -> Receipt:
        if self.trouble:
            trouble = self.trouble.pop(0)
            if isinstance(trouble, Exception):
                raise trouble
            return trouble
        again = incoming in self.heard
        self.heard.append(incoming)
        self.api.changed()
        return Receipt(again=again)

    @property
    def said(self) -> list[str]:
        return [one.meaning.text for one in self.heard if isinstance(one.meaning, Said)]

    async def hears(self, count: int) -> None:
        await self.api.until(lambda: len(self.heard) >= count, lambda: f"{count} messages in {self.said}")


@pytest.fixture
async def zalo() -> AsyncIterator[ZaloBotApi]:
    async with ZaloBotApi.open() as api:
        yield api


@pytest.fixture
def ears(zalo: ZaloBotApi) -> Ears:
    return Ears(zalo)


@pytest.fixture
def an(zalo: ZaloBotApi) -> Person:
    return zalo.person("An")


def channel_at(api: ZaloBotApi, database: Database, public_url: str | None = None, token: str = TOKEN) -> ZaloBot:
    return ZaloBot(token, api.url, public_url, SECRET if public_url else None, database, lambda: NOW, by_itself, [api.host])


@contextlib.asynccontextmanager
async def polling(api: ZaloBotApi, database: Database, ears: Ears) -> AsyncIterator[ZaloBot]:
    channel = channel_at(api, database)
    await channel.start(ears)
    try:
        yield channel
    finally:
        await channel.stop()


@contextlib.asynccontextmanager
async def hooked(api: ZaloBotApi, database: Database, ears: Ears) -> AsyncIterator[ZaloBot]:
    port = unused_port()
    channel = channel_at(api, database, f"http://127.0.0.1:{port}")
    app = web.Application()
    app.add_routes(channel.routes(ears))
    async with TestServer(app, port=port):
        await channel.start(ears)
        try:
            yield channel
        finally:
            await channel.stop()


def to(person: Person, text: str = "chào", **more: Any) -> Outgoing:
    return Outgoing(person.chat, 1, text, **more)


@pytest.mark.parametrize("webhook", [False, True], ids=["polling", "webhook"])
async def test_hears_and_answers(
    webhook: bool, zalo: ZaloBotApi, sqlite_database: Database, ears: Ears, an: Person
) -> None:
    async with (hooked if webhook else polling)(zalo, sqlite_database, ears) as channel:
        zalo.double_server = True
        await an.says("xin chào")
        await an.says("/start v-18685-001")
        await an.sends_photo(b"jpeg", "lớp học")
        await an.sends_other("voice")
        await an.sends_document(b"%PDF", "a.pdf")
        await ears.hears(5)
        text, link, picture, voice, other = (one.meaning for one in ears.heard)
        assert (text, link, voice, other) == (Said("xin chào"), Said("/start v-18685-001"), Sent("voice"), Sent("other"))
        assert isinstance(picture, Sent) and (picture.kind, picture.caption) == ("photo", "lớp học")
        assert await channel.fetch(picture) == b"jpeg"
        assert {one.address for one in ears.heard} == {f"zalobot:{an.chat}"}
        assert await channel.send(to(an))
        assert [message.text for message in an.sees] == ["chào"]
    assert zalo.webhook is None or webhook


async def test_a_poll_hands_out_the_same_again_and_again(
    zalo: ZaloBotApi, sqlite_database: Database, ears: Ears, an: Person
) -> None:
    async with polling(zalo, sqlite_database, ears):
        await an.says("một")
        await ears.hears(1)
        before = len(zalo.calls_of("getUpdates"))
        await asyncio.sleep(1.3)
        assert len(zalo.calls_of("getUpdates")) - before <= 3, "no faster than once a second"
        await an.says("hai")
        await ears.hears(2)
    assert ears.said == ["một", "hai"]


async def test_what_was_not_taken_is_tried_again(zalo: ZaloBotApi, sqlite_database: Database, ears: Ears, an: Person) -> None:
    async with polling(zalo, sqlite_database, ears):
        ears.trouble = [RuntimeError("the database is away")]
        await an.says("một")
        await ears.hears(1)
    assert ears.said == ["một"]
    assert "bận" in an.sees[0].text


async def test_a_webhook_that_is_not_safe_is_called_again(
    zalo: ZaloBotApi, sqlite_database: Database, ears: Ears, an: Person
) -> None:
    zalo.duplicates, zalo.wrapped = 1, True
    async with hooked(zalo, sqlite_database, ears):
        ears.trouble = [Receipt(busy=True)]
        await an.says("một")
        await zalo.all_heard()
    assert zalo.answers == [503, 200, 200]
    assert ears.said == ["một", "một"]
    assert len({one.key for one in ears.heard}) == 1, "known by its name, whoever keeps what was heard"


async def test_probes_and_strangers(zalo: ZaloBotApi, sqlite_database: Database, ears: Ears, an: Person) -> None:
    probe, text = EVENTS[-1], EVENTS[0]
    async with hooked(zalo, sqlite_database, ears):
        assert await zalo.post(probe, secret=False) == 200
        assert await zalo.post({"ok": True, "result": probe}, secret=False) == 200
        assert await zalo.post(None, secret=False, raw=b"") == 403
        assert await zalo.post({}, secret=False) == 403
        assert await zalo.post(text, secret=False) == 403
        assert await zalo.post(text | {"event_name": "webhook.test"}, secret=False) == 403, "a probe that carries something"
        assert await zalo.post(None, raw=b"") == 200
        assert await zalo.post({"event_name": "message.of.tomorrow", "message": {}}) == 200
    assert ears.heard == []


async def test_our_own_words_and_groups_are_no_message(zalo: ZaloBotApi, an: Person) -> None:
    event = an.event("text", text="chào")
    assert understood(event, BOT_ID)
    event["message"]["from"]["is_bot"] = True
    assert understood(event, BOT_ID) is None
    event = an.event("text", text="chào")
    event["message"]["from"]["id"] = BOT_ID
    assert understood(event, BOT_ID) is None
    event = an.event("text", text="chào")
    event["message"]["chat"]["chat_type"] = "GROUP"
    assert understood(event, BOT_ID) is None


@pytest.mark.parametrize("number", [2, 3, 4])
def test_a_picture_in_each_spelling(number: int) -> None:
    heard = understood(EVENTS[number])
    assert heard and isinstance(heard.meaning, Sent)
    assert heard.meaning.reference == "https://s120.zdn.vn/photo.jpg"


@pytest.mark.parametrize(
    "url",
    [
        "https://example.vn/a.jpg", "https://zdn.vn.example.vn/a.jpg", "https://evil-zdn.vn/a.jpg", "file:///etc/passwd",
        "https://a@zdn.vn/a.jpg", "http://s120.zdn.vn/a.jpg", "http://127.0.0.1:1/a.jpg", "https://[::1/a.jpg", "không phải địa chỉ",
    ],
)  # fmt: skip
async def test_pictures_come_from_the_platform_only(url: str, sqlite_database: Database) -> None:
    channel = ZaloBot(TOKEN, "http://127.0.0.1:1", None, None, sqlite_database, lambda: NOW, by_itself)
    with pytest.raises(NotFetched):
        await channel.fetch(Sent("photo", url))
    await channel.stop()


async def test_a_picture_that_expired(zalo: ZaloBotApi, sqlite_database: Database, ears: Ears, an: Person) -> None:
    async with polling(zalo, sqlite_database, ears) as channel:
        await an.sends_photo(b"jpeg")
        await ears.hears(1)
        zalo.files.clear()
        with pytest.raises(NotFetched, match="404"):
            await channel.fetch(ears.heard[0].meaning)  # type: ignore[arg-type]


@pytest.mark.parametrize("in_200", [False, True])
@pytest.mark.parametrize(
    ("failure", "fate"),
    [
        (Refused(400, "Bad Request: text is invalid"), SendError), (Refused(400, "Bad Request: chat not found"), Unreachable),
        (Refused(401, "Unauthorized"), TryAgain), (Refused(403, "Internal server error"), TryAgain),
        (Refused(404, "Not Found"), SendError), (Refused(408, "Request timeout"), TryAgain),
        (Refused(429, "Quota exceeded"), TryAgain), (Refused(500, "?"), TryAgain),
        (Refused(426, "too often", field="errorCode"), SendError), ("garbage", TryAgain), ("cut", None),
    ],
    ids=str,
)  # fmt: skip
async def test_each_error(
    failure: Any, fate: type[SendError] | None, in_200: bool, zalo: ZaloBotApi, sqlite_database: Database, ears: Ears, an: Person
) -> None:
    zalo.in_200 = in_200
    async with polling(zalo, sqlite_database, ears) as channel:
        zalo.fail_next("sendMessage", failure)
        if fate is None:
            # The platform said yes, and the rest of its answer was lost: it is there, and must not come twice.
            assert await channel.send(to(an)) == ""
            return
        with pytest.raises(fate) as raised:
            await channel.send(to(an))
        assert raised.type is fate
        assert TOKEN not in str(raised.value)


async def test_nobody_is_there(sqlite_database: Database, zalo: ZaloBotApi, an: Person) -> None:
    channel = ZaloBot(TOKEN, "http://127.0.0.1:1", None, None, sqlite_database, lambda: NOW, by_itself)
    with pytest.raises(TryAgain) as raised:
        await channel.send(to(an))
    assert "secret" not in str(raised.value) and "127" not in str(raised.value)


async def test_a_refused_token_is_one_clear_line(zalo: ZaloBotApi, sqlite_database: Database, ears: Ears) -> None:
    zalo.token = "another"
    channel = channel_at(zalo, sqlite_database)
    with pytest.raises(ChannelProblem, match=r"^ZALO_BOT_TOKEN: "):
        await channel.start(ears)
    await channel.stop()


async def test_a_token_that_is_refused_later_ends_the_hearing(
    zalo: ZaloBotApi, sqlite_database: Database, ears: Ears, caplog: pytest.LogCaptureFixture
) -> None:
    async with polling(zalo, sqlite_database, ears) as channel:
        zalo.fail_next("getUpdates", Refused(403, "Internal server error"))
        zalo.fail_next("getUpdates", Refused(401, "Unauthorized"))
        assert channel.loop
        await asyncio.wait_for(asyncio.shield(channel.loop), 5)
    assert "ZALO_BOT_TOKEN" in caplog.text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"token": ""}, "ZALO_BOT_TOKEN"), ({"token": "no colon"}, "ZALO_BOT_TOKEN"),
        ({"public_url": "https://a.vn", "webhook_secret": None}, "ZALO_BOT_WEBHOOK_SECRET"),
        ({"public_url": "https://a.vn", "webhook_secret": "short"}, "ZALO_BOT_WEBHOOK_SECRET"),
    ],
)  # fmt: skip
def test_half_settings_are_one_line(changes: dict[str, Any], words: str, sqlite_database: Database) -> None:
    given = {"token": TOKEN, "api_url": "http://a.vn", "public_url": None, "webhook_secret": None} | changes
    with pytest.raises(ChannelProblem, match=f"^{words}: "):
        ZaloBot(**given, database=sqlite_database, now=lambda: NOW, only_one=by_itself)


async def test_a_webhook_address_that_the_platform_refuses(zalo: ZaloBotApi, sqlite_database: Database, ears: Ears) -> None:
    channel = channel_at(zalo, sqlite_database, "http://192.168.1.2")
    zalo.fail_next("setWebhook", Refused(400, "Bad Request: url is invalid"))
    with pytest.raises(ChannelProblem, match=r"^PUBLIC_URL: "):
        await channel.start(ears)
    await channel.stop()


async def test_long_texts_are_cut_and_go_on_where_they_stopped(
    zalo: ZaloBotApi, sqlite_database: Database, ears: Ears, an: Person
) -> None:
    text = "\n\n".join(f"Đoạn {number}. " + "chữ 🙂 " * 60 for number in range(12))
    async with polling(zalo, sqlite_database, ears) as channel:
        zalo.quota = 2
        with pytest.raises(TryAgain) as raised:
            await channel.send(to(an, text))
        assert raised.value.too_fast
        zalo.quota = 100
        assert raised.value.begun == 2
        await channel.send(to(an, text)._replace(begun=2))
    assert len(an.sees) > 2 and all(units(message.text) <= 2000 for message in an.sees)
    assert "".join("".join(m.text for m in an.sees).split()) == "".join(text.split())


async def test_pictures_by_address_and_documents_in_words(
    zalo: ZaloBotApi, sqlite_database: Database, ears: Ears, an: Person
) -> None:
    async with polling(zalo, sqlite_database, ears) as channel:
        url = zalo.keep_file(b"jpeg")
        await channel.send(to(an, "lớp học", attachment=Attachment("photo", b"", "a.jpg", "image/jpeg", "1", url)))
        await channel.send(to(an, "giấy", attachment=Attachment("file", b"", "a.pdf", "application/pdf", "2", "https://a.vn/2")))
        with pytest.raises(NotThere):
            await channel.edit(Edit(an.chat, 1, "b1", "khác"))
    assert [(m.kind, m.text) for m in an.sees] == [("photo", "lớp học"), ("text", "giấy\na.pdf: https://a.vn/2")]


async def test_the_months_messages_are_counted_and_warned_of(
    zalo: ZaloBotApi, sqlite_database: Database, ears: Ears, an: Person, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    async with polling(zalo, sqlite_database, ears) as channel:
        for _number in range(3):
            await channel.send(to(an))
        channel.quota.unwritten += 2397
    assert (await used(sqlite_database, "zalobot", NOW)).sent == 2400
    warnings = [record.getMessage() for record in caplog.records if getattr(record, "action", "") == "quota_warning"]
    assert len(warnings) == 1 and "2400 of 3000" in warnings[0]
    async with polling(zalo, sqlite_database, ears) as channel:
        await channel.send(to(an))
    assert (await used(sqlite_database, "zalobot", NOW)).sent == 2401
    assert len([r for r in caplog.records if getattr(r, "action", "") == "quota_warning"]) == 1, "once a month"


async def test_bodies_that_no_platform_should_send(zalo: ZaloBotApi, sqlite_database: Database, ears: Ears) -> None:
    async with hooked(zalo, sqlite_database, ears):
        answers = [await zalo.post(None, raw=body) for body in malformed(EVENTS)]
    assert set(answers) <= {200}
    assert all(len(one.address) <= 120 and len(one.key) <= 200 for one in ears.heard)
