"""One incoming message, one turn, one transaction: heard once, answered once, or undone and said so."""

import logging
import secrets
import traceback
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from functools import partial
from time import perf_counter
from typing import Any

from bot import outbox
from bot.channels import Channel, Receipt
from bot.fetching import Fetching
from bot.lanes import Lanes
from bot.metrics import Metrics
from bot.pace import Pace
from bot.sender import Sender
from handlers.errors import Misheard, Refusal, UnknownCall
from handlers.incoming import Incoming, Left, Pressed, Resumed, Said, Sent, StoredFile
from handlers.router import Router
from handlers.turn import Turn
from locales import Reader, Words, _, join
from locales.catalogue import languages
from storage.conversation import Conversation
from storage.database import Database
from storage.delivery import Delivery, delivered_as
from storage.event import Event
from storage.files import FilesAway, FileStore
from storage.groups import NeedsMore
from storage.heard import Heard, Mishap, mark_heard, was_heard
from storage.person import Address, addressed
from storage.session import Conflict, DatabaseAway, Session
from storage.speaker import Speaker, newcomer, speaker
from storage.statements import new

log = logging.getLogger("bot.intake")
LONGEST_TEXT = 4096
HELP_AFTER = 2  # misses
TRIES = 4  # of a turn that meets another; the first may share its transaction
ABOUT = timedelta(seconds=30)  # nobody needs to know more exactly when an address was heard: most turns save the write


class Intake:
    """Takes every message of every channel through its turn."""

    def __init__(
        self,
        database: Database,
        router: Router,
        files: FileStore,
        sender: Sender,
        pace: Pace,
        now: Callable[[], datetime],
        association: str,
        metrics: Metrics,
    ) -> None:
        self.database, self.router, self.sender = database, router, sender
        self.fetching = Fetching(database, router, files)
        self.pace, self.now, self.association, self.metrics = pace, now, association, metrics
        self.channels: dict[str, Channel] = {}
        self.lanes = Lanes(longest=30)
        self.apart = set[str]()  # the calls whose turns cannot share a transaction

    async def receive(self, incoming: Incoming) -> Receipt:
        """Gives the receipt when all that the message caused is safe.

        Raises DatabaseAway or FilesAway where it cannot be kept: the platform must then deliver again.
        """
        address, began, outcome = incoming.address, perf_counter(), "failed"
        try:
            if not self.pace.allows(address):
                receipt, outcome = await self._slow_down(incoming), "flood"
            elif self.lanes.full(address):
                self.pace.give_back(address)
                receipt, outcome = Receipt(busy=True), "busy"
            else:
                async with self.lanes.turn_of(address):
                    receipt, outcome = await self._take(incoming)
        except (DatabaseAway, FilesAway):
            # It will come again, and again: that is nobody's hurry, and what is taken for a flood is lost.
            self.pace.give_back(address)
            self.pace.not_warned(address)
            raise
        finally:
            self.metrics.turn(_channel(incoming), outcome, perf_counter() - began)
        return receipt

    async def _take(self, incoming: Incoming) -> tuple[Receipt, str]:
        """The receipt, and in a word what became of the message."""
        outcome = "done"
        try:
            if isinstance(incoming.meaning, Sent):
                channel = self.channels[_channel(incoming)]
                incoming = replace(incoming, meaning=await self.fetching.fetched(channel, incoming, incoming.meaning))
            deliveries = await self._in_the_end(incoming)
        except Refusal as refusal:
            outcome = "refused"
            deliveries = await self._refuse(incoming, refusal)
        except UnknownCall as unknown:
            outcome = "refused"
            log.info("unknown call", extra={"action": "unknown_call", "call": str(unknown)})
            text = _("Lựa chọn này không còn dùng được nữa. Mời {you} làm tiếp từ đây.")
            deliveries = await self._refuse(incoming, Misheard(text))
        except (DatabaseAway, FilesAway):
            raise
        except Exception:
            outcome = "mishap"
            deliveries = await self._mishap(incoming)
        if deliveries is None:
            return Receipt(again=True), "again"
        self.sender.post(deliveries)
        return Receipt(), outcome

    async def _in_the_end(self, incoming: Incoming) -> list[Delivery] | None:
        """Where somebody was first, in another process, what they did is there now, and the next try finds it."""
        call = _call(incoming)
        together = call not in self.apart
        for _try in range(TRIES - 1):
            try:
                return await self._turn(incoming, together)
            except NeedsMore:
                if call:
                    self.apart.add(call)
            except Conflict:
                pass
            together = False
        return await self._turn(incoming)

    async def _turn(self, incoming: Incoming, together: bool = False) -> list[Delivery] | None:
        async with self.database.transaction(together) as session:
            if isinstance(incoming.meaning, Left):
                return await self._left(session, incoming)
            turn = await self._begin(session, incoming)
            if turn is None:
                return None
            await self.router.route(turn)
            if turn.conversation.misses:
                turn.conversation.misses = 0
            return await outbox.write(turn, self.channels)

    async def _begin(self, session: Session, incoming: Incoming) -> Turn | None:
        """The turn with what is remembered of the person; None where the message was heard before."""
        now, channel = self.now(), _channel(incoming)
        paper_id = self.router.paper_of(incoming.meaning.token) if isinstance(incoming.meaning, Pressed) else None
        who = await speaker(session, incoming.address, incoming.key, paper_id)
        if who is None:
            if await was_heard(session, incoming.key):
                return None
            who = await newcomer(session, incoming.address, now, _language(incoming))
        elif who.heard:
            return None
        if who.newest and who.name:
            # Another process may have sent it: the answer may change it without a look at the database.
            self.sender.names.learn(incoming.address, who.newest, who.name)
        pressed = await self._pressed(session, incoming, who)
        can = self.channels[channel].can
        if not can.keeps_history:
            line = await self._line(session, incoming, pressed)
            session.add(new(Heard, key=incoming.key, address=incoming.address, at=now, line=line))
        talk = who.conversation
        if talk is None:
            talk = new(Conversation, person_id=who.person.id or 0, updated_at=now)
            session.add(talk)
        unasked = isinstance(incoming.meaning, Resumed)
        if not unasked:
            _present(who.address, now)
        idle, talk.updated_at = now - talk.updated_at, now
        return Turn(
            session, who.address, who.person, talk, incoming, now, self.router.run, self.association, idle,
            pressed=pressed, newest=who.newest, number=who.number, unasked=unasked, unmarked=can.keeps_history,
            at_once=self.sender.may_follow(who.newest, who.fate), label=can.label, links=partial(self._links, channel),
        )  # fmt: skip

    def _links(self, here: str, payload: str) -> list[tuple[str, str]]:
        """How the other channels are opened with a payload."""
        others = [channel for name, channel in self.channels.items() if name != here]
        return [(channel.can.label, link) for channel in others if (link := channel.link(payload))]

    async def _left(self, session: Session, incoming: Incoming) -> list[Delivery] | None:
        """Who does not want to hear from us is left in peace until they write again."""
        known = await addressed(session, incoming.address)
        if not await mark_heard(session, incoming.key, incoming.address, self.now(), None):
            return None
        if known is not None:
            address, person = known
            address.unreachable_since = self.now()
            session.add(Event(at=self.now(), name="account:address:leave", actor_id=person.id, address=incoming.address))
        return []

    async def _pressed(self, session: Session, incoming: Incoming, who: Speaker) -> int | None:
        """The delivery whose button was pressed, if it was one of this address."""
        match incoming.meaning:
            case Pressed(message_id=str(message_id)):
                if message_id == who.name:
                    return who.newest
                recent = self.sender.delivery_named(incoming.address, message_id)
                if recent is not None and recent == who.newest:
                    return recent
                # Another process may have made another question of the message since.
                stored = await delivered_as(session, incoming.address, message_id)
                return max((one for one in (recent, stored) if one is not None), default=None)
        return None

    async def _line(self, session: Session, incoming: Incoming, pressed: int | None) -> dict[str, Any] | None:
        """What the person will see of their own message when the page opens again, where the platform does not show it."""
        line_id = incoming.key.rpartition(":")[2]
        match incoming.meaning:
            case Said(text):
                return {"id": line_id, "text": text[:LONGEST_TEXT]}
            case Pressed(token):
                delivery = await session.get(Delivery, pressed)
                labels = {token: label for row in (delivery.buttons if delivery else []) for label, token in row}
                return {"id": line_id, "text": labels[token]} if token in labels else None
            case Sent(stored=StoredFile() as stored):
                return {"id": line_id, "text": incoming.meaning.caption or "", "file": asdict(stored)}
        return None

    async def _refuse(self, incoming: Incoming, refusal: Refusal) -> list[Delivery] | None:
        """Says the no in a transaction of its own; the refused turn left nothing behind."""
        async with self.database.transaction() as session:
            turn = await self._begin(session, incoming)
            if turn is None:
                return None
            missed = isinstance(refusal, Misheard)
            turn.conversation.misses += missed
            turn.reply(_helped(refusal.text) if missed and turn.conversation.misses >= HELP_AFTER else refusal.text)
            if missed and (turn.was_pressed or turn.conversation.waits is None):
                await self._show_place(turn)
            return await outbox.write(turn, self.channels)

    async def _show_place(self, turn: Turn) -> None:
        """Leads the person back to where the talk is."""
        try:
            await turn.run(turn, turn.conversation.here or "account.menu")
        except (Refusal, UnknownCall):
            await turn.run(turn, "account.menu")

    async def _mishap(self, incoming: Incoming) -> list[Delivery] | None:
        """A fault of ours: keeps the message for replay, and tells the person its number."""
        number, error = secrets.token_hex(3).upper(), traceback.format_exc()
        log.exception("turn failed", extra={"action": "mishap", "number": number})
        async with self.database.transaction() as session:
            turn = await self._begin(session, incoming)
            if turn is None:
                return None
            meaning = incoming.meaning
            kept = asdict(incoming) | {"meaning": {type(meaning).__name__: asdict(meaning)}}
            session.add(Mishap(number=number, at=turn.now, address=incoming.address, incoming=kept, error=error))
            turn.reply(
                _(
                    "Xin lỗi {you}, trợ lý gặp trục trặc (số {number}). Những gì {you} đã trả lời trước đó vẫn còn. "
                    "{You} thử lại sau ít phút; nếu vẫn thế, xin báo số này cho cán bộ khuyến học.",
                    number=number,
                )
            )
            return await outbox.write(turn, self.channels)

    async def _slow_down(self, incoming: Incoming) -> Receipt:
        """A flood: one sentence, and nothing else is done for it."""
        log.info("flood", extra={"action": "flood", "channel": _channel(incoming)})
        if not self.pace.should_warn(incoming.address):
            return Receipt()
        async with self.database.transaction() as session:
            known = await addressed(session, incoming.address)
            if known is None:
                return Receipt()
            _address, person = known
            text = _("{You} nhắn nhanh quá, trợ lý chưa ghi kịp các tin vừa rồi. {You} chờ nửa phút rồi gửi lại giúp ạ.")
            words = text.render(Reader(person.language, person.you))
            delivery = await outbox.to_person(session, incoming.address, person, words, self.now())
        self.sender.post([delivery])
        return Receipt()


def _present(address: Address, now: datetime) -> None:
    """The person is there, and can be reached again."""
    if abs(now - address.last_heard_at) > ABOUT:
        address.last_heard_at = now
    if address.unreachable_since:
        address.unreachable_since = None


def _helped(text: Words) -> Words:
    return join([text, _("Nếu {you} cần giúp, gửi /trogiup.")], "\n\n")


def _channel(incoming: Incoming) -> str:
    return incoming.address.partition(":")[0]


def _call(incoming: Incoming) -> str:
    """The name of the call that was pressed."""
    return incoming.meaning.token.partition(":")[0] if isinstance(incoming.meaning, Pressed) else ""


def _language(incoming: Incoming) -> str:
    """The language of the person's app, where the bot speaks it."""
    code = (incoming.language or "vi").partition("-")[0]
    return code if code in languages() else "vi"
