"""Where a person can be told something that they did not ask for: a channel, or somebody of their village."""

import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from bot import offers
from bot.channels import Can, Channel
from handlers.approval import errands
from locales import Reader
from storage.assessment import Assessment
from storage.assignment import roles_of
from storage.delivery import Delivery, Urgency
from storage.errand import Errand, open_count, waits_for
from storage.person import Address, Person, reachable_at
from storage.session import Session
from storage.statements import new

log = logging.getLogger("bot.reach")
Channels = Mapping[str, Channel]


class Way(NamedTuple):
    """`outside` the channel's window only an approved template arrives."""

    address: str
    outside: bool = False


@dataclass(frozen=True)
class Notice:
    """What is to be said to somebody, and how they read it."""

    delivery: Delivery
    reader: Reader
    can: Can


async def way_to(
    session: Session, channels: Channels, now: datetime, person_id: int, kind: str | None, tried: Collection[Way] = ()
) -> Way | None:
    """Where the person was heard last and can be told this now, else the next such place that was not tried already."""
    ways = _ways(await reachable_at(session, person_id), channels, now, kind)
    return next((way for way in ways if way not in tried), None)


def _ways(addresses: Iterable[Address], channels: Channels, now: datetime, kind: str | None) -> list[Way]:
    """The best first: one that costs nothing and rings, then an approved template, then where it lies ready."""
    known = [(row, channels[name].can) for row in addresses if (name := row.address.partition(":")[0]) in channels]
    near = [Way(row.address) for row, can in known if _open(can, row, now)]
    approved = [Way(row.address, outside=True) for row, can in known if kind in can.templates]
    ready = [Way(row.address) for row, can in known if not can.pushes]
    return near + approved + ready


def _open(can: Can, row: Address, now: datetime) -> bool:
    return can.window is None or now - row.last_heard_at < can.window


async def elsewhere(session: Session, channels: Channels, now: datetime, failed: Delivery) -> list[Delivery]:
    """Takes a notice that did not arrive another way: a channel of that person, or word of mouth; gives what is to be sent."""
    person = await session.get(Person, failed.person_id)
    if person is None or failed.edits is not None or failed.text is None:
        return []
    way = await way_to(session, channels, now, failed.person_id, failed.kind, await _tried(session, failed))
    log.info("not arrived", extra={"action": "other_way", "delivery": failed.id, "found": way is not None})
    if way is None:
        return await add(session, await by_mouth(session, channels, now, person, failed.text, failed.kind, failed.about))
    notice = _notice(channels, person, way, now, failed.text, failed.buttons, kind=failed.kind, instead=failed.id)
    notice.delivery.about, notice.delivery.round, notice.delivery.listed = failed.about, failed.round, failed.listed
    notice.delivery.attachment = failed.attachment if notice.can.files else None
    return await add(session, [notice])


async def add(session: Session, notices: Iterable[Notice]) -> list[Delivery]:
    """Puts the notices into the outbox, behind what their readers are offered already."""
    for notice in notices:
        await offers.place_beside(session, notice.delivery, notice.can, notice.reader)
        session.add(notice.delivery)
    return [notice.delivery for notice in notices]


async def _tried(session: Session, failed: Delivery) -> list[Way]:
    """The ways that this notice went before."""
    ways, one = [Way(failed.address, failed.outside)], failed
    while one.instead is not None and (before := await session.get(Delivery, one.instead)):
        one = before
        ways.append(Way(one.address, one.outside))
    return ways


async def by_mouth(
    session: Session, channels: Channels, now: datetime, person: Person, text: str, kind: str | None, about: int | None
) -> list[Notice]:
    """Puts it on the list of what is told by word of mouth; gives the notices to those who tell, where the list was empty."""
    if kind == "prompt":
        text = errands.WAITING.render(Reader(person.language, person.you))
    if await waits_for(session, person.id or 0, text):
        return []
    paper = await session.get(Assessment, about) if about else None
    offices = await roles_of(session, person.id or 0) if person.place_id is None else []
    place_id = person.place_id or (paper.place_id if paper else None) or next((row.place_id for row in offices), None)
    log.warning("to be told by word of mouth", extra={"action": "by_mouth", "person": person.id, "place": place_id})
    if place_id is None:
        return []  # whoever gave no village is known to nobody
    known = await open_count(session, [place_id])
    session.add(Errand(person_id=person.id or 0, place_id=place_id, text=text, created_at=now))
    return [] if known else await _tellers(session, channels, now, person, place_id)


async def _tellers(session: Session, channels: Channels, now: datetime, person: Person, place_id: int) -> list[Notice]:
    """A word to the nearest officers who can be reached: the village's, else the commune's, else the province's."""
    for officers in await errands.tellers(session, place_id):
        notices = []
        for officer in officers:
            way = await way_to(session, channels, now, officer.id or 0, "notice") if officer.id != person.id else None
            if way:
                reader = Reader(officer.language, officer.you)
                buttons = [[[errands.SHOW.label.render(reader), errands.SHOW.token]]]
                notices.append(_notice(channels, officer, way, now, errands.COME.render(reader), buttons, kind="notice"))
        if notices:
            return notices
    return []


def _notice(
    channels: Channels, person: Person, way: Way, now: datetime, text: str, buttons: list[Any], **more: Any
) -> Notice:
    name = way.address.partition(":")[0]
    delivery = new(
        Delivery, address=way.address, channel=name, outside=way.outside, person_id=person.id, urgency=Urgency.NOTICE,
        text=text, buttons=buttons, not_before=now, created_at=now, **more,
    )  # fmt: skip
    return Notice(delivery, Reader(person.language, person.you), channels[name].can)
