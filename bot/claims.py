"""What this process may send: claimed for a few seconds, held while it lives, free again when it is gone."""

import logging
import time
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta

from bot.channels import Channel
from bot.jumps import Jumps
from bot.outbox import LEASE
from storage.database import Database
from storage.delivery import EVER, Delivery, claim, extend_claims, release_claims, waiting
from storage.event import Event

log = logging.getLogger("bot.sender")


class Claims:
    """The leases of one process; the time of day may be set while they run."""

    def __init__(self, database: Database, now: Callable[[], datetime], clock: Callable[[], float] = time.monotonic) -> None:
        self.database, self.now, self.clock = database, now, clock
        self.jumps, self.patient_until, self.extended_at = Jumps(now, clock), clock(), now()

    async def hold(self, in_hand: list[int]) -> timedelta:
        """Holds on to what is in hand; gives by how much the clock was set since the last time."""
        moved, now = self.jumps.moved(), self.now()
        if moved:
            log.warning("the clock was set", extra={"action": "clock_set", "seconds": moved.total_seconds()})
            # The others need a moment to put their claims right; until then none of theirs is over.
            self.patient_until = self.clock() + LEASE.total_seconds()
        if moved or now - self.extended_at > LEASE / 3:
            async with self.database.transaction() as session:
                await extend_claims(session, in_hand, now + LEASE)
            self.extended_at = now
        return moved

    async def take(
        self, channels: Mapping[str, Channel], in_hand: Collection[int], over: set[str], left_by_others: bool
    ) -> tuple[list[Delivery], set[str]]:
        """What is due, now claimed, and those of the addresses `over` for which something still waits.

        With `left_by_others` claims are taken whose lease goes on.
        """
        now, due, left = self.now(), list[Delivery](), list[int]()
        async with self.database.transaction() as session:
            if left_by_others:
                left = await release_claims(session, set(in_hand), now, over=EVER)
            elif self.clock() >= self.patient_until:
                left = await release_claims(session, set(in_hand), now, over=now, never=now + LEASE * 2)
            if left:
                # Any of them may have arrived before its process died: this is the list of what may be there twice.
                session.add(Event(at=now, name="sender:delivery:reclaim", detail={"deliveries": left}))
            for name, channel in channels.items():
                due += await claim(session, name, channel.can.unasked_per_second, now, now + LEASE, in_hand)
            behind = await waiting(session, over) if over else set()
        if left:
            log.warning("deliveries of a stopped process are sent again", extra={"action": "reclaimed", "deliveries": left})
        return due, behind
