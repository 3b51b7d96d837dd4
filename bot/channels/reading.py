"""What every platform's updates are read with: text that can be kept, numbers, and names of people and messages."""

import json
from typing import Any

import orjson

LONGEST_ID = 100  # characters


def object_of(body: bytes) -> dict[str, Any] | None:
    """What a body says; None where it is not a JSON object."""
    try:
        found = orjson.loads(body)
    except ValueError:
        found = _with_halves(body)
    return found if isinstance(found, dict) else None


def _with_halves(body: bytes) -> Any:
    """Half an emoji, which a platform may leave where it cuts, is no JSON to everybody."""
    try:
        return json.loads(body) if b"\\ud" in body.lower() else None
    except (ValueError, RecursionError):
        return None


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
    name = given if isinstance(given, str) else str(number_of(given))
    if not 0 < len(name) <= LONGEST_ID or text_of(name) != name:
        raise ValueError(field)
    return name


def number_of(given: Any) -> int:
    """A whole number that every database can hold. Raises ValueError where it is none."""
    if not isinstance(given, int) or isinstance(given, bool) or not -(2**63) <= given < 2**63:
        raise ValueError("not a number")
    return given
