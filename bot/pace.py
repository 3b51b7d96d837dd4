"""How fast one address may go: a bucket each, forgotten when it is full again; and how fast it is told what nobody asked for."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

REMEMBERED = 50_000
LONGEST_WAIT = 600  # seconds between two tries


@dataclass
class _Bucket:
    level: float
    at: float
    warned: bool = False


class Pace:
    """Allows `per_minute` on average and `burst` at once, for each key by itself."""

    def __init__(self, per_minute: float, burst: int, clock: Callable[[], float]) -> None:
        self.rate, self.burst, self.clock = per_minute / 60, burst, clock
        self.buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def allows(self, key: str) -> bool:
        """Takes one from the key's bucket; False where it is empty."""
        now = self.clock()
        bucket = self.buckets.setdefault(key, _Bucket(float(self.burst), now))
        self.buckets.move_to_end(key)
        if len(self.buckets) > REMEMBERED:
            self.buckets.popitem(last=False)
        bucket.level = min(float(self.burst), bucket.level + (now - bucket.at) * self.rate)
        bucket.at = now
        if bucket.level < 1:
            return False
        bucket.level -= 1
        bucket.warned = bucket.warned and bucket.level < self.burst / 2
        return True

    def should_warn(self, key: str) -> bool:
        """Whether this is the first refusal since the key last kept the pace: one sentence is enough."""
        bucket = self.buckets[key]
        first, bucket.warned = not bucket.warned, True
        return first


class Spacing:
    """Nobody is told one thing after another faster than they could read it."""

    def __init__(self) -> None:
        self.spoken: OrderedDict[str, float] = OrderedDict()

    async def wait(self, key: str, seconds: float) -> None:
        """Returns `seconds` after it last did for this key."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, self.spoken.get(key, 0.0) + seconds - loop.time()))
        self.spoken[key] = loop.time()
        self.spoken.move_to_end(key)
        if len(self.spoken) > REMEMBERED:
            self.spoken.popitem(last=False)


def seconds_before(tries: int, wished: float) -> float:
    """How long to wait before the next try: the platform's own wish, or growing waits up to ten minutes."""
    return wished if wished > 5 else min(max(wished, 0.5) * 2 ** min(tries - 1, 9), LONGEST_WAIT)
