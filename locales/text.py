"""A text is written once, in Vietnamese, and becomes words for one reader at a time."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

from locales.catalogue import translate

HOME = timezone(timedelta(hours=7))  # Viet Nam has no summer time
SOURCE = "vi"
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


class Reader(NamedTuple):
    """For whom words are made: a language, and the form of address that the person chose."""

    language: str = SOURCE
    you: str = "ông/bà"


class Words(Protocol):
    """Anything that can be said to a reader."""

    def render(self, reader: Reader) -> str: ...


# Never changed once made; but `frozen` would make each four times as slow, and a turn makes dozens.
@dataclass(slots=True)
class Text:
    """A message of the catalogue with the values for its placeholders.

    `{you}` and `{You}` are the reader's form of address; values may be texts themselves, dates
    (written the Vietnamese way), times (in Viet Nam's zone) or anything with a `str`.
    """

    message: str
    values: Mapping[str, Any] = field(default_factory=dict)

    def render(self, reader: Reader) -> str:
        # Words and names of placeholders by turns.
        pieces = _pieces(self.message, reader.language)
        if len(pieces) == 1:
            return pieces[0]
        filled, values = list(pieces), self.values
        for at in range(1, len(pieces), 2):
            name = pieces[at]
            filled[at] = _words(values[name], reader) if name in values else self._otherwise(name, reader)
        return "".join(filled)

    def _otherwise(self, name: str, reader: Reader) -> str:
        if name in ("you", "You"):
            return _address(name, reader)
        raise KeyError(f"no value for {{{name}}} in {self.message!r}")


@lru_cache(10_000)
def _pieces(message: str, language: str) -> tuple[str, ...]:
    return tuple(_PLACEHOLDER.split(translate(message, language)))


@lru_cache(1_000)
def _address(name: str, reader: Reader) -> str:
    you = translate(reader.you, reader.language)
    return you[:1].upper() + you[1:] if name == "You" else you


@dataclass(slots=True)
class Kept:
    """Words that are the same for everyone who reads the same language and is addressed alike: made once for each."""

    words: Words
    made: dict[Reader, str] = field(default_factory=dict)

    def render(self, reader: Reader) -> str:
        if (made := self.made.get(reader)) is None:
            made = self.made[reader] = self.words.render(reader)
        return made


@dataclass(slots=True)
class Joined:
    """Several texts as one, with something between them."""

    parts: tuple[Words, ...]
    between: str

    def render(self, reader: Reader) -> str:
        return self.between.join([part.render(reader) for part in self.parts])


@dataclass(slots=True)
class Plain:
    """Words that no one translates: a name, a reason that an officer typed."""

    words: str

    def render(self, reader: Reader) -> str:
        return self.words


def _(message: str, **values: Any) -> Text:
    """A text of ours; the literal is extracted into the catalogues."""
    return Text(message, values)


def plain(words: str) -> Plain:
    return Plain(words)


def join(parts: Iterable[Words | None], between: str = "\n") -> Joined:
    """The texts one after another; None is left out."""
    return Joined(tuple(part for part in parts if part is not None), between)


def _words(value: Any, reader: Reader) -> str:
    # Most are; and to look for what is not there costs the most.
    if type(value) is str:
        return value
    if type(value) is int:
        return str(value)
    if hasattr(value, "render"):
        return str(value.render(reader))
    if isinstance(value, datetime):
        return f"{value.astimezone(HOME):%H:%M %d/%m/%Y}"
    if isinstance(value, date):
        return f"{value:%d/%m/%Y}"
    return str(value)
