"""The figures of this process, for Prometheus: turns, their time, what was sent. No names, no addresses."""

import time
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import accumulate

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from bot.quota import used
from storage.database import Database
from storage.delivery import backlog

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """One set for each running bot, so that two of them in one process do not mix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.turns = _Counts("bot_turns", "Messages heard, by what became of them", ("channel", "outcome"))
        self.turn_seconds = _Times("bot_turn_seconds", "From the message to its commit", "channel")
        self.sends = _Counts("bot_sends", "Deliveries, by their fate", ("channel", "fate"))
        for figure in (self.turns, self.turn_seconds, self.sends):
            self.registry.register(figure)
        self.queued = Gauge("bot_outbox_queued", "Deliveries that wait, of all processes", registry=self.registry)
        counted = "Messages of this month, where the platform counts them, of all processes"
        self.month_sent = Gauge("bot_month_sent", counted, ["channel"], registry=self.registry)
        self.people = Gauge("bot_people", "People there, where the platform limits them", ["channel"], registry=self.registry)
        self.age = Gauge("bot_outbox_oldest_seconds", "For how long the oldest of them is due", registry=self.registry)

    def turn(self, channel: str, outcome: str, seconds: float) -> None:
        """A turn is over; one that raised is `failed`."""
        self.turns.add(channel, outcome)
        self.turn_seconds.add(channel, seconds)

    def sent(self, channel: str, fate: str) -> None:
        """What became of a delivery is known."""
        self.sends.add(channel, fate)

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


# The library's own figures are locked, checked and looked up by their labels: that costs a turn twice as much.


class _Counts(Collector):
    """How often it happened, for each pair of labels."""

    def __init__(self, name: str, meaning: str, labels: tuple[str, str]) -> None:
        self.name, self.meaning, self.labels = name, meaning, labels
        self.counts: dict[tuple[str, str], int] = {}
        self.since: dict[tuple[str, str], float] = {}

    def add(self, one: str, other: str) -> None:
        labels = one, other
        if labels not in self.counts:
            self.counts[labels], self.since[labels] = 0, time.time()
        self.counts[labels] += 1

    def collect(self) -> Iterator[CounterMetricFamily]:
        family = CounterMetricFamily(self.name, self.meaning, labels=self.labels)
        for labels, count in self.counts.items():
            family.add_metric(labels, count, created=self.since[labels])
        yield family


class _Times(Collector):
    """How long it took, for each label."""

    def __init__(self, name: str, meaning: str, label: str) -> None:
        self.name, self.meaning, self.label = name, meaning, label
        self.counts: dict[str, list[int]] = {}  # in each step, and above the last
        self.sums: dict[str, float] = {}
        self.since: dict[str, float] = {}

    def add(self, label: str, seconds: float) -> None:
        if label not in self.counts:
            self.counts[label], self.sums[label], self.since[label] = [0] * (len(_SECONDS) + 1), 0.0, time.time()
        self.counts[label][bisect_left(_SECONDS, seconds)] += 1
        self.sums[label] += seconds

    def collect(self) -> Iterator[HistogramMetricFamily]:
        family = HistogramMetricFamily(self.name, self.meaning, labels=[self.label])
        steps = [*map(str, _SECONDS), "+Inf"]
        for label, counts in self.counts.items():
            family.add_metric([label], [*zip(steps, accumulate(counts), strict=True)], self.sums[label])
            family.add_sample(f"{self.name}_created", {self.label: label}, self.since[label])
        yield family
