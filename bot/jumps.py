"""Notices when somebody sets the clock: an operator, a time server, a small computer after a power cut."""

from collections.abc import Callable
from datetime import datetime, timedelta

NONE = timedelta()
SMALL = timedelta(seconds=3)  # a busy minute; leases and waits have room for that


class Jumps:
    """Compares the time of day with a clock that nobody can set."""

    def __init__(self, now: Callable[[], datetime], clock: Callable[[], float]) -> None:
        self.now, self.clock = now, clock
        self.last = (now(), clock())

    def moved(self) -> timedelta:
        """By how much the time of day was set since the last call; little is nothing."""
        (then, at), self.last = self.last, (self.now(), self.clock())
        moved = self.last[0] - then - timedelta(seconds=self.last[1] - at)
        return moved if abs(moved) > SMALL else NONE
