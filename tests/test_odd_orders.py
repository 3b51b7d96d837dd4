"""Things done in an order that nobody planned: nothing of others is touched, nobody is locked out, nothing waits unseen."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from handlers.incoming import Incoming, Pressed
from handlers.titles.published import title_in_force
from storage.assessment import Assessment, Status
from storage.assignment import Assignment
from storage.consent import has_agreed
from storage.database import Database
from storage.heard import Mishap
from storage.household import Household, members_of
from storage.person import Address
from storage.place import Place
from tests.talks import Player
from tests.test_bad_input import AGREED, KNOWN, SENT

FAMILY = "\nAn > [Gia đình học tập (mẫu – chờ Hội xác nhận)]\nAn > [Nguyễn Thị An]\n"
CITIZEN = "\nAn > [Công dân học tập]\nAn > [Người dân trong xã]\n"
ANSWERS = "".join("An > [Vừa đủ (5 điểm)]\nAn > [Chưa có, câu tiếp theo]\n" for _question in range(10))
SEND = "An > [Xem kết quả]\nAn > [Gửi cho chi hội]\n"
BRANCH = "Hùng > (mời branch ở Trung Tiến, Cẩm Bình)\nHùng > Trần Văn Hùng\n"
TYPED_VILLAGE = """
An > xin chào
An > [Bắt đầu]
An > [Đồng ý]
An > [Đồng ý]
An > [Đồng ý]
An > [bác]
An > Nguyễn Thị An
An > 1954
An > xã Cẩm Bình
An > [Không thấy thôn của tôi]
"""


@pytest.fixture
def player(sqlite_database: Database, tmp_path: Path) -> Player:
    return Player(sqlite_database, tmp_path)


async def press(player: Player, who: str, token: str) -> str:
    """A call that nobody offered: forged, or from a message long gone."""
    key = f"talk:forged-{next(player.keys)}"
    await player.app.intake.receive(Incoming(key, f"talk:{who}", Pressed(token)))
    await player.app.sender.drain()
    return "\n".join(player.channel.take())


async def all_of(player: Player, model: Any) -> list[Any]:
    async with player.app.database.transaction() as session:
        return (await session.exec(select(model))).all()


async def says(player: Player, lines: str) -> str:
    return "\n".join(await player.walk(lines))


async def test_a_stranger_cannot_enter_a_household(player: Player) -> None:
    await player.walk(KNOWN + FAMILY + AGREED.replace("An >", "Kẻ >"))
    before = await all_of(player, Household)
    for token in ("family.ask_same:1", "family.join:1", "family.apart:1", "family.ask_count:1:members", "family.keep_count:1:members:30",
                  "village.ask_words:home:1", "village.keep:home:1:75"):  # fmt: skip
        assert "Nguyễn Thị An" not in await press(player, "Kẻ", token)
    assert await all_of(player, Household) == before
    async with player.app.database.transaction() as session:
        assert await members_of(session, 1) == {1}
    assert await all_of(player, Mishap) == []


async def test_who_is_joined_is_told(player: Player) -> None:
    other = KNOWN.replace("An >", "Bình >").replace("Thị An", "Văn Bình")
    await player.walk(KNOWN + FAMILY + other)
    said = await says(
        player,
        "Bình > [Gia đình học tập (mẫu – chờ Hội xác nhận)]\nBình > [Người khác]\nBình > Nguyễn Thị An\nBình > [Đúng, cùng gia đình]",
    )
    assert "An < Nguyễn Văn Bình vừa khai là người cùng gia đình với bác." in said


async def test_a_late_no_to_consent_takes_the_paper_back(player: Player) -> None:
    await player.walk(SENT)
    await player.line("An", '[Bắt đầu] ở "kính chào"')
    await player.line("An", "[Không đồng ý]")
    (paper,) = await all_of(player, Assessment)
    assert (paper.status, paper.step) == (Status.WITHDRAWN, None)
    assert "người dân đã rút" in await press(player, "Hùng", f"approval.approve:{paper.id}:1")


async def test_a_childs_result_is_never_published(player: Player) -> None:
    for_child = ("tôi khai cho", "[Thêm người]", "[Người nhà tôi]", "[Đồng ý]", "[Đồng ý]", "[Đồng ý]", "Nguyễn Văn Tí", "2015")
    await player.walk(KNOWN + "\n".join(f"An > {words}" for words in for_child))
    await player.walk("An > /dulieu\nAn > [Xem lại: công khai kết quả]")
    assert "dưới 16 tuổi" in await says(player, "An > [Đồng ý]")
    async with player.app.database.transaction() as session:
        assert not await has_agreed(session, 2, "publish")


async def test_what_was_approved_before_a_withdrawal_is_past(player: Player) -> None:
    await player.walk(SENT + "Hùng > [Đề nghị công nhận]\nAn > /trangthai\nAn > [Phiếu 1]\nAn > [Rút phiếu]\nAn > [Rút phiếu]")
    said = await says(player, "An > [Làm lại]\nAn > [Người dân trong xã]\n" + SEND)
    assert "Phiếu đã gửi tới chi hội khuyến học." in said and "Chi hội đã đề nghị" not in said


async def test_a_family_paper_taken_back_by_one_is_done_again_by_another(player: Player) -> None:
    await player.walk(KNOWN + FAMILY + "An > [Đúng]\nAn > [2]\nAn > [0]\nAn > /trangthai\nAn > [Phiếu 1]\nAn > [Rút phiếu]\nAn > [Rút phiếu]")
    await player.walk(KNOWN.replace("An >", "Bình >").replace("Thị An", "Văn Bình"))
    said = await says(
        player,
        "Bình > [Gia đình học tập (mẫu – chờ Hội xác nhận)]\nBình > [Người khác]\nBình > Nguyễn Thị An\nBình > [Đúng, cùng gia đình]",
    )
    assert "Câu 1/" in said or "miễn" in said
    (paper,) = await all_of(player, Assessment)
    assert (paper.person_id, paper.status) == (2, Status.DRAFT)


async def test_again_is_for_the_person_of_the_paper(player: Player) -> None:
    grandmother = ("tôi khai cho", "[Thêm người]", "[Người nhà tôi]", "[Đồng ý]", "[Đồng ý]", "[Đồng ý]", "Nguyễn Thị Bà", "1940",
                   "thôn Trung Tiến, xã Cẩm Bình", "[Đúng]", "[Công dân học tập]", "[Người dân trong xã]", "/trangthai", "[Phiếu 1]",
                   "[Rút phiếu]", "[Rút phiếu]", "tôi khai cho", "[Khai cho tôi]", "/trangthai", "[Phiếu 1]", "[Làm lại]",
                   "[Người dân trong xã]")  # fmt: skip
    await player.walk(KNOWN + "\n".join(f"An > {words}" for words in grandmother))
    assert [paper.subject for paper in await all_of(player, Assessment)] == ["person:2"]


async def test_a_paper_goes_to_where_the_person_lives_when_it_is_sent(player: Player) -> None:
    await player.walk(KNOWN + CITIZEN)
    async with player.app.database.transaction() as session:
        villages = (await session.exec(select(Place).where(Place.level == "village"))).all()
        parent = await session.get(Place, villages[-1].parent_id)
    assert parent
    await player.walk(f"An > /hoso\nAn > [Sửa nơi ở]\nAn > thôn {villages[-1].name}, {parent.kind} {parent.name}\nAn > [Đúng]")
    await player.walk("An > /trangthai\nAn > [Phiếu 1]\nAn > [Làm tiếp]\n" + ANSWERS + SEND)
    (paper,) = await all_of(player, Assessment)
    assert (paper.status, paper.place_id) == (Status.SUBMITTED, villages[-1].id)


async def test_the_counts_of_a_family_are_not_passed_over(player: Player) -> None:
    await player.walk(KNOWN + FAMILY + "An > /huy\nAn > [Tự đánh giá]")
    assert "Gia đình có mấy người" in await says(player, "An > [Gia đình học tập (mẫu – chờ Hội xác nhận)]")


async def test_the_exempt_step_is_for_those_without_children_only(player: Player) -> None:
    await player.walk(KNOWN + FAMILY + "An > [Đúng]\nAn > [4]\nAn > [2]\nAn > [2]\n")
    async with player.app.database.transaction() as session:
        found = await title_in_force(session, "gia_dinh_hoc_tap")
    assert found
    question, exempt = next((q, c) for q in found.title.questions for c in q.choices if c.exempt)
    assert "không có lựa chọn đó" in await press(player, "An", f"assess.answer:1:{question.id}:{exempt.id}")


async def test_a_village_that_turns_out_to_be_another_brings_its_papers_along(player: Player) -> None:
    await player.walk(BRANCH + "Mai > (mời association ở Cẩm Bình)\nMai > Lê Thị Mai\n" + TYPED_VILLAGE + "An > thôn Trung Tien moi")
    await player.walk(CITIZEN + ANSWERS + SEND + "Mai > [Là thôn đã có]")
    said = await says(player, "Mai > [thôn Trung Tiến]")
    assert "Hùng < Phiếu số 1" in said
    assert [paper.stranded for paper in await all_of(player, Assessment)] == [False]


async def test_an_officer_who_comes_later_finds_the_villages_that_wait(player: Player) -> None:
    await player.walk(TYPED_VILLAGE + "An > thôn Tân An\nMai > (mời association ở Cẩm Bình)")
    assert "[Thôn mới: thôn Tân An]" in await says(player, "Mai > Lê Thị Mai")
    assert "chưa có trong danh sách" in await says(player, "Mai > [Thôn mới: thôn Tân An]")


async def test_an_officer_who_cannot_be_reached_is_not_there(player: Player) -> None:
    await player.walk(BRANCH + KNOWN + CITIZEN + ANSWERS)
    async with player.app.database.transaction() as session:
        address = await session.get(Address, "talk:Hùng")
        assert address
        address.unreachable_since = player.clock
    assert "chưa có cán bộ" in await says(player, SEND)
    assert [paper.stranded for paper in await all_of(player, Assessment)] == [True]


async def test_one_bad_link_counts_once(player: Player) -> None:
    await player.walk(KNOWN + "An > (mở m-Ab3dEf6Gh1jK2lMn4oPqXX)\nAn > abc\nAn > xin hỏi\nAn > thế là sao\nAn > sao vậy")
    assert "không đúng" in await says(player, "An > (mở m-Ab3dEf6Gh1jK2lMn4oPqYY)")


async def test_an_invitation_works_once(postgres_database: Database, tmp_path: Path) -> None:
    """Three people open the same link at the same instant."""
    player = Player(postgres_database, tmp_path)
    for round_ in range(4):
        names = [f"{name}{round_}" for name in ("An", "Bình", "Chi")]
        await player.walk("\n".join(f"{name} > xin chào" for name in names))
        code = await player.invitation("branch", "Trung Tiến, Cẩm Bình")
        opened = [Incoming(f"talk:{name}", f"talk:{name}", await player.meaning(name, f"(mở m-{code})")) for name in names]
        await asyncio.gather(*(player.app.intake.receive(one) for one in opened))
        assert len(await all_of(player, Assignment)) == round_ + 1


async def test_last_years_draft_is_not_offered(player: Player) -> None:
    await player.walk(KNOWN + CITIZEN)
    player.set_clock("2027-01-02 08:00")
    assert "[Làm tiếp" not in await says(player, "An > /huy")
    assert "đã khép lại" in await says(player, "An > /trangthai")


async def test_numbers_that_no_database_holds(database: Database, tmp_path: Path) -> None:
    player = Player(database, tmp_path)
    await player.walk(KNOWN)
    assert "không còn dùng được nữa" in await press(player, "An", "status.paper:999999999999999")
    assert "Phiếu này không còn nữa" in await press(player, "An", "status.paper:999999999")
    assert await all_of(player, Mishap) == []
