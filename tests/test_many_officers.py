"""Several officers where there are no buttons: each prompt takes its numbers, and all are there at once."""

from pathlib import Path

import pytest

from storage.database import Database
from tests.talks import Player

TALK = (Path(__file__).parent / "conversations/cong_dan_tron_ven.chat").read_text(encoding="utf-8")


@pytest.mark.parametrize("officers", [1, 2, 3])
async def test_a_paper_goes_to_all_of_them(officers: int, database: Database, tmp_path: Path) -> None:
    player, names = Player(database, tmp_path), ["Ba", "Tư", "Năm"][:officers]
    for name in names:
        await player.line(f"{name}@zalo", "(mời branch ở Trung Tiến, Cẩm Bình)")
        await player.line(f"{name}@zalo", f"Nguyễn Thị {name}")
    lines = [line.split(" > ", 1) for line in TALK.splitlines() if " > " in line]
    said: list[str] = []
    for who, words in lines[: 1 + [words for _who, words in lines].index("[Gửi cho chi hội]")]:
        if who != "Hùng":
            said = await player.line(who, words)
    assert not [one for one in said if "trục trặc" in one], said
    for name in names:
        assert [one for one in said if name in one], (name, said)
