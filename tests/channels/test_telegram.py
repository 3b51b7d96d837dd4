"""Telegram, hearing: what updates mean, polling, the webhook."""

import asyncio
import io
import json
import logging
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.channels import BUSY, FINISH_SECONDS, ChannelProblem, Outgoing, Receipt
from bot.channels.telegram import Telegram
from bot.pace import Pace
from handlers.incoming import Incoming, Pressed
from storage.session import DatabaseAway
from tests.channels.listening import SECRET, Listener, hooked, polling
from tests.channels.telegram_api import ONE_INSTANCE, TOKEN, TelegramApi

PAYLOADS = sorted((Path(__file__).parent / "telegram").glob("*.json"))
MALFORMED = {"no_chat", "bad_chat", "message_is_a_word"}
HEADER = "X-Telegram-Bot-Api-Secret-Token"


def as_json(incoming: Incoming | None) -> dict[str, Any] | None:
    if incoming is None:
        return None
    meaning = {name: value for name, value in asdict(incoming.meaning).items() if value is not None}
    shown = {"key": incoming.key, "address": incoming.address, "language": incoming.language}
    origin = {"origin": incoming.origin} if incoming.origin else {}
    return shown | {"meaning": {"is": type(incoming.meaning).__name__, **meaning}} | origin


@pytest.mark.parametrize("path", PAYLOADS, ids=lambda path: path.stem)
def test_what_an_update_means(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    recorded = json.loads(path.read_text(encoding="utf-8"))
    assert as_json(Telegram(TOKEN).parse(recorded["update"])) == recorded["incoming"]
    unreadable = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    assert unreadable == (["update not readable"] if path.stem in MALFORMED else [])


class TestPolling:
    async def test_hears_in_order_and_acknowledges_a_press(self, api: TelegramApi, listener: Listener) -> None:
        an = api.person(77)
        async with polling(api, listener) as channel:
            for text in ("một", "hai", "ba"):
                await an.says(text)
            await listener.hears(3)
            await channel.send(Outgoing("77", 1, "Mời chọn", ((("Có", "yes:1"), ("Không", "no:1")),)))
            await an.presses("Không")
            await listener.hears(4)
            await api.until(lambda: len(api.answered) == 1)
            await api.all_heard()
        assert listener.said[:3] == ["một", "hai", "ba"]
        assert listener.heard[3].meaning == Pressed("no:1", str(an.sees[0].message_id))

    async def test_the_offset_moves_only_after_receive(self, api: TelegramApi, listener: Listener) -> None:
        gate = listener.gate(77)
        async with polling(api, listener):
            number = await api.person(77).says("xin chào")
            await listener.begins(1)
            asked = len(api.calls_of("getUpdates"))
            await api.until(lambda: len(api.calls_of("getUpdates")) >= asked + 2)
            assert number in api.updates
            gate.set()
            await api.all_heard()
        assert len(listener.begun) == 1

    @pytest.mark.parametrize(
        "trouble", [RuntimeError("xin chào could not be written"), Receipt(busy=True)], ids=["raises", "busy"]
    )
    async def test_what_was_not_taken_comes_again_in_order(self, api: TelegramApi, listener: Listener, trouble: Any) -> None:
        listener.trouble = [trouble]
        async with polling(api, listener):
            await api.person(77).says("một")
            await api.person(77).says("hai")
            await listener.begins(1)
            await api.all_heard()
        assert listener.said == ["một", "hai"]
        assert [incoming.key for incoming in listener.begun][:2] == [listener.heard[0].key] * 2

    async def test_what_was_not_taken_survives_the_process(self, api: TelegramApi, listener: Listener) -> None:
        listener.trouble = [RuntimeError()]
        async with polling(api, listener):
            await api.person(77).says("một")
            await listener.begins(1)
        async with polling(api, listener):
            await listener.hears(1)
        assert listener.said == ["một"]

    async def test_a_slow_person_delays_nobody(self, api: TelegramApi, listener: Listener) -> None:
        gate = listener.gate(77)
        async with polling(api, listener):
            await api.person(77).says("chậm")
            await listener.begins(1)
            for number in (78, 79):
                await api.person(number).says("nhanh")
            await listener.hears(2, seconds=2)
            assert listener.said == ["nhanh", "nhanh"]
            gate.set()
            await api.all_heard()

    async def test_a_message_that_always_fails_blocks_nobody(self, api: TelegramApi, listener: Listener) -> None:
        """Even where more has been said since than Telegram shows at once."""

        async def receive(incoming: Incoming) -> Receipt:
            if incoming.address == "telegram:13":
                raise RuntimeError
            return await listener(incoming)

        await api.person(13).says("độc")
        for number in range(100, 260):
            await api.person(number).says("nhanh")
        async with polling(api, receive):
            await listener.hears(160)

    async def test_two_processes_with_one_token(
        self, api: TelegramApi, listener: Listener, caplog: pytest.LogCaptureFixture
    ) -> None:
        api.fail_next("getUpdates", 409, ONE_INSTANCE)
        async with polling(api, listener):
            await api.person(77).says("một")
            await listener.hears(1)
        assert "Conflict" in next(r for r in caplog.records if r.levelno == logging.ERROR).reason  # type: ignore[attr-defined]

    async def test_a_refused_token(self, api: TelegramApi, listener: Listener) -> None:
        channel = Telegram("999999:another", api.url)
        with pytest.raises(ChannelProblem, match="TELEGRAM_BOT_TOKEN: Telegram does not accept this token") as caught:
            await channel.start(listener)
        await channel.stop()
        assert caught.value.__suppress_context__
        with pytest.raises(ChannelProblem, match="TELEGRAM_BOT_TOKEN"):
            Telegram("not a token\n", api.url)

    async def test_telegram_is_away_when_we_start(self, api: TelegramApi, listener: Listener) -> None:
        api.fail_next("getMe", 502)
        await api.person(77).says("một")
        async with polling(api, listener) as channel:
            assert channel.link("x") is None
            await listener.hears(1)
            assert channel.link("v-18562-001") == "https://t.me/tro_ly_bot?start=v-18562-001"
            assert channel.link("") == "https://t.me/tro_ly_bot"

    async def test_an_unreadable_update_is_passed_over(self, api: TelegramApi, listener: Listener) -> None:
        api.add_update(message={"message_id": 1, "text": "xin chào"})
        await api.person(77).says("một")
        async with polling(api, listener):
            await api.all_heard()
        assert listener.said == ["một"]

    async def test_stops_at_once_but_finishes_what_is_in_hand(self, api: TelegramApi, listener: Listener) -> None:
        channel = Telegram(TOKEN, api.url)
        await channel.start(listener)
        await api.until(lambda: api.is_polled)
        gate = listener.gate(77)
        await api.person(77).says("một")
        await listener.begins(1)
        stopping = asyncio.create_task(channel.stop())
        await asyncio.sleep(0)
        gate.set()
        await asyncio.wait_for(stopping, 2)
        assert listener.said == ["một"]
        assert not api.updates
        assert await channel.send(Outgoing("77", 1, "Vâng ạ"))

    async def test_stops_in_the_middle_of_a_long_poll(self, api: TelegramApi, listener: Listener) -> None:
        async with polling(api, listener) as channel:
            await api.until(lambda: api.is_polled)
            await asyncio.wait_for(channel.stop(), 2)

    async def test_the_menu(self, api: TelegramApi, listener: Listener) -> None:
        words = {"vi": [("trogiup", "Trợ giúp")], "en": [("trogiup", "Help")]}
        async with polling(api, listener, commands=words.__getitem__):
            assert api.commands[""] == [{"command": "trogiup", "description": "Trợ giúp"}]
            assert api.commands["en"] == [{"command": "trogiup", "description": "Help"}]

    async def test_a_refused_menu_stops_nothing(self, api: TelegramApi, listener: Listener) -> None:
        async with polling(api, listener, commands=lambda language: [("Trợ giúp", "x")]):
            await api.person(77).says("một")
            await listener.hears(1)


class TestWebhook:
    async def test_says_where_it_is(self, api: TelegramApi, listener: Listener) -> None:
        async with hooked(api, listener) as channel:
            asked = api.calls_of("setWebhook")[0]
        assert asked == {
            "url": f"{channel.public_url}/telegram/webhook", "secret_token": SECRET, "max_connections": 40,
            "allowed_updates": ["message", "edited_message", "callback_query"],
        }  # fmt: skip
        assert api.webhook
        assert not api.calls_of("getUpdates")

    async def test_answers_only_after_receive(self, api: TelegramApi, listener: Listener) -> None:
        gate = listener.gate(77)
        async with hooked(api, listener):
            number = await api.person(77).says("một")
            await listener.begins(1)
            assert not api.deliveries
            gate.set()
            await api.all_heard()
        assert api.deliveries == [(number, 200)]

    async def test_what_is_in_hand_is_finished_before_it_stops(self, api: TelegramApi, listener: Listener) -> None:
        gate = listener.gate(77)
        async with hooked(api, listener) as channel:
            number = await api.person(77).says("một")
            await listener.begins(1)
            stopping = asyncio.create_task(channel.stop())
            await asyncio.sleep(0.1)
            assert not stopping.done()
            gate.set()
            await asyncio.wait_for(stopping, 1)
            await api.all_heard()
        assert api.deliveries == [(number, 200)]

    async def test_what_does_not_end_holds_nobody_up(self, api: TelegramApi, listener: Listener) -> None:
        """It is not acknowledged, so that the platform delivers it again."""
        listener.gate(77)
        async with hooked(api, listener) as channel:
            await api.person(77).says("một")
            await listener.begins(1)
            await asyncio.wait_for(channel.stop(), FINISH_SECONDS + 1)
        assert not [status for _number, status in api.deliveries if status == 200]
        assert api.updates

    @pytest.mark.parametrize("trouble", [RuntimeError("xin chào"), Receipt(busy=True)], ids=["raises", "busy"])
    async def test_what_was_not_taken_comes_again(self, api: TelegramApi, listener: Listener, trouble: Any) -> None:
        listener.trouble = [trouble]
        async with hooked(api, listener):
            number = await api.person(77).says("một")
            await api.all_heard()
        assert api.deliveries == [(number, 503), (number, 200)]
        assert listener.said == ["một"]

    async def test_who_waits_is_told_once_for_each_message(self, api: TelegramApi, listener: Listener) -> None:
        """However long it takes, and however often the message is brought meanwhile."""
        an = api.person(77)
        async with hooked(api, listener) as channel:
            channel.heard.apologies = Pace(per_minute=1e6, burst=99, clock=time.monotonic)  # an hour goes by
            for words in ("một", "hai"):
                listener.trouble = [DatabaseAway("gone")] * 5
                await an.says(words)
                await api.all_heard()
        assert listener.said == ["một", "hai"]
        assert [message.text for message in an.sees] == [BUSY, BUSY]

    async def test_what_comes_twice_has_the_same_key(self, api: TelegramApi, listener: Listener) -> None:
        api.duplicates = 1
        async with hooked(api, listener):
            await api.person(77).says("một")
            first, second = (await listener.hears(2))[:2]
            await api.all_heard()
        assert first == second

    async def test_a_press_is_heard_while_a_message_waits(self, api: TelegramApi, listener: Listener) -> None:
        an, gate = api.person(77), listener.gate(77)
        async with hooked(api, listener):
            await an.says("một")
            await an.presses_token("account.menu")
            await listener.begins(2)
            gate.set()
            await api.all_heard()
            await api.until(lambda: len(api.answered) == 1)

    async def test_who_may_call_and_what_is_read(self, api: TelegramApi, listener: Listener) -> None:
        async def post(body: Any, secret: str | None = SECRET) -> int:
            headers = {} if secret is None else {HEADER: secret}
            async with client.post(f"{channel.public_url}/telegram/webhook", data=body, headers=headers) as answer:
                return answer.status

        async def endless() -> Any:
            for _ in range(40):
                yield b" " * 50_000

        async with hooked(api, listener) as channel, aiohttp.ClientSession() as client:
            for secret in (None, "", "wrong", SECRET + "x", "xin chào"):
                assert await post(b"{}", secret) == 403, secret
            for body in (b"", b"{", b"\xff", b"[]", b"[" * 100_000):
                assert await post(body) == 200, body[:20]
            assert await post(io.BytesIO(b" " * 10_000_000)) == 413
            assert await post(endless()) == 413
            assert await post(b'{"update_id": 1, "hologram": {}}') == 200
        assert not listener.begun

    async def test_a_secret_that_is_not_even_text(self, api: TelegramApi, listener: Listener) -> None:
        async with hooked(api, listener) as channel:
            reader, writer = await asyncio.open_connection("127.0.0.1", int((channel.public_url or "").rpartition(":")[2]))
            writer.write(
                b"POST /telegram/webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n%s: \xff\r\n\r\n{}" % HEADER.encode()
            )
            assert b" 403 " in await reader.readline()
            writer.close()
            await writer.wait_closed()

    async def test_takes_nothing_after_stop(self, api: TelegramApi, listener: Listener) -> None:
        async with hooked(api, listener) as channel:
            await channel.stop()
            number = await api.person(77).says("một")
            await api.until(lambda: api.deliveries)
        assert api.deliveries[0] == (number, 503)
        assert api.webhook
        assert not listener.begun

    @pytest.mark.parametrize("secret", [None, "", "có dấu", "a b", "x" * 257])
    def test_needs_a_secret(self, secret: str | None) -> None:
        with pytest.raises(ChannelProblem, match="TELEGRAM_WEBHOOK_SECRET"):
            Telegram(TOKEN, public_url="https://bot.example.vn", webhook_secret=secret)

    def test_serves_nothing_without_a_public_address(self, listener: Listener) -> None:
        assert list(Telegram(TOKEN).routes(listener)) == []


@pytest.mark.parametrize("written", ["http://127.0.0.1:80", "https://api.example.vn:443/", "http://LOCALHOST:8081/tg/"])
def test_the_address_of_the_api_in_any_spelling(written: str) -> None:
    """What is cut off before a path is what stands before it, a port that goes without saying or not."""
    channel = Telegram(TOKEN, written)
    url = f"{channel.base_url}/sendMessage"
    assert url.startswith(channel.requests[1].origin)
    assert url[len(channel.requests[1].origin) :] in (f"/bot{TOKEN}/sendMessage", f"/tg/bot{TOKEN}/sendMessage")


def test_an_address_with_a_password() -> None:
    with pytest.raises(ChannelProblem, match="TELEGRAM_API_URL"):
        Telegram(TOKEN, "https://an:secret@example.vn")
