"""The commune that a line of a village list means, by code or by name."""

from collections import defaultdict
from typing import NamedTuple

from sqlmodel import col, select

from storage.place import Place, PlaceAlias
from storage.places.folding import fold, sounds
from storage.places.kinds import COMMUNE_KINDS, PROVINCE_KINDS, parted
from storage.places.village_list import Fault, Line
from storage.session import Session


class Commune(NamedTuple):
    id: int
    code: str
    kind: str
    name: str
    province: str  # its code

    def __str__(self) -> str:
        return f"{self.kind} {self.name} ({self.code})"


class Communes:
    def __init__(self, communes: list[Commune], provinces: dict[str, str], former: list[tuple[int, str]]) -> None:
        self._by_id = {commune.id: commune for commune in communes}
        self._by_code = {commune.code: commune for commune in communes}
        self._by_key: dict[str, list[Commune]] = defaultdict(list)
        for commune in communes:
            self._by_key[fold(commune.name)].append(commune)
        self._provinces = provinces  # code and folded name -> code
        self._former: dict[str, list[Commune]] = defaultdict(list)
        for place_id, key in former:
            if place_id in self._by_id:
                self._former[key].append(self._by_id[place_id])

    @classmethod
    async def load(cls, session: Session) -> "Communes":
        columns = select(Place.id, Place.code, Place.level, Place.kind, Place.name, Place.parent_id)  # type: ignore[call-overload]
        rows = (await session.exec(columns.where(Place.level != "village", col(Place.valid_to).is_(None)))).all()
        province_codes = {row.id: row.code for row in rows if row.level == "province"}
        provinces = {name: row.code for row in rows if row.level == "province" for name in (row.code, fold(row.name))}
        communes = [
            Commune(row.id, row.code, row.kind, row.name, province_codes.get(row.parent_id, ""))
            for row in rows
            if row.level == "commune"
        ]
        former = (await session.exec(select(PlaceAlias.place_id, PlaceAlias.key))).all()
        return cls(communes, provinces, list(former))

    def code(self, commune_id: int) -> str:
        return self._by_id[commune_id].code

    def named(self, line: Line) -> Commune:
        """Raises Fault where it is not exactly one."""
        if line.commune.isdigit():
            if line.commune.zfill(5) not in self._by_code:
                raise Fault(line.number, f"no commune has the code {line.commune}")
            return self._by_code[line.commune.zfill(5)]
        kind, name = parted(line.commune, COMMUNE_KINDS)
        found = self._in_province(line, self._by_key.get(fold(name), []))
        if not found:
            raise Fault(line.number, self._unknown(line, name))
        of_kind = [commune for commune in found if kind in ("", commune.kind)]
        if not of_kind:
            raise Fault(line.number, f"there is no {kind} {name}; do you mean {_either(found)}?")
        exact = [commune for commune in of_kind if sounds(commune.name) == sounds(name)]
        chosen = exact if len(of_kind) > 1 and exact else of_kind
        if len(chosen) > 1:
            raise Fault(line.number, f"“{line.commune}” is ambiguous: {_either(chosen)}; add the tỉnh or give the code")
        return chosen[0]

    def _in_province(self, line: Line, communes: list[Commune]) -> list[Commune]:
        if not line.province:
            return communes
        wanted = line.province.zfill(2) if line.province.isdigit() else fold(parted(line.province, PROVINCE_KINDS)[1])
        if wanted not in self._provinces:
            raise Fault(line.number, f"the province “{line.province}” is unknown, or not loaded")
        return [commune for commune in communes if commune.province == self._provinces[wanted]]

    def _unknown(self, line: Line, name: str) -> str:
        where = f" in {line.province}" if line.province else ""
        successors = self._in_province(line, self._former.get(fold(name), []))
        if successors:
            return f"“{line.commune}” is a name from before 1/7/2025; it is in {_either(successors)} now"
        return f"the commune “{line.commune}”{where} is unknown, or its province is not loaded"


def _either(communes: list[Commune]) -> str:
    return " or ".join(map(str, dict.fromkeys(communes)))
