"""`make bench`: turns a second and CPU a turn over the webhook path on SQLite, and memory after 10,000 persons."""

import argparse
import asyncio
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks.load import Citizen, Load, answers, full_talk, newcomers
from tests.benchmarks.servers import BareServer, OurServer, Server

ROUNDS = 5


Talk = Callable[[int, bool], list[Citizen]]


async def measure(server: Server, people: int, talk: Talk) -> tuple[float, float, list[float]]:
    """Turns a second, CPU µs a turn of the server, and the latencies, for the last part of the talk of `people` side by side."""
    async with server:
        load = Load(server)
        await load.open()
        *before, measured = zip(*(talk(number, server.bare) for number in range(1, people + 1)), strict=True)
        for part in before:
            await load.run(part)
        load.turns, load.latencies = 0, []
        cpu = server.cpu_seconds()
        seconds = await load.run(measured)
        used = server.cpu_seconds() - cpu
        await load.close()
        return load.turns / seconds, used / load.turns * 1e6, load.latencies


async def memory(people: int) -> tuple[float, float]:
    """Megabytes of the server at the start, and after that many persons have said hello and agreed."""
    with tempfile.TemporaryDirectory() as folder:
        async with OurServer(Path(folder)) as server:
            load = Load(server)
            await load.open()
            await load.run([newcomers(number) for number in range(1, 51)])
            before = server.megabytes()
            await load.run([newcomers(number) for number in range(51, people + 51)], at_once=100)
            await load.close()
            return before, server.megabytes()


async def main() -> None:
    options = argparse.ArgumentParser(prog="make bench")
    options.add_argument("--people", type=int, default=20, help="talks side by side")
    options.add_argument("--persons", type=int, default=10_000, help="persons for the memory")
    chosen = options.parse_args()
    await compare("Full talks", full_talk, chosen.people)
    await compare("Taps on answers", answers, chosen.people)
    before, after = await memory(chosen.persons)
    print(f"\nMemory of the process: {before:.0f} MB after 50 persons, {after:.0f} MB after {chosen.persons:,} more")


async def compare(what: str, talk: Talk, people: int) -> None:
    """Prints ours beside the baseline."""
    results: dict[str, list[tuple[float, float, list[float]]]] = {"ours, SQLite": [], "bare aiohttp + SQLite": []}
    for _round in range(ROUNDS):
        for name, kind in (("ours, SQLite", OurServer), ("bare aiohttp + SQLite", BareServer)):
            with tempfile.TemporaryDirectory() as folder:
                results[name].append(await measure(kind(Path(folder)), people, talk))
    print(f"\n{what} over the webhook, {people} people side by side, medians of {ROUNDS} interleaved rounds\n")
    print("| | turns/s | CPU µs a turn | p50 ms | p95 ms | p99 ms |")
    print("|---|---|---|---|---|---|")
    for name, rounds in results.items():
        latencies = sorted(one for _turns, _cpu, all_of in rounds for one in all_of)
        p50, p95, p99 = (latencies[int(len(latencies) * share)] * 1000 for share in (0.5, 0.95, 0.99))
        turns, cpu = statistics.median(r[0] for r in rounds), statistics.median(r[1] for r in rounds)
        print(f"| {name} | {turns:,.0f} | {cpu:,.0f} | {p50:.1f} | {p95:.1f} | {p99:.1f} |")
    ours, bare = results.values()
    ratios = [a[0] / b[0] for a, b in zip(ours, bare, strict=True)]
    print(f"\nRatio of turns/s to the bare server: {statistics.median(ratios):.3f} (from {min(ratios):.3f} to {max(ratios):.3f})")


asyncio.run(main())
