"""What became of what was sent, gathered into one write; what did not arrive goes another way in the same transaction."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import update
from sqlmodel import col

from bot.channels import Channel
from bot.reach import elsewhere
from storage.database import Database
from storage.delivery import Delivery, Fate, Urgency
from storage.person import Address
from storage.session import Session
from storage.turnstile import close

LOST = (Fate.UNREACHABLE, Fate.FAILED)


@dataclass(slots=True)
class Outcome:
    address: str
    urgency: int
    values: dict[str, Any]  # what changes, and at the end the delivery's number


class Outcomes:
    """Kept until they are in the database."""

    def __init__(self, database: Database, now: Callable[[], datetime], channels: Callable[[], Mapping[str, Channel]]) -> None:
        self.database, self.now, self.channels = database, now, channels
        self.waiting: dict[int, Outcome] = {}  # by the delivery's number
        self.closing: dict[str, datetime] = {}  # channels on which nobody may speak unasked for a while
        self.writing = asyncio.Lock()

    def __bool__(self) -> bool:
        return bool(self.waiting)

    def add(self, delivery: Delivery, values: dict[str, Any]) -> None:
        number = delivery.id or 0
        self.waiting[number] = Outcome(delivery.address, delivery.urgency, {**values, "key_id": number})

    def numbers(self) -> list[int]:
        """The deliveries whose outcome is still to be written."""
        return list(self.waiting)

    def addresses(self) -> set[str]:
        return {outcome.address for outcome in self.waiting.values()}

    def fate_of(self, delivery_id: int) -> str | None:
        """What became of a delivery, if that is still to be written."""
        known = self.waiting.get(delivery_id)
        return known.values["fate"] if known else None

    def move(self, ends: Mapping[str, datetime], moved: timedelta) -> None:
        """The clock was set: who was to wait until one of these times waits as long as before."""
        for outcome in self.waiting.values():
            until = outcome.values.get("not_before")
            if until is not None and until == ends.get(outcome.address):
                outcome.values["not_before"] += moved

    async def write(self) -> bool:
        """Whether something new is to be sent. Raises DatabaseAway, and keeps everything."""
        # Who waits for this waits also for what another has begun to write.
        async with self.writing:
            batch, self.waiting = self.waiting, {}
            try:
                more = await self._write([batch[number] for number in sorted(batch)]) if batch else False
            except BaseException:
                self.waiting = batch | self.waiting
                raise
        self.closing = {channel: until for channel, until in self.closing.items() if until > self.now()}
        return more

    async def _write(self, batch: list[Outcome]) -> bool:
        lost = [one for one in batch if one.values["fate"] in LOST]
        async with self.database.transaction() as session:
            for names, rows in _alike(batch).items():
                await session.update_many(Delivery, names, rows)
            for channel, until in self.closing.items():
                await close(session, channel, until)
            for address in {one.address for one in lost if one.values["fate"] == Fate.UNREACHABLE}:
                left = update(Address).where(col(Address.address) == address)
                await session.exec(left.values(unreachable_since=self.now()))
            notices = [one.values["key_id"] for one in lost if one.urgency == Urgency.NOTICE]
            return any([await self._another_way(session, number) for number in notices])

    async def _another_way(self, session: Session, number: int) -> bool:
        failed = await session.get(Delivery, number)
        return failed is not None and bool(await elsewhere(session, self.channels(), self.now(), failed))


def _alike(batch: list[Outcome]) -> dict[tuple[str, ...], list[dict[str, Any]]]:
    """The values of those of which the same columns change, by these columns' names: nearly all were sent."""
    alike: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for outcome in batch:
        *names, _key = outcome.values
        alike.setdefault(tuple(names), []).append(outcome.values)
    return alike
