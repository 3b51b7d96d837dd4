"""What many ask for at the same moment is done for all of them at once."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from storage.session import DatabaseAway

log = logging.getLogger("storage.together")
T = TypeVar("T")


class _Batch(Generic[T]):
    def __init__(self) -> None:
        self.asked = list[T]()
        self.over: asyncio.Future[str] = asyncio.get_running_loop().create_future()  # why it was not done; empty where it was


class Together(Generic[T]):
    """One `do` at a time, for all who asked meanwhile. `do` raises DatabaseAway, and ends by itself."""

    def __init__(self, do: Callable[[list[T]], Awaitable[None]]) -> None:
        self.do = do
        self.next: _Batch[T] | None = None
        self.task: asyncio.Task[None] | None = None

    async def ask(self, what: T) -> None:
        """Returns when it is done. Raises DatabaseAway where it is not."""
        batch = self.next = self.next or _Batch()
        batch.asked.append(what)
        if self.task is None or self.task.done():
            self.task = asyncio.create_task(self._run())
            self.task.add_done_callback(self._ended)
        # Whoever is cut off takes nobody along.
        if problem := await asyncio.shield(batch.over):
            raise DatabaseAway(problem)

    async def _run(self) -> None:
        while self.next:
            batch, self.next, problem = self.next, None, "cut off"
            try:
                await self.do(batch.asked)
                problem = ""
            except DatabaseAway as away:
                problem = str(away) or "away"
            except Exception:
                log.exception("not done for those who asked", extra={"action": "together_failed"})
            finally:
                batch.over.set_result(problem)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """However it did, nobody is left waiting."""
        if task is self.task and self.next:
            left, self.next = self.next, None
            left.over.set_result("cut off")

    async def close(self) -> None:
        """Ends what is under way; whoever waits is told that the database is away."""
        if self.task:
            self.task.cancel()
            await asyncio.wait([self.task])
