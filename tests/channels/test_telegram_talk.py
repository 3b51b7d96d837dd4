"""The very same talks on Telegram: the whole bot behind a stand-in of the Bot API, polled and by webhook."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp.test_utils import unused_port

from bot.app import App, build
from bot.settings import Settings
from storage.database import Database
from storage.delivery import Delivery, Fate
from storage.person import addressed, last_address
from tests.channels.listening import SECRET
from tests.channels.telegram_api import TOKEN, TelegramApi
from tests.channels.telegram_people import Message, Person
from tests.faults.test_crashes import TALK
from tests.talks import Player, photo

TALKS = Path(__file__).parent.parent / "conversations"
_SPOKEN = re.compile(r"(\w+) > (.*)")
_SHOWN = re.compile(r"(\w+) ([<~]) (.*)")


@asynccontextmanager
async def telegram_bot(
    api: TelegramApi, database: Database, folder: Path, webhook: bool, per_minute: int = 6000
) -> AsyncIterator[App]:
    """The whole bot, at the time of the talks."""
    port = unused_port()
    settings = Settings(  # type: ignore[call-arg]
        _env_file=None, http_port=port, data_dir=folder, secret_key="s" * 40, telegram_bot_token=TOKEN, telegram_api_url=api.url,
        public_url=f"http://127.0.0.1:{port}" if webhook else "", telegram_webhook_secret=SECRET,
        association_name="Hội Khuyến học tỉnh Hà Tĩnh", messages_per_minute=per_minute,
    )  # fmt: skip
    clock = Player(database, folder)
    app = build(settings, database, now=lambda: clock.clock)
    app.player = clock  # type: ignore[attr-defined]
    async with app.running():
        yield app


class Reading:
    """Plays a golden talk on Telegram, and looks for what it says on the people's phones."""

    def __init__(self, api: TelegramApi, app: App) -> None:
        self.api, self.app = api, app
        self.people: dict[str, Person] = {}

    def person(self, name: str) -> Person:
        if name not in self.people:
            self.people[name] = self.api.person(100 + len(self.people), name)
        return self.people[name]

    async def play(self, source: str) -> int:
        """Plays every line; gives how many messages were seen."""
        seen = 0
        for block in source.split("\n\n"):
            lines = block.split("\n")
            spoken = next((m for line in lines if (m := _SPOKEN.fullmatch(line))), None)
            for line in lines:
                if line.startswith("* "):
                    self.app.player.set_clock(line[2:])  # type: ignore[attr-defined]
            if spoken:
                await self.deed(self.person(spoken[1]), spoken[2])
                await self.api.all_heard()
                await self.app.sender.drain()
                for name, text in said_in(lines):
                    await self.api.until(
                        lambda n=name, t=text: self.shows(n, t),
                        lambda n=name, t=text: f"{n} to see {t!r} in {[m.text[:70] for m in self.person(n).sees[-6:]]}",
                    )
                    seen += 1
        return seen

    async def deed(self, person: Person, words: str) -> None:
        press = re.fullmatch(r'\[(.+?)\](?: ở "(.+)")?', words)
        deed = re.fullmatch(r"\((\w+) ([^)]*)\)(?: (.*))?", words)
        if press:
            await person.presses(press[1], self._carrier(person, press[1], press[2]))
        elif deed and deed[1] == "mời":
            player: Player = self.app.player  # type: ignore[attr-defined]
            await person.opens("m-" + await player.invitation(*deed[2].split(" ở ")))
        elif deed and deed[1] == "mở":
            await person.opens(deed[2])
        elif deed and deed[1] == "ảnh":
            await person.sends_photo(photo(deed[2]), caption=deed[3])
        elif deed and deed[1] == "tệp":
            await person.sends_document(b"%PDF-1.7 " + deed[2].encode(), deed[2])
        else:
            await person.says(words)

    def shows(self, name: str, text: str) -> bool:
        """An answered question may have become the next one: what stays of it stands above."""
        return any(text in (message.text, *message.text.split("\n\n", 1)) for message in self.person(name).sees)

    def _carrier(self, person: Person, label: str, said: str | None) -> Message | None:
        if said is None:
            return None
        return next(m for m in reversed(person.sees) if said in m.text and m.token(label))


def said_in(lines: list[str]) -> list[tuple[str, str]]:
    """The texts that the golden talk shows in a block, with their readers."""
    said: list[tuple[str, str]] = []
    for line in lines:
        if shown := _SHOWN.fullmatch(line):
            said.append((shown[1], re.sub(r"^\((?:ảnh|[\w.-]+\.pdf)\) ", "", shown[3])))
        elif line.startswith("    |") and said:
            said[-1] = (said[-1][0], said[-1][1] + "\n" + line[6:])
    return said


@pytest.mark.parametrize("talk", ["cong_dan_tron_ven"])
async def test_a_golden_talk_polled(talk: str, api: TelegramApi, sqlite_database: Database, tmp_path: Path) -> None:
    """By webhook they are all in tests/conformance."""
    async with telegram_bot(api, sqlite_database, tmp_path, webhook=False) as app:
        source = (TALKS / f"{talk}.chat").read_text(encoding="utf-8")
        assert await Reading(api, app).play(source) > 60
        await api.all_heard()


async def test_429_and_500_are_tried_again_in_order(api: TelegramApi, sqlite_database: Database, tmp_path: Path) -> None:
    async with telegram_bot(api, sqlite_database, tmp_path, webhook=False) as app:
        an = api.person(7, "An")
        api.fail_next("sendMessage", 429, "Too Many Requests: retry after 1", retry_after=1)
        await an.says("xin chào")
        async with asyncio.timeout(5):
            while not app.sender.paused:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        await an.says("/ngonngu")
        # Time is the talk's own here: let it pass.
        app.player.set_clock("2026-11-20 09:00")  # type: ignore[attr-defined]
        await an.waits_for("Mời ông/bà chọn ngôn ngữ", seconds=10)
        assert [message.text[:8] for message in an.sees] == ["Dạ, kính", "Mời ông/"]


async def test_who_blocks_the_bot_is_unreachable_until_they_write(
    api: TelegramApi, sqlite_database: Database, tmp_path: Path
) -> None:
    async with telegram_bot(api, sqlite_database, tmp_path, webhook=False) as app:
        an = api.person(7, "An")
        await an.says("xin chào")
        await an.waits_for("kính chào")
        api.block(7)
        await an.says("/trogiup")
        await api.until(lambda: api.calls_of("sendMessage")[1:], lambda: "the answer to be tried")
        await app.sender.drain()
        async with sqlite_database.transaction() as session:
            known = await addressed(session, "telegram:7")
            assert known
            assert await last_address(session, known[1].id or 0) is None
            assert (await session.get(Delivery, 2)).fate == Fate.UNREACHABLE  # type: ignore[union-attr]
        api.block(7, blocked=False)
        await an.says("xin chào")
        await api.until(lambda: len(an.sees) > 1, lambda: "the greeting again")


async def test_an_edited_message_changes_nothing_and_is_explained(
    api: TelegramApi, sqlite_database: Database, tmp_path: Path
) -> None:
    async with telegram_bot(api, sqlite_database, tmp_path, webhook=False):
        an = api.person(7, "An")
        number = await an.says("xin chào")
        await an.waits_for("kính chào")
        await an.edits(number, "/huy")
        await an.waits_for("chưa hiểu")


async def test_the_menu_of_commands_is_set(api: TelegramApi, sqlite_database: Database, tmp_path: Path) -> None:
    async with telegram_bot(api, sqlite_database, tmp_path, webhook=False):
        await api.until(lambda: len(api.calls_of("setMyCommands")) >= 2, lambda: "the commands")
        assert "tudanhgia" in str(api.calls_of("setMyCommands")[0])


async def at_the_questions(person: Person) -> Message:
    """Says everything up to the first question; gives its message."""
    await person.opens("v-18685-001")
    await person.waits_for("kính chào")
    for words, then in TALK[:10]:
        await (person.presses(words[1:-1]) if words.startswith("[") else person.says(words))
        await person.waits_for(then.removeprefix(".*"))
    return await person.waits_for("Câu 1/10")


async def test_an_answered_question_becomes_the_next(api: TelegramApi, sqlite_database: Database, tmp_path: Path) -> None:
    """The chat stays short, and a tap costs one call: as long as nothing was said below the question."""
    async with telegram_bot(api, sqlite_database, tmp_path, webhook=True) as app:
        an = api.person(7, "An")
        asked = await at_the_questions(an)
        await app.sender.drain()
        sent, changed = len(api.calls_of("sendMessage")), len(api.calls_of("editMessageText"))
        await an.presses("Thường xuyên (8 điểm)")
        assert await an.waits_for("có gì làm minh chứng") is asked
        assert asked.text.startswith("✓ Câu 1. ")
        await an.presses("Chưa có, câu tiếp theo")
        assert await an.waits_for("Câu 2/10") is asked
        assert (len(api.calls_of("sendMessage")), len(api.calls_of("editMessageText"))) == (sent, changed + 2)
        # What is said below keeps the question where it is: only a line of it stays, and the next one comes last.
        await an.presses("Vì sao hỏi?")
        await an.waits_for("Mời bác trả lời câu hỏi ở trên")
        await an.presses("Vừa đủ (5 điểm)", asked)
        following = await an.waits_for("có gì làm minh chứng")
        assert following is an.sees[-1] is not asked
        assert (asked.text, asked.buttons) == (asked.text.split("\n")[0], [])
        # Whoever deletes the message on their phone gets the next one all the same.
        an.sees.remove(following)
        await an.presses_token(following.token("Chưa có, câu tiếp theo") or "", following)
        await an.waits_for("Câu 3/10")
