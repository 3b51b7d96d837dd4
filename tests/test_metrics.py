"""The figures that we count ourselves are written as Prometheus's own would be."""

import re

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from bot.metrics import Metrics

SECONDS = [0.0019, 0.002, 0.0021, 0.7, 10, 11.5]
STEPS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


def test_turns_and_deliveries_are_written_as_prometheus_writes_them() -> None:
    theirs, ours = CollectorRegistry(), Metrics()
    turns = Counter("bot_turns", "Messages heard, by what became of them", ["channel", "outcome"], registry=theirs)
    took = Histogram("bot_turn_seconds", "From the message to its commit", ["channel"], buckets=STEPS, registry=theirs)
    sends = Counter("bot_sends", "Deliveries, by their fate", ["channel", "fate"], registry=theirs)
    for number, seconds in enumerate(SECONDS):
        channel, outcome = f"channel {number % 2}", f"outcome {number % 3}"
        turns.labels(channel, outcome).inc()
        took.labels(channel).observe(seconds)
        sends.labels(channel, "sent").inc()
        ours.turn(channel, outcome, seconds)
        ours.sent(channel, "sent")
    written = _lines(ours.registry)
    assert _lines(theirs) == written[: len(_lines(theirs))]


def _lines(registry: CollectorRegistry) -> list[str]:
    """The page; when a figure began to be counted is a moment in both, and never the same."""
    return [re.sub(r"(_created\{.*\}) .*", r"\1 …", line) for line in generate_latest(registry).decode().splitlines()]
