"""Sends what was committed: in order for one address, in parallel for all, and notes each outcome."""

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from datetime import datetime, timedelta
from typing import Any

from bot.channels import Channel, NotNow, SendError, TryAgain, Unreachable
from bot.claims import Claims
from bot.metrics import Metrics
from bot.outcomes import Outcomes
from bot.pace import Spacing, seconds_before
from bot.voice import Names, Voice
from storage.database import Database, DatabaseAway
from storage.delivery import Delivery, Fate, Urgency, due_already, wait_until
from storage.files import FilesAway, FileStore

log = logging.getLogger("bot.sender")
LOOK_EVERY = 0.5  # seconds between looks for what is due by time
NOTE_EVERY = 0.05  # seconds for which outcomes are gathered into one transaction
NOTE_SECONDS = 1
GIVE_UP_AFTER = timedelta(days=3)
AT_ONCE = 200  # addresses
Now = Callable[[], datetime]


class Sender:
    """Owns every delivery that this process has claimed, until its outcome is in the database."""

    def __init__(
        self,
        database: Database,
        files: FileStore,
        now: Now,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
        url_of: Callable[[str], str | None] = lambda sha256: None,
    ) -> None:
        self.database, self.now, self.metrics = database, now, metrics
        self.claims, self.channels = Claims(database, now, clock), dict[str, Channel]()
        self.lanes, self.held = dict[str, deque[Delivery]](), dict[int, Delivery]()
        self.paused: dict[str, datetime] = {}
        self.names = Names()
        self.outcomes = Outcomes(database, now, lambda: self.channels)
        self.tasks: set[asyncio.Task[None]] = set()
        self.lane_tasks: set[asyncio.Task[None]] = set()
        self.places = asyncio.Semaphore(AT_ONCE)
        self.news = asyncio.Event()  # something is queued that may be due
        self.leaving = False  # nothing more is taken
        self.noting = False  # what is sent now is written soon
        self.looking = asyncio.Lock()
        self.spacing, self.voice = Spacing(), Voice(files, self.names, self._name_of, url_of)

    def post(self, deliveries: Iterable[Delivery]) -> None:
        """Sends deliveries that are committed: those that this process claimed at once, the others when they are due."""
        for delivery in deliveries:
            if delivery.fate == Fate.QUEUED:
                self.news.set()
            elif until := self.paused.get(delivery.address):
                self._leave(delivery, until)
            else:
                self._into_lane(delivery)

    def _into_lane(self, delivery: Delivery) -> None:
        lane = self.lanes.get(delivery.address)
        if lane is None:
            self.lanes[delivery.address] = lane = deque((delivery,))
            self.lane_tasks.add(self._start(self._run_lane(delivery.address, lane)))
        else:
            lane.insert(_place(lane, delivery), delivery)
        self.held[delivery.id or 0] = delivery

    def _in_hand(self) -> list[int]:
        """What this process has claimed and not noted yet: nobody else may take it while we live."""
        return [*self.held, *self.outcomes.numbers()]

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
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.news.wait(), LOOK_EVERY)
            if trouble or not claims:
                self.news.clear()
                await asyncio.sleep(LOOK_EVERY)

    async def keep(self) -> None:
        """Notes what became of what was sent, and holds on to what was not sent yet."""
        await self.note_outcomes()
        # Both write the same rows: on two connections at once they would block each other.
        async with self.outcomes.writing:
            moved = await self.claims.hold(self._in_hand())
        if moved < timedelta():
            await self._set_back(moved)

    async def _set_back(self, moved: timedelta) -> None:
        """Who was to wait for a second does not wait for an hour and a second."""
        ends, self.paused = self.paused, {address: until + moved for address, until in self.paused.items()}
        self.outcomes.move(ends, moved)
        async with self.database.transaction() as session:
            for address, until in ends.items():
                await wait_until(session, address, until, until + moved)
            await due_already(session, self.now())

    async def look(self, left_by_others: bool = False) -> int:
        """Takes what is due and sends it; gives how many. With `left_by_others` claims are taken whose lease goes on."""
        async with self.looking:
            self.news.clear()
            await self.keep()
            if self.leaving:
                return 0
            over = {address for address, until in self.paused.items() if until <= self.now()}
            due, behind = await self.claims.take(self.channels, self._in_hand(), over, left_by_others)
            self._unpause(over - behind)
            for delivery in due:
                # While it was claimed, what is ahead of it may have been refused, or we were told to stop.
                until = self.paused.get(delivery.address, self.now())
                if self.leaving or until > self.now():
                    self._leave(delivery, until)
                else:
                    self._into_lane(delivery)
            return len(due)

    def delivery_named(self, address: str, message_id: str) -> int | None:
        """Which recent delivery the platform calls so; its outcome may not be in the database yet."""
        return self.names.by_message.get((address, message_id))

    def may_follow(self, delivery_id: int | None, fate: str | None) -> bool:
        """Whether what follows this delivery may be sent at once: it is sent, or in our own hands."""
        if delivery_id is None or fate not in (Fate.QUEUED, Fate.CLAIMED) or delivery_id in self.held:
            return True
        known = self.outcomes.fate_of(delivery_id)
        return delivery_id in self.names.by_delivery if known is None else known != Fate.QUEUED

    def give_back(self) -> None:
        """Leaves to others, or to the next start, what need not be said by this process; it takes nothing more."""
        self.leaving = True
        for lane in self.lanes.values():
            for delivery in [one for one in lane if one.urgency != Urgency.REPLY]:
                lane.remove(delivery)
                self._leave(delivery, delivery.not_before)

    async def drain(self, seconds: float = 4) -> None:
        """Waits until everything in hand is sent and noted, at most `seconds`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                # A look that has begun may have claimed something that is not in any lane yet.
                async with self.looking:
                    pass
                while self.lanes or self.outcomes or self.news.is_set():
                    if self.news.is_set():
                        await self.look()
                    await asyncio.gather(*self.lane_tasks)
                    await self.note_outcomes()
        # What a database that does not answer is not told now, the next start finds unsaid, and sends again.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(NOTE_SECONDS):
                await self.note_outcomes()

    async def _run_lane(self, address: str, lane: deque[Delivery]) -> None:
        while lane:
            if wait := self._early(lane[0]):
                # A reply that comes meanwhile need not wait.
                await asyncio.sleep(min(wait, 0.1))
                continue
            async with self.places:
                # While we waited for a place, what was left may have been given back.
                if lane and not await self._send(lane.popleft()):
                    self._put_back(address, lane)
        del self.lanes[address]

    def _early(self, delivery: Delivery) -> float:
        """The seconds to wait before it: nobody is told one thing after another faster than they could read it."""
        if delivery.urgency == Urgency.REPLY:
            return 0
        channel = self.channels.get(delivery.channel)
        return self.spacing.wait(delivery.address, channel.can.seconds_between) if channel else 0

    async def _send(self, delivery: Delivery) -> bool:
        """False where the address must be left alone for a while."""
        channel = self.channels.get(delivery.channel)
        try:
            if channel is None:
                raise TryAgain(f"the channel {delivery.channel} is not running", 60)
            name = await self.voice.say(channel, delivery)
        except TryAgain as later:
            return self._again(delivery, later)
        except (DatabaseAway, FilesAway) as away:
            return self._again(delivery, TryAgain(str(away), 1))
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

    async def _name_of(self, delivery_id: int) -> str | None:
        async with self.database.transaction() as session:
            original = await session.get(Delivery, delivery_id)
            return original.message_id if original else None

    def _again(self, delivery: Delivery, later: TryAgain) -> bool:
        tries = delivery.tries + 1
        if self.now() - delivery.created_at > GIVE_UP_AFTER:
            log.error("given up", extra={"action": "send_given_up", "delivery": delivery.id, "reason": str(later)})
            self._note(delivery, fate=Fate.FAILED, tries=tries, problem=str(later))
            return True
        until = self.now() + timedelta(seconds=seconds_before(tries, later.after))
        delivery.begun = later.begun or delivery.begun
        values = {"not_before": until, "claimed_until": None, "begun": delivery.begun, "problem": str(later)}
        if isinstance(later, NotNow):
            self._note(delivery, fate=Fate.QUEUED, **values)
            return True
        self.paused[delivery.address] = until
        if later.too_fast and delivery.urgency != Urgency.REPLY:
            self.outcomes.closing[delivery.channel] = until
        log.info("sent later", extra={"action": "send_later", "delivery": delivery.id, "reason": str(later)})
        self._note(delivery, fate=Fate.QUEUED, tries=tries, **values)
        return False

    def _put_back(self, address: str, lane: deque[Delivery]) -> None:
        """What waits behind a delivery that must wait, waits as well: order is kept."""
        until = self.paused.get(address, self.now())
        while lane:
            self._leave(lane.popleft(), until)

    def _leave(self, delivery: Delivery, until: datetime) -> None:
        """Whoever looks after that may take it."""
        self._note(delivery, fate=Fate.QUEUED, not_before=until, claimed_until=None)

    def _unpause(self, over: set[str]) -> None:
        """An address may go on when what waited for it is in hand again, and nothing of it is still to be noted."""
        pending = self.outcomes.addresses()
        self.paused = {a: until for a, until in self.paused.items() if a not in over or a in pending}

    def _note(self, delivery: Delivery, **values: Any) -> None:
        self.held.pop(delivery.id or 0, None)
        self.metrics.sent(delivery.channel, values["fate"])
        if name := values.get("message_id"):
            self.names.remember(delivery, name)
        # One waits at a time: each look writes as well, and whoever began to wait before it would go on beside the next.
        if not (self.outcomes or self.noting):
            self.noting = True
            self._start(self._note_soon())
        self.outcomes.add(delivery, values)

    async def _note_soon(self) -> None:
        await asyncio.sleep(NOTE_EVERY)
        self.noting = False
        # Where the database is away, the next look writes them.
        with contextlib.suppress(DatabaseAway):
            await self.note_outcomes()

    async def note_outcomes(self) -> None:
        """Writes the outcomes gathered so far; keeps them where the database is away."""
        if await self.outcomes.write():
            self.news.set()

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        self.lane_tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("sender task failed", exc_info=error, extra={"action": "sender_failed"})


def _place(lane: deque[Delivery], delivery: Delivery) -> int:
    """Behind all that is as urgent."""
    return next((at for at, other in enumerate(lane) if other.urgency > delivery.urgency), len(lane))
