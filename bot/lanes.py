"""One turn at a time for one address, in order of arrival; everyone else in parallel."""

import asyncio


class Lanes:
    """A lane each while somebody is in it; an empty lane is forgotten."""

    def __init__(self, longest: int) -> None:
        self.longest = longest
        self.lanes: dict[str, Lane] = {}

    def full(self, key: str) -> bool:
        return key in self.lanes and self.lanes[key].waiting >= self.longest

    def turn_of(self, key: str) -> "Lane":
        if (lane := self.lanes.get(key)) is None:
            self.lanes[key] = lane = Lane(self.lanes, key)
        return lane


class Lane:
    """Whoever enters waits for those who entered before."""

    def __init__(self, lanes: dict[str, "Lane"], key: str) -> None:
        self.lanes, self.key, self.lock, self.waiting = lanes, key, asyncio.Lock(), 0

    async def __aenter__(self) -> None:
        self.waiting += 1
        try:
            await self.lock.acquire()
        except BaseException:
            self._leave()
            raise

    async def __aexit__(self, *_error: object) -> None:
        self.lock.release()
        self._leave()

    def _leave(self) -> None:
        self.waiting -= 1
        if not self.waiting:
            del self.lanes[self.key]
