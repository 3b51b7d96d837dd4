"""The commune that a line of a village list means, by code or by name."""

from collections import defaultdict
from collections.abc import Iterable

from sqlmodel import col, select

from storage.place import Place, PlaceAlias
from storage.places.folding import fold, sounds
from storage.places.kinds import COMMUNE_KINDS, PROVINCE_KINDS, parted
from storage.places.village_list import Fault, Line
from storage.session import Session


class Communes:
    def __init__(self, places: Iterable[Place], aliases: Iterable[tuple[int, str]]) -> None:
        self._communes = {place.id: place for place in places if place.level == "commune"}
        self._named: dict[str, list[Place]] = defaultdict(list)  # by code and by folded name
        for commune in self._communes.values():
            self._named[commune.code].append(commune)
            self._named[fold(commune.name)].append(commune)
        self._former: dict[str, list[Place]] = defaultdict(list)
        for place_id, key in aliases:
            if place_id in self._communes:
                self._former[key].append(self._communes[place_id])
        provinces = [place for place in places if place.level == "province"]
        self._provinces = {name: one.id for one in provinces for name in (one.code, fold(one.name))}

    @classmethod
    async def load(cls, session: Session) -> "Communes":
        places = await session.exec(select(Place).where(Place.level != "village", col(Place.valid_to).is_(None)))
        return cls(places.all(), await session.exec(select(PlaceAlias.place_id, PlaceAlias.key)))

    def named(self, line: Line) -> Place:
        """Raises Fault where it is not exactly one."""
        if line.commune.isdigit():
            if found := self._named.get(line.commune.zfill(5)):
                return found[0]
            raise Fault(line.number, f"no commune has the code {line.commune}")
        kind, name = parted(line.commune, COMMUNE_KINDS)
        found = self._in_province(line, self._named.get(fold(name), []))
        if not found:
            raise Fault(line.number, self._unknown(line, name))
        of_kind = [commune for commune in found if kind in ("", commune.kind)]
        if not of_kind:
            raise Fault(line.number, f"there is no {kind} {name}; do you mean {_either(found)}?")
        exact = [commune for commune in of_kind if sounds(commune.name) == sounds(name)]
        chosen = exact or of_kind
        if len(chosen) > 1:
            raise Fault(line.number, f"“{line.commune}” is ambiguous: {_either(chosen)}; add the tỉnh or give the code")
        return chosen[0]

    def _in_province(self, line: Line, communes: list[Place]) -> list[Place]:
        if not line.province:
            return communes
        wanted = line.province.zfill(2) if line.province.isdigit() else fold(parted(line.province, PROVINCE_KINDS)[1])
        if wanted not in self._provinces:
            raise Fault(line.number, f"the province “{line.province}” is unknown, or not loaded")
        return [commune for commune in communes if commune.parent_id == self._provinces[wanted]]

    def _unknown(self, line: Line, name: str) -> str:
        if successors := self._in_province(line, self._former.get(fold(name), [])):
            return f"“{line.commune}” is a name from before 1/7/2025; it is in {_either(successors)} now"
        where = f" in {line.province}" if line.province else ""
        return f"the commune “{line.commune}”{where} is unknown, or its province is not loaded"


def _either(communes: list[Place]) -> str:
    return " or ".join(dict.fromkeys(f"{commune.kind} {commune.name} ({commune.code})" for commune in communes))
