"""What a turn says becomes deliveries: in each reader's words, to where each is heard."""

import logging
from datetime import datetime, timedelta
from typing import Any

from handlers.turn import Say, Turn
from locales import Reader
from storage.delivery import Delivery, Fate, Urgency
from storage.person import Person, last_address
from storage.session import Session
from storage.statements import new

log = logging.getLogger("bot.outbox")
LEASE = timedelta(seconds=6)


async def write(turn: Turn) -> list[Delivery]:
    """Adds the turn's deliveries to its transaction, and remembers what was offered.

    Where nothing that was said before waits, the replies are claimed for this process; notices to others wait for the
    pace of their channel.
    """
    written = []
    for say in _joined(turn):
        if delivery := await _delivery(turn, say):
            turn.session.add(delivery)
            written.append((say, delivery))
    await turn.session.flush_new()
    for say, delivery in written:
        if say.person_id == turn.me and say.edits is None:
            _remember(turn, say, delivery)
    return [delivery for _say, delivery in written]


def _joined(turn: Turn) -> list[Say]:
    """What became of the question whose button was pressed travels with what is said next to the same person."""
    line = next((say for say in turn.out if say.settles and say.edits == turn.pressed), None)
    following = next((say for say in turn.out if say.person_id == turn.me and say.edits is None), None)
    if line is None or following is None:
        return turn.out
    following.settled = line.text
    return [following if say is line else say for say in turn.out if say is not following]


def _in_place(turn: Turn, say: Say) -> bool:
    """Whether the message that was pressed may become this one: nothing was said below it, and nothing else is."""
    alone = all(other is say or other.person_id != turn.me or other.edits for other in turn.out)
    return say.settled is not None and say.question and alone and turn.pressed == turn.newest


def _at_once(now: datetime) -> dict[str, Any]:
    return {"fate": Fate.CLAIMED, "claimed_until": now + LEASE}


def _in_turn(own: bool) -> dict[str, Any]:
    return {"urgency": Urgency.REPLY if own else Urgency.NOTICE}


async def _delivery(turn: Turn, say: Say) -> Delivery | None:
    own = say.person_id == turn.me
    reader = turn.person if own else await turn.session.get(Person, say.person_id)
    address = await _address(turn, say)
    if reader is None or address is None:
        log.warning("nobody to tell", extra={"action": "outbox_no_address", "person": say.person_id})
        return None
    return new(
        Delivery, address=address, channel=address.partition(":")[0], person_id=say.person_id,
        edits=say.edits, about=say.about, round=say.round,
        not_before=turn.now, created_at=turn.now, **(_at_once(turn.now) if own and turn.at_once else _in_turn(own)),
        settles=turn.pressed if say.settled else None, in_place=_in_place(turn, say), **_body(say, reader),
    )  # fmt: skip


async def _address(turn: Turn, say: Say) -> str | None:
    if say.edits is not None and say.edits != turn.pressed:
        original = await turn.session.get(Delivery, say.edits)
        return original.address if original else None
    if say.person_id == turn.me:
        return turn.address.address
    row = await last_address(turn.session, say.person_id)
    return row.address if row else None


def _body(say: Say, person: Person) -> dict[str, Any]:
    reader = Reader(person.language, person.you)
    attached = say.attachment
    return {
        "text": say.text.render(reader) if say.text else None,
        "settled": say.settled.render(reader) if say.settled else None,
        "buttons": [[[button.label.render(reader), button.token] for button in row] for row in say.rows],
        "attachment": {"sha256": attached.sha256, "media_type": attached.media_type, "name": attached.name} if attached else None,
    }


def _remember(turn: Turn, say: Say, delivery: Delivery) -> None:
    offered = [button for row in delivery.buttons for button in row]
    if say.question:
        turn.conversation.asked, turn.conversation.offered = delivery.id, offered
    elif offered:
        # What is said beside a question adds its buttons; the question's own keep their numbers.
        turn.conversation.offered = turn.conversation.offered + offered


async def to_person(session: Session, address: str, person: Person, text: str, now: datetime) -> Delivery:
    """A plain sentence outside any turn's talk."""
    delivery = Delivery(
        address=address, channel=address.partition(":")[0], person_id=person.id or 0, text=text, not_before=now,
        created_at=now, **_at_once(now),
    )  # fmt: skip
    session.add(delivery)
    await session.flush()
    return delivery
