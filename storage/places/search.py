"""Finds the places that people mean when they type where they live."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlmodel import col, select

from storage.place import Place, PlaceAlias
from storage.places.folding import fold
from storage.places.kinds import VILLAGE_KINDS, parted
from storage.places.names import Names, Span
from storage.places.query import Query, readings, split, with_names
from storage.places.scoring import Match, Meaning, Scorer, match
from storage.session import Session

WEAKEST, BEHIND_THE_BEST = 60.0, 30.0  # a worse result, or one so far behind, would only confuse
GOOD, SURE, AHEAD = 85.0, 80.0, 6.0
WHOLE_DISTRICT, SMALL_SHARE = 20.0, 8.0
LONGEST = 120  # letters; of a longer text its beginning, or else its end, is read
ADDRESS = 10  # words; a longer text is a story, in which far-fetched names would be found only
Results = dict[int, tuple[float, Match]]  # of each place its points, and by which name
PLAIN = 5.0  # the cost of a name without a slip
_ORDER = {"province": 0, "commune": 1, "village": 2}


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
        found = self._find(words[:LONGEST], within, level, limit)
        return found if found or len(words) <= LONGEST else self._find(words[-LONGEST:], within, level, limit)

    def _find(self, words: str, within: int | None, level: str | None, limit: int) -> list[Found]:
        typed = split(words)
        best: Results = {}
        for spelled in dict.fromkeys((tuple(typed), tuple(map(self._names.decoded, typed)))):
            for query in readings(split(" ".join(map(self._names.divided, spelled)))):
                for place, result in self._results(query, within, level).items():
                    best[place] = max(best.get(place, result), result)
        top = max(best.values(), default=(0.0,))[0]
        results = sorted((one for one in best.values() if one[0] >= top - BEHIND_THE_BEST), key=self._rank)
        return self._shown(results[:limit])

    def _results(self, query: Query, within: int | None, level: str | None) -> Results:
        results: Results = {}
        for spans in self._attempts(query):
            exact = [(span.start, span.end) for span in spans if not span.slips and not span.lacking]
            results = self._weigh(with_names(query, exact), spans, within, level)
            if any(score >= GOOD for score, _ in results.values()):
                break
        return results

    def _attempts(self, query: Query) -> Iterator[list[Span]]:
        """Ever more forgiving: slips in longer words, in words of two letters also, and whatever looks alike."""
        yield self._names.spans(query.words)
        if query.content.bit_count() > ADDRESS:
            return
        forgiving = self._names.spans(query.words, shortest=2)
        yield forgiving
        if query.content:
            yield [*forgiving, *self._names.alike(query.words)]

    def _weigh(self, query: Query, spans: Sequence[Span], within: int | None, level: str | None) -> Results:
        """Every candidate at its best."""
        named: dict[int, list[Match]] = defaultdict(list)
        lay_in, in_province = defaultdict(list), defaultdict(list)
        candidates: list[Match] = []
        for span in spans:
            for meaning in self._meanings.get(span.name, ()):
                if one := match(query, span, meaning):
                    named[meaning.place].append(one)
                    candidates.append(one)
            for district in self._by_district.get(span.name, ()):
                if one := match(query, span, district.meaning):
                    in_province[district.province].append(one)
                    for commune in district.communes:
                        lay_in[commune].append(one)
                    candidates += self._whole_district(district, one)
        scorer = Scorer(query, in_province)
        results: Results = {}
        last_resort: Results = {}
        for one in candidates:
            place = one.meaning.place
            if level not in (None, one.meaning.level) or not self._lies_in(place, within):
                continue
            commune, province = self._around(place)
            names = named.get(commune, ())
            again = [name for name in names if name.cost < PLAIN]  # a commune may be said by its old name and by its new one
            village = one.meaning.level == "village"
            around = (names if village else (), again, lay_in.get(commune, ()), named.get(province, ()))
            score = scorer.score(one, province, around)
            if score >= WEAKEST and (place not in results or score > results[place][0]):
                results[place] = score, one
            elif one.cost >= WHOLE_DISTRICT and "district" in query.levels_at(one.start):
                last_resort[place] = WEAKEST - one.cost, one
        return results or last_resort

    def _whole_district(self, district: _District, named: Match) -> Iterator[Match]:
        """The communes of a district that was named alone: the one that has its name, then those with most of its land."""
        _, _, kind, name, _ = district.meaning
        largest = max(district.communes.values())
        for commune, count in district.communes.items():
            smaller = 0.0 if self._places[commune].name == name else 1 + SMALL_SHARE * (1 - count / largest)
            cost = named.cost + WHOLE_DISTRICT + smaller
            yield Match(named.start, named.end, cost, Meaning(commune, "commune", kind, name))

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

    def _shown(self, results: list[tuple[float, Match]]) -> list[Found]:
        labels = [self._label(one.meaning.place) for _, one in results]
        found = []
        for label, (score, one) in zip(labels, results, strict=True):
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
