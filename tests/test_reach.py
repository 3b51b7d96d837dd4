"""Where a notice goes: the channel last used, then the next, then an approved template, then a neighbour's mouth."""

import dataclasses
from datetime import timedelta
from pathlib import Path

from sqlmodel import col, select

from bot.channels import NotNow, Outgoing, SendError, Unreachable
from bot.retire import retire
from handlers.incoming import Incoming, Left, Pressed, Said
from storage.database import Database
from storage.delivery import Delivery, Fate
from storage.errand import Errand
from storage.person import addressed
from tests.talks import Player, TalkChannel

BEGIN = """
Lan > (mở v-18685-001)
Lan > [Bắt đầu]
Lan > [Đồng ý]
Lan > [Không đồng ý]
Lan > [Không đồng ý]
Lan > [bà]
Lan > Nguyễn Thị Lan
Lan > 1950
Lan > [Đúng]
Lan > [Công dân học tập]
Lan > [Người dân trong xã]
"""
OFFICER = """
Hùng > (mời branch ở Trung Tiến, Cẩm Bình)
Hùng > Trần Văn Hùng
"""
LINKED = """
Lan > /lienket
Lan@zalo > /lienket
Lan@zalo > (mã)
"""
FINISH = "Lan > [Vừa đủ (5 điểm)]\nLan > [Chưa có, câu tiếp theo]\n" * 10 + "Lan > [Xem kết quả]\nLan > [Gửi cho chi hội]"
REFUSE = "Hùng > [Chưa đạt]\nHùng > [Có câu dưới mức tối thiểu.]"


class Town(Player):
    """Lan is on two channels, Hùng on one; `troubles` is what comes of the next message to somebody."""

    def __init__(self, database: Database, folder: Path) -> None:
        super().__init__(database, folder)
        self.first, self.second = self.channels
        self.troubles: dict[str, list[Exception]] = {}
        for channel in self.channels:
            self._watch(channel)

    def _watch(self, channel: TalkChannel) -> None:
        send = channel.send

        async def heed(message: Outgoing) -> str:
            troubles = self.troubles.get(f"{channel.name}:{message.chat}", [])
            if troubles:
                raise troubles.pop(0)
            self.last = message
            return await send(message)

        channel.send = heed  # type: ignore[method-assign]

    def can(self, channel: TalkChannel, **changes: object) -> None:
        channel.can = dataclasses.replace(channel.can, **changes)  # type: ignore[arg-type]

    async def later(self, **time: float) -> list[str]:
        """Lets time pass; gives what is said then."""
        self.clock += timedelta(**time)
        await self.app.sender.look()
        await self.app.sender.drain()
        return self.channel.take()

    async def errands(self) -> list[Errand]:
        async with self.app.database.transaction() as session:
            return list((await session.exec(select(Errand).order_by(col(Errand.id)))).all())

    async def results(self) -> list[Delivery]:
        async with self.app.database.transaction() as session:
            told = select(Delivery).where(Delivery.kind == "result").order_by(col(Delivery.id))
            return list((await session.exec(told)).all())


def of(said: list[str], who: str) -> list[str]:
    return [line for line in said if line.startswith(f"{who} <")]


async def submitted(database: Database, folder: Path, linked: bool = True) -> Town:
    town = Town(database, folder)
    await town.walk(OFFICER + BEGIN + (LINKED if linked else "") + ("Lan > xin chào\nLan > [Làm tiếp: Công dân học tập]\n" if linked else "") + FINISH)
    return town


async def test_to_the_channel_last_used_and_to_one_only(database: Database, tmp_path: Path) -> None:
    town = await submitted(database, tmp_path)
    said = await town.walk(REFUSE)
    assert len(of(said, "Lan")) == 1
    assert not of(said, "Lan@zalo")


async def test_who_has_gone_is_told_on_the_next_channel(database: Database, tmp_path: Path) -> None:
    town = await submitted(database, tmp_path)
    await town.app.intake.receive(Incoming("talk:left", "talk:Lan", Left()))
    said = await town.walk(REFUSE)
    assert not of(said, "Lan")
    assert "Năm nay chưa đạt" in of(said, "Lan@zalo")[0]
    assert await town.errands() == []


async def test_what_does_not_arrive_takes_the_next_way_and_then_a_neighbour(database: Database, tmp_path: Path) -> None:
    town = await submitted(database, tmp_path)
    town.troubles = {"talk:Lan": [Unreachable("blocked")], "zalo:Lan": [SendError("nobody there")]}
    said = await town.walk(REFUSE)
    said += await town.later(seconds=2)
    said += await town.later(seconds=2)
    assert not of(said, "Lan") and not of(said, "Lan@zalo")
    assert [row.fate for row in await town.results()] == [Fate.UNREACHABLE, Fate.FAILED]
    assert ["Năm nay chưa đạt" in errand.text for errand in await town.errands()] == [True]
    assert any("báo tin giúp" in line for line in of(said, "Hùng"))
    # Only the address that is gone is left alone; the other may be tried with the next message.
    async with database.transaction() as session:
        gone, still = await addressed(session, "talk:Lan"), await addressed(session, "zalo:Lan")
        assert gone and gone[0].unreachable_since
        assert still and still[0].unreachable_since is None


async def test_beyond_the_window_another_channel(database: Database, tmp_path: Path) -> None:
    town = await submitted(database, tmp_path)
    town.can(town.first, window=timedelta(days=7), templates=frozenset({"result"}))
    town.clock += timedelta(days=6, hours=23)
    await town.walk("Hùng > xin chào")
    town.clock += timedelta(hours=2)
    said = await town.walk(REFUSE)
    assert of(said, "Lan@zalo") and not of(said, "Lan")


async def test_beyond_every_window_an_approved_template(database: Database, tmp_path: Path) -> None:
    town = await submitted(database, tmp_path)
    town.can(town.first, window=timedelta(days=7), templates=frozenset({"more"}))
    town.can(town.second, window=timedelta(days=7), templates=frozenset({"result"}))
    town.clock += timedelta(days=7, hours=1)
    await town.walk("Hùng > xin chào")
    said = await town.walk(REFUSE)
    assert of(said, "Lan@zalo") and not of(said, "Lan")
    told = await town.results()
    assert [(row.outside, row.kind) for row in told] == [(True, "result")]
    assert await town.errands() == []


async def test_beyond_every_window_a_neighbour_tells(database: Database, tmp_path: Path) -> None:
    town = await submitted(database, tmp_path, linked=False)
    town.can(town.first, window=timedelta(days=7))
    town.clock += timedelta(days=6)
    await town.walk("Hùng > xin chào")
    town.clock += timedelta(days=2)
    said = await town.walk(REFUSE)
    assert not of(said, "Lan")
    assert len(await town.errands()) == 1
    # Whoever writes opens the window.
    assert of(await town.walk("Lan > /trangthai"), "Lan")


async def test_where_a_page_must_be_open_the_phone_is_rung_first(database: Database, tmp_path: Path) -> None:
    town = await submitted(database, tmp_path)
    town.can(town.first, pushes=False, window=timedelta(minutes=15))
    town.clock += timedelta(hours=1)
    said = await town.walk(REFUSE)
    assert of(said, "Lan@zalo") and not of(said, "Lan")


async def test_what_lies_ready_is_no_errand(database: Database, tmp_path: Path) -> None:
    town = await submitted(database, tmp_path, linked=False)
    town.can(town.first, pushes=False, window=timedelta(minutes=15))
    town.clock += timedelta(hours=1)
    assert of(await town.walk(REFUSE), "Lan")
    assert await town.errands() == []


async def test_what_waits_for_the_morning_holds_up_no_answer(database: Database, tmp_path: Path) -> None:
    town = await submitted(database, tmp_path, linked=False)
    town.troubles = {"talk:Lan": [NotNow("night", 3600)]}
    assert not of(await town.walk(REFUSE), "Lan")
    assert of(await town.walk("Lan > /trogiup"), "Lan")
    assert not of(await town.later(minutes=50), "Lan")
    assert "chưa đạt" in of(await town.later(minutes=15), "Lan")[0]


async def test_more_choices_than_the_channel_has_buttons(database: Database, tmp_path: Path) -> None:
    town = Town(database, tmp_path)
    town.can(town.first, most_buttons=5, edits=False)
    said = await town.walk(BEGIN)
    assert [line.strip() for line in said[-1].split("\n")[-5:]] == [
        "[Chưa làm được (0 điểm)]", "[Mới làm chút ít (3 điểm)]", "[Vừa đủ (5 điểm)]", "[Thường xuyên (8 điểm)]", "[Xem thêm]",
    ]  # fmt: skip
    said = await town.walk("Lan > [Xem thêm]")
    assert [line.strip() for line in said[-1].split("\n")[1:]] == ["[Thành nếp, giúp người (10 điểm)]", "[Bỏ qua]", "[Vì sao hỏi?]"]
    assert "✓ Câu 1." in (await town.walk("Lan > [Thành nếp, giúp người (10 điểm)]"))[-1]
    # The button of another is nobody's.
    number = next(s.delivery_id for s in town.channel.shown["Lan"] if "Câu 1/10" in s.text)
    await town.app.intake.receive(Incoming("talk:x", "talk:Mai", Said("xin chào")))
    await town.app.intake.receive(Incoming("talk:y", "talk:Mai", Pressed(f"account.more:{number}:0")))
    await town.app.sender.drain()
    assert not any("Thành nếp" in line for line in of(town.channel.take(), "Mai"))


async def test_a_channel_that_is_gone_for_good(database: Database, tmp_path: Path) -> None:
    """At the same question elsewhere; or on the list; nobody's paper is lost, nobody is counted twice, however often it runs."""
    town = Town(database, tmp_path)
    await town.walk(OFFICER + BEGIN + LINKED + BEGIN.replace("Lan", "Mai").replace("bà", "chị"))
    await town.walk("Lan > xin chào\nLan > [Làm tiếp: Công dân học tập]")
    await town.walk("Tú > xin chào")
    await town.later(seconds=1)
    assert await retire(town.app, "talk") == {"continued": 1, "told": 2, "idle": 1}
    said = await town.later(seconds=2)
    assert any("Câu 1/10" in line for line in of(said, "Lan@zalo"))
    assert [errand.person_id for errand in await town.errands()] != []
    assert await retire(town.app, "talk") == {}
    assert len(await town.errands()) == 2, "Mai, and Hùng whom nobody nearer can tell"
    assert "✓ Câu 1." in "".join(await town.walk("Lan@zalo > 3"))


async def test_nothing_changes_on_the_phone_of_somebody_else(database: Database, tmp_path: Path) -> None:
    """A colleague's prompt stands on a phone that another person has by now: what became of the paper is not written there."""
    town = Town(database, tmp_path)
    await town.walk(OFFICER + OFFICER.replace("Hùng", "Bình") + BEGIN + FINISH)
    async with database.transaction() as session:
        known, stranger = await addressed(session, "talk:Bình"), await addressed(session, "talk:Lan")
        assert known and stranger
        known[0].person_id = stranger[0].person_id
    said = await town.walk(REFUSE)
    assert any(line.startswith("Hùng ~ Phiếu số 1") for line in said)
    assert not any(line.startswith("Bình ~") for line in said)
