"""What is said of a message that takes long, or must come again."""

import asyncio
import logging
from collections.abc import Callable

import pytest

from bot.channels import Receipt, hearing
from bot.channels.hearing import Hearing
from handlers.incoming import Incoming, Meaning, Said, Sent
from storage.session import DatabaseAway

log = logging.getLogger("test.hearing")


class Told:
    """A channel's ears; who was told that their message waits."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.one = asyncio.Event()
        self.hearing = Hearing(lambda update: None, None, self.apologise, log)

    async def apologise(self, incoming: Incoming) -> None:
        self.keys.append(incoming.key)
        self.one.set()

    async def hears(self, key: str, becomes: Callable[[], Receipt], meaning: Meaning | None = None, after: float = 0) -> bool:
        async def receive(incoming: Incoming) -> Receipt:
            await asyncio.sleep(after)
            return becomes()

        taken = await self.hearing.hear(receive, Incoming(key, f"talk:{key}", meaning or Said("xin chào")))
        await self.hearing.finish(1)
        return taken


def away() -> Receipt:
    raise DatabaseAway("gone")


async def test_a_full_lane_says_nothing_of_the_database(caplog: pytest.LogCaptureFixture) -> None:
    """While the database is away some are turned back before anybody asks it: the same line and words would come again."""
    told = Told()
    for _round in range(3):
        assert not await told.hears("an", away)
        assert not await told.hears("an", lambda: Receipt(busy=True))
    told.hearing.apologies.buckets.clear()  # a minute is over
    assert not await told.hears("an", away)
    assert (told.keys, [record.message for record in caplog.records]) == (["an"], ["messages must wait"])
    assert await told.hears("an", Receipt)
    assert not await told.hears("an", away)
    assert len(caplog.records) == 2


async def test_a_photo_on_its_way_is_promised_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may turn out that it cannot be fetched: "not lost" would not be true."""
    monkeypatch.setattr(hearing, "PATIENCE", 0.05)
    told = Told()
    assert await told.hears("photo", Receipt, Sent("photo", "1", None, 10, None), after=0.2)
    assert await told.hears("words", Receipt, after=0.2)
    assert told.keys == ["words"]


async def test_each_that_takes_long_is_told_in_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also who came while others were waited for already, and who came when nobody was any more."""
    monkeypatch.setattr(hearing, "PATIENCE", 0.1)
    told = Told()

    async def say(key: str, at: float, takes: float) -> None:
        await asyncio.sleep(at)
        assert await told.hears(key, Receipt, after=takes)

    saying = asyncio.gather(
        say("first", 0, 0.5), say("quick", 0, 0.01), say("second", 0.05, 0.5), say("none", 0.2, 0.01), say("third", 0.25, 0.3)
    )
    await told.one.wait()
    assert told.keys == ["first"]
    await saying
    assert told.keys == ["first", "second", "third"]
    await say("late", 0, 0.2)
    assert told.keys[3:] == ["late"]
