"""Two records of one human become one, and two again: what moves, what forbids it, who may guess how often."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import col, select

from bot.web.history import lines_of
from bot.web.seats import Seats
from handlers.incoming import Incoming, Pressed, Sent, Withdrew
from storage.assessment import Assessment, Status
from storage.assignment import roles_of
from storage.consent import consents
from storage.database import Database
from storage.delivery import Delivery, Fate
from storage.event import Event
from storage.person import addressed
from tests.talks import Player

BEGIN = """
{who} > (mở v-18685-001)
{who} > Bắt đầu
{who} > Đồng ý
{who} > Không đồng ý
{who} > Không đồng ý
{who} > bà
{who} > {name}
{who} > 1950
{who} > Đúng
"""
PAPER = "{who} > Công dân học tập\n{who} > Người dân trong xã\n"
FINISH = PAPER + "{who} > 3\n{who} > chưa có, câu tiếp theo\n" * 10 + "{who} > xem kết quả\n{who} > gửi cho chi hội\n"
JOIN = "Lan > /lienket\nLan@zalo > /lienket\nLan@zalo > {ask}\nLan@zalo > (mã)\n"


async def town(database: Database, folder: Path, first: str, second: str, other: str = "Lê Thị Lan") -> Player:
    """Lan on one channel, and what may be another Lan on the other; each talk goes as far as it says."""
    player = Player(database, folder)
    await player.walk((BEGIN + first).format(who="Lan", name="Nguyễn Thị Lan"))
    await player.walk((BEGIN + second).format(who="Lan@zalo", name=other))
    return player


async def joined(player: Player) -> list[str]:
    await player.walk("Lan > /lienket\nLan@zalo > /lienket\nLan@zalo > Tôi có mã từ nơi khác")
    # The newest figures are those of the second channel's own code: the first channel's are meant.
    player.channel.codes.append(player.channel.codes[0])
    return await player.walk("Lan@zalo > (mã)")


async def papers(database: Database) -> dict[int, tuple[str, int]]:
    async with database.transaction() as session:
        rows = (await session.exec(select(Assessment).order_by(col(Assessment.id)))).all()
    return {row.id or 0: (row.status, row.person_id) for row in rows}


async def person_at(database: Database, address: str) -> int:
    async with database.transaction() as session:
        known = await addressed(session, address)
    assert known
    return known[1].id or 0


async def test_two_names_are_asked_about_and_the_drafts_do_not_double(database: Database, tmp_path: Path) -> None:
    player = await town(database, tmp_path, PAPER, PAPER)
    said = await joined(player)
    assert "có phải cùng một người" in said[-1] and "Lê Thị Lan" in said[-1] and "Nguyễn Thị Lan" in said[-1]
    lan, other = await person_at(database, "talk:Lan"), await person_at(database, "zalo:Lan")
    said = await player.walk("Lan@zalo > đúng, cùng là tôi")
    assert await person_at(database, "zalo:Lan") == lan
    assert await papers(database) == {1: (Status.DRAFT, lan), 2: (Status.WITHDRAWN, other)}
    said = await player.walk("Lan > /lienket\nLan > [Bỏ nối]")
    assert await papers(database) == {1: (Status.DRAFT, lan), 2: (Status.DRAFT, other)}, "as it was"
    assert await person_at(database, "zalo:Lan") == other


async def test_what_is_further_on_its_way_is_kept(database: Database, tmp_path: Path) -> None:
    player = await town(database, tmp_path, PAPER, FINISH, other="Nguyễn Thị Lan")
    await joined(player)
    lan = await person_at(database, "talk:Lan")
    assert await person_at(database, "zalo:Lan") == lan
    found = await papers(database)
    assert found[2] == (Status.SUBMITTED, lan)
    assert found[1][0] == Status.WITHDRAWN and found[1][1] != lan
    async with database.transaction() as session:
        subjects = [row.subject for row in (await session.exec(select(Assessment).order_by(col(Assessment.id)))).all()]
    assert subjects[1] == f"person:{lan}" and len(set(subjects)) == 2
    await player.walk("Lan > /lienket\nLan > [Bỏ nối]")
    assert await papers(database) == {1: (Status.DRAFT, lan), 2: (Status.SUBMITTED, found[1][1])}


async def test_two_papers_sent_are_one_too_many(database: Database, tmp_path: Path) -> None:
    player = await town(database, tmp_path, FINISH, FINISH, other="Nguyễn Thị Lan")
    said = await joined(player)
    assert "rút một phiếu" in said[-1]
    assert await person_at(database, "zalo:Lan") != await person_at(database, "talk:Lan")
    assert {status for status, _person in (await papers(database)).values()} == {Status.SUBMITTED}


async def test_an_officer_works_on_both(database: Database, tmp_path: Path) -> None:
    player = Player(database, tmp_path)
    await player.walk(BEGIN.format(who="Lan", name="Nguyễn Thị Lan"))
    await player.walk("Lan@zalo > (mời branch ở Trung Tiến, Cẩm Bình)\nLan@zalo > Nguyễn Thị Lan")
    await joined(player)
    lan = await person_at(database, "talk:Lan")
    async with database.transaction() as session:
        assert [row.role for row in await roles_of(session, lan)] == ["branch"]
        assert (await consents(session, lan))["examine"].granted
    assert "phiếu chờ" in (await player.walk("Lan > /hangcho"))[-1]
    await player.walk("Lan > /lienket\nLan > [Bỏ nối]")
    async with database.transaction() as session:
        assert await roles_of(session, lan) == []


async def test_whoever_was_heard_elsewhere_too_comes_along(database: Database, tmp_path: Path) -> None:
    """Three places: the third's code is entered at one of two that are one already."""
    player = Player(database, tmp_path)
    await player.walk(BEGIN.format(who="Lan", name="Nguyễn Thị Lan") + "Lan > /lienket\nAn > /lienket\nAn > (mã)")
    await player.walk(BEGIN.format(who="Mai", name="Nguyễn Thị Lan") + PAPER.format(who="Mai") + "Mai > /lienket\nAn > /lienket")
    player.channel.codes.append(player.channel.codes[1])
    await player.walk("An > Tôi có mã từ nơi khác\nAn > (mã)")
    three = {await person_at(database, f"talk:{who}") for who in ("Lan", "An", "Mai")}
    assert len(three) == 1
    said = await player.walk("Mai > /lienket\nMai > [Bỏ nối]")
    assert sum("Đã bỏ nối" in line for line in said) == 3, "everybody is told"
    assert await person_at(database, "talk:Lan") == await person_at(database, "talk:An") != await person_at(database, "talk:Mai")


async def test_the_old_phone_gets_nothing_and_shows_nothing(database: Database, tmp_path: Path) -> None:
    """Neither what waits for it, nor on a page of ours what was said there before."""
    player = Player(database, tmp_path)
    await player.walk("Hùng > (mời branch ở Trung Tiến, Cẩm Bình)\nHùng > Trần Văn Hùng")
    await player.walk(BEGIN.format(who="Lan", name="Nguyễn Thị Lan"))
    lan = await person_at(database, "talk:Lan")
    later = player.clock + timedelta(days=1)
    async with database.transaction() as session:
        session.add(Delivery(address="talk:Lan", channel="talk", person_id=lan, text="mật", not_before=later, created_at=player.clock))
    await player.walk("Hùng > /doimay\nHùng > Nguyễn Thị Lan\nHùng > 1\nHùng > Đã kiểm tra, cấp mã\nMới > /lienket\nMới > (mã)")
    async with database.transaction() as session:
        waits = (await session.exec(select(Delivery.fate).where(Delivery.text == "mật"))).one()
        lines = await lines_of(session, Seats(b"s" * 32, secure=False), "talk:Lan", 0)
    assert waits == Fate.DROPPED
    assert [line["text"][:14] for line in lines] == ["Hồ sơ ở đây đã"]


async def test_five_wrong_codes_an_hour(database: Database, tmp_path: Path) -> None:
    player = Player(database, tmp_path)
    await player.walk(BEGIN.format(who="Lan", name="Nguyễn Thị Lan") + "Lan > /lienket\nAn > /lienket")
    right = player.channel.codes[-1]
    wrong = "000 000" if right != "000 000" else "000 001"
    for _try in range(5):
        assert "không đúng" in (await player.walk(f"An > {wrong}"))[-1]
    assert "5 lần" in (await player.walk(f"An > {right}"))[-1], "not even the right one"
    player.clock += timedelta(hours=1, minutes=1)
    assert "không đúng" in (await player.walk(f"An > {right}"))[-1], "by then it is out of date"


async def test_a_code_works_once_and_for_ten_minutes(database: Database, tmp_path: Path) -> None:
    player = Player(database, tmp_path)
    await player.walk(BEGIN.format(who="Lan", name="Nguyễn Thị Lan") + "Lan > /lienket\nAn > /lienket\nMai > /lienket\nTú > /lienket")
    player.clock += timedelta(minutes=9)
    assert "Đã nối" in "".join(await player.walk("An > (mã)"))
    assert "không đúng" in (await player.walk("Mai > (mã)"))[-1]
    await player.walk("Lan > /lienket")
    player.clock += timedelta(minutes=11)
    assert "không đúng" in (await player.walk("Tú > (mã)"))[-1]


async def test_undone_only_by_whom_it_concerns_and_for_a_day(database: Database, tmp_path: Path) -> None:
    player = Player(database, tmp_path)
    await player.walk(BEGIN.format(who="Lan", name="Nguyễn Thị Lan") + "Lan > /lienket\nAn > /lienket\nAn > (mã)\nMai > xin chào")
    await player.app.intake.receive(Incoming("talk:forged", "talk:Mai", Pressed("link.undo:1")))
    await player.app.sender.drain()
    assert await person_at(database, "talk:An") == await person_at(database, "talk:Lan")
    player.clock += timedelta(hours=25)
    await player.app.intake.receive(Incoming("talk:late", "talk:An", Pressed("link.undo:1")))
    await player.app.sender.drain()
    assert "quá 24 giờ" in "".join(player.channel.take())


async def test_whoever_speaks_for_somebody_is_somebody_else(database: Database, tmp_path: Path) -> None:
    """A grandchild's phone is not the grandmother's: to link them would make them one."""
    player = Player(database, tmp_path)
    await player.walk(BEGIN.format(who="Lan", name="Nguyễn Thị Lan") + BEGIN.format(who="Hoa", name="Nguyễn Thị Hoa"))
    lan, hoa = await person_at(database, "talk:Lan"), await person_at(database, "talk:Hoa")
    from storage.person import Proxy

    async with database.transaction() as session:
        session.add(Proxy(holder_id=hoa, person_id=lan, relation="family", since=player.clock))
    said = await player.walk("Lan > /lienket\nHoa > (mở lk-x)\nHoa > (mã)")
    player.channel.codes[:] = player.channel.codes[:1]
    said = await player.walk("Hoa > (mã)\nHoa > đúng, cùng là tôi")
    assert "hai người khác nhau" in "".join(said)
    assert await person_at(database, "talk:Hoa") == hoa


@pytest.mark.parametrize("place", ["Trung Tiến, Cẩm Bình", "elsewhere"])
async def test_a_branch_hands_over_no_officers_rights(place: str, database: Database, tmp_path: Path) -> None:
    player = Player(database, tmp_path)
    await player.walk("Hùng > (mời branch ở Trung Tiến, Cẩm Bình)\nHùng > Trần Văn Hùng")
    await player.walk(BEGIN.format(who="Mai", name="Lê Thị Mai"))
    if place != "elsewhere":
        await player.walk("Mai > (mời association ở Cẩm Bình)")
    mai = await person_at(database, "talk:Mai")
    await player.app.intake.receive(Incoming("talk:f1", "talk:Hùng", Pressed(f"rebind.issue:{mai}")))
    await player.app.sender.drain()
    said = "".join(player.channel.take())
    assert ("Hội cấp trên" in said) if place != "elsewhere" else ("đã cũ" in said), "not without the look before"
    assert player.channel.codes == []


async def test_a_wish_to_be_forgotten(database: Database, tmp_path: Path) -> None:
    """Everything stops, the association is told by when it must be done, and the person hears no more from us."""
    player = Player(database, tmp_path)
    await player.walk("Mai > (mời association ở Cẩm Bình)\nMai > Lê Thị Mai")
    await player.walk((BEGIN + FINISH).format(who="Lan", name="Nguyễn Thị Lan"))
    lan = await person_at(database, "talk:Lan")
    player.channel.take()
    await player.app.intake.receive(Incoming("talk:w", "talk:Lan", Withdrew()))
    await player.app.sender.drain()
    said = player.channel.take()
    assert [line[:5] for line in said if line.startswith("Lan <")] == []
    assert any("Nguyễn Thị Lan yêu cầu xóa dữ liệu" in line and "10/12/2026" in line for line in said if line.startswith("Mai <"))
    async with database.transaction() as session:
        assert not any(one.granted for one in (await consents(session, lan)).values())
        events: list[Any] = (await session.exec(select(Event.name).where(Event.actor_id == lan))).all()
        known = await addressed(session, "talk:Lan")
    assert known and known[0].unreachable_since
    assert "account:erasure:request" in events
    assert {status for status, _who in (await papers(database)).values()} == {Status.WITHDRAWN}


async def test_a_link_does_what_the_figures_do(database: Database, tmp_path: Path) -> None:
    player = Player(database, tmp_path)
    player.channel.link = lambda payload: f"https://bot.example.vn/?start={payload}"  # type: ignore[method-assign]
    await player.walk(BEGIN.format(who="Lan@zalo", name="Nguyễn Thị Lan"))
    said = await player.walk("Lan@zalo > /lienket")
    link = said[-1].split("?start=")[1].split()[0]
    assert "Telegram: https://bot.example.vn/" in said[-1]
    assert "Đã nối" in "".join(await player.walk(f"An > (mở {link})"))
    assert await person_at(database, "talk:An") == await person_at(database, "zalo:Lan")
    assert "không đúng" in (await player.walk(f"Mai > (mở {link})"))[-1], "once"


async def test_a_name_that_was_shared_is_checked_like_one_that_was_typed(database: Database, tmp_path: Path) -> None:
    player = Player(database, tmp_path)
    await player.walk(BEGIN.format(who="Lan", name="x").split("Lan > x")[0])
    for number, (name, then) in enumerate([("An 🙂", "chỉ gồm chữ"), ("nguyễn thị lan", "sinh năm nào")]):
        await player.app.intake.receive(Incoming(f"talk:c{number}", "talk:Lan", Sent("contact", caption=name)))
        await player.app.sender.drain()
        assert then in "".join(player.channel.take())
    assert "Nguyễn Thị Lan" in "".join(await player.walk("Lan > 1950\nLan > Đúng\nLan > /hoso"))
