"""The disk is full while people write: they are told to wait, nothing is acknowledged, and when there is room all goes on.

A limit on the size of files is a full disk that needs no root: what would grow a file fails.
"""

import asyncio
import io
import random
import resource
from pathlib import Path

from PIL import Image
from sqlmodel import select

from bot.channels import BUSY
from storage.database import Database
from storage.evidence import Evidence
from storage.heard import Mishap
from tests.faults.crowd import Citizen
from tests.faults.platform import BadDay
from tests.faults.town import copied, town
from tests.forks import Bot, Forks

FULL, ROOMY = (4096, resource.RLIM_INFINITY), (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


async def test_no_room_for_the_database(parent: Forks, sqlite_template: Path, tmp_path: Path) -> None:
    database = copied(sqlite_template, tmp_path)
    async with town(parent, database, tmp_path, seed=5) as there:
        (bot,) = there.bots
        await there.api.until(lambda: len(there.api.deliveries) > 100, seconds=30)
        for _time in range(3):
            resource.prlimit(bot.pid, resource.RLIMIT_FSIZE, FULL)
            await asyncio.sleep(0.1)
            before = len(there.api.deliveries)
            await there.api.until(lambda before=before: len(there.api.deliveries) > before + 20, seconds=30)
            assert {status for _number, status in there.api.deliveries[before:]} == {503}
            resource.prlimit(bot.pid, resource.RLIMIT_FSIZE, ROOMY)
            after = len(there.api.deliveries)
            await there.api.until(lambda after=after: _taken(there.api, after) > 50, seconds=30)
        assert _told_to_wait(there.api)
        books = await there.finishes()
        books.check(there.api, there.crowd)
        assert not books.in_flight
    await database.close()


async def test_no_room_for_a_photo(parent: Forks, postgres_database: Database, tmp_path: Path) -> None:
    """The database has room and the folder of the evidence has not: the photo waits at the platform."""
    async with town(parent, postgres_database, tmp_path, seed=6, at_once=0) as there:
        (bot,) = there.bots
        an = Citizen(there.api.person(1000, "An"), random.Random(1))
        shown = await an.does("[Thường xuyên (8 điểm)]", await an.begins(), r"Câu 1\. ")
        resource.prlimit(bot.pid, resource.RLIMIT_FSIZE, FULL)
        await an.person.sends_photo(_large_photo())
        await there.api.until(lambda: _told_to_wait(there.api))
        await there.api.until(lambda: [status for _number, status in there.api.deliveries[-3:]] == [503] * 3)
        assert not _files(bot), "what could not be written whole takes no room"
        resource.prlimit(bot.pid, resource.RLIMIT_FSIZE, ROOMY)
        await an.sees("Đã lưu ảnh cho câu 1", after=shown)
        await there.api.all_heard()
        assert len(_files(bot)) == 2, "the original and its preview"
        async with postgres_database.transaction() as session:
            assert [piece.kind for piece in (await session.exec(select(Evidence))).all()] == ["photo"]
            assert not (await session.exec(select(Mishap))).all()


def _taken(api: BadDay, since: int) -> int:
    return sum(status == 200 for _number, status in api.deliveries[since:])


def _told_to_wait(api: BadDay) -> bool:
    return any(call.values.get("text") == BUSY for call in api.calls)


def _files(bot: Bot) -> list[Path]:
    return [path for path in (bot.folder / "evidence").rglob("*") if path.is_file()]


def _large_photo() -> bytes:
    out = io.BytesIO()
    Image.frombytes("RGB", (200, 200), random.Random(1).randbytes(200 * 200 * 3)).save(out, "JPEG")
    return out.getvalue()
