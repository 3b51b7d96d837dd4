"""Turns of many people in one transaction: one look for all of them, one write, one commit.

Only what every tap does can be done so: a look, perhaps more reads, and what is written at the end. Whoever needs more, or
meets somebody else in the group, is `Apart`: that turn is done again in a transaction of its own.
"""

import asyncio
import contextlib
import itertools
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeVar

from storage.many import key_of, order_of
from storage.session import Conflict, Connection, DatabaseAway, StatementFailed, Write
from storage.statements import Asked, Compiled, Query

log = logging.getLogger("storage.groups")
MOST = 64  # turns in a group
MANY = 24  # turns that wait are worth a second group: two small ones cost the database more than they save
CLOSE_SECONDS = 1
STUCK_SECONDS = 4.0  # a group that takes longer is not waited for by those who come
SECONDS = 2.0  # for which a group waits for its slowest turn, or for a row that somebody else has
T = TypeVar("T")


class Apart(Conflict):
    """This turn needs a transaction of its own."""


class NeedsMore(Apart):
    """So does the next one of its kind: it does more than a look, reads and a last write."""


class Line(Protocol):
    """A connection with a transaction open on it."""

    async def look_for_all(self, query: Query, asked: Sequence[Sequence[Any]]) -> Sequence[Sequence[Any] | None]:
        """The row that each finds; None where nobody else is to be waited for, or it is not there."""

    async def fetch(self, sql: str, values: Sequence[Any]) -> Sequence[Any]: ...

    async def numbers(self, table: str, count: int) -> Sequence[int]: ...

    def spare(self, table: str) -> int | None: ...

    async def write_kinds(self, kinds: dict[Compiled, list[Sequence[Any]]]) -> None: ...


class Groups:
    """Puts together who begins while others are being written. `begin` opens a transaction; so many may be open at once."""

    def __init__(self, begin: Callable[[], AbstractAsyncContextManager[Line]], side_by_side: int = 1) -> None:
        self.begin, self.side_by_side = begin, side_by_side
        self.waiting, self.running = deque[Member](), dict[int, float]()  # the groups under way, since when
        self.numbers = itertools.count()
        self.tasks = set[asyncio.Task[None]]()

    def enter(self, member: "Member") -> None:
        self.waiting.append(member)
        # Nobody waits for a group that hangs, on a connection that does not answer.
        running = [began for began in self.running.values() if began > time.monotonic() - STUCK_SECONDS]
        if not running or (len(self.waiting) >= MANY and len(running) < self.side_by_side):
            number = next(self.numbers)
            self.running[number] = time.monotonic()
            task = asyncio.create_task(self._run(number))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def _run(self, number: int) -> None:
        try:
            while self.waiting:
                self.running[number] = time.monotonic()
                members = [self.waiting.popleft() for _one in range(min(MOST, len(self.waiting)))]
                await Group(members).run(self.begin)
        finally:
            # Before anybody else may enter: whoever does then begins anew.
            del self.running[number]

    async def close(self) -> None:
        """Ends what is still under way; whoever waits is told that the database is away."""
        for task in self.tasks:
            task.cancel()
        if self.tasks:
            await asyncio.wait(self.tasks, timeout=CLOSE_SECONDS)


class Group:
    """One transaction and those who share it."""

    def __init__(self, members: "list[Member]") -> None:
        self.members, self.busy = members, len(members)  # so many are still at work
        self.line: Line | None = None
        self.held, self.writes = set[Any](), list[Write]()
        self.reading, self.ready = asyncio.Lock(), asyncio.Event()
        self.done: list[asyncio.Future[None]] = []  # who waits for the commit
        self.problem: Conflict | DatabaseAway | None = None
        for member in members:
            member.group = self

    async def run(self, begin: Callable[[], AbstractAsyncContextManager[Line]]) -> None:
        """Raises nothing: each member is told."""
        try:
            async with begin() as self.line:
                try:
                    async with asyncio.timeout(SECONDS):
                        await self._look()
                        await self.ready.wait()
                        if self.problem:
                            raise self.failed()
                        await self.line.write_kinds(self._kinds())
                except BaseException as error:
                    # Before it is undone: whoever still reads is told why.
                    self._spoil(error)
                    raise
                finally:
                    self.line = None
        except BaseException as error:
            self._spoil(error)
            if not isinstance(error, Exception):
                raise
        finally:
            self._tell()

    def _spoil(self, error: BaseException) -> None:
        """Whose fault it was shows when each is alone."""
        if self.problem:
            return
        if isinstance(error, DatabaseAway):
            self.problem = error
        elif isinstance(error, Exception):
            self.problem = Apart(str(error))
            if not isinstance(error, Conflict | StatementFailed | TimeoutError):
                log.error("a group failed", exc_info=error, extra={"action": "group_failed"})
        else:
            self.problem = DatabaseAway("stopped")

    async def _look(self) -> None:
        kinds: dict[Any, list[Member]] = {}
        for member in self.members:
            kinds.setdefault(member.asked.query, []).append(member)
        assert self.line
        async with self.reading:
            for query, askers in kinds.items():
                rows = await self.line.look_for_all(query, [asker.asked.values for asker in askers])
                for asker, row in zip(askers, rows, strict=True):
                    asker.tell(row)

    def _kinds(self) -> dict[Compiled, list[Sequence[Any]]]:
        """The same statement once, for the rows of all."""
        kinds: dict[Compiled, list[Sequence[Any]]] = {}
        changed = set[Any]()
        for made, values in self.writes:
            if (at := key_of(made)) is not None:
                row = (made.tables, *values[at:])
                if row in changed:
                    raise Apart("two change one row")
                changed.add(row)
            kinds.setdefault(made, []).append(values)
        return {made: kinds[made] for made in sorted(kinds, key=order_of)}

    async def fetch(self, sql: str, values: Sequence[Any]) -> Sequence[Any]:
        """A member's own read."""
        return await self._read(lambda line: line.fetch(sql, values))

    async def numbers(self, table: str, count: int) -> Sequence[int]:
        """Numbers that nobody else gets."""
        return await self._read(lambda line: line.numbers(table, count))

    async def _read(self, read: Callable[[Line], Awaitable[T]]) -> T:
        async with self.reading:
            if self.problem or self.line is None:
                raise self.failed()
            try:
                return await read(self.line)
            except BaseException as error:
                # The transaction is over for all of them.
                self._spoil(error if isinstance(error, Exception) else Apart("cut off"))
                self.ready.set()
                if isinstance(error, Exception):
                    raise self.failed() from None
                raise

    def failed(self) -> Conflict | DatabaseAway:
        """What became of it, for one member."""
        return type(self.problem)(*self.problem.args) if self.problem else Apart("over")

    def hold(self, rows: Sequence[Any]) -> None:
        """Raises Apart where another member has one of them."""
        if not self.held.isdisjoint(rows):
            raise Apart("two hold one row")
        self.held.update(rows)

    def leave(self) -> None:
        """One less is at work."""
        self.busy -= 1
        if not self.busy:
            self.ready.set()

    async def kept(self) -> None:
        """Returns when what the group did is committed. Raises Apart or DatabaseAway where it is not."""
        if self.problem:
            raise self.failed()
        done = asyncio.get_running_loop().create_future()
        self.done.append(done)
        self.leave()
        await done

    def _tell(self) -> None:
        # They know their group: nothing is left for the garbage collector.
        members, self.members = self.members, []
        for member in members:
            member.tell(None)
        for done in self.done:
            if done.done():
                continue
            if self.problem:
                done.set_exception(self.failed())
            else:
                done.set_result(None)


class Member(Connection):
    """A turn's share in a group."""

    def __init__(self, groups: Groups) -> None:
        self.groups = groups
        self.group: Group | None = None
        self.asked: Any = None
        self.found: asyncio.Future[Sequence[Any] | None] | None = None

    async def __aenter__(self) -> "Member":
        return self

    async def look(self, asked: Asked, sql: str, values: Sequence[Any]) -> Sequence[Any]:
        self.asked, self.found = asked, asyncio.get_running_loop().create_future()
        self.groups.enter(self)
        row = await self.found
        if row is None:
            group = self._group()
            raise group.failed() if group.problem else Apart("not found, or held by others")
        return [row]

    def tell(self, row: Sequence[Any] | None) -> None:
        """What the look found for this turn."""
        if self.found and not self.found.done():
            self.found.set_result(row)

    def hold(self, *rows: Any) -> None:
        self._group().hold(rows)

    def hold_more(self) -> None:
        raise NeedsMore("a row is to be held")

    def begin_again(self) -> None:
        raise Apart("changed meanwhile")

    async def fetch(self, sql: str, values: Sequence[Any]) -> Sequence[Sequence[Any]]:
        return await self._group().fetch(sql, values)

    def spare(self, table: str) -> int | None:
        line = self._group().line
        return line.spare(table) if line else None

    async def numbers(self, table: str, count: int) -> Sequence[int]:
        return await self._group().numbers(table, count)

    async def write(self, writes: Sequence[Write], last: bool = False) -> Sequence[Any]:
        if not last:
            raise NeedsMore("not the last write")
        self._group().writes += writes
        return [None] * len(writes)

    async def execute(self, sql: str, values: Sequence[Any]) -> int:
        raise NeedsMore("more than a look")

    async def execute_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        raise NeedsMore("more than a look")

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        if self.group is None:
            with contextlib.suppress(ValueError):
                self.groups.waiting.remove(self)
        elif error is None:
            await self.group.kept()
        else:
            self.group.leave()

    def _group(self) -> Group:
        if self.group is None:
            raise NeedsMore("no look came first")
        return self.group
