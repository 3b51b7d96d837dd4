"""The Zalo Official Account over real HTTP against the stand-in: events, errors, windows, keys."""

import asyncio
import contextlib
import hashlib
import json
import os
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from bot.channels import (
    Attachment,
    ChannelProblem,
    Edit,
    NotFetched,
    NotNow,
    NotThere,
    Outgoing,
    Receipt,
    SendError,
    TryAgain,
    Unreachable,
)
from bot.channels.cutting import units
from bot.channels.hearing import MALFORMED
from bot.channels.zalooa import ZaloOa, read_templates
from bot.channels.zalooa_client import CutOff, OaError, result
from bot.channels.zalooa_events import signed, understood
from bot.channels.zalooa_files import small_enough
from bot.channels.zalooa_tokens import NoToken
from bot.commands.zalo import read_code
from bot.settings import SettingProblem
from handlers.incoming import Incoming, Left, Pressed, Said, Sent, Withdrew
from storage.credential import Credential
from storage.database import Database
from storage.session import DatabaseAway
from tests.channels.malformed import malformed
from tests.channels.zalooa_api import APP_ID, APP_SECRET, SECRET_KEY, Person, Refused, ZaloOaApi, challenge_of
from tests.talks import photo

EVENTS: list[Any] = json.loads((Path(__file__).parent / "zalooa" / "events.json").read_text(encoding="utf-8"))
CS = "/v3.0/oa/message/cs"
VECTOR = (
    '{"app_id":"360846524940903967","sender":{"id":"246845883529197922"},"user_id_by_app":"552177279717587730",'
    '"recipient":{"id":"388613280878808645"},"event_name":"user_send_text","message":{"text":"Xin chào",'
    '"msg_id":"96d3cdf3af150460909"},"timestamp":"1754390853474"}'
).encode()
MAC = b"177bf6dc90c8872f0fcfd806beecc8e199f0851a9c943c6953796f625307356c"


class Ears:
    """Writes down what is heard; takes `slow` seconds."""

    def __init__(self, api: ZaloOaApi) -> None:
        self.api, self.heard, self.slow = api, list[Incoming](), 0.0
        self.trouble: list[Receipt] = []

    async def __call__(self, incoming: Incoming) -> Receipt:
        await asyncio.sleep(self.slow)
        if self.trouble:
            return self.trouble.pop(0)
        self.heard.append(incoming)
        self.api.changed()
        return Receipt()

    @property
    def meanings(self) -> list[Any]:
        return [one.meaning for one in self.heard]


class Time:
    """A clock that a test turns; by day in Viet Nam."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
async def oa(time: Time) -> AsyncIterator[ZaloOaApi]:
    async with ZaloOaApi.open() as api:
        api.clock = time
        yield api


@pytest.fixture
def ears(oa: ZaloOaApi) -> Ears:
    return Ears(oa)


@pytest.fixture
def an(oa: ZaloOaApi) -> Person:
    return oa.person("An")


def channel_at(api: ZaloOaApi, database: Database, port: int = 1, templates: str = "") -> ZaloOa:
    here = f"http://127.0.0.1:{port}"
    return ZaloOa(APP_ID, APP_SECRET, SECRET_KEY, here, api.url, api.url, templates, database, api.now, [api.host])


@contextlib.asynccontextmanager
async def hooked(api: ZaloOaApi, database: Database, ears: Ears, templates: str = "", connected: bool = True) -> AsyncIterator[ZaloOa]:
    port = unused_port()
    channel = channel_at(api, database, port, templates)
    app = web.Application()
    app.add_routes(channel.routes(ears))
    async with TestServer(app, port=port):
        api.webhook = f"http://127.0.0.1:{port}/zalooa/webhook"
        if connected:
            verifier = "v" * 43
            await channel.tokens.exchange(api.consent(challenge_of(verifier)), verifier)
        await channel.start(ears)
        assert channel.renewing
        channel.renewing.cancel()  # the tests say themselves when the keys are looked at
        try:
            yield channel
        finally:
            await channel.stop()


def to(person: Person, text: str = "chào", **more: Any) -> Outgoing:
    return Outgoing(person.user, 1, text, **more)


def test_the_signature_vector() -> None:
    assert signed(VECTOR, b"mac=" + MAC, APP_ID, SECRET_KEY)
    assert signed(VECTOR, MAC.upper(), APP_ID, SECRET_KEY)
    assert not signed(VECTOR, b"mac=" + MAC, APP_ID, APP_SECRET), "the app's secret is another key"
    assert not signed(VECTOR.replace(b"Xin", b"xin"), b"mac=" + MAC, APP_ID, SECRET_KEY)
    assert not signed(VECTOR, b"", APP_ID, SECRET_KEY)
    assert not signed(b"[]", b"mac=" + MAC, APP_ID, SECRET_KEY)
    assert not signed(VECTOR, b"mac=\xff", APP_ID, SECRET_KEY)


@pytest.mark.parametrize(
    ("raw", "timestamp"),
    [(b'{"timestamp":%b%b}' % (b"[" * 1000, b"]" * 1000), ""), (b'{"timestamp":null}', "None"),
     (b'{"timestamp":"1"}'.ljust(300_000), "1")],
    ids=["deep", "null", "long"],
)  # fmt: skip
def test_what_is_no_event_is_not_signed(raw: bytes, timestamp: str) -> None:
    """Whoever it is from: it has to be read before that shows."""
    mac = hashlib.sha256(APP_ID.encode() + raw + timestamp.encode() + SECRET_KEY.encode()).hexdigest()
    assert not signed(raw, mac.encode(), APP_ID, SECRET_KEY)


def test_an_event_without_what_it_announces() -> None:
    event = {"event_name": "user_send_image", "sender": {"id": "1"}, "message": {"msg_id": "1", "attachments": []}}
    with pytest.raises(MALFORMED):
        understood(event)


def test_what_each_event_means() -> None:
    heard = [understood(event) for event in EVENTS]
    meanings = [one.meaning if one else None for one in heard]
    assert meanings[0] == Said("1")
    assert meanings[1] == Sent("photo", "https://s120.zdn.vn/i.jpg", caption="nhà văn hóa")
    assert meanings[2] == Sent("location"), "the place itself is not kept"
    assert meanings[3] == Sent("file", "https://s120.zdn.vn/a.pdf", "a.pdf", 1024)
    assert meanings[4:6] == [Said("/start"), Left()]
    assert meanings[6:8] == [Sent("contact", caption="Lê Văn An")] * 2
    assert meanings[8] == Withdrew()
    assert meanings[9:] == [None] * 4, "receipts, echoes, strangers: to answer them would never end"
    assert {one.address for one in heard if one} == {"zalooa:246845883529197922"}
    assert len({one.key for one in heard if one}) == 9


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("#assess.answer:12:C01:3", Pressed("assess.answer:12:C01:3")), ("#1 là gì", Said("#1 là gì")),
        ("#không phải nút", Said("#không phải nút")), ("# assess.answer:1", Said("# assess.answer:1")),
        ("#a.b:" + "x" * 41, Said("#a.b:" + "x" * 41)), ("#a.b" + ":1234567890" * 7, Said("#a.b" + ":1234567890" * 7)),
    ],
)  # fmt: skip
def test_a_tap_comes_back_as_text(typed: str, meant: Any) -> None:
    event = EVENTS[0] | {"message": {"text": typed, "msg_id": "1"}}
    heard = understood(event)
    assert heard and heard.meaning == meant


async def test_hears_and_answers(oa: ZaloOaApi, sqlite_database: Database, ears: Ears, an: Person) -> None:
    async with hooked(oa, sqlite_database, ears) as channel:
        await an.says("xin chào")
        await oa.all_heard()
        await channel.send(to(an, "Mời chọn", buttons=((("Có", "a.yes"), ("Không" * 40, "a.no")),)))
        await an.presses("Có")
        await an.sends_photo(photo("a.jpg"), "lớp học")
        await an.turns("unfollow")
        await oa.all_heard()
        assert ears.meanings[:2] == [Said("xin chào"), Pressed("a.yes")]
        assert await channel.fetch(ears.meanings[2]) == photo("a.jpg")
        assert ears.meanings[3:] == [Left()], "the echoes of what we said are no messages"
        assert an.sees[0].buttons[1][0].endswith("…") and len(an.sees[0].buttons[1][0]) == 100
        oa.files.clear()
        with pytest.raises(NotFetched):
            await channel.fetch(ears.meanings[2])
        with pytest.raises(Unreachable):
            await channel.send(to(an))
        await an.turns("follow")
        await oa.all_heard()
        assert await channel.send(to(an))
        with pytest.raises(NotThere):
            await channel.edit(Edit(an.user, 1, "m", "khác"))


async def test_only_what_signed_and_ours(oa: ZaloOaApi, sqlite_database: Database, ears: Ears) -> None:
    async with hooked(oa, sqlite_database, ears):
        raw = json.dumps(EVENTS[0]).encode()
        assert await oa.post(raw, signed=False) == 403
        assert await oa.post(raw, prefix="mac=0") == 403
        assert await oa.post(raw, prefix="") == 200
        assert await oa.post(json.dumps(EVENTS[0] | {"app_id": "1"}).encode()) == 200
        assert await oa.post(json.dumps({"event_name": 5, "timestamp": "1"}).encode()) == 200
    assert len(ears.heard) == 1


async def test_two_seconds_are_kept_and_nothing_is_lost(oa: ZaloOaApi, sqlite_database: Database, ears: Ears, an: Person) -> None:
    async with hooked(oa, sqlite_database, ears):
        ears.slow = 1.8
        began = asyncio.get_running_loop().time()
        await an.says("một")
        await oa.until(lambda: oa.answers, lambda: "an answer")
        assert asyncio.get_running_loop().time() - began < 2
        assert oa.answers[0] == 503
        ears.slow = 0
        ears.trouble = [Receipt(busy=True)]
        await oa.all_heard()
    assert oa.answers[-1] == 200
    assert [one.meaning for one in ears.heard[:1]] == [Said("một")]
    assert len({one.key for one in ears.heard}) == 1


@pytest.mark.parametrize(
    ("code", "fate"),
    [
        (-32, TryAgain), (-200, TryAgain), (-201, SendError), (-204, SendError), (-205, SendError), (-209, SendError),
        (-210, SendError), (-211, TryAgain), (-218, TryAgain), (-212, SendError), (-213, Unreachable), (-217, Unreachable),
        (-221, SendError), (-223, SendError), (-224, SendError), (-227, Unreachable), (-230, SendError), (-232, SendError),
        (-233, SendError), (-234, NotNow), (-235, SendError), (-237, SendError), (-403, SendError), (-240, SendError),
        (-242, SendError), (-244, Unreachable), (-248, SendError), (-249, SendError), (-320, SendError), (-321, SendError),
        (-99999, SendError),
    ],
)  # fmt: skip
async def test_each_error(
    code: int, fate: type[SendError], oa: ZaloOaApi, sqlite_database: Database, ears: Ears, an: Person
) -> None:
    async with hooked(oa, sqlite_database, ears) as channel:
        oa.fail_next(CS, Refused(code))
        with pytest.raises(fate) as raised:
            await channel.send(to(an))
        assert raised.type is fate


async def test_an_unknown_user_and_troubles_of_the_line(oa: ZaloOaApi, sqlite_database: Database, ears: Ears, an: Person) -> None:
    async with hooked(oa, sqlite_database, ears) as channel:
        with pytest.raises(Unreachable):
            await channel.send(Outgoing("1", 1, "chào"))
        oa.fail_next(CS, "away")
        with pytest.raises(TryAgain):
            await channel.send(to(an))
        oa.fail_next(CS, "cut")
        assert await channel.send(to(an)) == "", "it is there, and must not come twice"
        oa.fail_next(CS, "garbage")
        with pytest.raises(TryAgain):
            await channel.send(to(an))  # a page of somebody in between says nothing


async def test_windows(oa: ZaloOaApi, sqlite_database: Database, ears: Ears, an: Person, time: Time) -> None:
    async with hooked(oa, sqlite_database, ears, "result=abc123") as channel:
        oa.life = 10**9
        time.now += timedelta(minutes=2)
        await channel.tokens.renew(await channel.tokens.current())
        for days, billed in ((1, False), (3, True)):
            time.now = an.seen_at + timedelta(days=days)
            await channel.send(to(an))
            assert an.sees[-1].billed is billed
        time.now = an.seen_at + timedelta(days=8)
        with pytest.raises(SendError) as raised:
            await channel.send(to(an))
        assert raised.type is SendError, "the address stays: a template may reach it"
        await channel.send(to(an, "Năm nay đạt. " * 60, kind="result", outside=True))
        assert an.sees[-1].kind == "template" and len(an.sees[-1].text) <= 400
        time.now = time.now.replace(hour=16)  # 23 o'clock in Viet Nam
        with pytest.raises(NotNow) as later:
            await channel.send(to(an, kind="result", outside=True))
        assert later.value.after == 7 * 3600


async def test_pictures_and_files(oa: ZaloOaApi, sqlite_database: Database, ears: Ears, an: Person) -> None:
    picture = Attachment("photo", photo("a.jpg"), "a.jpg", "image/jpeg", "1")
    async with hooked(oa, sqlite_database, ears) as channel:
        await channel.send(to(an, "lớp học", attachment=picture))
        await channel.send(to(an, "lớp học", attachment=picture, buttons=((("Có", "a.yes"),),)))
        assert len(oa.calls_of("/v2.0/oa/upload/image")) == 1
        oa.uploads.clear()
        await channel.send(to(an, "", attachment=picture))
        assert len(oa.calls_of("/v2.0/oa/upload/image")) == 2, "expired: once more"
        await channel.send(to(an, "giấy", attachment=Attachment("file", b"%PDF", "a.pdf", "application/pdf", "2")))
        await channel.send(to(an, "bảng", attachment=Attachment("file", b"PK", "a.odt", "application/vnd.oasis", "3", "https://a.vn/3")))
    assert [(m.kind, m.text, bool(m.choices)) for m in an.sees] == [
        ("photo", "lớp học", False), ("photo", "", False), ("text", "lớp học", True), ("photo", "", False),
        ("document", "giấy", False), ("text", "bảng\na.odt: https://a.vn/3", False),
    ]  # fmt: skip


def test_a_picture_is_made_small_enough() -> None:
    import io
    import random

    from PIL import Image

    noise = Image.frombytes("RGB", (1400, 1400), random.Random(1).randbytes(1400 * 1400 * 3))
    out = io.BytesIO()
    noise.save(out, "JPEG", quality=95)
    assert len(out.getvalue()) > 1024 * 1024 >= len(small_enough(out.getvalue()))


async def test_long_texts_and_where_they_stopped(oa: ZaloOaApi, sqlite_database: Database, ears: Ears, an: Person) -> None:
    text = "\n\n".join(f"Đoạn {number}. " + "chữ 🙂 " * 60 for number in range(12))
    async with hooked(oa, sqlite_database, ears) as channel:
        oa.failures[CS] = ["ok", Refused(-32)]  # type: ignore[list-item]
        message = to(an, text, buttons=((("Có", "a.yes"),),))
        with pytest.raises(TryAgain) as raised:
            await channel.send(message)
        assert raised.value.begun == 1
        # The key to the next piece lies in a database that is away.
        channel.tokens._known, channel.tokens.database = None, Flickering(sqlite_database, 0, 1)  # type: ignore[assignment]
        with pytest.raises(TryAgain) as raised:
            await channel.send(message._replace(begun=1))
        assert raised.value.begun == 1
        await channel.send(message._replace(begun=1))
    assert all(units(message.text) <= 2000 for message in an.sees)
    assert "".join("".join(m.text for m in an.sees).split()) == "".join(text.split())
    assert [bool(m.choices) for m in an.sees] == [False] * (len(an.sees) - 1) + [True]


async def test_a_stale_token_is_renewed_once_and_the_message_goes(
    oa: ZaloOaApi, sqlite_database: Database, ears: Ears, an: Person, time: Time
) -> None:
    async with hooked(oa, sqlite_database, ears) as channel:
        time.now += timedelta(hours=26)
        assert await channel.send(to(an))
        assert oa.refreshed == 1
        oa.access.clear()
        for _again in range(5):
            with pytest.raises(TryAgain):
                await channel.send(to(an))
        assert oa.refreshed == 1, "a token that was given just now is not refused for its age"
        time.now += timedelta(minutes=2)
        oa.fail_next(CS, Refused(216))
        oa.fail_next(CS, Refused(-216))
        with pytest.raises(TryAgain):
            await channel.send(to(an))
        assert oa.refreshed == 2, "once, and tried once"


async def test_the_next_pair_is_fetched_in_time(oa: ZaloOaApi, sqlite_database: Database, ears: Ears, time: Time) -> None:
    async with hooked(oa, sqlite_database, ears) as channel:
        time.now += timedelta(seconds=90_000 * 0.79)
        await channel.tokens.look()
        assert oa.refreshed == 0
        time.now += timedelta(seconds=90_000 * 0.02)
        await channel.tokens.look()
        await channel.tokens.look()
        assert oa.refreshed == 1


async def test_of_several_processes_one_fetches_the_next_pair(
    oa: ZaloOaApi, postgres_database: Database, ears: Ears, an: Person, time: Time
) -> None:
    async with hooked(oa, postgres_database, ears) as channel:
        others = [channel_at(oa, postgres_database) for _number in range(3)]
        time.now += timedelta(hours=26)
        oa.token_seconds, asked = 0.3, len(oa.calls_of("/v4/oa/access_token"))
        sent = await asyncio.gather(*(one.send(to(an, f"chào {n}")) for n, one in enumerate([channel, *others] * 3)))
        assert all(sent) and oa.refreshed == 1
        assert len(oa.calls_of("/v4/oa/access_token")) == asked + 1, "the others wait, and do not ask in vain"
        for other in others:
            await other.client.close()
    assert list(oa.refresh.values()).count(True) == 1


async def test_a_pair_that_is_lost_needs_a_human(
    oa: ZaloOaApi, sqlite_database: Database, ears: Ears, an: Person, time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    async with hooked(oa, sqlite_database, ears) as channel:
        time.now += timedelta(hours=26)
        oa.failures["tokens"] = ["away"]
        with pytest.raises(TryAgain) as later:
            await channel.send(to(an))
        assert later.type is TryAgain, "the line: soon again"
        assert len(oa.calls_of("/v4/oa/access_token")) == 2
        with pytest.raises(TryAgain):
            await channel.send(to(an))
        assert len(oa.calls_of("/v4/oa/access_token")) == 2, "not at once again"
        oa.failures["tokens"], channel.tokens._rests_until = ["lost"], 0
        with pytest.raises(TryAgain):
            await channel.send(to(an))
        channel.tokens._rests_until = 0
        with pytest.raises(NoToken, match="zalo connect"):
            await channel.send(to(an))
        assert "run: python -m bot zalo connect" in caplog.text
        before = len(oa.calls_of("/v4/oa/access_token"))
        with pytest.raises(NoToken):
            await channel.send(to(an))
        assert len(oa.calls_of("/v4/oa/access_token")) == before, "nobody asks again in vain"
        verifier = "w" * 43
        await channel.tokens.exchange(oa.consent(challenge_of(verifier)), verifier)
        assert await channel.send(to(an))


async def test_a_pair_on_its_way_is_kept_whatever_happens(
    oa: ZaloOaApi, sqlite_database: Database, ears: Ears, an: Person, time: Time
) -> None:
    """Whoever asked gives up, the channel stops, the database is away for a moment: the pair is there all the same."""
    async with hooked(oa, sqlite_database, ears) as channel:
        time.now += timedelta(hours=26)
        channel.tokens.database = Flickering(sqlite_database, good=1, away=1)  # type: ignore[assignment]
        asking = asyncio.create_task(channel.send(to(an)))
        await oa.until(lambda: oa.refreshed, lambda: "the next pair")
        asking.cancel()
        await asyncio.wait([asking])
    async with sqlite_database.transaction() as session:
        row = await session.get(Credential, "zalooa")
    assert row and oa.refresh[row.refresh_token] and row.leased_until is None


class Flickering:
    """A database that answers, then is away for some transactions, then answers again."""

    def __init__(self, database: Database, good: int, away: int) -> None:
        self.database, self.good, self.away = database, good, away

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        self.good -= 1
        if self.good < 0 < self.away:
            self.away -= 1
            raise DatabaseAway("away")
        async with self.database.transaction() as session:
            yield session


@pytest.mark.parametrize("code", [-32, -200])
async def test_a_refresh_that_fails_for_a_while(
    code: int, oa: ZaloOaApi, sqlite_database: Database, ears: Ears, an: Person, time: Time
) -> None:
    async with hooked(oa, sqlite_database, ears) as channel:
        time.now += timedelta(hours=26)
        oa.failures["tokens"] = [Refused(code)]
        with pytest.raises(TryAgain) as later:
            await channel.send(to(an))
        assert later.type is TryAgain
        channel.tokens._rests_until = 0
        assert await channel.send(to(an))


async def test_connected_anew_while_the_old_pair_fails(
    oa: ZaloOaApi, sqlite_database: Database, ears: Ears, an: Person, time: Time
) -> None:
    async with hooked(oa, sqlite_database, ears) as channel:
        time.now += timedelta(hours=26)
        async with sqlite_database.transaction() as session:
            row = await session.get(Credential, "zalooa")
        assert row
        oa.refresh.clear()
        verifier = "w" * 43
        await channel.tokens.exchange(oa.consent(challenge_of(verifier)), verifier)
        assert await channel.tokens._fetch_next(row.refresh_token) in oa.access, "the new pair, not the trouble with the old"
        assert await channel.send(to(an))


async def test_half_a_no_is_a_no(oa: ZaloOaApi, sqlite_database: Database, ears: Ears, an: Person) -> None:
    with pytest.raises(OaError, match="-213"):
        result(200, b'{"error": -213, "message": "user has')
    with pytest.raises(CutOff):
        result(200, b'{"data":{"message_id":"1"},"err')
    with pytest.raises(OaError) as page:
        result(200, b"<html>maintenance</html>")
    assert not isinstance(page.value, CutOff)


async def test_a_file_that_the_platform_does_not_take_is_named(
    oa: ZaloOaApi, sqlite_database: Database, ears: Ears, an: Person
) -> None:
    async with hooked(oa, sqlite_database, ears) as channel:
        oa.fail_next("/v2.0/oa/upload/file", Refused(-201, "file is invalid"))
        large = Attachment("file", b"%PDF" + b"x" * 2 * 1024 * 1024, "giay.pdf", "application/pdf", "9")
        await channel.send(to(an, "giấy", attachment=large))
        await channel.send(to(an, "giấy", attachment=large))
    assert [(m.kind, m.text) for m in an.sees] == [("text", "giấy\ngiay.pdf"), ("document", "giấy")]


async def test_a_process_that_died_with_the_lease(oa: ZaloOaApi, sqlite_database: Database, ears: Ears, an: Person, time: Time) -> None:
    async with hooked(oa, sqlite_database, ears) as channel:
        time.now += timedelta(hours=26)
        async with sqlite_database.transaction() as session:
            row = await session.get(Credential, "zalooa")
            assert row
            row.leased_until = time.now + timedelta(seconds=30)
        waiting = asyncio.create_task(channel.send(to(an)))
        await asyncio.sleep(0.3)
        assert not waiting.done() and oa.refreshed == 0
        time.now += timedelta(seconds=31)
        assert await waiting
        assert oa.refreshed == 1


async def test_the_pair_is_kept_before_it_is_used(oa: ZaloOaApi, sqlite_database: Database, ears: Ears, an: Person, time: Time) -> None:
    async with hooked(oa, sqlite_database, ears) as channel:
        time.now += timedelta(hours=26)
        await channel.send(to(an))
        async with sqlite_database.transaction() as session:
            row = await session.get(Credential, "zalooa")
        assert row and oa.refresh[row.refresh_token] and row.access_token in oa.access


async def test_nobody_has_consented_yet(
    oa: ZaloOaApi, sqlite_database: Database, ears: Ears, an: Person, caplog: pytest.LogCaptureFixture
) -> None:
    async with hooked(oa, sqlite_database, ears, connected=False) as channel:
        assert "python -m bot zalo connect" in caplog.text
        await an.says("một")
        await oa.all_heard()
        with pytest.raises(NoToken) as waits:
            await channel.send(to(an))
        assert waits.value.after >= 60
    assert ears.meanings == [Said("một")]


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"app_id": ""}, "ZALO_OA_APP_ID"), ({"app_secret": ""}, "ZALO_OA_APP_SECRET"), ({"secret_key": ""}, "ZALO_OA_SECRET_KEY"),
     ({"public_url": ""}, "PUBLIC_URL"), ({"templates": "ketqua=1"}, "ZALO_OA_TEMPLATES"), ({"templates": "result="}, "ZALO_OA_TEMPLATES")],
)  # fmt: skip
def test_half_settings_are_one_line(changes: dict[str, str], words: str, sqlite_database: Database) -> None:
    given = {"app_id": "1", "app_secret": "2", "secret_key": "3", "public_url": "https://a.vn", "templates": ""} | changes
    with pytest.raises(ChannelProblem, match=f"^{words}: ") as problem:
        ZaloOa(**given, api_url="", oauth_url="", database=sqlite_database, now=lambda: datetime.now(UTC))
    assert "\n" not in str(problem.value)


def test_templates() -> None:
    assert read_templates("result=7895417a7d3f, more=81ab") == {"result": "7895417a7d3f", "more": "81ab"}


def test_what_an_operator_pastes() -> None:
    assert read_code("https://a.vn/zalooa/connected?code=abc-_9&oa_id=1&state=s", "s") == "abc-_9"
    assert read_code("https://a.vn/zalooa/connected?code=abc&oa_id=1", "s") == "abc"
    assert read_code(" abcdefgh12 ", "s") == "abcdefgh12"
    for wrong in ("https://a.vn/?code=abc&state=other", "https://a.vn/", "", "không có gì"):
        with pytest.raises(SettingProblem, match=r"^zalo connect: "):
            read_code(wrong, "s")


async def test_bodies_that_no_platform_should_send(oa: ZaloOaApi, sqlite_database: Database, ears: Ears) -> None:
    async with hooked(oa, sqlite_database, ears):
        answers = [await oa.post(body) for body in malformed(EVENTS)]
    assert set(answers) <= {200, 403}, "403 where not even the signature can be made"
    assert answers.count(200) > 50
    assert all(len(one.address) <= 120 and len(one.key) <= 200 for one in ears.heard)


async def test_a_name_by_one_tap(oa: ZaloOaApi, sqlite_database: Database, ears: Ears, an: Person) -> None:
    async with hooked(oa, sqlite_database, ears) as channel:
        await channel.send(to(an, "Họ và tên?", wants_name=True))
        assert [m.kind for m in an.sees] == ["text", "request"]
        oa.failures[CS] = ["ok", Refused(-233)]  # type: ignore[list-item]
        assert await channel.send(to(an, "Họ và tên?", wants_name=True)), "the question is there all the same"
        for old in (False, True):
            await an.submits_info(old)
        await oa.all_heard()
    assert ears.meanings == [Sent("contact", caption="An")] * 2


async def run_bot(folder: Path, settings: dict[str, str], *words: str, answer: Any = None) -> tuple[int, str, str]:
    """`python -m bot …` in a process of its own; `answer` makes what is typed from what is printed."""
    own = {"DATA_DIR": str(folder), "TELEGRAM_BOT_TOKEN": "", "ZALO_BOT_TOKEN": "", "DATABASE_URL": "", "SECRET_KEY": ""}
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-u", "-m", "bot", *words, env=os.environ | own | settings, stdin=pipe, stdout=pipe, stderr=pipe
    )
    assert process.stdin and process.stdout and process.stderr
    printed = ""
    if answer:
        while "Address" not in printed:
            more = await asyncio.wait_for(process.stdout.read(500), 20)
            assert more, (await process.stderr.read()).decode()
            printed += more.decode()
        process.stdin.write(f"{answer(printed)}\n".encode())
    out, trouble = await process.communicate()
    return process.returncode or 0, printed + out.decode(), trouble.decode()


def settings_at(oa: ZaloOaApi) -> dict[str, str]:
    return {
        "PUBLIC_URL": "https://bot.example.vn", "ZALO_OA_APP_ID": APP_ID, "ZALO_OA_APP_SECRET": APP_SECRET,
        "ZALO_OA_SECRET_KEY": SECRET_KEY, "ZALO_OA_API_URL": oa.url, "ZALO_OAUTH_URL": oa.url,
    }  # fmt: skip


async def test_zalo_connect_as_an_operator_does_it(tmp_path: Path) -> None:
    async with ZaloOaApi.open() as oa:

        def agrees(printed: str) -> str:
            address = next(word for word in printed.split() if "/v4/oa/permission?" in word)
            asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
            assert (asked["app_id"], asked["redirect_uri"]) == (APP_ID, "https://bot.example.vn/zalooa/connected")
            return f"{asked['redirect_uri']}?code={oa.consent(asked['code_challenge'])}&oa_id=1&state={asked['state']}"

        code, said, trouble = await run_bot(tmp_path, settings_at(oa), "zalo", "connect", answer=agrees)
        assert (code, trouble) == (0, "")
        assert "Connected: Hội Khuyến học xã Cẩm Bình" in said and "https://bot.example.vn/zalooa/webhook" in said
        assert "access-" not in said and "refresh-" not in said
        code, _said, trouble = await run_bot(tmp_path, settings_at(oa), "zalo", "connect", answer=lambda printed: "code-of-nobody")
        assert code == 2 and trouble.startswith("zalo connect: Zalo refused (-14003") and trouble.count("\n") == 1
        code, said, _trouble = await run_bot(tmp_path, settings_at(oa), "channels", "status")
        assert code == 0 and "zalooa    0 people" in said
    code, said, _trouble = await run_bot(tmp_path, {}, "channels", "leave", "telegram")
    assert code == 0 and "Go on elsewhere, at the same question: 0" in said
