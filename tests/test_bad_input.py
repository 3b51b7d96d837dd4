"""Wrong answers to every question: each gets a sentence that helps, and nothing that is stored changes."""

import contextlib
import hashlib
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlmodel import select

from bot.app import BURST
from handlers.incoming import Incoming, Pressed, Said
from storage.database import Database
from storage.session import DatabaseAway
from storage.tables import metadata
from tests.talks import Player

# What a wrong answer may change: the talk itself, what was heard and said, and the miss.
OF_THE_TALK = {"conversation", "heard", "delivery", "event", "address", "wrongcode"}

AGREED = """
An > (mở v-18685-001)
An > [Bắt đầu]
An > [Đồng ý]
An > [Đồng ý]
An > [Đồng ý]
"""
KNOWN = (
    AGREED
    + """
An > [bác]
An > Nguyễn Thị An
An > 1954
An > [Đúng]
"""
)
PAPER = (
    KNOWN
    + """
An > [Công dân học tập]
An > [Người dân trong xã]
"""
)
FAMILY = (
    KNOWN
    + """
An > [Gia đình học tập (mẫu – chờ Hội xác nhận)]
"""
)
SENT = (
    """
Hùng > (mời branch ở Trung Tiến, Cẩm Bình)
Hùng > Trần Văn Hùng
Hùng > (mời association ở Cẩm Bình)
Hùng > (mời committee ở Cẩm Bình)
"""
    + PAPER
    + "".join("An > [Vừa đủ (5 điểm)]\nAn > [Chưa có, câu tiếp theo]\n" for _ in range(10))
    + """
An > [Xem kết quả]
An > [Gửi cho chi hội]
"""
)
SIGNING = (
    SENT
    + """
Hùng > [Đề nghị công nhận]
Hùng > [Thẩm định đạt]
Hùng > [Công nhận]
"""
)

QUESTIONS = {
    "greeting": ("An > xin chào", "An"),
    "consent": ("An > xin chào\nAn > [Bắt đầu]", "An"),
    "form": (AGREED, "An"),
    "name": (AGREED + "An > [bác]", "An"),
    "birth_year": (AGREED + "An > [bác]\nAn > Nguyễn Thị An", "An"),
    "village": (AGREED + "An > [bác]\nAn > Nguyễn Thị An\nAn > 1954\nAn > [Nơi khác]", "An"),
    "titles": (KNOWN, "An"),
    "group": (KNOWN + "An > [Công dân học tập]", "An"),
    "question": (PAPER, "An"),
    "head": (FAMILY, "An"),
    "head_name": (FAMILY + "An > [Người khác]", "An"),
    "count": (FAMILY + "An > [Nguyễn Thị An]\nAn > [Đúng]", "An"),
    "invitation_code": ("An > /moi", "An"),
    "more_reason": (SENT + "Hùng > [Đề nghị bổ sung]\nHùng > [Câu 1]", "Hùng"),
    "unmet_reason": (SENT + "Hùng > [Chưa đạt]", "Hùng"),
    "number": (SIGNING, "Hùng"),
    "date": (SIGNING + "Hùng > 12/QĐ-UBND", "Hùng"),
}
UNKNOWN_CODE = "x" * 22  # well formed: an answer, if not a good one
ANYWHERE = [
    " ", "🙂🙂", "(sticker)", "(voice)", "(video)", "(location)", "(contact)", "(other)", "(ảnh x.jpg)", "(tệp x.pdf)",
    "你好", "мир", "'; DROP TABLE person; --", "<script>alert(1)</script>", "{you} {0} %s", "-1", "1e9", "a" * 4000, "‮",
]  # fmt: skip
MORE = {
    "birth_year": ["1800", "2025", "mười chín năm tư", "sinh năm nào cũng được", "1954 1955", "19544", "0"],
    "name": ["Lan", "Nguyễn 2", "N", "<b>Nguyễn Lan</b>", "Nguyễn Thị Lan @", "1954"],
    "village": ["asdf qwer", "Paris", "12345"],
    "count": ["50", "0", "hai", "2,5"],
    "number": ["12", "QĐ-UBND", "ngày 12"],
    "date": ["31/02/2026", "hôm qua", "12/12/1999", "25/12/2026", "1/1"],
    "invitation_code": ["abc", UNKNOWN_CODE],
    "question": ["11", "0", "rất tốt", "mười điểm"],
}


async def digest(database: Database) -> str:
    """A fingerprint of everything that a wrong answer must not change."""
    found = hashlib.sha256()
    async with database.transaction() as session:
        for table in metadata.sorted_tables:
            if table.name not in OF_THE_TALK:
                rows = await session.exec(select(*table.columns).order_by(text("1")))
                found.update(repr((table.name, rows.all())).encode())
    return found.hexdigest()


@pytest.mark.parametrize("question", QUESTIONS)
async def test_wrong_answers(question: str, sqlite_database: Database, tmp_path: Path) -> None:
    way, who = QUESTIONS[question]
    player = Player(sqlite_database, tmp_path)
    await player.walk(way)
    before = await digest(sqlite_database)
    for number, wrong in enumerate(ANYWHERE + MORE.get(question, []), 1):
        if question in ("more_reason", "unmet_reason") and _is_reason(wrong):
            continue
        said = await player.line(who, wrong)
        assert said, f"no answer to {wrong[:40]!r}"
        words = "\n".join(said)
        assert "trục trặc" not in words, wrong[:40]
        assert await digest(sqlite_database) == before, f"{wrong[:40]!r} changed what is stored"
        if number >= 2 and wrong != UNKNOWN_CODE:
            assert "/trogiup" in words, f"no offer of help after {number} misses"


def _is_reason(words: str) -> bool:
    return len(words) < 500 and sum(c.isalpha() for c in words) >= 5 and not words.startswith("(")


async def test_free_text_is_kept_as_it_is(sqlite_database: Database, tmp_path: Path) -> None:
    """What an officer or a citizen writes comes out as it went in, placeholders and markup included."""
    player = Player(sqlite_database, tmp_path)
    await player.walk(SENT + "Hùng > [Chưa đạt]")
    said = "\n".join(await player.line("Hùng", "Thiếu <b>{you}</b> '; DROP TABLE person; --"))
    assert "Lý do: Thiếu <b>{you}</b> '; DROP TABLE person; --" in said


@pytest.mark.parametrize(
    ("deed", "words"),
    [
        ("(ảnh hỏng)", "không mở được"),
        ("(ảnh lớn)", "quá 20 MB"),
        ("(ảnh mất)", "chưa tải được"),
        ("(voice)", "chỉ nhận"),
        ("(sticker)", "chỉ nhận"),
        ("(location)", "chỉ nhận"),
        ("🙂" * 2000, "viết gọn"),
    ],
)
async def test_evidence_that_is_none(deed: str, words: str, sqlite_database: Database, tmp_path: Path) -> None:
    """Said plainly, asked again, and never claimed."""
    player = Player(sqlite_database, tmp_path)
    await player.walk(PAPER + "An > [Vừa đủ (5 điểm)]")
    before = await digest(sqlite_database)
    assert words in "\n".join(await player.line("An", deed))
    assert await digest(sqlite_database) == before
    assert "đã nhận ảnh" in "\n".join(await player.line("An", "(ảnh lop-hoc.jpg)"))


@pytest.mark.parametrize(
    "token",
    [
        "assess.answer:1:C01", "assess.answer:1:C01:b9", "assess.answer:999:C01:b4", "assess.answer:x:C01:b4", "nothing.here:1",
        "assess.answer:1:C99:b4", "evidence.hear:1:C01", "profile.hear_name:1", "approval.approve:1:1", "signing.sign:1:1",
        "people.speak_for:2", "consent.answer:1:examine:maybe", "consent.ask:1:everything", "review.send:1:0", "village.pick:person:1:1",
        "x" * 64, "::::", "approval.read:1", "newvillage.confirm:3", "mydata.withdraw:1:examine", "assess.answer:99999999999999999999:C01:b4",
        "village.ask_village:person:1:18685:0", "family.keep_count:1:members:3", "account.speak:xx", "profile.choose_form:99",
        "newvillage.propose:person:1:5", "village.keep:home:1:5", "people.added:helper", "status.withdrawn:1",
    ],
)  # fmt: skip
async def test_forged_buttons(token: str, sqlite_database: Database, tmp_path: Path) -> None:
    """A token is input: somebody else's, last year's or invented ones change nothing."""
    player = Player(sqlite_database, tmp_path)
    await player.walk(PAPER)
    await player.walk("Lạ > xin chào\nLạ > [Bắt đầu]\nLạ > [Đồng ý]\nLạ > [Đồng ý]\nLạ > [Đồng ý]")
    before = await digest(sqlite_database)
    await player.app.intake.receive(Incoming(f"talk:forged:{token}", "talk:Lạ", Pressed(token, "m1")))
    await player.app.sender.drain()
    said = "\n".join(player.channel.take())
    assert said
    assert "trục trặc" not in said
    assert await digest(sqlite_database) == before


async def test_flood_is_slowed_with_one_sentence(sqlite_database: Database, tmp_path: Path) -> None:
    player = Player(sqlite_database, tmp_path, per_minute=60)
    await player.walk("Bình > xin chào")
    player.channel.take()
    for number in range(200):
        await player.app.intake.receive(Incoming(f"talk:flood:{number}", "talk:An", Said("xin chào")))
    await player.app.sender.drain()
    said = [line for line in player.channel.take() if line.startswith("An")]
    assert sum("nhắn nhanh quá" in line for line in said) == 1
    assert len(said) < 60
    assert await player.line("Bình", "/trogiup")


async def test_the_sentence_comes_also_where_the_database_was_away_at_first(sqlite_database: Database, tmp_path: Path) -> None:
    player = Player(sqlite_database, tmp_path, per_minute=60)
    intake = player.app.intake

    class Away:
        def transaction(self, together: bool = False) -> None:
            raise DatabaseAway("away")

    for number in range(100):
        refused = number == BURST
        intake.database = Away() if refused else sqlite_database  # type: ignore[assignment]
        with pytest.raises(DatabaseAway) if refused else contextlib.nullcontext():
            await intake.receive(Incoming(f"talk:flood:{number}", "talk:An", Said("xin chào")))
    await player.app.sender.drain()
    assert sum("nhắn nhanh quá" in line for line in player.channel.take()) == 1


async def test_five_wrong_codes_an_hour(sqlite_database: Database, tmp_path: Path) -> None:
    player = Player(sqlite_database, tmp_path)
    good = await player.invitation("branch", "Trung Tiến, Cẩm Bình")
    for number in range(5):
        assert "không đúng" in "\n".join(await player.line("An", f"(mở m-{number:022d})"))
    assert "nhập sai mã 5 lần" in "\n".join(await player.line("An", f"(mở m-{good})"))
    assert "đã nhận việc" in "\n".join(await player.line("Hùng", f"(mở m-{good})"))
    assert "không đúng, đã dùng" in "\n".join(await player.line("Mai", f"(mở m-{good})"))
