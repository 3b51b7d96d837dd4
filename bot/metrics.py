"""The figures of this process, for Prometheus: turns, their time, what was sent. No names, no addresses."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from bot.quota import used
from storage.database import Database
from storage.delivery import backlog

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """One set for each running bot, so that two of them in one process do not mix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._kept: dict[tuple[Any, tuple[str, ...]], Any] = {}  # to find a figure by its labels takes as long as to count
        heard = "Messages heard, by what became of them"
        self.turns = Counter("bot_turns", heard, ["channel", "outcome"], registry=self.registry)
        self.turn_seconds = Histogram(
            "bot_turn_seconds", "From the message to its commit", ["channel"], buckets=_SECONDS, registry=self.registry
        )
        self.sends = Counter("bot_sends", "Deliveries, by their fate", ["channel", "fate"], registry=self.registry)
        self.queued = Gauge("bot_outbox_queued", "Deliveries that wait, of all processes", registry=self.registry)
        counted = "Messages of this month, where the platform counts them, of all processes"
        self.month_sent = Gauge("bot_month_sent", counted, ["channel"], registry=self.registry)
        self.people = Gauge("bot_people", "People there, where the platform limits them", ["channel"], registry=self.registry)
        self.age = Gauge("bot_outbox_oldest_seconds", "For how long the oldest of them is due", registry=self.registry)

    def turn(self, channel: str, outcome: str, seconds: float) -> None:
        """A turn is over; one that raised is `failed`."""
        self._of(self.turns, channel, outcome).inc()
        self._of(self.turn_seconds, channel).observe(seconds)

    def sent(self, channel: str, fate: str) -> None:
        """What became of a delivery is known."""
        self._of(self.sends, channel, fate).inc()

    def _of(self, figure: Any, *labels: str) -> Any:
        if (known := self._kept.get((figure, labels))) is None:
            known = self._kept[figure, labels] = figure.labels(*labels)
        return known

    async def page(self, database: Database, now: datetime, limited: Iterable[str] = ()) -> bytes:
        """What Prometheus reads; `limited` are the channels whose platform counts. Raises DatabaseAway."""
        for channel in limited:
            figures = await used(database, channel, now)
            self.month_sent.labels(channel).set(figures.sent)
            self.people.labels(channel).set(figures.people)
        async with database.transaction() as session:
            count, due_since = await backlog(session)
        self.queued.set(count)
        self.age.set(max(0.0, (now - due_since).total_seconds()) if due_since else 0)
        return generate_latest(self.registry)
