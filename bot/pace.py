"""How fast one address may go: a bucket each, forgotten when it is full again; and how fast it is told what nobody asked for."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

REMEMBERED = 20_000
LONGEST_WAIT = 600  # seconds between two tries


@dataclass(slots=True)
class _Bucket:
    level: float
    at: float
    warned: bool = False


class Pace:
    """Allows `per_minute` on average and `burst` at once, for each key by itself; whoever has not spoken for so long that all
    is allowed again is forgotten."""

    def __init__(self, per_minute: float, burst: int, clock: Callable[[], float]) -> None:
        self.rate, self.burst, self.clock = per_minute / 60, float(burst), clock
        self.buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def allows(self, key: str) -> bool:
        """Takes one from the key's bucket; False where it is empty."""
        now = self.clock()
        bucket = self.buckets.get(key)
        if bucket is None:
            self._forget(now)
            bucket = self.buckets[key] = _Bucket(self.burst, now)
        else:
            self.buckets.move_to_end(key)
        bucket.level = min(self.burst, bucket.level + (now - bucket.at) * self.rate)
        bucket.at = now
        if bucket.level < 1:
            return False
        bucket.level -= 1
        bucket.warned = bucket.warned and bucket.level < self.burst / 2
        return True

    def give_back(self, key: str) -> None:
        """What was taken last was not used after all."""
        if bucket := self.buckets.get(key):
            bucket.level += 1

    def not_warned(self, key: str) -> None:
        """What it was to be told could not be said."""
        if bucket := self.buckets.get(key):
            bucket.warned = False

    def _forget(self, now: float) -> None:
        """Of those who are silent longest two at most, so that nobody waits for it."""
        for key, silent in list(islice(self.buckets.items(), 2)):
            if silent.level + (now - silent.at) * self.rate < self.burst and len(self.buckets) <= REMEMBERED:
                return
            del self.buckets[key]

    def should_warn(self, key: str) -> bool:
        """Whether this is the first refusal since the key last kept the pace: one sentence is enough."""
        bucket = self.buckets[key]
        first, bucket.warned = not bucket.warned, True
        return first


class Spacing:
    """How long ago each key had its last turn."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.last: OrderedDict[str, float] = OrderedDict()

    def wait(self, key: str, seconds: float) -> float:
        """The seconds that are left of `seconds` since the key's last turn; where none are, this is its turn: 0."""
        now = self.clock()
        left = self.last.get(key, now - seconds) + seconds - now
        if left > 0:
            return left
        self.last[key] = now
        self.last.move_to_end(key)
        if len(self.last) > REMEMBERED:
            self.last.popitem(last=False)
        return 0


def seconds_before(tries: int, wished: float) -> float:
    """How long to wait before the next try: the platform's own wish, or growing waits up to ten minutes."""
    return wished if wished > 5 else min(max(wished, 0.5) * 2 ** min(tries - 1, 9), LONGEST_WAIT)
