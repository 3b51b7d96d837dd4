"""What every platform's updates are read with: text that can be kept, and names of people and messages."""

from typing import Any

LONGEST_ID = 100  # characters


def text_of(given: Any) -> str:
    """Text that every database and page can hold. Raises ValueError where it is none."""
    if not isinstance(given, str):
        raise ValueError("not a text")
    if given.isascii() and "\0" not in given:
        return given
    # PostgreSQL has no NUL, and half an emoji is no character.
    return given.replace("\0", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def name_of(thing: dict[str, Any], field: str = "id") -> str:
    """What a platform calls a person or a message. Raises KeyError or ValueError where it is no name."""
    given = thing[field]
    name = str(given)
    if not isinstance(given, str | int) or isinstance(given, bool) or not 0 < len(name) <= LONGEST_ID or text_of(name) != name:
        raise ValueError(field)
    return name


def number_of(given: Any) -> int:
    """A whole number that every database can hold. Raises ValueError where it is none."""
    if not isinstance(given, int) or isinstance(given, bool) or not -(2**63) <= given < 2**63:
        raise ValueError("not a number")
    return given
