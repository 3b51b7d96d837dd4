"""What a turn says becomes deliveries: in each reader's words, to where each is heard."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bot import offers, reach
from bot.channels import Can, Channel
from bot.reach import Way
from handlers.turn import Say, Turn
from locales import Reader, Words, _, join
from storage.delivery import Delivery, Fate, Urgency
from storage.heard import Heard
from storage.offers import flat, offers_of
from storage.person import Address, Person
from storage.session import Session
from storage.statements import new

LEASE = timedelta(seconds=6)
NO_FILES = _("(Ở đây không xem được ảnh và tệp. {You} mở trợ lý trên trang web hoặc trên máy khác để xem ạ.)")
Channels = Mapping[str, Channel]


@dataclass(slots=True, eq=False)
class _Written:
    say: Say
    delivery: Delivery
    reader: Reader
    can: Can | None  # of the channel; None where it does not run


async def write(turn: Turn, channels: Channels) -> list[Delivery]:
    """Adds the turn's deliveries to its transaction, and remembers what was offered.

    Where nothing that was said before waits, the replies are claimed for this process; notices to others wait for the
    pace of their channel. Who can be reached nowhere is told by word of mouth.
    """
    written: list[_Written] = []
    for say in _joined(turn):
        if _is_here(turn, say):
            written.append(_written(turn, say, turn.person, Way(turn.address.address), channels))
        else:
            written += await _elsewhere(turn, say, channels)
    _mark(turn, written)
    here = turn.address.address
    mine = [one for one in written if one.say.edits is None and one.delivery.address == here]
    question = next((one for one in reversed(mine) if one.say.question), None)
    await _offer(turn, mine, question)
    # Before any of them is written: numbers that are kept and numbers that the database counts do not mix.
    await turn.session.number(one.delivery for one in written)
    for one in written:
        if one not in mine and one.can:
            await offers.place_beside(turn.session, one.delivery, one.can, one.reader)
        turn.session.add(one.delivery)
    if question:
        turn.conversation.asked, turn.conversation.asked_at = question.delivery.id, question.delivery.address
    return [one.delivery for one in written]


def _mark(turn: Turn, written: list[_Written]) -> None:
    """That the message was heard stands on the first answer to it: a row less for most turns."""
    first = written[0].delivery if written else None
    if first is not None and first.address == turn.address.address:
        first.id, first.answers = turn.number, turn.incoming.key if turn.unmarked else None
    elif turn.unmarked:
        turn.session.add(new(Heard, key=turn.incoming.key, address=turn.address.address, at=turn.now, line=None))


def _joined(turn: Turn) -> list[Say]:
    """What became of the question that was answered travels with what is said next to the same person."""
    line = next((say for say in turn.out if say.settles and (say.edits == turn.pressed or _was_here(turn))), None)
    if line is None:
        return turn.out
    me = turn.me
    following = next((say for say in turn.out if say.person_id == me and say.edits is None), None)
    if following is None:
        return turn.out
    following.settled, following.settles_at = line.text, line.edits
    return [following if say is line else say for say in turn.out if say is not following]


def _was_here(turn: Turn) -> bool:
    """Whether the open question was asked at this address."""
    return turn.conversation.asked_at == turn.address.address


def _in_place(turn: Turn, say: Say) -> bool:
    """Whether the message that was pressed may become this one: nothing was said below it, and nothing else is."""
    if say.settled is None or not say.question or turn.pressed is None:
        return False
    if not say.settles_at == turn.pressed == turn.newest:
        return False
    me = turn.me
    return all(other is say or other.person_id != me or other.edits for other in turn.out)


def _at_once(now: datetime) -> dict[str, Any]:
    return {"fate": Fate.CLAIMED, "claimed_until": now + LEASE}


def _in_turn(asked: bool) -> dict[str, Any]:
    return {"urgency": Urgency.REPLY if asked else Urgency.NOTICE}


def _is_here(turn: Turn, say: Say) -> bool:
    """Whether it is said to the speaker, where they speak."""
    return say.person_id == turn.me and say.at is None and (say.edits is None or say.edits == turn.pressed)


def _written(turn: Turn, say: Say, person: Person, way: Way, channels: Channels) -> _Written:
    reader, name = Reader(person.language, person.you), way.address.partition(":")[0]
    can = channels[name].can if name in channels else None
    asked = say.person_id == turn.me and not turn.unasked
    delivery = new(
        Delivery, address=way.address, channel=name, person_id=say.person_id, outside=way.outside, kind=say.kind,
        edits=say.edits, wants_name=say.wants_name, listed=say.listed, about=say.about, round=say.round,
        not_before=turn.now, created_at=turn.now, **(_at_once(turn.now) if asked and turn.at_once else _in_turn(asked)),
        settles=say.settles_at, in_place=_in_place(turn, say), **_body(say, reader, can),
    )  # fmt: skip
    return _Written(say, delivery, reader, can)


async def _elsewhere(turn: Turn, say: Say, channels: Channels) -> list[_Written]:
    person = turn.person if say.person_id == turn.me else await turn.session.get(Person, say.person_id)
    way = await _way(turn, say, channels)
    if person is None:
        return []
    if way is not None:
        return [_written(turn, say, person, way, channels)]
    if say.edits is not None or say.text is None:
        return []
    text = say.text.render(Reader(person.language, person.you))
    notices = await reach.by_mouth(turn.session, channels, turn.now, person, text, say.kind, say.about)
    return [_Written(Say(one.delivery.person_id, None), one.delivery, one.reader, one.can) for one in notices]


async def _way(turn: Turn, say: Say, channels: Channels) -> Way | None:
    if say.edits is not None and say.edits != turn.pressed:
        return await _where_said(turn.session, say)
    if say.at is not None:
        return Way(say.at)
    return await reach.way_to(turn.session, channels, turn.now, say.person_id, say.kind)


async def _where_said(session: Session, say: Say) -> Way | None:
    """Where the message is that changes; nowhere, if somebody else is at that address by now."""
    original = await session.get(Delivery, say.edits)
    address = await session.get(Address, original.address) if original else None
    return Way(address.address) if address and address.person_id == say.person_id else None


def _body(say: Say, reader: Reader, can: Can | None) -> dict[str, Any]:
    attached = say.attachment
    text: Words | None = say.text
    if attached and can and not can.files:
        text, attached = join([text, NO_FILES]), None
    return {
        "text": text.render(reader) if text else None,
        "settled": say.settled.render(reader) if say.settled else None,
        "buttons": [[[button.label.render(reader), button.token] for button in row] for row in say.rows],
        "attachment": {"sha256": attached.sha256, "media_type": attached.media_type, "name": attached.name} if attached else None,
    }


async def _offer(turn: Turn, mine: Iterable[_Written], question: _Written | None) -> None:
    """The question's own buttons have the first numbers; what is said beside it adds its own."""
    talk = turn.conversation
    if question:
        _place(question, [], typing=talk.waits is not None)
        talk.offered = [] if question.can and offers.all_buttons(question.can) else flat(question.delivery)
    for one in mine:
        if not one.say.question and one.delivery.buttons:
            before = talk.offered or (flat(question.delivery) if question else await offers_of(turn.session, talk))
            _place(one, before)
            talk.offered = before + flat(one.delivery)


def _place(one: _Written, before: list[Any], typing: bool = False) -> None:
    if one.can:
        offers.place(one.delivery, one.can, before, one.reader, typing)


async def to_person(session: Session, address: str, person: Person, text: str, now: datetime) -> Delivery:
    """A plain sentence outside any turn's talk."""
    delivery = Delivery(
        address=address, channel=address.partition(":")[0], person_id=person.id or 0, text=text, not_before=now,
        created_at=now, **_at_once(now),
    )  # fmt: skip
    session.add(delivery)
    await session.flush()
    return delivery
