"""A whole province in the database: what a turn, a claim, memory and the event loop feel of it."""

import asyncio
import json
import random
import sqlite3
import statistics
import time
from collections import deque
from datetime import UTC, datetime, timedelta

import aiohttp

from storage.database import Database
from storage.delivery import claim
from storage.speaker import newcomer
from tests.benchmarks.measures import FASTEST, Arena
from tests.benchmarks.servers import SQLITE
from tests.benchmarks.talks import AGREE, beginning, side_by_side
from tests.benchmarks.world import Citizen, World

FEW = 1_000
TIMES = 15
FIRST = 10_000_000  # numbers of those who are stored, far from those who talk
ANSWERS = json.dumps({f"C{number:02}": "b4" for number in range(1, 21)})
AT = "2026-11-01 08:00:00.000000"
NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) "
FAMILY = [
    "INSERT INTO person (id, created_at, language, you, full_name, birth_year, place_id, 'group') "
    f"SELECT {FIRST} + i, '{AT}', 'vi', 'bác', 'Nguyễn Thị ' || i, 1940 + i % 60, "
    "(SELECT min(id) FROM place WHERE level = 'village') + i % 3, NULL FROM n",
    "INSERT INTO address (address, person_id, created_at, last_heard_at) "
    f"SELECT 'telegram:' || ({FIRST} + i), {FIRST} + i, '{AT}', '{AT}' FROM n",
    "INSERT INTO conversation (person_id, offered, misses, updated_at) "
    f"SELECT {FIRST} + i, '[]', 0, '{AT}' FROM n",
    "INSERT INTO household (id, head_name, place_id, members, school_age, in_school, created_at) "
    f"SELECT {FIRST} + i, 'Nguyễn Thị ' || i, (SELECT min(id) FROM place WHERE level = 'village') + i % 3, 4, 1, 1, '{AT}' FROM n",
    "INSERT INTO assessment (id, title_id, revision_id, year, subject, person_id, household_id, filed_by, place_id, "
    "difficult_area, answers, skipped, reopened, status, step, round, stranded, points, created_at, updated_at, submitted_at) "
    f"SELECT {FIRST} + i, 'gia_dinh_hoc_tap', 2, 2026, 'household:' || ({FIRST} + i), {FIRST} + i, {FIRST} + i, {FIRST} + i, "
    f"(SELECT min(id) FROM place WHERE level = 'village') + i % 3, 0, '{ANSWERS}', '[]', '[]', 'recognized', NULL, 4, 0, 80, "
    f"'{AT}', '{AT}', '{AT}' FROM n",
    "INSERT INTO event (at, name, actor_id, address, assessment_id, detail) "
    f"SELECT '{AT}', 'assessment:answer:change', {FIRST} + i % FAMILIES + 1, 'telegram:x', {FIRST} + i % FAMILIES + 1, "
    """'{"question": "C01", "before": null, "after": "b4"}' FROM n""",
]  # fmt: skip


def store(path: str, families: int) -> None:
    """So many families with a paper of twenty answers each, and an event for each answer."""
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA synchronous=OFF")
    database.execute("BEGIN")
    for statement in FAMILY:
        count = families * 20 if "INTO event" in statement else families
        database.execute(_with(statement, count, families))
    database.execute("COMMIT")
    database.execute("ANALYZE")
    database.close()


def _with(statement: str, count: int, families: int) -> str:
    into, _select, rest = statement.partition("SELECT ")
    return f"{into}{NUMBERS.format(count=count)}SELECT {rest.replace('FAMILIES', str(families))}"


async def report(arena: Arena, families: int, people: int, seconds: float) -> list[str]:
    full = (await arena.database("sqlite")).removeprefix("sqlite:///")
    store(full, families)
    turns = TIMES * seconds * FASTEST
    async with arena.ready(SQLITE, 0, turns) as few, arena.ready(SQLITE, 0, turns, f"sqlite:///{full}", 1_000) as many:
        pairs = [(await many.play(seconds), await few.play(seconds)) for _time in range(TIMES)]
    ratio = statistics.median(a.cpu / b.cpu for a, b in pairs)
    (start, soon, end), stall = await memory_and_stalls(arena, full, people)
    claims = [f"{await claims_ratio(arena, kind, families):.2f} ({kind})" for kind in ("sqlite", "postgres")]
    stuck = await impatient(arena, 200)
    return [
        f"\n## With {families:,} families stored, twenty answers each\n", "| measure | at least | aim | measured |", "|---|---|---|---|",
        f"| longest stall of the event loop, seen from outside by a look every 5 ms | 50 ms | 10 ms | {stall * 1000:.0f} ms |",
        f"| memory of a process: at the start, after {FEW:,} people have talked, and after {people:,} | +10 MB | flat | {start:.0f} → {soon:.0f} → {end:.0f} MB |",
        f"| processor time of a turn, against the empty database | 1.5× | 1.1× | {ratio:.2f}× |",
        f"| outbox of {families:,} rows: claim of the next 100, against 1,000 rows | 1.5× | 1.1× | {', '.join(claims)} |",
        f"| citizens stuck of 200 who tap after 125–375 ms while the platform answers 300 ms late | 0 | 0 | {stuck} |",
    ]  # fmt: skip


async def memory_and_stalls(arena: Arena, path: str, people: int) -> tuple[list[float], float]:
    """Megabytes before, soon and after, and the longest time that the process did not answer a look at its health."""
    async with arena.world(SQLITE, database_url=f"sqlite:///{path}") as world:
        server, longest, over = world.servers[0], 0.0, False

        async def watch() -> None:
            nonlocal longest
            async with aiohttp.ClientSession() as http:
                while not over:
                    began = time.perf_counter()
                    async with http.get(f"http://127.0.0.1:{server.port}/healthz") as answer:
                        await answer.read()
                    longest = max(longest, time.perf_counter() - began)
                    await asyncio.sleep(0.005)

        megabytes = [server.megabytes()]
        # A calm evening: what is measured is a stall, not a queue.
        watching = asyncio.create_task(watch())
        some = [world.citizen(number) for number in range(90_001, 90_201)]
        await side_by_side(world, deque((one, beginning(SQLITE, one.number)) for one in some), 4)
        over = True
        await watching
        many = [world.citizen(number) for number in range(200_001, 200_001 + people)]
        # The first fill what is kept of a certain size, and open the connections; what grows then grows with the people.
        for some in (many[:FEW], many[FEW:]):
            await side_by_side(world, deque((one, iter(AGREE)) for one in some), 64)
            megabytes.append(server.megabytes())
        return megabytes, longest


async def claims_ratio(arena: Arena, kind: str, rows: int) -> float:
    """How much longer the next hundred take where so many wait, than where a thousand do: in turn, so that noise hits both."""
    few, many = [await _outbox(arena, kind, count) for count in (1_000, rows)]
    seconds = [(await _claim_hundred(many), await _claim_hundred(few)) for _ in range(9)]
    await few.close()
    await many.close()
    of_many, of_few = zip(*seconds, strict=True)
    return statistics.median(of_many) / statistics.median(of_few)


async def _outbox(arena: Arena, kind: str, count: int) -> Database:
    """A database in whose outbox so many wait."""
    database, now = Database(await arena.database(kind)), datetime.now(UTC) - timedelta(seconds=60)
    async with database.transaction() as session:
        person = (await newcomer(session, "telegram:1", now)).person
        await session.flush()
        moment = f"'{now:%Y-%m-%d %H:%M:%S.%f}'" + ("" if database.alone else "::timestamptz")
        numbers = NUMBERS.format(count=count)
        columns = "address, channel, urgency, person_id, text, buttons, fate, tries, not_before, created_at, in_place"
        values = f"'telegram:' || i, 'telegram', 2, {person.id}, 'nhắc', '[]', 'queued', 0, {moment}, {moment}, false"
        await session.connection.execute(f"INSERT INTO delivery ({columns}) {numbers} SELECT {values} FROM n", ())
        await session.connection.execute("ANALYZE delivery", ())
    return database


async def _claim_hundred(database: Database) -> float:
    now = datetime.now(UTC)
    began = time.perf_counter()
    async with database.transaction() as session:
        assert len(await claim(session, "telegram", None, now, now + timedelta(hours=1), ())) == 100
    return time.perf_counter() - began


async def impatient(arena: Arena, people: int) -> int:
    """How many never reach the end of their questions."""
    chance = random.Random(1)

    async def taps(world: World, citizen: Citizen) -> bool:
        for _tap in range(300):
            label = next((one for one in LADDER if one in citizen.buttons), None)
            if label is None:
                return True
            tapping = asyncio.create_task(world.post(citizen, f"[{label}]"))
            await asyncio.sleep(chance.uniform(0.125, 0.375))
            await tapping
        return False

    async with arena.world(SQLITE, delay=0.3) as world:
        citizens = [world.citizen(number) for number in range(1, people + 1)]
        await side_by_side(world, deque((one, beginning(SQLITE, one.number)) for one in citizens), people)
        return (await asyncio.gather(*(taps(world, one) for one in citizens))).count(False)


LADDER = ("Chưa có, câu tiếp theo", "Giữ nguyên, làm tiếp", "Thường xuyên (8 điểm)")
