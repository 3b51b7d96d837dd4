"""The web chat's door and its promises, over real HTTP and WebSockets."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from sqlalchemy import text

from bot.app import App, build
from bot.channels import FINISH_SECONDS
from bot.settings import Settings
from bot.web.seats import network_address
from storage.database import Database
from tests.talks import photo
from tests.test_bad_input import digest
from tests.web.page import Page


@pytest.fixture
async def served(sqlite_database: Database, tmp_path: Path, unused_tcp_port: int) -> AsyncIterator[tuple[App, str]]:
    settings = Settings(data_dir=tmp_path, secret_key="s" * 40, http_port=unused_tcp_port, _env_file=None)  # type: ignore[call-arg]
    app = build(settings, sqlite_database)
    async with app.running():
        yield app, f"http://localhost:{unused_tcp_port}"


async def test_health(served: tuple[App, str]) -> None:
    async with aiohttp.ClientSession() as http:
        for path in ("/healthz", "/readyz"):
            async with http.get(served[1] + path) as answer:
                assert (answer.status, await answer.json()) == (200, {"ok": True})


async def test_ready_only_with_this_programs_tables(served: tuple[App, str]) -> None:
    app, base = served
    async with app.database.transaction() as session:
        await session.exec(text("UPDATE alembic_version SET version_num = 'of-tomorrow'"))
    async with aiohttp.ClientSession() as http, http.get(base + "/readyz") as answer:
        assert (answer.status, await answer.json()) == (503, {"ok": False, "reason": "migrations"})


async def test_figures(served: tuple[App, str]) -> None:
    async with Page(served[1]) as page, aiohttp.ClientSession() as http:
        await page.open()
        await page.sees("kính chào")
        await served[0].sender.drain()
        async with http.get(served[1] + "/metrics") as answer:
            figures = await answer.text()
    assert 'bot_turns_total{channel="webchat",outcome="done"} 1.0' in figures
    assert 'bot_sends_total{channel="webchat",fate="sent"} 1.0' in figures
    assert 'bot_turn_seconds_count{channel="webchat"} 1.0' in figures
    assert "bot_outbox_queued 0.0" in figures


async def test_pages_that_are_gone_without_a_word_do_not_hold_up_the_end(served: tuple[App, str]) -> None:
    async with Page(served[1]) as one, Page(served[1], seat="2") as other:
        for page in (one, other):
            await page.open()
            await page.sees("kính chào")
            assert page.reader
            page.reader.cancel()  # whoever does not read does not say goodbye
        await asyncio.wait_for(served[0].channels["webchat"].stop(), FINISH_SECONDS + 1)


async def test_what_was_said_while_the_page_was_closed_is_there(served: tuple[App, str]) -> None:
    jar = aiohttp.CookieJar(unsafe=True)
    async with Page(served[1], jar=jar) as page:
        await page.open()
        await page.sees("kính chào")
        await page.presses("Bắt đầu")
    async with Page(served[1], jar=jar) as page:
        await page.open()
        await page.sees("Để xét danh hiệu")
        assert [line["text"] for line in page.lines.values() if line["from"] == "me"] == ["/start", "Bắt đầu"]


async def test_two_tabs_of_one_seat_show_the_same(served: tuple[App, str]) -> None:
    jar = aiohttp.CookieJar(unsafe=True)
    async with Page(served[1], jar=jar) as one, Page(served[1], jar=jar) as two:
        await one.open()
        await one.sees("kính chào")
        await two.open()
        await one.presses("Bắt đầu")
        await two.sees("Để xét danh hiệu")


async def test_seats_are_different_people(served: tuple[App, str]) -> None:
    jar = aiohttp.CookieJar(unsafe=True)
    async with Page(served[1], "1", jar) as one, Page(served[1], "2", jar) as two:
        await one.open()
        await two.open()
        await one.sees("kính chào")
        await one.presses("Bắt đầu")
        await one.sees("Để xét danh hiệu")
        await two.sees("kính chào")


async def test_the_same_frame_twice_counts_once(served: tuple[App, str], sqlite_database: Database) -> None:
    async with Page(served[1]) as page:
        await page.open()
        await page.sees("kính chào")
        message, token = page.button("Bắt đầu")
        frame = {"type": "press", "token": token, "message": message, "id": "same"}
        for _time in range(5):
            await page.send(frame)
        await page.was_heard("same")
        await page.sees("Để xét danh hiệu")
        await asyncio.sleep(0.2)
        assert sum("Để xét danh hiệu" in line["text"] for line in page.said()) == 1


@pytest.mark.parametrize(
    "data",
    ["", "null", "[]", "{", '"x"', "{}", '{"type": "say"}', '{"type": "say", "id": "a", "text": 7}', '{"type": "hello", "after": "x"}',
     '{"type": "press", "id": "b", "token": "account.menu", "message": "x"}', '{"type": "say", "id": "' + "x" * 41 + '", "text": "a"}',
     '{"type": "press", "id": "c", "token": "' + "x" * 65 + '", "message": 1}', '{"type": "other", "id": "d"}',
     '{"type": "say", "id": "\\u0000", "text": "a"}', '{"type": "hello", "after": 1180591620717411303424}'],
)  # fmt: skip
async def test_odd_frames_are_refused(data: str, served: tuple[App, str], sqlite_database: Database) -> None:
    async with Page(served[1]) as page:
        await page.open()
        await page.sees("kính chào")
        before = await digest(sqlite_database)
        assert page.ws
        await page.ws.send_str(data)
        async with asyncio.timeout(5), page.news:
            await page.news.wait_for(lambda: page.errors)
        assert await digest(sqlite_database) == before
        await page.presses("Bắt đầu")
        await page.sees("Để xét danh hiệu")


async def test_the_door_is_closed_to_forged_cookies_and_other_sites(
    served: tuple[App, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    _app, base = served
    chat = "0" * 32
    async with aiohttp.ClientSession(cookies={"chat_1": f"{chat}.{'0' * 32}"}) as http:
        async with http.get(f"{base}/ws/1", headers={"Upgrade": "websocket", "Connection": "Upgrade"}) as answer:
            assert answer.status == 403
        async with http.post(f"{base}/upload/1?id=x", data=b"x") as answer:
            assert answer.status == 403
    async with Page(base) as page:
        await page.open()
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await page.http.ws_connect(f"{base}/ws/1", origin="http://elsewhere.example")
        assert refused.value.status == 403
    assert chat not in caplog.text


async def test_a_frame_of_ten_megabytes(served: tuple[App, str]) -> None:
    """The connection is closed; the next one is welcome."""
    jar = aiohttp.CookieJar(unsafe=True)
    async with Page(served[1], jar=jar) as page:
        await page.open()
        await page.sees("kính chào")
        assert page.ws
        with contextlib.suppress(ConnectionError):
            await page.ws.send_str("x" * 10_000_000)
        async with asyncio.timeout(5):
            await asyncio.gather(page.reader)  # type: ignore[arg-type]
    async with Page(served[1], jar=jar) as page:
        await page.open()
        await page.sees("kính chào")


async def test_files_are_shown_to_whom_they_were_given(served: tuple[App, str], tmp_path: Path) -> None:
    app, base = served
    kept = await app.files.keep(photo("x.jpg"))
    mark = app.channels["webchat"].seats.mark(f"file.{kept.sha256}")  # type: ignore[attr-defined]
    async with aiohttp.ClientSession() as http:
        async with http.get(f"{base}/files/{kept.sha256}.{mark}") as answer:
            assert answer.status == 200
            assert b"Exif" not in await answer.read()
        for name in (f"{kept.sha256}.{'0' * 32}", f"{kept.sha256}.", "..%2f..%2fsecret_key.x", f"{'0' * 64}.{mark}"):
            async with http.get(f"{base}/files/{name}") as answer:
                assert answer.status == 404


async def test_uploads_that_cannot_be(served: tuple[App, str], sqlite_database: Database) -> None:
    async with Page(served[1]) as page:
        await page.open()
        await page.sees("kính chào")
        before = await digest(sqlite_database)
        status, body = await page.uploads(b"x" * (20 * 1024 * 1024 + 1), "to.jpg")
        assert (status, body["error"][:20]) == (413, "Tệp lớn quá 20 MB, ô")
        assert (await page.uploads(b"", "rong.jpg"))[0] == 400
        # Nobody asked for a photo: said so, and not kept.
        assert (await page.uploads(photo("x.jpg"), "x.jpg"))[0] == 200
        await page.sees("kính chào")
        assert await digest(sqlite_database) == before
        assert not list((served[0].files.folder).rglob("*.jpg"))
        for query, body in (("x" * 50, b""), ("", b"x"), ("ok", b"no multipart at all")):
            async with page.http.post(f"{served[1]}/upload/1?id={query}", data=body) as answer:
                assert answer.status == 400


async def test_a_thousand_new_chats_from_one_address_are_slowed(served: tuple[App, str]) -> None:
    """Everybody in a full culture house is let in; whoever comes too soon after them need not do anything."""
    refused = []
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        for number in range(1000):
            async with http.get(served[1]) as answer:
                if answer.status == 429:
                    refused.append(await answer.text())
                    assert number >= 600
                else:
                    assert answer.status == 200
        assert len(refused) > 300
        assert "trang sẽ tự mở lại" in refused[0] and '<meta http-equiv="refresh"' in refused[0]
        # Somebody behind the proxy with another address is let in.
        async with http.get(served[1], headers={"X-Forwarded-For": "203.0.113.9"}) as answer:
            assert answer.status == 200


@pytest.mark.parametrize(
    ("remote", "says", "address"),
    [
        ("127.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("172.18.0.1", "198.51.100.7, 203.0.113.9", "203.0.113.9"),
        ("10.0.0.4", "", "10.0.0.4"),
        ("8.8.8.8", "203.0.113.9", "8.8.8.8"),
    ],
    ids=["the same machine", "a container's network", "no proxy", "anybody"],
)
def test_only_a_proxy_of_ours_may_say_who_calls(remote: str, says: str, address: str) -> None:
    request = make_mocked_request("GET", "/", headers={"X-Forwarded-For": says}).clone(remote=remote)
    assert network_address(request) == address


async def test_a_taken_port_is_one_clear_line(sqlite_database: Database, tmp_path: Path, unused_tcp_port: int) -> None:
    from bot.settings import SettingProblem
    from bot.web.server import serve

    runner = web.AppRunner(web.Application())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", unused_tcp_port).start()
    settings = Settings(data_dir=tmp_path, http_port=unused_tcp_port, _env_file=None)  # type: ignore[call-arg]
    with pytest.raises(SettingProblem, match=f"^HTTP_PORT: cannot listen on 127.0.0.1:{unused_tcp_port}"):
        async with serve(settings, sqlite_database, {}, None):  # type: ignore[arg-type]
            pass
    await runner.cleanup()
