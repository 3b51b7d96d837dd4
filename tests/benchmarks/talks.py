"""What citizens say in a measurement, in the words of the golden talks."""

import asyncio
import random
from collections.abc import Iterable, Iterator

from tests.benchmarks.servers import Contestant
from tests.benchmarks.world import Citizen, World

AGREE = ["xin chào", "[Bắt đầu]", "[Đồng ý]", "[Đồng ý]", "[Đồng ý]"]
ANSWERS = ["[Thường xuyên (8 điểm)]", "[Chưa có, câu tiếp theo]"] * 10
PEERS_ANSWER = "[Mức 3 (6 điểm)]"


SURNAMES = ["Nguyễn", "Trần", "Lê", "Phạm", "Hoàng", "Phan", "Vũ", "Đặng", "Bùi", "Đỗ"]


def who(number: int) -> list[str]:
    """No two of 15,000 citizens in a row have the same name and year of birth."""
    given = f"{'ABCDEGHKLM'[number % 10]}n {'BCDGHKLMNT'[number // 10 % 10]}{'aeiou'[number // 100 % 5]}"
    name = f"{SURNAMES[number // 500 % 10]} Thị {given}"
    return ["[bác]", name, str(1940 + number % 60), "trung tien cam binh", "[Đúng]", "[Công dân học tập]", "[Người dân trong xã]"]


def beginning(contestant: Contestant, number: int) -> list[str]:
    """Up to the first question."""
    return [*AGREE, *who(number)] if contestant.ours else ["xin chào"]


def taps(contestant: Contestant) -> Iterator[str]:
    """The answers: what happens a million times. A peer's twelve questions begin anew for ever."""
    while True:
        yield from (ANSWERS if contestant.ours else [PEERS_ANSWER])
        if contestant.ours:
            return


async def side_by_side(
    world: World, talks: Iterable[tuple[Citizen, Iterable[str]]], at_once: int, seconds: float = 3600, think: float = 0
) -> int:
    """Plays the talks, so many at once, for at most so long; gives how many turns. People think for about so many seconds."""
    waiting, done, chance = iter(talks), 0, random.Random(1)
    ends = asyncio.get_running_loop().time() + seconds

    async def work() -> None:
        nonlocal done
        for citizen, talk in waiting:
            for words in talk:
                if asyncio.get_running_loop().time() > ends:
                    return
                await world.says(citizen, words)
                done += 1
                if think:
                    await asyncio.sleep(think * chance.uniform(0.5, 1.5))

    await asyncio.gather(*(work() for _ in range(at_once)))
    return done


async def paced(world: World, talks: Iterable[tuple[Citizen, Iterator[str]]], rate: float, seconds: float) -> None:
    """Begins `rate` turns a second, whether or not the earlier ones are answered; each citizen waits for their own answer."""
    loop, idle, running = asyncio.get_running_loop(), list(talks), set[asyncio.Task[None]]()
    began = loop.time()

    async def turn(citizen: Citizen, talk: Iterator[str]) -> None:
        if words := next(talk, None):
            await world.says(citizen, words)
            idle.append((citizen, talk))

    for number in range(int(rate * seconds)):
        await asyncio.sleep(max(0, began + number / rate - loop.time()))
        task = asyncio.create_task(turn(*idle.pop(0)))
        running.add(task)
        task.add_done_callback(running.discard)
    await asyncio.gather(*running)
