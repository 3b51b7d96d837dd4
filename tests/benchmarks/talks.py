"""What citizens say in a measurement, in the words of the golden talks."""

import asyncio
import random
from collections import deque
from collections.abc import Iterator

from tests.benchmarks.servers import Contestant
from tests.benchmarks.world import Citizen, World

AGREE = ["xin chào", "[Bắt đầu]", "[Đồng ý]", "[Đồng ý]", "[Đồng ý]"]
ANSWERS = ["[Thường xuyên (8 điểm)]", "[Chưa có, câu tiếp theo]"] * 10
PEERS_ANSWER = "[Mức 3 (6 điểm)]"
Talk = tuple[Citizen, Iterator[str]]  # what is still to be said

SURNAMES = ["Nguyễn", "Trần", "Lê", "Phạm", "Hoàng", "Phan", "Vũ", "Đặng", "Bùi", "Đỗ"]


def who(number: int) -> list[str]:
    """No two of 15,000 citizens in a row have the same name and year of birth."""
    given = f"{'ABCDEGHKLM'[number % 10]}n {'BCDGHKLMNT'[number // 10 % 10]}{'aeiou'[number // 100 % 5]}"
    name = f"{SURNAMES[number // 500 % 10]} Thị {given}"
    return ["[bác]", name, str(1940 + number % 60), "trung tien cam binh", "[Đúng]", "[Công dân học tập]", "[Người dân trong xã]"]


def beginning(contestant: Contestant, number: int) -> Iterator[str]:
    """Up to the first question."""
    return iter([*AGREE, *who(number)] if contestant.ours else ["xin chào"])


def taps(contestant: Contestant) -> Iterator[str]:
    """The answers: what happens a million times. A peer's twelve questions begin anew for ever."""
    while True:
        yield from (ANSWERS if contestant.ours else [PEERS_ANSWER])
        if contestant.ours:
            return


async def side_by_side(world: World, talks: deque[Talk], at_once: int, seconds: float = 3600, think: float = 0) -> None:
    """Plays the talks, so many at once, for at most so long; whoever is not through is back among them afterwards.

    People think for about `think` seconds before they press.
    """
    chance, loop = random.Random(1), asyncio.get_running_loop()
    ends = loop.time() + seconds

    async def work() -> None:
        while talks:
            citizen, talk = talks.popleft()
            while loop.time() < ends:
                if not (words := next(talk, None)):
                    break
                await world.says(citizen, words)
                if think:
                    await asyncio.sleep(min(think * chance.uniform(0.5, 1.5), ends - loop.time()))
            else:
                talks.append((citizen, talk))
                return

    await asyncio.gather(*(work() for _ in range(at_once)))


async def paced(world: World, talks: deque[Talk], rate: float, seconds: float) -> None:
    """Begins `rate` turns a second, whether or not the earlier ones are answered; each citizen waits for their own answer."""
    loop, running = asyncio.get_running_loop(), set[asyncio.Task[None]]()
    began = loop.time()

    async def turn(citizen: Citizen, talk: Iterator[str]) -> None:
        await world.says(citizen, next(talk))
        talks.append((citizen, talk))

    for number in range(int(rate * seconds)):
        await asyncio.sleep(max(0, began + number / rate - loop.time()))
        task = asyncio.create_task(turn(*talks.popleft()))
        running.add(task)
        task.add_done_callback(running.discard)
    await asyncio.gather(*running)
