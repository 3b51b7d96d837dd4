"""A drill: 500 people half-way through their papers on Telegram, and Telegram goes away for good."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from aiohttp.test_utils import unused_port
from sqlmodel import col, func, select

from bot.app import build
from bot.retire import retire
from bot.settings import Settings
from handlers.incoming import Incoming, Meaning, Opened, Pressed, Said
from storage.assessment import Assessment, Status
from storage.conversation import Conversation
from storage.database import Database
from storage.errand import Errand
from storage.person import Address, people_on
from tests.channels.telegram_api import TOKEN, TelegramApi
from tests.channels.zalobot_api import TOKEN as ZALO_TOKEN
from tests.channels.zalobot_api import ZaloBotApi
from tests.talks import Player

PEOPLE, LINKED = 500, 200
VILLAGE = "v-18685-001"


class Crowd:
    """People who speak through the intake, as their channel reports it; what they are told goes out over real HTTP."""

    def __init__(self, database: Database, folder: Path, telegram: str, zalo: str) -> None:
        self.player = Player(database, folder)
        settings = Settings(  # type: ignore[call-arg]
            _env_file=None, data_dir=folder, secret_key="s" * 40, telegram_bot_token=TOKEN, telegram_api_url=telegram,
            zalo_bot_token=ZALO_TOKEN, zalo_bot_api_url=zalo, messages_per_minute=6000, http_port=unused_port(),
        )  # fmt: skip
        self.app = build(settings, database, now=lambda: self.player.clock, clock=lambda: self.player.clock.timestamp())
        zalobot = self.app.channels["zalobot"]
        # How slowly the platform wants it is not what is drilled.
        zalobot.can = replace(zalobot.can, seconds_between=0, unasked_per_second=400)
        self.count = 0

    async def does(self, address: str, *meanings: Meaning) -> None:
        for meaning in meanings:
            self.count += 1
            receipt = await self.app.intake.receive(Incoming(f"{address}:{self.count}", address, meaning))
            assert not receipt.busy

    async def begins(self, address: str, name: str) -> int:
        """Up to the second question of the citizen's paper; gives the person."""
        await self.does(address, Opened(VILLAGE))
        async with self.app.database.transaction() as session:
            row = await session.get(Address, address)
            assert row
            me = row.person_id
        consent = [Pressed(f"consent.ask:{me}:examine"), *(Said("Đồng ý"),) * 3]
        await self.does(address, *consent, Said("bác"), Said(f"Lê Thị {name}"), Said("1960"), Said("Đúng"))
        await self.does(address, Said("Công dân học tập"), Said("Người dân trong xã"), Said("4"), Said("1"))
        return me

    async def where(self, person_id: int) -> Conversation:
        async with self.app.database.transaction() as session:
            talk = await session.get(Conversation, person_id)
        assert talk
        return talk


async def test_telegram_goes_away_for_good(sqlite_database: Database, tmp_path: Path) -> None:
    async with TelegramApi.open() as telegram, ZaloBotApi.open() as zalo:
        crowd = Crowd(sqlite_database, tmp_path, telegram.url, zalo.url)
        zalo.quota = 100_000
        head = await crowd.player.invitation("branch", "Trung Tiến, Cẩm Bình")
        letters = "abcdefghijklmnopqrstuvwxyz"
        people: list[int] = []
        for number in range(PEOPLE):
            telegram.person(number, str(number))
            name = f"{letters[number // 26 % 26]}{letters[number % 26]}".title()
            people.append(await crowd.begins(f"telegram:{number}", name))
            if number < LINKED:
                await link(crowd, zalo, number, people[-1])
        chief = zalo.person("Hùng")
        await crowd.does(f"zalobot:{chief.chat}", Opened(f"m-{head}"), Said("Trần Văn Hùng"))
        await crowd.app.sender.drain(30)
        before = {person: (await crowd.where(person)).here for person in people}
        assert all(here and here.startswith("assess.question:") for here in before.values())

        for person in telegram.people.values():
            person.blocked = True  # whatever is asked of it, it is gone
        done = await retire(crowd.app, "telegram")
        assert (done["continued"], done["told"], done["unknown"]) == (LINKED, PEOPLE - LINKED, 0)
        crowd.player.set_clock("2026-11-20 12:00")
        while await passed(crowd):
            pass

        # Those with a second channel see the very question there, once.
        for number in range(LINKED):
            shown = [m.text for m in zalo.people[f"An {number}"].sees if "Câu 2/10" in m.text]
            assert len(shown) == 1, number
        # The others stand on their branch head's list, each once; he is told once.
        async with sqlite_database.transaction() as session:
            errands = (await session.exec(select(Errand).order_by(col(Errand.id)))).all()
            papers = (await session.exec(select(func.count()).select_from(Assessment).where(Assessment.status == Status.DRAFT))).one()
            subjects = (await session.exec(select(func.count(func.distinct(Assessment.subject))))).one()
            assert await people_on(session, "telegram") == PEOPLE
        assert sorted(errand.person_id for errand in errands) == people[LINKED:]
        assert len([m for m in chief.sees if "báo tin giúp" in m.text]) == 1
        # Nobody's paper is lost, and nobody's is there twice; everybody stands where they stood.
        assert (papers, subjects) == (PEOPLE, PEOPLE)
        assert {person: (await crowd.where(person)).here for person in people} == before
        # And the answer given there counts.
        first = zalo.people["An 0"]
        await crowd.does(f"zalobot:{first.chat}", Said("4"))
        await crowd.app.sender.drain()
        assert "✓ Câu 2." in first.sees[-1].text
        # Run again after a power cut: nobody is told twice.
        assert await retire(crowd.app, "telegram") == {}
        for channel in crowd.app.channels.values():
            await channel.stop()


async def link(crowd: Crowd, zalo: ZaloBotApi, number: int, person_id: int) -> None:
    """The same person on Zalo too; last heard on Telegram."""
    other = zalo.person(f"An {number}")
    async with crowd.app.database.transaction() as session:
        now = crowd.player.clock
        session.add(Address(address=f"zalobot:{other.chat}", person_id=person_id, created_at=now, last_heard_at=now))


async def passed(crowd: Crowd) -> int:
    """A second goes by; gives how many messages went."""
    crowd.player.clock += timedelta(seconds=1)
    sent = await crowd.app.sender.look()
    await crowd.app.sender.drain(30)
    return sent
