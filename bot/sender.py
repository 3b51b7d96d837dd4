"""Sends what was committed: in order for one address, in parallel for all, and notes each outcome."""

import asyncio
import contextlib
import logging
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import update
from sqlmodel import col

from bot.channels import Attachment, Channel, Edit, Outgoing, SendError, TryAgain, Unreachable
from bot.jumps import NONE, Jumps
from bot.metrics import Metrics
from bot.outbox import LEASE
from storage.database import Database, DatabaseAway
from storage.delivery import EVER, Delivery, Fate, claim, extend_claims, release_claims, wait_until, waiting
from storage.event import Event
from storage.files import DOCUMENTS, FileStore
from storage.person import Address

log = logging.getLogger("bot.sender")
LOOK_EVERY = 1.0  # seconds between looks for what is due by time
NOTE_EVERY = 0.05  # seconds for which outcomes are gathered into one transaction
GIVE_UP_AFTER = timedelta(days=3)
LONGEST_WAIT = 600  # seconds between two tries
AT_ONCE = 200  # addresses
OUTCOME = ("fate", "tries", "not_before", "claimed_until", "sent_at", "message_id", "problem")
REMEMBERED = 20_000  # recent messages whose names need no look-up


@dataclass(frozen=True)
class _Outcome:
    address: str
    values: dict[str, Any]


class Sender:
    """Owns every delivery that this process has claimed, until its outcome is in the database."""

    def __init__(
        self,
        database: Database,
        files: FileStore,
        now: Callable[[], datetime],
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.database, self.files, self.now, self.metrics, self.clock = database, files, now, metrics, clock
        self.jumps, self.patient_until = Jumps(now, clock), clock()
        self.channels: dict[str, Channel] = {}
        self.lanes: dict[str, deque[Delivery]] = {}
        self.held: dict[int, Delivery] = {}
        self.extended_at = now()
        self.paused: dict[str, datetime] = {}
        self.names: OrderedDict[int, str] = OrderedDict()
        self.named: OrderedDict[tuple[str, str], int] = OrderedDict()
        self.outcomes: list[_Outcome] = []
        self.tasks: set[asyncio.Task[None]] = set()
        self.lane_tasks: set[asyncio.Task[None]] = set()
        self.places = asyncio.Semaphore(AT_ONCE)
        self.idle = asyncio.Event()
        self.idle.set()

    def post(self, deliveries: Iterable[Delivery]) -> None:
        """Sends deliveries that are committed and claimed by this process."""
        for delivery in deliveries:
            if until := self.paused.get(delivery.address):
                self._note(delivery, fate=Fate.QUEUED, not_before=until, claimed_until=None)
            else:
                self._into_lane(delivery)

    def _into_lane(self, delivery: Delivery) -> None:
        lane = self.lanes.get(delivery.address)
        if lane is None:
            self.lanes[delivery.address] = lane = deque()
            running = self._start(self._run_lane(delivery.address, lane))
            self.lane_tasks.add(running)
            running.add_done_callback(self.lane_tasks.discard)
        lane.append(delivery)
        self.held[delivery.id or 0] = delivery

    def _in_hand(self) -> list[int]:
        """What this process has claimed and not noted yet: nobody else may take it while we live."""
        return [*self.held, *(outcome.values["key_id"] for outcome in self.outcomes)]

    async def run(self, claims: bool = True) -> None:
        """Notes outcomes and keeps its claims; with `claims` it also takes what is due by time, or was left behind by a
        process that died. Ends by cancellation."""
        # On a database of its own, nobody else can hold what is claimed.
        alone, trouble = self.database.alone, False
        while True:
            try:
                await (self.look(alone) if claims else self.keep())
            except DatabaseAway as away:
                if not trouble:
                    log.error("the database is away", extra={"action": "sender_waits", "reason": str(away)})
                trouble = True
            except Exception:
                log.exception("nothing could be sent", extra={"action": "sender_failed"})
            else:
                alone = trouble = False
            await asyncio.sleep(LOOK_EVERY)

    async def keep(self) -> None:
        """Notes what became of what was sent, and holds on to what was not sent yet."""
        await self.note_outcomes()
        moved, now = self.jumps.moved(), self.now()
        if moved:
            log.warning("the clock was set", extra={"action": "clock_set", "seconds": moved.total_seconds()})
            # The others need a moment to put their claims right; until then none of theirs is over.
            self.patient_until = self.clock() + LEASE.total_seconds()
        if moved < NONE:
            await self._set_back(moved)
        if moved or now - self.extended_at > LEASE / 3:
            async with self.database.transaction() as session:
                await extend_claims(session, self._in_hand(), now + LEASE)
            self.extended_at = now

    async def _set_back(self, moved: timedelta) -> None:
        """Who was to wait for a second does not wait for an hour and a second."""
        ends, self.paused = self.paused, {address: until + moved for address, until in self.paused.items()}
        for outcome in self.outcomes:
            if outcome.values["not_before"] == ends.get(outcome.address):
                outcome.values["not_before"] += moved
        async with self.database.transaction() as session:
            for address, until in ends.items():
                await wait_until(session, address, until, until + moved)

    async def look(self, left_by_others: bool = False) -> int:
        """Takes what is due and sends it; gives how many. With `left_by_others` claims are taken whose lease goes on."""
        await self.keep()
        now = self.now()
        async with self.database.transaction() as session:
            left, ours = [], set(self._in_hand())
            if left_by_others:
                left = await release_claims(session, ours, now, over=EVER)
            elif self.clock() >= self.patient_until:
                left = await release_claims(session, ours, now, over=now, never=now + LEASE * 2)
            if left:
                # Any of them may have arrived before its process died: this is the list of what may be there twice.
                session.add(Event(at=now, name="sender:delivery:reclaim", detail={"deliveries": left}))
            due = await claim(session, now, now + LEASE)
            over = {address for address, until in self.paused.items() if until <= now}
            behind = await waiting(session, over) if over else set()
        if left:
            log.warning("deliveries of a stopped process are sent again", extra={"action": "reclaimed", "deliveries": left})
        self._unpause(over - behind)
        for delivery in due:
            self._into_lane(delivery)
        return len(due)

    def delivery_named(self, address: str, message_id: str) -> int | None:
        """Which recent delivery the platform calls so; its outcome may not be in the database yet."""
        return self.named.get((address, message_id))

    async def drain(self, seconds: float = 5) -> None:
        """Waits until everything in hand is sent and noted, at most `seconds`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.lanes or self.outcomes:
                    await asyncio.gather(*self.lane_tasks)
                    await self.note_outcomes()
        await self.note_outcomes()

    async def _run_lane(self, address: str, lane: deque[Delivery]) -> None:
        async with self.places:
            while lane:
                delivery = lane.popleft()
                if not await self._send(delivery):
                    self._put_back(address, lane)
        del self.lanes[address]

    async def _send(self, delivery: Delivery) -> bool:
        """False where the address must be left alone for a while."""
        try:
            name = await self._speak(delivery)
        except TryAgain as later:
            return self._again(delivery, later)
        except Unreachable as gone:
            self._note(delivery, fate=Fate.UNREACHABLE, problem=str(gone))
        except SendError as never:
            log.error("not sent", extra={"action": "send_failed", "delivery": delivery.id, "reason": str(never)})
            self._note(delivery, fate=Fate.FAILED, problem=str(never))
        except Exception as bug:
            log.exception("not sent", extra={"action": "send_failed", "delivery": delivery.id})
            self._note(delivery, fate=Fate.FAILED, problem=type(bug).__name__)
        else:
            self._note(delivery, fate=Fate.DROPPED if name is None else Fate.SENT, sent_at=self.now(), message_id=name or None)
        return True

    async def _speak(self, delivery: Delivery) -> str | None:
        """The platform's name for the message; None where there was nothing to say any more."""
        kind, _colon, chat = delivery.address.partition(":")
        channel = self.channels.get(kind)
        if channel is None:
            raise TryAgain(f"the channel {kind} is not running", 60)
        buttons = tuple(tuple((label, token) for label, token in row) for row in delivery.buttons)
        if delivery.edits is None:
            attachment = await asyncio.to_thread(self._attachment, delivery) if delivery.attachment else None
            return await channel.send(Outgoing(chat, delivery.id or 0, delivery.text or "", buttons, attachment))
        name = await self._name_of(delivery.edits)
        if name is None or not channel.can.edits:
            return None
        await channel.edit(Edit(chat, delivery.edits, name, delivery.text, buttons))
        return name

    def _attachment(self, delivery: Delivery) -> Attachment:
        attached = delivery.attachment
        assert attached
        sha256, media_type = attached["sha256"], attached["media_type"]
        document = media_type in DOCUMENTS.values()
        path: Path = self.files.original(sha256) if document else self.files.preview(sha256)
        name = attached["name"] or ("tep" if document else "anh.jpg")
        shown_type = media_type if document else "image/jpeg"
        return Attachment("file" if document else "photo", path.read_bytes(), name, shown_type, sha256)

    async def _name_of(self, delivery_id: int) -> str | None:
        if delivery_id in self.names:
            return self.names[delivery_id]
        async with self.database.transaction() as session:
            original = await session.get(Delivery, delivery_id)
            return original.message_id if original else None

    def _again(self, delivery: Delivery, later: TryAgain) -> bool:
        tries = delivery.tries + 1
        if self.now() - delivery.created_at > GIVE_UP_AFTER:
            log.error("given up", extra={"action": "send_given_up", "delivery": delivery.id, "reason": str(later)})
            self._note(delivery, fate=Fate.FAILED, tries=tries, problem=str(later))
            return True
        # The platform's own wish, or growing waits up to ten minutes.
        wait = later.after if later.after > 5 else min(max(later.after, 0.5) * 2 ** min(tries - 1, 9), LONGEST_WAIT)
        until = self.now() + timedelta(seconds=wait)
        self.paused[delivery.address] = until
        log.info("sent later", extra={"action": "send_later", "delivery": delivery.id, "reason": str(later)})
        self._note(delivery, fate=Fate.QUEUED, tries=tries, not_before=until, claimed_until=None, problem=str(later))
        return False

    def _put_back(self, address: str, lane: deque[Delivery]) -> None:
        """What waits behind a delivery that must wait, waits as well: order is kept."""
        until = self.paused.get(address, self.now())
        while lane:
            self._note(lane.popleft(), fate=Fate.QUEUED, not_before=until, claimed_until=None)

    def _unpause(self, over: set[str]) -> None:
        """An address may go on when what waited for it is in hand again, and nothing of it is still to be noted."""
        pending = {outcome.address for outcome in self.outcomes}
        self.paused = {a: until for a, until in self.paused.items() if a not in over or a in pending}

    def _note(self, delivery: Delivery, **values: Any) -> None:
        assert delivery.id is not None
        self.held.pop(delivery.id, None)
        self.metrics.sends.labels(delivery.address.partition(":")[0], str(values["fate"])).inc()
        if name := values.get("message_id"):
            self.names[delivery.id] = name
            # An edit does not make the message its own.
            self.named.setdefault((delivery.address, name), delivery.id)
            if len(self.names) > REMEMBERED:
                self.names.popitem(last=False)
                self.named.popitem(last=False)
        if not self.outcomes:
            self._start(self._note_soon())
        kept = {name: getattr(delivery, name) for name in OUTCOME}
        self.outcomes.append(_Outcome(delivery.address, kept | values | {"key_id": delivery.id}))

    async def _note_soon(self) -> None:
        await asyncio.sleep(NOTE_EVERY)
        # Where the database is away, the next look writes them.
        with contextlib.suppress(DatabaseAway):
            await self.note_outcomes()

    async def note_outcomes(self) -> None:
        """Writes the outcomes gathered so far; keeps them where the database is away."""
        if not (batch := self.outcomes):
            return
        self.outcomes = []
        try:
            async with self.database.transaction() as session:
                await session.update_many(Delivery, OUTCOME, [outcome.values for outcome in batch])
                for outcome in batch:
                    if outcome.values["fate"] == Fate.UNREACHABLE:
                        left = update(Address).where(col(Address.address) == outcome.address)
                        await session.exec(left.values(unreachable_since=self.now()))
        except Exception:
            self.outcomes = batch + self.outcomes
            raise

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("sender task failed", exc_info=error, extra={"action": "sender_failed"})
