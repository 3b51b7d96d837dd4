"""Finds the places that people mean when they type where they live."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlmodel import col, select

from storage.place import Place, PlaceAlias
from storage.places.folding import bare, fold
from storage.places.kinds import LEVELS, VILLAGE_KINDS, parted
from storage.places.names import Names, Span
from storage.places.typed import Typed, from_words, read, with_names
from storage.places.weighing import Match, Meaning, Scale, match
from storage.session import Session

WEAKEST, BEHIND_THE_BEST = 60.0, 30.0  # a worse result, or one so far behind, would only confuse
GOOD, SURE, AHEAD = 85.0, 80.0, 6.0
WHOLE_DISTRICT, SMALL_SHARE = 20.0, 8.0
PLAIN = 5.0  # a name without a slip
ADDRESS = 10  # words; a longer text is a story, in which far-fetched names would be found only
LONG_WORD = 8  # no Vietnamese syllable has so many letters: words typed without spaces
_ORDER = {"province": 0, "commune": 1, "village": 2}
_KIND_WORDS = frozenset(word for kind in LEVELS for word in bare(kind).split())


@dataclass(frozen=True)
class Found:
    place_id: int
    score: float  # 0 – 100
    label: str  # "thôn Trung Tiến, xã Cẩm Bình"
    former: str | None = None  # the old name that was typed: "xã Cẩm Vĩnh"
    parent_id: int | None = None


def is_sure(found: Sequence[Found]) -> bool:
    """Is the first clearly the one? What it lies in is no rival."""
    if not found or found[0].score < SURE:
        return False
    rivals = [one for one in found[1:] if one.place_id != found[0].parent_id]
    return not rivals or found[0].score - rivals[0].score >= AHEAD


class _Known(NamedTuple):
    level: str
    kind: str
    name: str
    key: str
    parent: int | None


class _District(NamedTuple):
    """A district of before 1/7/2025: the communes that have land of it, and of how many old communes."""

    meaning: Meaning
    province: int
    communes: dict[int, int]


class PlaceIndex:
    """A snapshot of the places in force; made anew when they change."""

    def __init__(self, places: dict[int, _Known], aliases: Iterable[tuple[int, str, str]]) -> None:
        self._places = {place_id: place for place_id, place in places.items() if place.parent is None or place.parent in places}
        self._meanings: dict[str, list[Meaning]] = defaultdict(list)
        self._districts: dict[tuple[str, int], _District] = {}
        for place_id, place in self._places.items():
            self._meanings[place.key].append(Meaning(place_id, place.level, place.kind, place.name))
        for place_id, name, key in aliases:
            if place_id in self._places:
                self._add_alias(place_id, name, key)
        self._by_district: dict[str, list[_District]] = defaultdict(list)
        for district in self._districts.values():
            self._by_district[fold(district.meaning.name)].append(district)
        self._names = Names([*self._meanings, *self._by_district])

    @classmethod
    async def load(cls, session: Session) -> "PlaceIndex":
        """Of the places in force; a village that only a citizen has named waits for an officer."""
        in_force = (col(Place.valid_to).is_(None), col(Place.confirmed).is_(True))
        columns = (Place.id, Place.level, Place.kind, Place.name, Place.key, Place.parent_id)
        rows = (await session.exec(select(*columns).where(*in_force))).all()  # type: ignore[call-overload]
        aliases = select(PlaceAlias.place_id, PlaceAlias.name, PlaceAlias.key).order_by(col(PlaceAlias.id))
        return cls({row[0]: _Known(*row[1:]) for row in rows}, (await session.exec(aliases)).all())

    def find(self, words: str, within: int | None = None, level: str | None = None, limit: int = 6) -> list[Found]:
        """The places that may be meant, best first; `within` a place, of one `level` (province, commune, village)."""
        typed = self._parted(read(words))
        if not typed.words:
            return []
        results: list[tuple[float, Match]] = []
        for spans in self._attempts(typed):
            exact = [(span.start, span.end) for span in spans if not span.slips and not span.lacking]
            results = self._weigh(with_names(typed, exact), spans, within, level)
            if results and results[0][0] >= GOOD:
                break
        return self._shown(results, limit)

    def _attempts(self, typed: Typed) -> Iterator[list[Span]]:
        """Ever more forgiving: slips in longer words, in words of two letters also, and whatever looks alike."""
        yield self._names.spans(typed.words)
        if typed.content.bit_count() > ADDRESS:
            return
        forgiving = self._names.spans(typed.words, shortest=2)
        yield forgiving
        if typed.content:
            yield [*forgiving, *self._names.alike(typed.words)]

    def _parted(self, typed: Typed) -> Typed:
        """Words typed without spaces are taken apart."""
        if not any(len(word) >= LONG_WORD for word in typed.words):
            return typed
        return from_words([piece for pair in zip(typed.words, typed.spelled, strict=True) for piece in self._pieces(*pair)])

    def _pieces(self, word: str, spelled: str) -> Iterator[str]:
        pieces = self._names.divided(word, _KIND_WORDS) if len(word) >= LONG_WORD and len(word) == len(spelled) else []
        at = 0
        for piece in pieces or [word]:
            yield spelled[at : at + len(piece)] if pieces else spelled
            at += len(piece)

    def _weigh(self, typed: Typed, spans: Sequence[Span], within: int | None, level: str | None) -> list[tuple[float, Match]]:
        """The candidates with their points, best first."""
        named: dict[int, list[Match]] = defaultdict(list)
        for span in spans:
            for meaning in self._meanings.get(span.name, ()):
                if one := match(typed, span, meaning):
                    named[meaning.place].append(one)
        districts = [
            (district, one)
            for span in spans
            for district in self._by_district.get(span.name, ())
            if (one := match(typed, span, district.meaning))
        ]
        best: dict[int, tuple[float, Match]] = {}
        for score, one in self._scored(typed, named, districts, within, level):
            place = one.meaning.place
            if score >= WEAKEST and (place not in best or score > best[place][0]):
                best[place] = (score, one)
        top = max((score for score, _ in best.values()), default=0.0)
        return sorted((result for result in best.values() if result[0] >= top - BEHIND_THE_BEST), key=self._rank)

    def _scored(
        self,
        typed: Typed,
        named: dict[int, list[Match]],
        districts: list[tuple[_District, Match]],
        within: int | None,
        level: str | None,
    ) -> Iterator[tuple[float, Match]]:
        lay_in, in_province = defaultdict(list), defaultdict(list)
        for district, one in districts:
            in_province[district.province].append(one)
            for commune in district.communes:
                lay_in[commune].append(one)
        scale = Scale(typed, in_province, narrowed=within is not None)
        whole = self._whole_districts(districts) if level != "village" else ()
        for one in (*(one for matches in named.values() for one in matches), *whole):
            place = one.meaning.place
            if level not in (None, one.meaning.level) or not self._lies_in(place, within):
                continue
            commune, province = self._around(place)
            # A commune may be said twice: by its old name and by its new one.
            names = named.get(commune, ())
            around = [names] if one.meaning.level == "village" else []
            around += [[name for name in names if name.cost < PLAIN], lay_in.get(commune, ()), named.get(province, ())]
            yield scale.score(one, province, around), one

    def _whole_districts(self, districts: list[tuple[_District, Match]]) -> Iterator[Match]:
        """The communes of a district that was named alone: the one that has its name, then those with most of its land."""
        for district, named in districts:
            largest = max(district.communes.values())
            for commune, count in district.communes.items():
                smaller = 0.0 if self._places[commune].name == district.meaning.name else 1 + SMALL_SHARE * (1 - count / largest)
                meaning = Meaning(commune, "commune", district.meaning.kind, district.meaning.name)
                yield Match(named.start, named.end, named.cost + WHOLE_DISTRICT + smaller, meaning)

    def _around(self, place_id: int) -> tuple[int, int]:
        """The commune and the province that a place lies in, or is."""
        place = self._places[place_id]
        commune = place.parent or 0 if place.level == "village" else place_id
        return commune, self._places[commune].parent or commune

    def _lies_in(self, place_id: int, within: int | None) -> bool:
        return within is None or (place_id != within and within in self._around(place_id))

    def _rank(self, result: tuple[float, Match]) -> tuple[float, int, str, int]:
        score, one = result
        place = self._places[one.meaning.place]
        return -round(score, 1), _ORDER[place.level], place.key, one.meaning.place

    def _shown(self, results: list[tuple[float, Match]], limit: int) -> list[Found]:
        shown = results[:limit]
        labels = [self._label(one.meaning.place) for _, one in shown]
        found = []
        for label, (score, one) in zip(labels, shown, strict=True):
            place_id, parent = one.meaning.place, self._places[one.meaning.place].parent
            label = label if labels.count(label) == 1 else self._label(place_id, whole=True)
            former = f"{one.meaning.kind} {one.meaning.name}" if one.meaning.former else None
            found.append(Found(place_id, round(score, 1), label, former, parent))
        return found

    def _label(self, place_id: int, whole: bool = False) -> str:
        """A village with its commune, a commune with its province."""
        names, current = [], place_id
        while current and (whole or len(names) < 2):
            place = self._places[current]
            names.append(f"{place.kind} {place.name}")
            current = place.parent or 0
        return ", ".join(names)

    def _add_alias(self, place_id: int, alias: str, key: str) -> None:
        place = self._places[place_id]
        if place.level == "village":
            kind, name, district = *parted(alias, VILLAGE_KINDS), ""
        else:
            alias, _, district = alias.partition(", ")
            kind, name = parted(alias)
        if (kind, name) != (place.kind, place.name):
            self._meanings[key].append(Meaning(place_id, place.level, kind, name, former=True))
        if district:
            self._add_to_district(district.partition(", ")[0], place_id, place.parent or 0)
        if kind == "thị trấn" and name == place.name:
            # Its main town keeps the name of a district that was given up even earlier: Lộc Hà.
            self._add_to_district(f"huyện {name}", place_id, place.parent or 0)

    def _add_to_district(self, district: str, place_id: int, province: int) -> None:
        if (district, province) not in self._districts:
            meaning = Meaning(0, "district", *parted(district))
            self._districts[district, province] = _District(meaning, province, {})
        communes = self._districts[district, province].communes
        communes[place_id] = communes.get(place_id, 0) + 1
