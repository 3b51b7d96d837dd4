"""What a person typed about a place, word by word: which words may name one, and what kind they say it is."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from storage.places.folding import bare, spell
from storage.places.kinds import is_kind, phrase_at

LONGEST = 120
NUMBERED = "số"  # "tổ dân phố số 2"
PART_LETTERS = "bcde"  # "Vĩnh Châu B"; other single letters are abbreviations, slips, or "ạ"


@dataclass(frozen=True)
class Typed:
    """Sets of words are kept as bits: word 0 is 1, word 1 is 2, word 2 is 4."""

    words: tuple[str, ...]  # without tone marks
    spelled: tuple[str, ...]  # as typed
    content: int = 0  # the words that are neither kinds nor fillers
    fillers: int = 0  # "tôi ở", and single letters
    kind_before: dict[int, str] = field(default_factory=dict)  # the kind that ends where this word begins
    kind_starts: dict[int, int] = field(default_factory=dict)  # where that kind begins

    def kinds(self) -> list[tuple[int, int]]:
        """Of every kind where it ends and where it begins."""
        return [(end, self.kind_starts[end]) for end in self.kind_before]


def read(text: str) -> Typed:
    spelled = [word for word in spell(text[:LONGEST]).split() if bare(word).strip()]
    return from_words(spelled)


def from_words(spelled: list[str]) -> Typed:
    words = [bare(word) for word in spelled]
    typed = Typed(tuple(words), tuple(spelled))
    content, fillers, at = 0, 0, 0
    while at < len(words):
        phrase, length = phrase_at(spelled, words, at)
        if phrase and is_kind(phrase):
            typed.kind_before[at + length] = phrase
            typed.kind_starts[at + length] = at
        elif phrase == NUMBERED and at in typed.kind_before:
            typed.kind_before[at + 1] = typed.kind_before[at]
            typed.kind_starts[at + 1] = typed.kind_starts[at]
        elif not phrase and (len(words[at]) > 1 or words[at].isdigit() or words[at] in PART_LETTERS):
            content |= 1 << at
        else:
            fillers |= ((1 << max(length, 1)) - 1) << at
        at += length or 1
    return replace(typed, content=content, fillers=fillers)


def with_names(typed: Typed, spans: Iterable[tuple[int, int]]) -> Typed:
    """Knowing which stretches are names as they stand.

    In "xã Cẩm Quan, huyện Cẩm Xuyên" the word "Quan" ends a name and is no "quận"; in "huyện U Minh" nobody says "mình".
    """
    longer = [(start, end) for start, end in spans if end - start > 1]
    inside = {at for start, end in longer for at in range(start + 1, end)}
    kept = {end: kind for end, kind in typed.kind_before.items() if not _is_part_of_name(typed, end, inside)}
    masks = [(1 << end) - (1 << start) for start, end in longer]
    names = 0
    for mask in masks:
        names |= mask if mask & typed.fillers == mask else 0
    return replace(typed, kind_before=kept, content=typed.content | names, fillers=typed.fillers & ~names)


def _is_part_of_name(typed: Typed, end: int, inside: set[int]) -> bool:
    first = typed.kind_starts[end]
    return first in inside and typed.spelled[first] == typed.words[first]
