"""All names as a tree of words, in which what people type is found in spite of slips of the thumb."""

import itertools
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from rapidfuzz import fuzz, process
from rapidfuzz.distance import OSA

from storage.places.folding import bare
from storage.places.kinds import LEVELS
from storage.places.query import telex

SLIPS_PER_WORD = 0.55
SLIP_INTO_A_WORD = 0.25  # what was typed is a word of names itself
HEARD_ALIKE = 0.25
LONGEST_WORD = 7  # letters of a Vietnamese syllable
JOINED_FROM = 5  # letters
ALIKE = 84  # per cent of letters in common, where nothing else was found
_KIND_WORDS = frozenset(word for kind in LEVELS for word in bare(kind).split()) | {"so", "tp", "tx", "tt", "tdp"}
_HEARD = [(re.compile(pattern), heard) for pattern, heard in (("^gi|^r", "d"), ("^tr", "ch"), ("^s", "x"), ("y$", "i"))]
_END, _IN_PART = "", "~"  # no word is empty or a tilde


class Span(NamedTuple):
    """Words start..end may be meant as a name, with so many slips; `lacking` a number or a word of it."""

    start: int
    end: int
    name: str
    slips: float
    lacking: bool = False


class Names:
    def __init__(self, keys: Iterable[str]) -> None:
        self._tree: dict[str, Any] = {}
        self._joined: dict[str, list[str]] = defaultdict(list)
        vocabulary: set[str] = set()
        for key in dict.fromkeys(keys):
            words = key.split()
            vocabulary.update(words)
            self._grow(words)[_END] = key
            for part in _parts(words):
                self._grow(part).setdefault(_IN_PART, []).append(key)
            if len(words) > 1:
                self._joined["".join(words)].append(key)
        self._words = frozenset(vocabulary)
        self._speech = self._words | _KIND_WORDS
        self._heard: dict[str, list[str]] = defaultdict(list)
        for word in vocabulary:
            self._heard[_heard(word)].append(word)
        self._guessable = [word for word in vocabulary if len(word) > 1 and not _has_digit(word)]

    def spans(self, words: Sequence[str], shortest: int = 3) -> list[Span]:
        """Every stretch of these words that may be a name; slips are looked for in words of `shortest` letters or more."""
        near = [self._near(word, shortest) for word in words]
        best: dict[tuple[int, int, str], Span] = {}
        for start in range(len(words)):
            for span in self._walk(near, start):
                place = span[:3]
                if place not in best or span.slips < best[place].slips:
                    best[place] = span
        return list(best.values())

    def alike(self, words: Sequence[str]) -> list[Span]:
        """Names that look like all of these words together; a last resort."""
        joined = "".join(words)
        if len(joined) < JOINED_FROM:
            return []
        found = process.extract(joined, list(self._joined), scorer=fuzz.ratio, score_cutoff=ALIKE, limit=5)
        return [
            Span(0, len(words), name, (100 - score) / 20)
            for like, score, _ in found
            if _digits(like) == _digits(joined)
            for name in self._joined[like]
        ]

    def decoded(self, spelled: str) -> str:
        """`"tieens"` is `"tiến"`; a word that is known as it stands, or is not known so either, stays."""
        decoded = telex(spelled) if spelled.isascii() and spelled not in self._speech else spelled
        return decoded if bare(decoded) in self._speech else spelled

    def divided(self, spelled: str) -> str:
        """`"cambinh"` is `"cam binh"`; what is not made of known words stays."""
        word = bare(spelled)
        if word in self._speech or len(word) != len(spelled):
            return spelled
        pieces = self._joined[word][0].split() if word in self._joined else self._pieces(word)
        ends = itertools.accumulate(map(len, pieces))
        return " ".join(spelled[start:end] for start, end in itertools.pairwise((0, *ends))) or spelled

    def _pieces(self, word: str) -> list[str]:
        """The fewest known words that this one is made of; none where it might be a single word with a slip."""
        best: list[list[str] | None] = [[]] + [None] * len(word)
        for end in range(2, len(word) + 1):
            heads = ((best[start], word[start:end]) for start in range(max(0, end - LONGEST_WORD), end - 1))
            found = [[*head, piece] for head, piece in heads if head is not None and piece in self._speech]
            best[end] = min(found, key=len, default=None)
        return best[-1] or [] if len(word) > LONGEST_WORD else []

    def _grow(self, words: Sequence[str]) -> dict[str, Any]:
        node = self._tree
        for word in words:
            node = node.setdefault(word, {})
        return node

    def _near(self, word: str, shortest: int) -> list[tuple[str, float]]:
        """The known words that this one may be, with what believing so costs."""
        exact = [(word, 0.0)] if word in self._words else []
        exact += [(other, HEARD_ALIKE) for other in self._heard.get(_heard(word), ()) if other != word]
        if len(word) < shortest or _has_digit(word):
            return exact
        extra = SLIP_INTO_A_WORD if word in self._words else 0.0
        found = process.extract(word, self._guessable, scorer=OSA.distance, score_cutoff=1, limit=None)
        return exact + [(other, extra + _cost(word, other)) for other, distance, _ in found if distance]

    def _walk(self, near: Sequence[list[tuple[str, float]]], start: int) -> Iterable[Span]:
        waiting: list[tuple[dict[str, Any], int, float]] = [(self._tree, start, 0.0)]
        while waiting:
            node, at, slips = waiting.pop()
            if slips <= SLIPS_PER_WORD * (at - start):
                yield from _ended(node, start, at, slips)
            for word, cost in near[at] if at < len(near) else ():
                if word in node and slips + cost <= SLIPS_PER_WORD * (at - start + 2):
                    waiting.append((node[word], at + 1, slips + cost))


def _ended(node: dict[str, Any], start: int, at: int, slips: float) -> Iterable[Span]:
    if at == start:
        return
    if _END in node:
        yield Span(start, at, node[_END], slips)
    for name in node.get(_IN_PART, ()):
        yield Span(start, at, name, slips, lacking=True)


def _parts(words: Sequence[str]) -> Iterable[Sequence[str]]:
    """A longer name less its number, or less its first or last word: "Sơn Kim" and "Hồng Lĩnh" are typed too."""
    numbers = 1 if len(words) > 1 and _has_digit(words[-1]) else 0
    if numbers:
        yield words[:-1]
    if len(words) - numbers > 2:
        yield words[1:]
        yield [*words[: len(words) - numbers - 1], *words[len(words) - numbers :]]


def _heard(word: str) -> str:
    """Words that are written otherwise and said alike, here or there: gián and dán, trì and chì, Kỳ and Kì."""
    for pattern, heard in _HEARD:
        word = pattern.sub(heard, word)
    return word


def _cost(word: str, other: str) -> float:
    longest = max(len(word), len(other))
    return {2: 0.8, 3: 0.6, 4: 0.45}.get(longest, 0.35)


def _has_digit(word: str) -> bool:
    return any(c.isdigit() for c in word)


def _digits(word: str) -> list[str]:
    return [c for c in word if c.isdigit()]
