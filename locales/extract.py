"""Finds the words that people read in the titles' and roles' TOML files, for Babel."""

import tomllib
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

READ_BY_PEOPLE = {
    "name", "notice", "basis", "label", "hint", "text", "example", "examples", "why", "evidence",
    "short", "approve", "approved", "told", "done",
}  # fmt: skip


def toml(file: BinaryIO, keywords: Any, comments: Any, options: Any) -> Iterator[tuple[int, str, str, list[str]]]:
    """Babel's extraction method for TOML: each string under a key that people read."""
    source = file.read().decode()
    lines = source.splitlines()
    for message in dict.fromkeys(strings(tomllib.loads(source))):
        number = next((n for n, line in enumerate(lines, 1) if message in line), 1)
        yield number, "_", message, []


def strings(value: Any, key: str = "") -> Iterable[str]:
    """Every string that people read, in the order of the file."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from strings(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner, key)
    elif isinstance(value, str) and key in READ_BY_PEOPLE:
        yield value
