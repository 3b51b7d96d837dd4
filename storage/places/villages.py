"""Imports an association's list of villages from CSV: all of it, or nothing."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from sqlmodel import col, select

from storage.place import Place, PlaceAlias
from storage.places.communes import Communes
from storage.places.folding import bare, fold, sounds
from storage.places.kinds import VILLAGE_KINDS, parted
from storage.places.village_list import Fault, Line, read_lines
from storage.session import Session

SAMPLE = Path(__file__).with_name("sample_villages.csv")
USUAL_KIND = {"phường": "tổ dân phố"}
Identity = tuple[int, str, str]  # commune, kind, name
_NUMBER = re.compile(r"-(\d+)$")


@dataclass(frozen=True)
class VillageRow:
    code: str
    commune_id: int
    kind: str
    name: str
    aliases: tuple[str, ...] = ()
    difficult: bool | None = None  # the list does not say


@dataclass
class ImportReport:
    added: int = 0
    changed: int = 0
    unchanged: int = 0

    def __str__(self) -> str:
        counts = f"{self.added} added, {self.changed} changed, {self.unchanged} unchanged"
        return f"{self.added + self.changed + self.unchanged} villages: {counts}"


async def read_villages(path: Path, session: Session) -> tuple[list[VillageRow], list[str]]:
    """The villages of a file with their codes, or, where any line has a fault, only the faults: "file:line: sentence"."""
    lines, faults = read_lines(path)
    communes = await Communes.load(session)
    rows: list[VillageRow] = []
    seen: dict[Identity, list[tuple[str, int]]] = defaultdict(list)
    for line in lines:
        try:
            row = _row(line, communes.named(line))
            _check_new(line, row, seen[row.commune_id, row.kind, fold(row.name)])
            rows.append(row)
        except Fault as fault:
            faults.append(fault)
    if faults:
        return [], [f"{path.name}:{fault.line}: {fault}" for fault in sorted(faults, key=lambda fault: fault.line)]
    return await _with_codes(session, rows), []


async def import_villages(session: Session, rows: Sequence[VillageRow], now: datetime) -> ImportReport:
    """Brings the villages to the list, by code; a village that the list does not name stays as it is."""
    known = {village.code: village for village in await _villages(session, {row.commune_id for row in rows})}
    new = {row.code: _new(row, now) for row in rows if row.code not in known}
    session.add_all(new.values())
    await session.flush()
    aliases = set((await session.exec(select(PlaceAlias.place_id, PlaceAlias.name))).all())
    report = ImportReport()
    for row in rows:
        village = new.get(row.code) or known[row.code]
        changed = _change(village, row) | _add_aliases(session, village, row, aliases)
        report.added += row.code in new
        report.changed += row.code not in new and changed
        report.unchanged += row.code not in new and not changed
    await session.flush()
    return report


def _row(line: Line, commune: Place) -> VillageRow:
    kind, name = parted(line.village, VILLAGE_KINDS)
    if not kind and fold(name) in {fold(one) for one in VILLAGE_KINDS}:
        raise Fault(line.number, f"“{line.village}” is a kind of village without a name")
    kind = kind or USUAL_KIND.get(commune.kind, "thôn")
    aliases = tuple(alias for alias in line.aliases if parted(alias, VILLAGE_KINDS) not in ((kind, name), ("", name)))
    return VillageRow(commune.code, commune.id or 0, kind, name, aliases, line.difficult)


def _check_new(line: Line, row: VillageRow, alike: list[tuple[str, int]]) -> None:
    """“Thôn Đông” and “Thôn Đồng” are two villages; “Thôn Dong” is one of them over again."""
    spelled = _spelled(row.name)
    for other, before in alike:
        if spelled == other or spelled.isascii() or other.isascii():
            raise Fault(line.number, f"{row.kind} {row.name} in {line.commune} is on line {before} already")
    alike.append((spelled, line.number))


async def _with_codes(session: Session, rows: list[VillageRow]) -> list[VillageRow]:
    """A village that is known keeps its code; the others get the next numbers behind their commune's."""
    known = await _villages(session, {row.commune_id for row in rows})
    codes = {(one.parent_id or 0, one.kind, _spelled(one.name)): one.code for one in known if one.valid_to is None}
    wanted = [(row.commune_id, row.kind, _spelled(row.name)) for row in rows]
    codes |= _renamed(codes, wanted)
    last: dict[int, int] = defaultdict(int)
    for village in known:
        if found := _NUMBER.search(village.code):
            last[village.parent_id or 0] = max(last[village.parent_id or 0], int(found[1]))
    for row, identity in zip(rows, wanted, strict=True):
        if identity not in codes:
            last[row.commune_id] += 1
            codes[identity] = f"{row.code}-{last[row.commune_id]:03d}"
    return [replace(row, code=codes[identity]) for row, identity in zip(rows, wanted, strict=True)]


def _renamed(codes: dict[Identity, str], wanted: list[Identity]) -> dict[Identity, str]:
    """The thôn that became a tổ dân phố, the name whose marks were mended: where one of that name is left on either side."""
    spare, open_ = defaultdict(list), defaultdict(list)
    for identity in codes.keys() - set(wanted):
        spare[identity[0], bare(identity[2])].append(codes[identity])
    for identity in wanted:
        if identity not in codes:
            open_[identity[0], bare(identity[2])].append(identity)
    return {new[0]: spare[name][0] for name, new in open_.items() if len(new) == len(spare[name]) == 1}


def _spelled(name: str) -> str:
    return " ".join(sounds(name))


async def _villages(session: Session, communes: set[int]) -> list[Place]:
    query = select(Place).where(Place.level == "village", col(Place.parent_id).in_(communes))
    return list((await session.exec(query)).all())


def _new(row: VillageRow, now: datetime) -> Place:
    return Place(
        code=row.code, level="village", kind=row.kind, name=row.name, key=fold(row.name), parent_id=row.commune_id,
        difficult_area=bool(row.difficult), created_at=now,
    )  # fmt: skip


def _change(village: Place, row: VillageRow) -> bool:
    wanted = {"kind": row.kind, "name": row.name, "key": fold(row.name), "confirmed": True}
    if row.difficult is not None:
        wanted["difficult_area"] = row.difficult
    changed = {name: value for name, value in wanted.items() if getattr(village, name) != value}
    for name, value in changed.items():
        setattr(village, name, value)
    return bool(changed)


def _add_aliases(session: Session, village: Place, row: VillageRow, known: set[tuple[int, str]]) -> bool:
    """Names are added only: people go on using those that a later list leaves out."""
    missing = [alias for alias in row.aliases if (village.id, alias) not in known]
    for alias in missing:
        key = fold(parted(alias, VILLAGE_KINDS)[1])
        session.add(PlaceAlias(place_id=village.id or 0, name=alias, key=key))
    return bool(missing)
