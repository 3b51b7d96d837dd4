"""Hearing by asking: one person's updates in order, different people's at once, each until it was taken.

A polled platform forgets everything below the offset, so the offset is the first update that is not finished.
What comes after it is fetched again meanwhile and known by its number.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from bot.channels import FINISH_SECONDS
from bot.channels.hearing import Hearing
from handlers.incoming import Incoming

log = logging.getLogger("bot.polling")
WINDOW = 100  # updates that a platform shows at most, counted from the offset
POLL_SECONDS = 25  # for which the platform waits for something to happen
THANKS_SECONDS = 1
LOOK_AGAIN = 0.6  # seconds; the same offset asked twice within half a second gives one update only
FIRST_WAIT, LONGEST_WAIT = 1.0, 30.0  # seconds
Update = dict[str, Any]
Work = Callable[[], Awaitable[None]]
OnlyOne = Callable[[str, Work], Awaitable[None]]  # does it while no other process does what has that name
Fetch = Callable[[int | None, int], Awaitable[list[Update]]]  # (offset, seconds)


async def by_itself(name: str, work: Work) -> None:
    """An OnlyOne where there are no other processes."""
    await work()


async def patiently(step: Callable[[], Awaitable[bool]], trouble: Callable[[Exception], float]) -> None:
    """Repeats `step` until it gives True; after an error waits, longer each time, at least what `trouble` says."""
    wait = FIRST_WAIT
    while True:
        try:
            if await step():
                return
            wait = FIRST_WAIT
        except Exception as error:
            await asyncio.sleep(max(wait, trouble(error)))
            wait = min(wait * 2, LONGEST_WAIT)


async def end(loop: "asyncio.Task[None] | None", polling: "Polling | None", heard: Hearing) -> None:
    """Listens no more, and finishes what is in hand, polled or not."""
    if loop:
        loop.cancel()
        await asyncio.wait([loop])
    if polling:
        await polling.stop(FINISH_SECONDS)
    # What was polled is finished by then: only the last words to the platform are left.
    await heard.finish(THANKS_SECONDS if polling else FINISH_SECONDS)


class Polling:
    """`hear` gives False where a message was not taken: it is tried again, later each time."""

    def __init__(
        self, fetch: Fetch, parse: Callable[[Update], Incoming | None], hear: Callable[[Incoming], Awaitable[bool]]
    ) -> None:
        self.fetch, self.parse, self.hear = fetch, parse, hear
        self.offset: int | None = None
        self.window: dict[int, bool] = {}  # number -> finished, in order of arrival, since the first unfinished one
        self.held: set[int] = set()  # unfinished, but no longer kept by the platform for us
        self.lanes: dict[str, deque[tuple[int, Incoming]]] = {}
        self.tasks: set[asyncio.Task[None]] = set()
        self.stopping = asyncio.Event()

    async def step(self) -> bool:
        """Asks once and waits a moment for what came; never done."""
        self._move_on()
        for update in await self.fetch(self.offset, 0 if self.window else POLL_SECONDS):
            number = update["update_id"]
            if number not in self.window and number not in self.held:
                self._take(number, self.parse(update))
        if self.tasks:
            await asyncio.wait(self.tasks, timeout=LOOK_AGAIN)
        self._step_past()
        return False

    async def stop(self, seconds: float) -> None:
        """Finishes what is being heard right now and says so to the platform, which keeps the rest."""
        self.stopping.set()
        if self.tasks:
            _finished, late = await asyncio.wait(self.tasks, timeout=seconds)
            for task in late:
                log.warning("given up while stopping", extra={"action": "hearing_cut_off"})
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        self._move_on()
        if self.offset is not None:
            await self._confirm(self.offset)

    async def _confirm(self, offset: int) -> None:
        try:
            await asyncio.wait_for(self.fetch(offset, 0), 1)
        except Exception as error:
            log.info("not confirmed, comes again", extra={"action": "confirm_failed", "error": type(error).__name__})

    def _take(self, number: int, incoming: Incoming | None) -> None:
        """What means nothing is finished at once."""
        self.window[number] = False
        if incoming is None:
            self._finish(number)
            return
        lane = self.lanes.get(incoming.address)
        if lane is None:
            self.lanes[incoming.address] = lane = deque()
            task = asyncio.create_task(self._run_lane(incoming.address, lane))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
        lane.append((number, incoming))

    async def _run_lane(self, address: str, lane: deque[tuple[int, Incoming]]) -> None:
        while lane and not self.stopping.is_set():
            number, incoming = lane[0]
            if not await self._heard(incoming):
                return
            lane.popleft()
            self._finish(number)
        del self.lanes[address]

    async def _heard(self, incoming: Incoming) -> bool:
        """False where we stopped before it was taken."""
        wait = FIRST_WAIT
        while not await self.hear(incoming):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), wait)
            if self.stopping.is_set():
                return False
            wait = min(wait * 2, LONGEST_WAIT)
        return True

    def _finish(self, number: int) -> None:
        self.held.discard(number)
        if number in self.window:
            self.window[number] = True

    def _move_on(self) -> None:
        """Confirms what is finished. Never while asking: the answer may bring it once more."""
        while self.window and self.window[first := next(iter(self.window))]:
            # Not the largest number: after a quiet week the platform begins anew, anywhere.
            del self.window[first]
            self.offset = first + 1

    def _step_past(self) -> None:
        """A full window hides whatever comes after it.

        Where most of it is finished, the fault is with the few that are not: they are tried on from memory alone, so
        that everybody else is heard. Where little is finished we are the ones who are slow, and the platform keeps it.
        """
        if len(self.window) < WINDOW or sum(self.window.values()) * 2 <= WINDOW:
            return
        left = {number for number, finished in self.window.items() if not finished}
        log.error("updates are kept in memory alone", extra={"action": "stepped_past", "count": len(left)})
        self.offset = next(reversed(self.window)) + 1
        self.held |= left
        self.window.clear()
