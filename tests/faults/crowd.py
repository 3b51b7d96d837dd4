"""The load of the fault tests: citizens who tap as soon as the next question is there, and the officers who get their papers.

They see what arrives at the stand-in of Telegram and know nothing of the bot's database. What they tapped is written
down here, to be compared with what the bot remembers.
"""

import asyncio
import itertools
import random
import re
from collections import Counter
from dataclasses import dataclass, field

from storage.assignment import invite
from storage.database import Database
from storage.place import Place, by_code
from tests.channels.telegram_api import TelegramApi
from tests.channels.telegram_people import Message, Person
from tests.conftest import NOW

VILLAGE, COMMUNE = "18685-001", "18685"
BRANCH, ASSOCIATION = 11, 12  # the officers' numbers; the citizens' begin at 1000
INTRO = [
    ("[Bắt đầu]", "Để xét danh hiệu"),
    ("[Đồng ý]", "Nếu được công nhận"),
    ("[Đồng ý]", r".*nhắn nhắc việc"),
    ("[Đồng ý]", "Trợ lý nên gọi"),
    ("[bác]", "Họ và tên"),
    ("{name}", "Bác sinh năm"),
    ("{born}", "Nơi ở là thôn"),
    ("[Đúng]", "Mời bác chọn danh hiệu"),
    ("[Công dân học tập]", "Nhóm nào"),
    ("[Người dân trong xã]", "Câu 1/10"),
]
PATIENCE = 40.0  # seconds for which a citizen waits for an answer; then the test fails


async def invitations(database: Database) -> dict[int, str]:
    """The codes that make the two officers officers."""
    async with database.transaction() as session:
        places: dict[int, Place | None] = {
            BRANCH: await by_code(session, VILLAGE),
            ASSOCIATION: await by_code(session, COMMUNE),
        }
        roles = {BRANCH: "branch", ASSOCIATION: "association"}
        # For ever: the bot's clock is the real one, and so is an invitation's end.
        return {who: await invite(session, roles[who], place.id or 0, NOW, 3650) for who, place in places.items() if place}


@dataclass
class Citizen:
    """One self-assessment, from the link on the village's door to the word that the commune has examined it."""

    person: Person
    chance: random.Random
    answers: dict[str, str] = field(default_factory=dict)
    taps: Counter[str] = field(default_factory=Counter)  # question -> how often it was answered
    told: Counter[str] = field(default_factory=Counter)  # question -> how often evidence was written
    deeds: int = 0  # messages and presses
    asked_for_more: bool = False

    async def play(self) -> None:
        shown = await self.begins()
        for number in range(1, 11):
            onwards = f"Câu {number + 1}/10" if number < 10 else "Xem lại phiếu"
            shown = await self.answers_one(shown, number, onwards)
        await self.submits(shown)
        outcome = await self.sees(r"(?s)Phiếu .*(đã thẩm định|đề nghị bổ sung)")
        if "đề nghị bổ sung" in outcome.text:
            await self.completes(outcome)
            await self.sees(r"(?s)Phiếu .*đã thẩm định")

    async def begins(self) -> Message:
        """From the link to the first question."""
        self.deeds += 1
        await self.person.opens(f"v-{VILLAGE}")
        shown = await self.sees("Dạ, kính chào")
        name = " ".join(["Nguyễn Thị", *(self.chance.choice("ABCDEGHKLM") + "a" for _ in range(2))])
        for words, then in INTRO:
            shown = await self.does(words.format(name=name, born=self.chance.randint(1940, 2000)), shown, then)
        return shown

    async def answers_one(self, shown: Message, number: int, onwards: str) -> Message:
        """One question and what is asked for as evidence; gives the next message."""
        shown = await self.taps_an_answer(shown, number, onwards)
        if reads(shown, rf"Câu {number}\. "):
            kind = self.chance.randrange(3)
            if kind == 0:
                words = "Tôi đọc sách với các cháu."
                self.told[f"C{number:02}"] += 1
                shown = await self.does(words, shown, f"Đã lưu lời kể cho câu {number}")
            label = ("Câu tiếp theo", "Chưa có, câu tiếp theo", "Nhờ chi hội xác nhận")[kind]
            shown = await self.does(f"[{label}]", shown, onwards)
        return shown

    async def taps_an_answer(self, shown: Message, number: int, onwards: str) -> Message:
        label = self.chance.choice([row[0] for row in shown.buttons if row[0].endswith(" điểm)")])
        _call, _paper, question, choice = (shown.token(label) or "").split(":")
        self.answers[question] = choice
        self.taps[question] += 1
        return await self.does(f"[{label}]", shown, rf"(Câu {number}\. |{onwards})")

    async def submits(self, review: Message) -> None:
        result = await self.does("[Xem kết quả]", review, "Công dân học tập: tự chấm")
        await self.does("[Gửi cho chi hội]", result, "(?s)Phiếu .*Điểm tự chấm")

    async def completes(self, notice: Message) -> None:
        """The officer wants one answer completed: it is answered anew, and the paper sent again."""
        self.asked_for_more = True
        shown = await self.does("[Bổ sung ngay]", notice, r"Câu \d+/10 · bổ sung")
        found = reads(shown, r"Câu (\d+)")
        assert found
        shown = await self.taps_an_answer(shown, int(found[1]), "Xem lại phiếu")
        if reads(shown, "Câu"):
            shown = await self.does("[Xong, xem lại phiếu]", shown, "Xem lại phiếu")
        await self.submits(shown)

    async def does(self, words: str, shown: Message, then: str) -> Message:
        """Presses a button of the message, or types; gives the message that comes next."""
        self.deeds += 1
        before = shown.edits
        if words.startswith("["):
            await self.person.presses(words[1:-1], shown)
        else:
            await self.person.says(words)
        return await self.sees(then, after=shown, edits=before)

    async def sees(self, pattern: str, after: Message | None = None, edits: int = 0) -> Message:
        """The newest message of this kind that came after another, or that the other became."""
        known = after.message_id if after else 0

        def newest() -> Message | None:
            new = (m for m in reversed(self.person.sees) if m.message_id > known or (m is after and m.edits > edits))
            return next((m for m in new if reads(m, pattern)), None)

        def missed() -> str:
            return f"{pattern!r} for {self.person.number} in {[m.text[:40] for m in self.person.sees[-4:]]}"

        found: Message = await self.person.api.until(newest, missed, PATIENCE)
        return found


def reads(message: Message, pattern: str) -> re.Match[str] | None:
    """Whether it says that from its beginning, or below what stays of an answered question."""
    found = (re.match(pattern, part) for part in (message.text, *message.text.split("\n\n", 1)[1:]))
    return next((match for match in found if match), None)


class Officer:
    """Answers every prompt that arrives, also one that arrives twice, by what its buttons say."""

    def __init__(self, person: Person, asks_for_more: bool, chance: random.Random) -> None:
        self.person, self.asks_for_more, self.chance = person, asks_for_more, chance

    async def begins(self, code: str, name: str) -> None:
        await self.person.opens(f"m-{code}")
        await self.person.waits_for("Họ và tên", PATIENCE)
        await self.person.says(name)
        await self.person.waits_for("phiếu chờ", PATIENCE)

    async def works(self) -> None:
        """For ever: one message after the other, as they arrive."""
        read = len(self.person.sees)
        while True:
            await self.person.api.until(lambda read=read: len(self.person.sees) > read, seconds=3600)
            await self._react(self.person.sees[read])
            read += 1

    async def _react(self, message: Message) -> None:
        tokens = [b["callback_data"] for row in (message.markup or {}).get("inline_keyboard", []) for b in row]
        for call in ("approval.approve", "approval.more_reason", "approval.ask_more"):
            if offered := [token for token in tokens if token.startswith(f"{call}:")]:
                await self.person.presses_token(self._decision(self.chance.choice(offered)), message)

    def _decision(self, token: str) -> str:
        """Every third paper is asked about, once: when it comes from the branch."""
        call, paper, round_, *_rest = token.split(":")
        more = self.asks_for_more and call == "approval.approve" and int(paper) % 3 == 0 and int(round_) == 2
        return f"approval.more:{paper}:{round_}" if more else token


class Crowd:
    """`at_once` citizens at any time, until nobody new is let in."""

    def __init__(self, api: TelegramApi, seed: int, at_once: int) -> None:
        self.api, self.at_once, self.chance = api, at_once, random.Random(seed)
        self.numbers = itertools.count(1000)
        self.citizens: list[Citizen] = []
        self.closed = False
        officers = {BRANCH: False, ASSOCIATION: True}
        self.officers = {who: Officer(api.person(who, "Cán bộ"), more, self.chance) for who, more in officers.items()}
        self.working: list[asyncio.Task[None]] = []

    async def opens(self, codes: dict[int, str]) -> None:
        """The officers take office, the first citizens come."""
        for who, code in codes.items():
            await self.officers[who].begins(code, f"Cán bộ {'ABCDEFGHIJKLM'[who % 13]}a")
        self.working = [asyncio.create_task(officer.works()) for officer in self.officers.values()]
        self.places = [asyncio.create_task(self._one_after_the_other()) for _ in range(self.at_once)]

    async def closes(self) -> None:
        """Nobody new; waits until those who are there have finished."""
        self.closed = True
        await asyncio.gather(*self.places)
        await self.api.all_heard(PATIENCE)

    async def leaves(self) -> None:
        for task in [*self.working, *self.places]:
            task.cancel()
        await asyncio.gather(*self.working, *self.places, return_exceptions=True)

    async def _one_after_the_other(self) -> None:
        while not self.closed:
            number = next(self.numbers)
            citizen = Citizen(self.api.person(number, "An"), random.Random(self.chance.random()))
            self.citizens.append(citizen)
            await citizen.play()
