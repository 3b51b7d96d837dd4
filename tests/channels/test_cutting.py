"""Long texts: where they are cut, and that nothing is lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.channels.cutting import cut, units

FAMILY = "👨‍👩‍👧"  # one sign of five characters, eight units


@pytest.mark.parametrize(
    ("text", "limit", "parts"),
    [
        ("", 10, [""]),
        ("   ", 10, ["   "]),
        ("ngắn", 4, ["ngắn"]),
        ("một hai ba.\n\nbốn năm", 14, ["một hai ba.", "bốn năm"]),
        ("một hai\nba bốn năm", 14, ["một hai", "ba bốn năm"]),
        ("Câu một. Câu hai dài", 15, ["Câu một.", "Câu hai dài"]),
        ("a\n\nmột hai ba bốn", 12, ["a\n\nmột hai", "ba bốn"]),  # no stump
        ("dàilắmlắm", 4, ["dàil", "ắmlắ", "m"]),
        ("👍👍👍", 5, ["👍👍", "👍"]),
        (FAMILY + FAMILY, 10, [FAMILY, FAMILY]),
        ("🇻🇳🇻🇳", 7, ["🇻🇳", "🇻🇳"]),
        ("a👍🏽", 3, ["a", "👍", "🏽"]),  # larger than a message: there is no better place
        ("e\u0301e\u0301", 3, ["e\u0301", "e\u0301"]),
    ],
)
def test_where_it_is_cut(text: str, limit: int, parts: list[str]) -> None:
    assert cut(text, limit) == parts


@given(st.text(alphabet=st.sampled_from("ab ắ👍🇻🇳\n.\u200d\ufe0f\u0301"), max_size=120), st.integers(2, 40))
def test_nothing_is_lost_and_every_part_fits(text: str, limit: int) -> None:
    parts = cut(text, limit)
    assert all(units(part) <= limit for part in parts) or not text.strip()
    assert "".join("".join(parts).split()) == "".join(text.split())
    assert len(parts) == 1 or all(part.strip() for part in parts)
