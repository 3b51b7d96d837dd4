"""One measurement: a server on its core, the world on the other, and what both say afterwards."""

import asyncio
import contextlib
import math
import os
import resource
import shutil
import statistics
import tempfile
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.benchmarks.servers import BOT_CORE, WORLD_CORE, Contestant, Server
from tests.benchmarks.talks import ANSWERS, Talk, beginning, paced, side_by_side, taps
from tests.benchmarks.webworld import WebWorld
from tests.benchmarks.world import World
from tests.conftest import create, drop, fill
from tests.running import free_port, postgres_server

SIDE_BY_SIDE, WHEN_SLOW, WHEN_THEY_THINK = 64, 256, 800
CROWD = 256  # citizens at least, and all of a peer's: those tap for ever
FASTEST = 4_000  # turns a second that ours may reach before its citizens have no question left


@dataclass(frozen=True)
class Figures:
    turns: float  # a second
    cpu: float  # µs of the server's processes a turn; the database's own are not in it
    p50: float  # seconds from the press to the next question's arrival
    p95: float
    p99: float
    megabytes: float


def median(figures: Iterable[Figures], name: str) -> float:
    return statistics.median(getattr(one, name) for one in figures)


class Arena:
    """Databases that are filled once and copied, and the places to measure in."""

    def __enter__(self) -> "Arena":
        os.sched_setaffinity(0, {WORLD_CORE})
        # A thousand pages are open at once, and the servers inherit the limit.
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        self.stack = contextlib.ExitStack()
        self.folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        server = self.stack.enter_context(postgres_server())
        self.postgres_pid, self.cores = server.get_pid(), (BOT_CORE,)
        self.postgres = f"postgresql://postgres@/%s?host={server.pgdata}"
        self.numbers = iter(range(1, 1_000_000))
        self.filled: set[str] = set()
        return self

    def __exit__(self, *error: Any) -> None:
        self.stack.close()

    @contextmanager
    def nobody_bound(self) -> Iterator[None]:
        """Bot, database and world share both cores, as the system likes; what has begun before stays where it is."""
        both = (BOT_CORE, WORLD_CORE)
        for process in (0, self.postgres_pid):
            os.sched_setaffinity(process, both)
        self.cores = both
        try:
            yield
        finally:
            self.cores = (BOT_CORE,)
            for process in (0, self.postgres_pid):
                os.sched_setaffinity(process, {WORLD_CORE})

    async def database(self, kind: str, template: str = "template_bench") -> str:
        """The address of a copy."""
        name = f"bench_{next(self.numbers)}"
        if kind == "postgres":
            if template not in self.filled:
                await create(self.postgres, template)
                await fill(self.postgres % template)
            await create(self.postgres, name, template)
            self.filled.add(template)
            return self.postgres % name
        original = self.folder / f"{template}.sqlite3"
        if not original.exists():
            await fill(f"sqlite:///{original}")
        shutil.copy(original, self.folder / f"{name}.sqlite3")
        return f"sqlite:///{self.folder / name}.sqlite3"

    @asynccontextmanager
    async def world(self, contestant: Contestant, delay: float = 0, database_url: str = "") -> AsyncIterator[World]:
        """The contestant's servers are up, and hear this world."""
        folder = self.folder / f"data_{next(self.numbers)}"
        folder.mkdir()
        own = "" if database_url or not contestant.ours else await self.database(contestant.ours)
        cores = self.cores if contestant.processes == 1 else (BOT_CORE, WORLD_CORE)
        api_port = free_port()
        servers = [Server(contestant, folder, api_port, database_url or own, cores) for _ in range(contestant.processes)]
        kind = WebWorld if contestant.page else World
        try:
            async with kind(servers, api_port, delay) as world, contextlib.AsyncExitStack() as running:
                for server in servers:
                    await running.enter_async_context(server)
                yield world
        finally:
            shutil.rmtree(folder)
            await self._forget(own)

    async def _forget(self, url: str) -> None:
        """What is left of one measurement is not tidied up while the next one runs."""
        name = Path(urlsplit(url).path).name
        if url.startswith("sqlite"):
            for file in self.folder.glob(f"{name}*"):
                file.unlink()
        elif url:
            await drop(self.postgres, name)

    @asynccontextmanager
    async def ready(
        self, contestant: Contestant, delay: float, turns: float, database_url: str = "", first: int = 1, think: float = 0
    ) -> AsyncIterator["Ready"]:
        """The contestant's citizens have their first question, and ours have questions for so many turns."""
        async with self.world(contestant, delay, database_url) as world:
            at_once = WHEN_THEY_THINK if think else WHEN_SLOW if delay else SIDE_BY_SIDE
            count = at_once + math.ceil(turns / len(ANSWERS)) if contestant.ours else 0
            people = [world.citizen(first + number) for number in range(max(CROWD, count))]
            if contestant.ours or not delay:
                await side_by_side(world, deque((one, beginning(contestant, one.number)) for one in people), at_once)
            else:
                # A peer that takes people one after another would take longer to greet them all than to be measured.
                people = people[:32]
                await side_by_side(world, deque((one, beginning(contestant, one.number)) for one in people), 32)
            yield Ready(world, deque((one, taps(contestant)) for one in people), min(at_once, len(people)), think)


@dataclass(frozen=True)
class Ready:
    """A server and its citizens, who go on where they were when they are let play again."""

    world: World
    talks: deque[Talk]
    at_once: int
    think: float

    async def play(self, seconds: float, rate: float = 0) -> Figures:
        """Taps for so many seconds: as fast as they are answered and people think, or so many a second."""
        self.world.latencies.clear()
        cpu, began = _cpu(self.world), asyncio.get_running_loop().time()
        if rate:
            await paced(self.world, self.talks, rate, seconds)
        else:
            await side_by_side(self.world, self.talks, self.at_once, seconds, self.think)
        assert len(self.talks) >= self.at_once, "the citizens ran out of questions: FASTEST is too small"
        took, used = asyncio.get_running_loop().time() - began, _cpu(self.world) - cpu
        turns, ordered = len(self.world.latencies), sorted(self.world.latencies)
        p50, p95, p99 = (ordered[int(turns * share)] for share in (0.5, 0.95, 0.99))
        return Figures(turns / took, used / turns * 1e6, p50, p95, p99, sum(one.megabytes() for one in self.world.servers))


def _cpu(world: World) -> float:
    return sum(server.cpu_seconds() for server in world.servers)
