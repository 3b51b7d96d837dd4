"""Brings what a platform delivers to `receive`, and says whether it is safe there."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any

from bot.channels import Receive
from bot.pace import REMEMBERED, Pace
from handlers.incoming import Incoming, Sent
from storage.files import FilesAway
from storage.session import DatabaseAway

Update = dict[str, Any]
Understand = Callable[[Update], Incoming | None]
Thank = Callable[[str], Coroutine[Any, Any, None]]
Apologise = Callable[[Incoming], Coroutine[Any, Any, None]]
PATIENCE = 5.0  # seconds after which a person is told that their message takes longer
MALFORMED = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError)


class Hearing:
    """`understand` raises one of MALFORMED where an update cannot be read; `thank`, if any, acknowledges a press;
    `apologise` tells a person that their message waits: once for a message, and once a minute."""

    def __init__(self, understand: Understand, thank: Thank | None, apologise: Apologise, log: logging.Logger) -> None:
        self.understand, self.thank, self.apologise, self.log = understand, thank, apologise, log
        self.apologies = Pace(per_minute=1, burst=1, clock=time.monotonic)
        self.tasks, self.in_hand, self.quiet = set[asyncio.Task[Any]](), 0, asyncio.Event()
        self.away = False  # the database or the file store, when something was last heard
        self.waiting = set[str]()  # the keys of what takes long, or must come again
        self.under_way: dict[int, tuple[float, Incoming]] = {}  # what does not take long yet, and since when
        self.looking: asyncio.TimerHandle | None = None

    def parse(self, update: Update) -> Incoming | None:
        """What was meant; None where it is nothing for us, or cannot be read."""
        try:
            return self.understand(update)
        except MALFORMED as error:
            self.log.error("update not readable", exc_info=error, extra={"action": "parse_failed"})
            return None

    async def take(self, receive: Receive, update: Update) -> bool:
        """Whether the update was taken; if not, it must come again."""
        incoming = self.parse(update)
        if incoming is None:
            return True
        self.in_hand += 1
        try:
            return await self.hear(receive, incoming)
        finally:
            self.in_hand -= 1
            if not self.in_hand:
                self.quiet.set()

    async def take_whole(self, receive: Receive, update: Update) -> bool:
        """The same; goes on where the caller gives up."""
        return await asyncio.shield(self._soon(self.take(receive, update)))

    async def hear(self, receive: Receive, incoming: Incoming) -> bool:
        """Whether it was taken; if not, it must come again."""
        self._watch(incoming)
        try:
            receipt = await receive(incoming)
        except Exception as error:
            self._log(error)
            self._must_wait(incoming)
            return False
        finally:
            self.under_way.pop(id(incoming), None)
        if receipt.busy:
            return False
        self.away = False
        self.waiting.discard(incoming.key)
        if incoming.origin and self.thank:
            self._soon(self.thank(incoming.origin))
        return True

    def _log(self, error: Exception) -> None:
        if not isinstance(error, DatabaseAway | FilesAway):
            self.log.error("message not taken", exc_info=error, extra={"action": "receive_failed"})
        elif not self.away:
            # While it lasts, all that waits is brought again every few seconds: one line tells it.
            self.away = True
            self.log.error("messages must wait", extra={"action": "receive_waits", "reason": str(error)})

    def _watch(self, incoming: Incoming) -> None:
        """One look over all of them costs less than a timer for each."""
        loop = asyncio.get_running_loop()
        self.under_way[id(incoming)] = loop.time(), incoming
        if self.looking is None:
            self.looking = loop.call_later(PATIENCE, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Those who came first stand first; each is told once, however many take long."""
        self.looking, now = None, loop.time()
        for number, (since, incoming) in list(self.under_way.items()):
            if since + PATIENCE > now:
                self.looking = loop.call_at(since + PATIENCE, self._look, loop)
                return
            del self.under_way[number]
            self._takes_long(incoming)

    def _takes_long(self, incoming: Incoming) -> None:
        # A photo takes as long as its platform, and may not be there any more: nothing is promised before that is known.
        if not isinstance(incoming.meaning, Sent):
            self._must_wait(incoming)

    def _must_wait(self, incoming: Incoming) -> None:
        if incoming.key in self.waiting:
            return
        if len(self.waiting) >= REMEMBERED:
            self.waiting.pop()
        self.waiting.add(incoming.key)
        if self.apologies.allows(incoming.address):
            self._soon(self.apologise(incoming))

    async def finish(self, seconds: float) -> None:
        """Waits for what is in hand."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.tasks or self.in_hand:
                    if self.in_hand:
                        self.quiet.clear()
                        await self.quiet.wait()
                    else:
                        await asyncio.wait(self.tasks)
        for task in self.tasks:
            task.cancel()

    def _soon(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task
