"""Loads the official provinces and communes, and the names that people used before 1/7/2025."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import insert
from sqlmodel import select

from storage.place import Place, PlaceAlias
from storage.places.folding import fold
from storage.places.kinds import COMMUNE_KINDS, parted
from storage.session import Session

OLD_NAMES = Path(__file__).with_name("old_names.tsv")
IN_FORCE = date(2025, 7, 1)


class UnknownProvince(ValueError):
    """No province has this code or name; the message is one line for the operator."""


@dataclass
class LoadReport:
    """What a load found and did; prints as a line for the operator."""

    provinces: int = 0
    communes: int = 0
    old_names: int = 0
    added: int = 0
    changed: int = 0
    unchanged: int = 0

    def __str__(self) -> str:
        sizes = f"{self.provinces} provinces, {self.communes} communes, {self.old_names} old names"
        return f"{sizes}: {self.added} added, {self.changed} changed, {self.unchanged} unchanged"


class Unit(NamedTuple):
    """A province or commune as the official list has it."""

    code: str
    kind: str
    name: str
    parent: str = ""


async def load(session: Session, province: str | None, now: datetime) -> LoadReport:
    """Brings one province (a code or a name), or all of them, to the official list. Raises UnknownProvince."""
    provinces = _provinces(province)
    communes = _communes({unit.code for unit in provinces})
    report = LoadReport(len(provinces), len(communes))
    ids = await _store(session, "province", provinces, {}, now, report)
    ids |= await _store(session, "commune", communes, ids, now, report)
    names = {(ids[code], name) for code, name in _old_names(provinces, communes)}
    added = await _add_aliases(session, names)
    report.old_names = len(names)
    report.added += added
    report.unchanged += len(names) - added
    return report


def _provinces(wanted: str | None) -> list[Unit]:
    from vietnam_provinces import Province, VietNamDivisionType

    everywhere = [
        Unit(
            f"{int(province.code):02d}",
            "tỉnh" if province.division_type is VietNamDivisionType.TINH else "thành phố",
            parted(province.name)[1],
        )
        for province in Province.iter_all()
    ]
    if wanted is None:
        return everywhere
    names = {wanted.strip().zfill(2), fold(wanted), fold(parted(wanted)[1])}
    found = [unit for unit in everywhere if names & {unit.code, fold(unit.name), fold(f"{unit.kind} {unit.name}")}]
    if len(found) != 1:
        raise UnknownProvince(f"{wanted!r} is not one of the 34 provinces; give a code (42) or a name (Hà Tĩnh)")
    return found


def _communes(provinces: set[str]) -> list[Unit]:
    from vietnam_provinces import Ward

    return [
        Unit(f"{int(ward.code):05d}", *parted(ward.name, COMMUNE_KINDS), province)
        for ward in Ward.iter_all()
        if (province := f"{int(ward.province_code):02d}") in provinces
    ]


async def _store(
    session: Session, level: str, units: list[Unit], parents: Mapping[str, int], now: datetime, report: LoadReport
) -> dict[str, int]:
    """Adds the new units and renames those that have another name now; gives the ids of all by code."""
    known = {place.code: place for place in (await session.exec(select(Place).where(Place.level == level))).all()}
    new = []
    for unit in units:
        wanted = {"kind": unit.kind, "name": unit.name, "key": fold(unit.name), "parent_id": parents.get(unit.parent)}
        if (place := known.get(unit.code)) is None:
            new.append({
                "code": unit.code, "level": level, **wanted, "difficult_area": False, "confirmed": True,
                "valid_from": IN_FORCE, "created_at": now,
            })  # fmt: skip
        elif (place.kind, place.name, place.parent_id) != (unit.kind, unit.name, wanted["parent_id"]):
            # The place keeps its id, and people may go on calling it by the name that it had.
            await _add_aliases(session, {(place.id or 0, f"{place.kind} {place.name}")})
            place.sqlmodel_update(wanted)
            report.changed += 1
        else:
            report.unchanged += 1
    report.added += len(new)
    await session.exec_many(insert(Place), new)
    return dict((await session.exec(select(Place.code, Place.id).where(Place.level == level))).all())


def _old_names(provinces: list[Unit], communes: list[Unit]) -> Iterator[tuple[str, str]]:
    """(code, old name); a commune's with the district that it lay in, and the province where that has another name now."""
    province_of = {commune.code: commune.parent for commune in communes}
    names = {province.code: province.name for province in provinces}
    for line in OLD_NAMES.read_text(encoding="utf-8").splitlines()[1:]:
        code, *old = line.split("\t")
        if code in province_of:
            commune, district, province = (f"{kind} {name}".strip() for kind, name in map(parted, old))
            if parted(province)[1] == names[province_of[code]]:
                yield code, f"{commune}, {district}"
            else:
                yield code, f"{commune}, {district}, {province}"
                yield province_of[code], province


async def _add_aliases(session: Session, wanted: set[tuple[int, str]]) -> int:
    """Adds those that are new; gives their number."""
    known = {(place_id, name) for place_id, name in (await session.exec(select(PlaceAlias.place_id, PlaceAlias.name))).all()}
    missing = [
        {"place_id": place_id, "name": name, "key": fold(parted(name.partition(",")[0])[1])}
        for place_id, name in sorted(wanted - known)
    ]
    await session.exec_many(insert(PlaceAlias), missing)
    return len(missing)
