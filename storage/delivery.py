"""A message to one address, with its fate: the outbox."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, Index, delete, exists, func, literal_column, text, update
from sqlalchemy.orm import aliased
from sqlmodel import Field, col, select

from storage.moment import Moment
from storage.row import Row
from storage.session import Session
from storage.statements import query
from storage.turnstile import passes, turnstile

AT_ONCE = 100  # claimed in one look
EVER = datetime.max.replace(tzinfo=UTC)


class Fate:
    QUEUED = "queued"
    CLAIMED = "claimed"
    SENT = "sent"
    FAILED = "failed"
    UNREACHABLE = "unreachable"
    DROPPED = "dropped"  # overtaken before it was sent


class Urgency:
    """What goes first: the least."""

    REPLY = 0  # to the person who speaks
    NOTICE = 1  # to somebody whom it concerns
    BROADCAST = 2  # to many at once


# A broadcast that was not refused holds nobody up: a hundred thousand of them, at as many addresses, are not looked through.
HOLDS_UP = f"urgency < {Urgency.BROADCAST} OR tries > 0"


def _index(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    """Of these rows only: a million that were sent long ago cost the next one nothing."""
    return Index(name, *columns, unique=unique, sqlite_where=text(where), postgresql_where=text(where))


class Delivery(Row, table=True):
    __table_args__ = (
        _index("ix_delivery_due", "channel", "urgency", "not_before", "id", where="fate = 'queued'"),
        _index("ix_delivery_waiting", "address", "not_before", where=f"fate = 'queued' AND ({HOLDS_UP})"),
        _index("ix_delivery_claimed", "claimed_until", where="fate = 'claimed'"),
        _index("ix_delivery_message", "address", "message_id", where="message_id IS NOT NULL"),
        _index("ix_delivery_about", "about", "round", where="about IS NOT NULL"),
        _index("ix_delivery_answers", "answers", where="answers IS NOT NULL", unique=True),
        Index("ix_delivery_address", "address", "id"),
    )

    id: int | None = Field(default=None, primary_key=True)
    address: str
    channel: str  # the address's
    urgency: int = Urgency.REPLY
    person_id: int = Field(foreign_key="person.id")
    answers: str | None = None  # the key of the message that this is the first answer to: it was heard
    text: str | None = None  # None in an edit: the text stays, only the buttons change
    buttons: list[Any] = Field(default_factory=list, sa_type=JSON)  # rows of [label, token]
    attachment: dict[str, Any] | None = Field(default=None, sa_type=JSON)  # kind, sha256, name, media_type
    edits: int | None = None  # the delivery whose message this one changes, and no more
    settles: int | None = None  # the delivery that was answered, of which only `settled` stays …
    settled: str | None = None
    in_place: bool = False  # … and which may become this one: nothing was said below it
    instead: int | None = None  # the delivery that did not arrive, for which this one goes another way
    kind: str | None = None  # what sort of notice: by it a platform's approved template is found
    outside: bool = False  # beyond the time for which the channel may speak freely: as an approved template, or not at all
    wants_name: bool = False  # the reader's own; some channels let people share it
    listed: int = 0  # so many of the buttons stand in the text with their numbers
    numbered: int | None = None  # no buttons there: they are written as a list, from this number on …
    hint: str | None = None  # … with this sentence below; or the label of the button that shows those beyond the channel's most
    about: int | None = None  # the paper of an officer's prompt
    round: int | None = None  # … and the round that it asks about
    fate: str = Fate.QUEUED
    tries: int = 0
    begun: int = 0  # so many pieces have arrived of what is too long for one message
    not_before: datetime = Field(sa_type=Moment)
    claimed_until: datetime | None = Field(default=None, sa_type=Moment)
    created_at: datetime = Field(sa_type=Moment)
    sent_at: datetime | None = Field(default=None, sa_type=Moment)
    message_id: str | None = None  # what the platform calls it
    problem: str | None = None


# Few rows are put in order; by the number itself SQLite would rather look through all there are, which need no ordering.
_BY_NUMBER = col(Delivery.id) + 0


def _is(rows: Any, fate: str) -> Any:
    """The fate stands in the statement itself: an index of some rows is not used where a parameter could ask for others."""
    return rows.fate == literal_column(f"'{fate}'")


@query
def _named(address, message_id):
    # The message may have been another question before.
    named = (Delivery.address == address, Delivery.message_id == message_id, col(Delivery.edits).is_(None))
    return select(Delivery.id).where(*named).order_by(col(Delivery.id).desc()).limit(1)


@query
def _about(assessment_id, round_):
    return select(Delivery).where(Delivery.about == assessment_id, Delivery.round == round_).order_by(col(Delivery.id))


@query
def _sent_to(address, since, after):
    gone = (Fate.FAILED, Fate.DROPPED, Fate.UNREACHABLE)
    kept = (Delivery.address == address, Delivery.created_at >= since, col(Delivery.id) > after, col(Delivery.fate).not_in(gone))
    return select(Delivery).where(*kept).order_by(col(Delivery.id))


@query
def _nth_latest(address, count):
    return select(Delivery.id).where(Delivery.address == address).order_by(col(Delivery.id).desc()).offset(count).limit(1)


def _holds_up(rows: Any) -> Any:
    """`HOLDS_UP`, in its own words, so that its index is used."""
    return (rows.urgency < literal_column(str(Urgency.BROADCAST))) | (rows.tries > literal_column("0"))


def _may_go(channel: Any, urgency: Any, now: Any) -> Any:
    other = aliased(Delivery)
    # What must wait holds up what was said after it; where the platform asked us to wait, all else to the same person.
    ahead = (col(other.id) < Delivery.id) & (other.urgency == Delivery.urgency)
    same = (other.address == Delivery.address, _is(other, Fate.QUEUED), _holds_up(other), other.not_before > now)
    waits = exists().where(*same, ahead | (other.tries > 0))
    due = (Delivery.channel == channel, Delivery.urgency == urgency, _is(Delivery, Fate.QUEUED), Delivery.not_before <= now)
    return select(Delivery).where(*due, ~waits).with_for_update(skip_locked=True)


@query
def _due(channel, urgency, now, most):
    return _may_go(channel, urgency, now).order_by(_BY_NUMBER).limit(most)


@query
def _due_broadcasts(channel, urgency, now, most):
    # One to each person, so that their order is nobody's concern; the index finds the next without a look at the others.
    return _may_go(channel, urgency, now).order_by(col(Delivery.not_before), col(Delivery.id)).limit(most)


@query
def _stale(end, never):
    # A claim that ends later than any was made for was made before the clock was set back.
    over = (col(Delivery.claimed_until) <= end) | (col(Delivery.claimed_until) > never)
    stale = (_is(Delivery, Fate.CLAIMED), over)
    return select(Delivery.id).where(*stale).order_by(_BY_NUMBER).with_for_update(skip_locked=True)


@query
def _held():
    return select(Delivery.id, Delivery.address).where(_is(Delivery, Fate.CLAIMED))


async def due(session: Session, channel: str, urgency: int, now: datetime, most: int) -> list[Delivery]:
    """The oldest of this kind that may be sent now."""
    oldest = _due_broadcasts if urgency == Urgency.BROADCAST else _due
    return (await session.exec(oldest(channel, urgency, now, most))).all() if most > 0 else []


async def claim(
    session: Session, channel: str, per_second: float | None, now: datetime, until: datetime, ours: Collection[int]
) -> list[Delivery]:
    """Takes what is due on a channel, so that no one else sends it before `until`: replies first, and of the rest no more
    than the channel's pace allows, `per_second` for all processes together. `ours` is what this process holds already."""
    gate = await turnstile(session, channel, now)
    # Looked up first: what another process gives back between the two looks is not overtaken by what waits behind it.
    busy = set() if session.database.alone else await _in_other_hands(session, ours)
    rows = await due(session, channel, Urgency.REPLY, now, AT_ONCE)
    may = AT_ONCE if per_second is None else min(AT_ONCE, passes(gate, per_second, now))
    unasked: list[Delivery] = []
    for urgency in (Urgency.NOTICE, Urgency.BROADCAST):
        unasked += await due(session, channel, urgency, now, may - len(unasked))
    taken = [row for row in rows + unasked if row.address not in busy]
    if per_second is not None:
        gate.level -= sum(row.urgency != Urgency.REPLY for row in taken)
    for row in taken:
        row.fate, row.claimed_until = Fate.CLAIMED, until
    return taken


async def _in_other_hands(session: Session, ours: Collection[int]) -> set[str]:
    """The addresses to which another process is speaking: two at once would be out of order."""
    return {address for number, address in (await session.exec(_held())).all() if number not in ours}


async def release_claims(session: Session, but: set[int], now: datetime, over: datetime, never: datetime = EVER) -> list[int]:
    """Puts back what was claimed and not reported sent until `over`, or is claimed beyond `never`; gives which.

    `but` these, which are still in hand.
    """
    stale = [number for number in (await session.exec(_stale(over, never))).all() if number not in but]
    if stale:
        freed = update(Delivery).where(col(Delivery.id).in_(stale))
        await session.exec(freed.values(fate=Fate.QUEUED, claimed_until=None))
        # What was claimed was due, whatever the clock says now.
        await session.exec(freed.where(col(Delivery.not_before) > now).values(not_before=now))
    return stale


async def wait_until(session: Session, address: str, until: datetime, instead: datetime) -> None:
    """What was to wait for this address until then waits until another time."""
    waits = (_is(Delivery, Fate.QUEUED), Delivery.address == address, Delivery.not_before == until)
    await session.exec(update(Delivery).where(*waits).values(not_before=instead))


async def due_already(session: Session, now: datetime) -> None:
    """What was never refused was to go at once, whatever the clock said when it was written."""
    at_once = (_is(Delivery, Fate.QUEUED), Delivery.tries == 0, Delivery.not_before > now)
    await session.exec(update(Delivery).where(*at_once, Delivery.urgency < Urgency.BROADCAST).values(not_before=now))


async def extend_claims(session: Session, ids: list[int], until: datetime) -> None:
    """Holds on to what is still in hand."""
    names = ("claimed_until",)
    await session.update_many(Delivery, names, [{"key_id": number, "claimed_until": until} for number in ids])


async def waiting(session: Session, addresses: set[str]) -> set[str]:
    """Those of the addresses for which something is queued that holds up what comes after it."""
    queued = (_is(Delivery, Fate.QUEUED), _holds_up(Delivery))
    query = select(Delivery.address).where(*queued, col(Delivery.address).in_(addresses)).distinct()
    return set((await session.exec(query)).all())


async def backlog(session: Session) -> tuple[int, datetime | None]:
    """How many deliveries wait, and since when the first of them is due."""
    query = select(func.count(), func.min(Delivery.not_before)).where(_is(Delivery, Fate.QUEUED))
    count, oldest = (await session.exec(query)).one()
    return count, oldest


async def delivered_as(session: Session, address: str, message_id: str) -> int | None:
    """The id of the delivery that the platform calls `message_id` at this address."""
    return (await session.exec(_named(address, message_id))).first()


async def prompts(session: Session, assessment_id: int, round_: int) -> list[Delivery]:
    """The officers' prompts about this round of a paper."""
    return (await session.exec(_about(assessment_id, round_))).all()


async def before_the_latest(session: Session, address: str, count: int) -> int:
    """The delivery after which only the latest `count` to this address lie; 0 where there are fewer."""
    return (await session.exec(_nth_latest(address, count))).first() or 0


async def history(session: Session, address: str, since: datetime, after: int = 0) -> list[Delivery]:
    """What was sent or is being sent to an address since then and since delivery `after`, in order."""
    return (await session.exec(_sent_to(address, since, after))).all()


async def drop_waiting(session: Session, address: str) -> None:
    """What waits for this address is not sent any more: somebody else is there now."""
    waits = (_is(Delivery, Fate.QUEUED), Delivery.address == address)
    await session.exec(update(Delivery).where(*waits).values(fate=Fate.DROPPED))


async def forget_sent(session: Session, channels: Collection[str], before: datetime, most: int = 1000) -> int:
    """Drops what was sent on these channels before then, the oldest first; gives how many. A prompt about a paper stays."""
    over = (col(Delivery.fate).not_in((Fate.QUEUED, Fate.CLAIMED)), col(Delivery.about).is_(None))
    old = (col(Delivery.channel).in_(channels), Delivery.created_at < before)
    numbers = (await session.exec(select(Delivery.id).where(*over, *old).order_by(col(Delivery.id)).limit(most))).all()
    if numbers:
        await session.exec(delete(Delivery).where(col(Delivery.id).in_(numbers)))
    return len(numbers)
