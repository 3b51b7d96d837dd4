"""`make bench`: what a turn costs us, our peers, and the least that can be written by hand, all in the same run.

`make bench OUT=FILE` writes the tables as Markdown; RESULTS.md beside this file is such a run.
"""

import argparse
import contextlib
from pathlib import Path

import uvloop

from tests.benchmarks import scale
from tests.benchmarks.measures import FASTEST, Arena, Figures, median
from tests.benchmarks.servers import (
    AIOGRAM,
    LIMIT,
    POSTGRES,
    POSTGRES_PAGE,
    POSTGRES_TWICE,
    SQLITE,
    SQLITE_PAGE,
    STOCK,
    STOCK_SQLMODEL,
    Contestant,
)  # fmt: skip

HEADING = """# What a turn costs

`make bench OUT=tests/benchmarks/RESULTS.md` wrote this. In each of {rounds} rounds all servers were started, and then took
their turns one after another, {times} times, {seconds:g} s each: a machine of this kind is half as fast from one moment to
the next, and so it is so for all. The figures are medians of these {played}. A server has one core, the load and the stand-in
of the Bot API the other. Peers keep the answer and make one call a turn; a turn of ours is one of the real bot: heard once,
rights, criteria, event, words, outbox, and the call. A citizen presses as soon as the next question is there, 64 of them side
by side (256 where the platform takes 50 ms). CPU is the server's own; PostgreSQL's is not in it.

Where two processes are compared with one, nobody is bound to a core: bot, database and load share both as the system likes.
There 800 citizens think for 75 to 225 ms before each press, and each message goes to the next process, as a proxy would have
it: half of them come to one that knows nothing of what the other has just said. There, and at 200 turns a second, each
measurement takes three times as long.

A process of its own was asked for the stand-in of the Bot API: here one process plays both it and the citizens, because
there is no third core to put it on. At the web chat there is no platform: every citizen has a cookie and a page that stays
open and offers compression as browsers do; what the server keeps for it is in the MB.
"""
TIMES = 6  # that each plays in a round
Rows = dict[Contestant, list[Figures]]


async def rounds(
    arena: Arena, contestants: list[Contestant], count: int, delay: float, seconds: float, rate: float = 0, think: float = 0
) -> Rows:
    """Each round starts all of them; then they play one after another, a short while each, so that a noisy minute hits all."""
    rows: Rows = {contestant: [] for contestant in contestants}
    for _round in range(count):
        async with contextlib.AsyncExitStack() as stack:
            turns = (rate or FASTEST) * seconds * TIMES
            ready = [await stack.enter_async_context(arena.ready(one, delay, turns, think=think)) for one in contestants]
            for _time in range(TIMES):
                for contestant, one in zip(contestants, ready, strict=True):
                    rows[contestant].append(await one.play(seconds, rate))
    return rows


def table(heading: str, rows: Rows) -> str:
    lines = [f"\n## {heading}\n", "| | turns/s | CPU µs a turn | turns/s a core | p50 ms | p95 ms | p99 ms | MB |"]
    lines.append("|---|---|---|---|---|---|---|---|")
    for contestant, figures in rows.items():
        turns, cpu, p50, p95, p99, megabytes = (
            median(f, name) for f, name in ((figures, n) for n in ("turns", "cpu", "p50", "p95", "p99", "megabytes"))
        )
        times = " | ".join(f"{value * 1000:,.1f}" for value in (p50, p95, p99))
        lines.append(f"| {contestant.name} | {turns:,.0f} | {cpu:,.0f} | {1e6 / cpu:,.0f} | {times} | {megabytes:,.0f} |")
    return "\n".join(lines)


def ratio(rows: Rows, ours: Contestant, other: Contestant, name: str = "turns") -> str:
    """The median of the rounds' ratios, with the least and the greatest."""
    ratios = sorted(getattr(a, name) / getattr(b, name) for a, b in zip(rows[ours], rows[other], strict=True))
    return f"{ratios[len(ratios) // 2]:,.2f} ({ratios[0]:,.2f}–{ratios[-1]:,.2f})"


def line(what: str, least: str, aim: str, measured: str) -> str:
    return f"| {what} | {least} | {aim} | {measured} |"


async def main() -> None:
    options = argparse.ArgumentParser(prog="make bench")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=float, default=1, help="of taps in each measurement")
    options.add_argument("--only", default="", help="words of the contestants' names, with commas between; no ratios then")
    options.add_argument("--families", type=int, default=310_000, help="stored, for the measures of scale; 0 leaves them out")
    options.add_argument("--people", type=int, default=100_000, help="who talk while the process's memory is watched")
    options.add_argument("--out", type=Path)
    chosen = options.parse_args()
    report = [HEADING.format(rounds=chosen.rounds, times=TIMES, seconds=chosen.seconds, played=chosen.rounds * TIMES)]
    with Arena() as arena:
        if chosen.only:
            everyone = (LIMIT, STOCK, STOCK_SQLMODEL, AIOGRAM, SQLITE, POSTGRES, POSTGRES_TWICE, SQLITE_PAGE, POSTGRES_PAGE)
            some = [one for one in everyone if any(word in one.name for word in chosen.only.split(","))]
            report.append(table("Taps on answers", await rounds(arena, some, chosen.rounds, 0, chosen.seconds)))
        else:
            report += await compare(arena, chosen.rounds, chosen.seconds)
        if chosen.families:
            report += await scale.report(arena, chosen.families, chosen.people, chosen.seconds)
    text = "\n".join(report)
    print(text)
    if chosen.out:
        chosen.out.write_text(text + "\n", encoding="utf-8")


async def compare(arena: Arena, count: int, seconds: float) -> list[str]:
    """The tables of speed, and how they stand to what was asked."""
    everyone = [LIMIT, STOCK, STOCK_SQLMODEL, AIOGRAM, SQLITE, POSTGRES]
    fast = await rounds(arena, everyone, count, 0, seconds)
    slow = await rounds(arena, [LIMIT, STOCK, AIOGRAM, SQLITE, POSTGRES], count, 0.05, seconds)
    with arena.nobody_bound():
        both = await rounds(arena, [POSTGRES, POSTGRES_TWICE], count, 0, 3 * seconds, think=0.15)
    pages = await rounds(arena, [SQLITE_PAGE, POSTGRES_PAGE], count, 0, seconds)
    calm = await rounds(arena, [LIMIT, SQLITE, POSTGRES], count, 0, 3 * seconds, rate=200)
    lines = [
        "\n## Against what was asked\n", "| measure | at least | aim | measured: median of the rounds (from – to) |", "|---|---|---|---|",
        line("turns/s, SQLite, delay 0, against stock PTB with persistence", "4×", "8×", ratio(fast, SQLITE, STOCK)),
        line("… against stock PTB with a SQLModel commit an answer", "8×", "14×", ratio(fast, SQLITE, STOCK_SQLMODEL)),
        line("… against aiogram with a durable store", "3.5×", "7×", ratio(fast, SQLITE, AIOGRAM)),
        line("… against the hand-written limit", "0.5", "0.9", ratio(fast, SQLITE, LIMIT)),
        line("delay 50 ms, against stock PTB with persistence", "60×", "150×", ratio(slow, SQLITE, STOCK)),
        line("PostgreSQL, one process, against SQLite", "0.6", "1.0", ratio(fast, POSTGRES, SQLITE)),
        line("PostgreSQL, two processes against one", "1.2×", "1.6×", ratio(both, POSTGRES_TWICE, POSTGRES)),
        line("p99 at 200 turns/s against the limit", "3×", "1.1×", ratio(calm, SQLITE, LIMIT, "p99")),
    ]  # fmt: skip
    return [
        *lines,
        table("Taps on answers, the platform answers at once", fast),
        table("Taps on answers, the platform takes 50 ms a call", slow),
        table("PostgreSQL: one process and two, on the same two cores", both),
        table("The web chat: the same taps over a WebSocket", pages),
        table("200 turns a second, whoever is still waiting", calm),
    ]


uvloop.run(main())
