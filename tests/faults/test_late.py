"""Updates that come out of order, twice, a day late: nothing changes that should not, and the person is told."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sqlmodel import select

from bot.app import App
from bot.clock import HEARD_FOR
from storage.assessment import Assessment
from storage.database import Database
from storage.evidence import Evidence
from storage.heard import forget_heard
from tests.channels.telegram_api import TOKEN
from tests.channels.telegram_people import Message, Person
from tests.channels.test_telegram_talk import telegram_bot
from tests.faults.crowd import Citizen, reads
from tests.faults.platform import BadDay


@asynccontextmanager
async def at_the_first_question(database: Database, folder: Path) -> AsyncIterator[tuple[BadDay, App, Person, Message]]:
    """An sees the first question, and what An does from here on waits to be delivered by hand."""
    async with BadDay.open(TOKEN) as api, telegram_bot(api, database, folder, webhook=True) as app:
        assert isinstance(api, BadDay)
        an = api.person(1000, "An")
        shown = await Citizen(an, random.Random(1)).begins()
        await api.all_heard()
        await app.sender.drain()
        api.holds_back = True
        yield api, app, an, shown


async def test_out_of_order(sqlite_database: Database, tmp_path: Path) -> None:
    async with at_the_first_question(sqlite_database, tmp_path) as (api, app, an, shown):
        first = await an.presses("Vừa đủ (5 điểm)", shown)
        second = await an.presses("Thường xuyên (8 điểm)", shown)
        third = await an.says("Tôi đọc báo mỗi sáng.")
        before = len(an.sees)
        assert await api.delivers([third, second, first]) == [200, 200, 200]
        await app.sender.drain()
        # The words come before the question that they belong to: An is told, and sees the question again.
        assert [message.text[:12] for message in an.sees[before:]] == [
            "Trợ lý chưa ",
            "Câu 1/10 · c",
            "Câu 1. Đọc v",
            "Câu 1 đã ghi",
        ]
        assert await _remembered(sqlite_database) == ({"C01": "b4"}, 0)


async def test_a_day_late(sqlite_database: Database, tmp_path: Path) -> None:
    async with at_the_first_question(sqlite_database, tmp_path) as (api, app, an, shown):
        answered = await an.presses("Thường xuyên (8 điểm)", shown)
        await api.delivers([answered])
        await app.sender.drain()
        onwards = await an.presses("Chưa có, câu tiếp theo")
        other = await an.presses_token(_token(shown, "C01", "b3"), shown)
        seen = len(an.sees)

        app.player.set_clock("2026-11-21 08:30")  # type: ignore[attr-defined]
        async with sqlite_database.transaction() as session:
            await forget_heard(session, app.intake.now() - HEARD_FOR)
        # What was heard yesterday is heard no second time; what was never heard counts today.
        assert await api.delivers([answered, onwards, answered]) == [200, 200, 200]
        await app.sender.drain()
        assert reads(an.sees[-1], "Câu 2/10") and len(an.sees) == seen
        # Yesterday's button of a question that is answered: it asks, and changes nothing.
        assert await api.delivers([other, other, onwards]) == [200, 200, 200]
        await app.sender.drain()
        assert [message.text[:11] for message in an.sees[seen:]] == ["Câu 1 đã gh"]
        assert await _remembered(sqlite_database) == ({"C01": "b4"}, 0)


def _token(shown: Message, question: str, choice: str) -> str:
    """The button as it was before the message was settled."""
    return f"assess.answer:1:{question}:{choice}"


async def _remembered(database: Database) -> tuple[dict[str, str], int]:
    async with database.transaction() as session:
        (paper,) = (await session.exec(select(Assessment))).all()
        return paper.answers, len((await session.exec(select(Evidence))).all())
