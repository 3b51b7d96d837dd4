"""How well a place fits what was typed: 100 points, less what does not agree."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from storage.places.folding import sound, sounds
from storage.places.kinds import LEVELS
from storage.places.names import Span
from storage.places.typed import Typed

SLIP, LACKING, FORMER, LEFT_OVER = 20.0, 10.0, 3.0, 60.0
WRONG_MARK, CONFUSED_MARK, NO_MARK = 8.0, 4.0, 0.2
OTHER_KIND, OTHER_VILLAGE_KIND, OTHER_LEVEL = 6.0, 3.0, 25.0
FILLER, FILLERS = 0.5, 1.5  # so that a name beats taking its words for fillers; a long sentence costs no more
PROVINCE = 1.0  # a province alone helps nobody
NUMBER_TOO_MUCH, NUMBER_ALONE = 20.0, 25.0
AROUND = 0.5  # a fault in the name of what a place lies in weighs half

# What a stretch of words that the place does not explain weighs, by what it seems to be.
UNLISTED_VILLAGE, PART_OF_VILLAGE, SAID_BEFORE, OTHER_COMMUNE = 0.4, 0.5, 0.7, 1.4
FORMER_DISTRICT, UNKNOWN_DISTRICT = 0.25, 0.5
_HOI, _NGA = "\u0309", "\u0303"


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


class Scale:
    """Weighs the candidates of one query.

    `districts` are the former districts named in it, by province; `narrowed` says that the commune is known anyway.
    """

    def __init__(self, typed: Typed, districts: Mapping[int, Sequence[Match]], narrowed: bool) -> None:
        self.typed, self._narrowed = typed, narrowed
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
        key = (mask, own.start, level, commune_known, province)
        if key not in self._left:
            self._left[key] = self._left_over(*key)
        left = self._left[key]
        return max(0.0, 100 - cost - left - self._vague(own, left, self._narrowed or (commune_known and level == "village")))

    def _vague(self, own: Match, left: float, narrowed: bool) -> float:
        """A bare "3", or "nhà mình", names a place only behind a kind or where nothing else is said."""
        if own.meaning.level in LEVELS.get(self.typed.kind_before.get(own.start, ""), ()):
            return 0.0
        if own.meaning.name[:1].isdigit():
            return 100.0 if left else 0.0 if narrowed else NUMBER_ALONE
        return 0.0 if own.mask & self.typed.content or not left else 100.0

    def _left_over(self, mask: int, own_start: int, level: str, commune_known: bool, province: int) -> float:
        weight, count = 0.0, mask.bit_count()
        fillers = min(FILLERS, FILLER * (self.typed.fillers & ~mask).bit_count())
        for start, end in _stretches(self.typed.content & ~mask):
            weight += (end - start) * self._weight(start, end, own_start, level, commune_known, province)
            count += end - start
        return fillers + LEFT_OVER * weight / count

    def _weight(self, start: int, end: int, own_start: int, level: str, commune_known: bool, province: int) -> float:
        levels = LEVELS.get(self.typed.kind_before.get(start, ""), frozenset())
        if "commune" in levels or level == "province":
            return OTHER_COMMUNE
        if "village" in levels:
            return PART_OF_VILLAGE if level == "village" else UNLISTED_VILLAGE
        # People name the district that they knew, also where a commune had changed to another one before 2025.
        if commune_known and (levels or start > own_start) and (start, end) in self._districts.get(province, ()):
            return FORMER_DISTRICT
        if commune_known and "district" in levels:
            return UNKNOWN_DISTRICT
        return SAID_BEFORE if start < own_start and not levels else 1.0


def match(typed: Typed, span: Span, meaning: Meaning) -> Match | None:
    """The words as this name; None where a kind is cut in two, a number says otherwise, or a slip is only imagined."""
    if any(first < edge < end for end, first in typed.kinds() for edge in (span.start, span.end)):
        return None
    cost = SLIP * span.slips + LACKING * span.lacking + FORMER * meaning.former
    cost += _marks(typed.spelled[span.start : span.end], typed.words[span.start : span.end], meaning.name)
    cost += _kind(typed.kind_before.get(span.start, ""), meaning)
    if span.end < len(typed.words) and typed.words[span.end][0].isdigit():
        if any(c.isdigit() for c in meaning.name):
            if span.lacking:
                return None
        else:
            cost += NUMBER_TOO_MUCH
    found = Match(span.start, span.end, cost, meaning)
    return None if span.slips and not found.mask & typed.content else found


def _marks(spelled: Sequence[str], words: Sequence[str], name: str) -> float:
    """Nothing for the exact spelling, a little for typing without tone marks, more for typing others."""
    wanted = sounds(name)
    if len(wanted) != len(words):
        return NO_MARK
    without = tuple(spelled) == tuple(words)
    return sum(map(_mark, spelled, wanted, [NO_MARK if without else WRONG_MARK / 2] * len(wanted)))


def _mark(spelled: str, right: str, unmarked: float) -> float:
    typed = sound(spelled)
    if typed == right:
        return 0.0
    if typed.isascii():
        return unmarked
    return CONFUSED_MARK if typed.replace(_NGA, _HOI) == right.replace(_NGA, _HOI) else WRONG_MARK


def _kind(kind: str, meaning: Meaning) -> float:
    if not kind or kind == meaning.kind:
        return 0.0
    if meaning.level not in LEVELS[kind] or (kind == "thành phố" and meaning.level == "province"):
        return OTHER_LEVEL
    return OTHER_VILLAGE_KIND if meaning.level == "village" else OTHER_KIND


def _best(matches: Sequence[Match], taken: int) -> Match | None:
    free = [one for one in matches if not one.mask & taken and one.cost < OTHER_LEVEL]
    return max(free, key=lambda one: (one.end - one.start, -one.cost), default=None)


def _stretches(mask: int) -> Iterator[tuple[int, int]]:
    """The runs of bits: 0b1101 gives (0, 1) and (2, 4)."""
    start = 0
    while mask >> start:
        while not mask >> start & 1:
            start += 1
        end = start
        while mask >> end & 1:
            end += 1
        yield start, end
        start = end
