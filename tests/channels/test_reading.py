"""What a platform wrote, as far as a database can hold it."""

from typing import Any

import pytest

from bot.channels.reading import name_of, number_of, object_of, text_of


def test_half_an_emoji_is_read_and_left_out() -> None:
    """Platforms cut texts where they like."""
    update = object_of(b'{"text": "ch\\u00e0o \\ud83d"}')
    assert update and text_of(update["text"]) == "chào �"
    assert text_of("một\0hai 🙂") == "mộthai 🙂"


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b'"\\ud83d', b'{"a":"\\ud83d"' + b"[" * 5000])
def test_what_is_no_object(body: bytes) -> None:
    assert object_of(body) is None


@pytest.mark.parametrize("given", ["", "x" * 101, "a\0", "\ud83d", None, True, 1.5, [], {}, 2**70])
def test_what_is_no_name(given: Any) -> None:
    with pytest.raises(ValueError):
        name_of({"id": given})


def test_names_and_numbers() -> None:
    assert (name_of({"id": "246845883529197922"}), name_of({"id": 77})) == ("246845883529197922", "77")
    assert number_of(-(2**63)) == -(2**63)
    for given in (True, "1", 1.0, None, 2**63):
        with pytest.raises(ValueError):
            number_of(given)
