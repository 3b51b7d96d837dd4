"""kill -9 at twenty points of a talk: no answer is lost, none is asked twice, the next message continues."""

import asyncio
import random
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.forks import Bot, Forks
from tests.web.page import Page

# What is said, and how the bot's last line then begins.
TALK = [
    ("[Bắt đầu]", "Để xét danh hiệu"),
    ("[Đồng ý]", "Nếu được công nhận"),
    ("[Đồng ý]", ".*nhắn nhắc việc"),
    ("[Đồng ý]", "Trợ lý nên gọi"),
    ("[bác]", "Họ và tên"),
    ("Nguyễn Thị Lan", "Bác sinh năm"),
    ("1954", "Nơi ở là thôn Trung Tiến"),
    ("[Đúng]", "Mời bác chọn danh hiệu"),
    ("[Công dân học tập]", "Nhóm nào"),
    ("[Người dân trong xã]", "Câu 1/10"),
    ("[Thường xuyên (8 điểm)]", r"Câu 1\."),
    ("Tôi đọc báo ở nhà văn hóa.", "Đã lưu lời kể"),
    ("[Câu tiếp theo]", "Câu 2/10"),
    ("[Vừa đủ (5 điểm)]", r"Câu 2\."),
    ("[Chưa có, câu tiếp theo]", "Câu 3/10"),
    ("[Thường xuyên (8 điểm)]", r"Câu 3\."),
    ("[Nhờ chi hội xác nhận]", "Câu 4/10"),
    ("[Vừa đủ (5 điểm)]", r"Câu 4\."),
    ("[Chưa có, câu tiếp theo]", "Câu 5/10"),
    ("[Vừa đủ (5 điểm)]", r"Câu 5\."),
]


@pytest.fixture
async def bot(parent: Forks, tmp_path: Path) -> AsyncIterator[Bot]:
    running = Bot(parent, tmp_path, {"TELEGRAM_BOT_TOKEN": "", "PUBLIC_URL": ""})
    running.start()
    await running.ready()
    yield running
    running.kill()


@pytest.mark.parametrize("seed", [0, 1])
async def test_kill_at_any_point(seed: int, bot: Bot) -> None:
    """After every other message the process dies, somewhere between "just sent" and "already answered"."""
    chance, jar = random.Random(seed), aiohttp.CookieJar(unsafe=True)
    for number, (words, then) in enumerate(TALK):
        async with Page(bot.base, jar=jar) as page:
            await page.open(start="v-18685-001" if number == 0 else None)
            await page.sees(f"^{TALK[number - 1][1]}" if number else "^Dạ, kính chào")
            frame = _frame(page, words, f"kill-{number}")
            await page.send(frame)
            if number % 2 == seed:
                await asyncio.sleep(chance.random() * 0.05)
                bot.kill()
                bot.start()
                await bot.ready()
            else:
                await page.sees(f"^{then}")
        async with Page(bot.base, jar=jar) as page:
            # The page opens again, and sends what it had no answer to: the same frame, with the same name.
            await page.open()
            await page.send(frame)
            await page.was_heard(str(frame["id"]))
            await page.sees(f"^{then}")
            asked = [line["text"].split("\n")[0] for line in page.said() if "/10 ·" in line["text"].split("\n")[0]]
            assert len(asked) == len(set(asked)), "a question was asked twice"
    await bot.stop()
    _check(bot.folder)


def _check(folder: Path) -> None:
    stored = sqlite3.connect(folder / "bot.sqlite3")
    answers = stored.execute("SELECT answers FROM assessment").fetchall()
    assert answers == [('{"C01":"b4","C02":"b3","C03":"b4","C04":"b3","C05":"b3"}',)]
    assert stored.execute("SELECT kind FROM evidence ORDER BY id").fetchall() == [("text",), ("asked",)]
    assert stored.execute("SELECT count(*) FROM delivery WHERE fate NOT IN ('sent', 'dropped')").fetchone() == (0,)
    stored.close()


def _frame(page: Page, words: str, frame_id: str) -> dict[str, Any]:
    if not words.startswith("["):
        return {"type": "say", "text": words, "id": frame_id}
    message, token = page.button(words[1:-1])
    return {"type": "press", "token": token, "message": message, "id": frame_id}
