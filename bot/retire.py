"""A channel is gone for good: whoever was half-way goes on elsewhere at the same question, or is told by word of mouth."""

import logging
from collections import Counter
from typing import Any

from sqlmodel import col, select

from bot import reach
from bot.app import App
from handlers.approval.errands import gone
from handlers.assessment.rules import OPEN
from handlers.incoming import Incoming, Resumed
from locales import Reader
from storage.assessment import Assessment
from storage.assignment import roles_of
from storage.delivery import Delivery, Fate, Urgency
from storage.person import Address, Person
from storage.session import Session

log = logging.getLogger("bot.retire")
AT_ONCE = 100


async def retire(app: App, name: str) -> Counter[str]:
    """Leaves the channel; gives how many people are `continued`, `told` by word of mouth, of `unknown` village, or `idle`.

    Can be run again after it was cut off. Raises DatabaseAway.
    """
    done: Counter[str] = Counter()
    last = ""
    while batch := await _addresses(app, name, last):
        for address in batch:
            done[await _leave(app, name, address)] += 1
        last = batch[-1].address
    while moved := await _take_back(app, name):
        done["redirected"] += moved
    log.warning("channel left", extra={"action": "channel_left", "channel": name} | done)
    return done


async def _addresses(app: App, name: str, after: str) -> list[Address]:
    there = (col(Address.address).startswith(f"{name}:"), col(Address.unreachable_since).is_(None), Address.address > after)
    async with app.database.transaction() as session:
        rows = await session.exec(select(Address).where(*there).order_by(col(Address.address)).limit(AT_ONCE))
        return list(rows.all())


async def _leave(app: App, name: str, address: Address) -> str:
    others, now = {other: channel for other, channel in app.channels.items() if other != name}, app.intake.now()
    async with app.database.transaction() as session:
        under_way = await _is_under_way(session, address.person_id)
        way = await reach.way_to(session, others, now, address.person_id, None) if under_way else None
    if way is not None:
        # Heard once, however often this is run.
        key = f"{name}:left:{now:%Y-%m-%d}:{address.person_id}"
        await app.intake.receive(Incoming(key, way.address, Resumed()))
    async with app.database.transaction() as session:
        row, person = await session.get(Address, address.address, lock=True), await session.get(Person, address.person_id)
        assert row is not None and person is not None
        row.unreachable_since = now
        if way is not None or not under_way:
            return "continued" if way else "idle"
        label = app.channels[name].can.label if name in app.channels else name
        text = gone(label).render(Reader(person.language, person.you))
        await reach.add(session, await reach.by_mouth(session, others, now, person, text, None, None))
        return "told" if person.place_id or await roles_of(session, address.person_id) else "unknown"


async def _is_under_way(session: Session, person_id: int) -> bool:
    """Whether the person has something open with us: a paper that waits for them, or an office."""
    mine = (Assessment.filed_by == person_id, col(Assessment.status).in_(OPEN))
    if (await session.exec(select(Assessment.id).where(*mine).limit(1))).first() is not None:
        return True
    return bool(await roles_of(session, person_id))


async def _take_back(app: App, name: str) -> int:
    """Notices that still wait for the channel go another way; gives how many."""
    waits: Any = (Delivery.channel == name, Delivery.fate == Fate.QUEUED, Delivery.urgency > Urgency.REPLY)
    others = {other: channel for other, channel in app.channels.items() if other != name}
    async with app.database.transaction() as session:
        rows = (await session.exec(select(Delivery).where(*waits).order_by(col(Delivery.id)).limit(AT_ONCE))).all()
        for row in rows:
            row.fate = Fate.UNREACHABLE
            await reach.elsewhere(session, others, app.intake.now(), row)
        return len(rows)
