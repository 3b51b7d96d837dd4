"""200 bodies a channel that no platform should send: never a 500, never a trace in the data, never asked for again."""

import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.channels import telegram_updates, zalobot_updates, zalooa_events
from bot.channels.hearing import MALFORMED
from bot.channels.reading import object_of
from storage.database import Database
from storage.tables import metadata
from tests.channels.listening import SECRET
from tests.channels.malformed import malformed
from tests.channels.zalooa_api import signature
from tests.conformance.phones import CHANNELS, Town

FOLDER = Path(__file__).parent.parent / "channels"
UPDATES: list[Any] = [
    {"update_id": 1, "message": {"message_id": 1, "date": 1, "chat": {"id": 7, "type": "private"}, "from": {"id": 7}, "text": "1"}},
    {"update_id": 2, "message": {"message_id": 2, "date": 1, "chat": {"id": 7, "type": "private"}, "from": {"id": 7},
                                 "photo": [{"file_id": "a", "file_size": 5, "width": 9, "height": 9}], "caption": "x"}},
    {"update_id": 3, "callback_query": {"id": "9", "from": {"id": 7}, "data": "account.menu", "chat_instance": "1",
                                        "message": {"message_id": 1, "date": 1, "chat": {"id": 7, "type": "private"}}}},
    {"update_id": 4, "edited_message": {"message_id": 1, "date": 1, "chat": {"id": 7, "type": "private"}, "from": {"id": 7}, "text": "2"}},
]  # fmt: skip
FRAMES: list[Any] = [
    {"type": "say", "text": "xin chào", "id": "f1"}, {"type": "press", "token": "account.menu", "message": 1, "id": "f2"},
    {"type": "open", "text": "v-18685-001", "id": "f3"},
]  # fmt: skip
HOOKS = {
    "telegram": ("/telegram/webhook", telegram_updates.understood, UPDATES),
    "zalobot": ("/zalobot/webhook", zalobot_updates.understood, json.loads((FOLDER / "zalobot" / "events.json").read_text())),
    "zalooa": ("/zalooa/webhook", zalooa_events.understood, json.loads((FOLDER / "zalooa" / "events.json").read_text())),
}


async def counts(database: Database) -> dict[str, int]:
    """How many rows each table has."""
    async with database.transaction() as session:
        found = {}
        for name in metadata.tables:
            rows = await session.connection.fetch(f'SELECT count(*) FROM "{name}"', [])
            found[name] = rows[0][0]
        return found


def is_understood(body: bytes, understood: Any) -> bool:
    """Some are spoiled where it does not matter."""
    try:
        return (update := object_of(body)) is not None and understood(update) is not None
    except MALFORMED:
        return False


def base_of(town: Town) -> str:
    return town.app.settings.public_url


@pytest.mark.parametrize("channel", HOOKS)
async def test_a_webhook(channel: str, sqlite_database: Database, tmp_path: Path) -> None:
    path, understood, recorded = HOOKS[channel]
    async with CHANNELS[channel](sqlite_database, tmp_path) as town, aiohttp.ClientSession() as http:
        before, answers = await counts(sqlite_database), list[int]()
        for body in malformed(recorded, 260):
            if not is_understood(body, understood):
                answers.append(await _post(http, base_of(town) + path, body))
        assert len(answers) >= 200
        assert not [status for status in answers if status >= 500], answers
        assert await counts(sqlite_database) == before


@pytest.mark.parametrize("channel", HOOKS)
async def test_none_is_asked_for_for_ever(channel: str, postgres_database: Database, tmp_path: Path) -> None:
    """What a database cannot hold would come again and again, before everything else."""
    path, _understood, recorded = HOOKS[channel]
    async with CHANNELS[channel](postgres_database, tmp_path) as town, aiohttp.ClientSession() as http:
        for body in malformed(recorded, 1500, seed=11):
            status = await _post(http, base_of(town) + path, body)
            # What cannot be read, nobody can have signed.
            assert status == 200 or (status == 403 and channel == "zalooa"), (status, body[:300])


async def _post(http: aiohttp.ClientSession, url: str, body: bytes) -> int:
    headers = {"Content-Type": "application/json", "X-Telegram-Bot-Api-Secret-Token": SECRET, "X-Bot-Api-Secret-Token": SECRET}
    async with http.post(url, data=body, headers=headers | {"X-ZEvent-Signature": f"mac={signature(body)}"}) as answer:
        return answer.status


async def test_the_page(sqlite_database: Database, tmp_path: Path) -> None:
    async with CHANNELS["webchat"](sqlite_database, tmp_path) as town:
        phone: Any = await town.phone("An")
        await phone.says("xin chào")
        await town.quiet()
        before, sent = await counts(sqlite_database), 0
        for body in malformed(FRAMES, 260):
            text = body.decode("utf-8", "replace")
            if not _is_a_frame(text):
                await phone.page.ws.send_str(text)
                sent += 1
        assert sent >= 200
        await phone.says("/trogiup")
        await town.quiet()
        after = await counts(sqlite_database)
        assert {name: after[name] - before[name] for name in after if after[name] != before[name]} == {"heard": 1, "delivery": 1}


def _is_a_frame(text: str) -> bool:
    try:
        frame = json.loads(text)
        words = frame.get("token" if frame["type"] == "press" else "text")
        return frame["type"] in ("say", "press", "open", "hello") and isinstance(words, str | None)
    except MALFORMED:
        return False
