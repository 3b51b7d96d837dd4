"""How well a place fits what was typed: 100 points, less what does not agree."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from storage.places.folding import sound, sounds
from storage.places.kinds import LEVELS
from storage.places.names import Span
from storage.places.query import Query

SLIP, LACKING, FORMER, LEFT_OVER = 20.0, 10.0, 3.0, 60.0
WRONG_MARK, NO_MARK = 8.0, 0.2
OTHER_KIND, OTHER_VILLAGE_KIND, OTHER_LEVEL = 6.0, 3.0, 25.0
FILLER, FILLERS = 0.5, 1.5  # so that a name beats taking its words for fillers; a long sentence costs no more
NUMBER_TOO_MUCH = 20.0
PROVINCE = 1.0  # "Phú Thọ" is rather the commune: a province alone helps nobody
AROUND = 0.5  # a fault in the name of what a place lies in weighs half

# What a stretch of words that the place does not explain weighs, by what it seems to be.
UNLISTED_VILLAGE, SAID_BEFORE, OTHER_COMMUNE = 0.4, 0.7, 1.4
FORMER_DISTRICT, UNKNOWN_DISTRICT = 0.25, 0.5


class Meaning(NamedTuple):
    """What a name stands for: a place, by the name that it has or had."""

    place: int
    level: str
    kind: str
    name: str
    former: bool = False


class Match(NamedTuple):
    """A stretch of the typed words taken as a name."""

    start: int
    end: int
    cost: float
    meaning: Meaning

    @property
    def mask(self) -> int:
        return (1 << self.end) - (1 << self.start)


class Scorer:
    """Weighs the candidates of one query; `districts` are the former districts named in it, by province."""

    def __init__(self, query: Query, districts: Mapping[int, Sequence[Match]]) -> None:
        self._query = query
        self._districts = {
            province: {(match.start, match.end) for match in matches if match.cost < OTHER_KIND}
            for province, matches in districts.items()
        }
        self._left: dict[tuple[int, int, str, bool, int], float] = {}

    def score(self, own: Match, province: int, around: Sequence[Sequence[Match]]) -> float:
        """Points for a place by its own name and the best names of what it lies in (a village's commune comes first)."""
        level = own.meaning.level
        mask, cost, commune_known = own.mask, own.cost + PROVINCE * (level == "province"), level == "commune"
        for matches in around:
            if best := _best(matches, mask):
                mask, cost = mask | best.mask, cost + best.cost * AROUND
                commune_known |= best.meaning.level == "commune"
        case = (mask, own.start, level, commune_known, province)
        if (left := self._left.get(case)) is None:
            left = self._left[case] = self._left_over(*case)
        return 0.0 if left and self._is_vague(own) else max(0.0, 100 - cost - left)

    def _is_vague(self, own: Match) -> bool:
        """A bare "3", or "nhà mình", names a place only behind a kind or where nothing else is said."""
        behind_kind = own.meaning.level in self._query.levels_at(own.start)
        return not behind_kind and (own.meaning.name[:1].isdigit() or not own.mask & self._query.content)

    def _left_over(self, mask: int, own_start: int, level: str, commune_known: bool, province: int) -> float:
        weight, count = 0.0, mask.bit_count()
        fillers = min(FILLERS, FILLER * (self._query.fillers & ~mask).bit_count())
        for start, end in _stretches(self._query.content & ~mask):
            weight += (end - start) * self._weight(start, end, own_start, level, commune_known, province)
            count += end - start
        return fillers + LEFT_OVER * weight / count

    def _weight(self, start: int, end: int, own_start: int, level: str, commune_known: bool, province: int) -> float:
        levels = self._query.levels_at(start)
        if "commune" in levels or level == "province":
            return OTHER_COMMUNE
        if "village" in levels:
            return UNLISTED_VILLAGE
        # People name the district that they knew, also where a commune had changed to another one before 2025.
        if commune_known and (levels or start > own_start) and (start, end) in self._districts.get(province, ()):
            return FORMER_DISTRICT
        if commune_known and "district" in levels:
            return UNKNOWN_DISTRICT
        return SAID_BEFORE if start < own_start and not levels else 1.0


def match(query: Query, span: Span, meaning: Meaning) -> Match | None:
    """The words as this name; None where a kind is cut in two, a number says otherwise, or a slip is only imagined."""
    if any(kind.start < edge < end for end, kind in query.kinds.items() for edge in (span.start, span.end)):
        return None
    cost = SLIP * span.slips + LACKING * span.lacking + FORMER * meaning.former
    cost += _marks(query.spelled[span.start : span.end], query.words[span.start : span.end], meaning.name)
    if span.start in query.kinds:
        cost += _kind(query.kinds[span.start].name, meaning)
    if span.end < len(query.words) and query.words[span.end][0].isdigit():
        if span.lacking and any(c.isdigit() for c in meaning.name):
            return None
        if not any(c.isdigit() for c in meaning.name):
            cost += NUMBER_TOO_MUCH
    found = Match(span.start, span.end, cost, meaning)
    return None if span.slips and not found.mask & query.content else found


def _marks(spelled: Sequence[str], words: Sequence[str], name: str) -> float:
    """Nothing for the exact spelling, a little for typing without tone marks, more for typing others."""
    wanted = sounds(name)
    if len(wanted) != len(words):
        return NO_MARK
    unmarked = NO_MARK if tuple(spelled) == tuple(words) else WRONG_MARK / 2
    typed = map(sound, spelled)
    return sum(unmarked if one.isascii() else WRONG_MARK for one, right in zip(typed, wanted, strict=True) if one != right)


def _kind(kind: str, meaning: Meaning) -> float:
    if kind == meaning.kind:
        return 0.0
    if meaning.level not in LEVELS[kind] or (kind == "thành phố" and meaning.level == "province"):
        return OTHER_LEVEL
    return OTHER_VILLAGE_KIND if meaning.level == "village" else OTHER_KIND


def _best(matches: Sequence[Match], taken: int) -> Match | None:
    free = [one for one in matches if not one.mask & taken and one.cost < OTHER_LEVEL]
    return max(free, key=lambda one: (one.end - one.start, -one.cost), default=None)


def _stretches(mask: int) -> Iterator[tuple[int, int]]:
    """The runs of bits: 0b1101 gives (0, 1) and (2, 4)."""
    return (run.span() for run in re.finditer("1+", f"{mask:b}"[::-1]))
