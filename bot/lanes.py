"""One turn at a time for one address, in order of arrival; everyone else in parallel."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class _Lane:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0


class Lanes:
    """A lane each while somebody is in it; an empty lane is forgotten."""

    def __init__(self, longest: int) -> None:
        self.longest = longest
        self.lanes: dict[str, _Lane] = {}

    def full(self, key: str) -> bool:
        return key in self.lanes and self.lanes[key].waiting >= self.longest

    @asynccontextmanager
    async def turn_of(self, key: str) -> AsyncIterator[None]:
        lane = self.lanes.setdefault(key, _Lane())
        lane.waiting += 1
        try:
            async with lane.lock:
                yield
        finally:
            lane.waiting -= 1
            if not lane.waiting:
                del self.lanes[key]
