"""Loads the official provinces and communes, and the names that people used before 1/7/2025."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import RowMapping, insert, update
from sqlmodel import col, select

from storage.place import Place, PlaceAlias
from storage.places.folding import fold
from storage.places.kinds import parted
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
    parent: str | None = None


@dataclass
class _Known:
    """What the database has already."""

    places: dict[str, RowMapping] = field(default_factory=dict)
    aliases: set[tuple[int, str]] = field(default_factory=set)


async def load(session: Session, province: str | None, now: datetime) -> LoadReport:
    """Brings one province (a code or a name), or all of them, to the official list. Raises UnknownProvince."""
    provinces = _provinces(province)
    communes = _communes({unit.code for unit in provinces})
    known = await _known(session, {unit.code for unit in (*provinces, *communes)})
    report = LoadReport(len(provinces), len(communes))
    await _store(session, "province", provinces, known, now, report)
    await _store(session, "commune", communes, known, now, report)
    names = _old_names({unit.code: unit for unit in (*provinces, *communes)}, {unit.code: unit for unit in provinces})
    report.old_names = await _store_old_names(session, names, known, report)
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
        Unit(f"{int(ward.code):05d}", ward.division_type.value, parted(ward.name)[1], province)
        for ward in Ward.iter_all()
        if (province := f"{int(ward.province_code):02d}") in provinces
    ]


async def _known(session: Session, codes: set[str]) -> _Known:
    columns = [Place.__table__.c[name] for name in ("id", "code", "kind", "name", "parent_id")]  # type: ignore[attr-defined]
    names = [column.name for column in columns]
    rows = (await session.exec(select(*columns).where(col(Place.level) != "village"))).all()
    places = [dict(zip(names, row, strict=True)) for row in rows]
    known = _Known({place["code"]: place for place in places if place["code"] in codes})
    ids = {place["id"] for place in known.places.values()}
    aliases = (await session.exec(select(PlaceAlias.place_id, PlaceAlias.name))).all() if ids else []
    known.aliases = {(place_id, name) for place_id, name in aliases if place_id in ids}
    return known


async def _store(session: Session, level: str, units: list[Unit], known: _Known, now: datetime, report: LoadReport) -> None:
    new = [_row(unit, level, known, now) for unit in units if unit.code not in known.places]
    changed = [unit for unit in units if unit.code in known.places and _differs(unit, known)]
    report.added += len(new)
    report.changed += len(changed)
    report.unchanged += len(units) - len(new) - len(changed)
    if new:
        await session.exec_many(insert(Place), new)
        added = await _known(session, {row["code"] for row in new})
        known.places |= added.places
    if changed:
        await _rename(session, changed, known)


def _row(unit: Unit, level: str, known: _Known, now: datetime) -> dict[str, Any]:
    parent = known.places[unit.parent]["id"] if unit.parent else None
    return {
        "code": unit.code, "level": level, "kind": unit.kind, "name": unit.name, "key": fold(unit.name), "parent_id": parent,
        "difficult_area": False, "confirmed": True, "valid_from": IN_FORCE, "created_at": now,
    }  # fmt: skip


def _differs(unit: Unit, known: _Known) -> bool:
    place = known.places[unit.code]
    parent = known.places[unit.parent]["id"] if unit.parent else None
    return (place["kind"], place["name"], place["parent_id"]) != (unit.kind, unit.name, parent)


async def _rename(session: Session, units: list[Unit], known: _Known) -> None:
    """The place keeps its id, and people may go on calling it by the name that it had."""
    for unit in units:
        before = known.places[unit.code]
        parent = known.places[unit.parent]["id"] if unit.parent else None
        values = {"kind": unit.kind, "name": unit.name, "key": fold(unit.name), "parent_id": parent}
        await session.exec(update(Place).where(col(Place.id) == before["id"]).values(**values))
        await _add_aliases(session, {(before["id"], f"{before['kind']} {before['name']}")} - known.aliases)


def _old_names(wanted: dict[str, Unit], provinces: dict[str, Unit]) -> Iterator[tuple[str, str]]:
    """(code, old name); a commune's with the district that it lay in, and the province where that has another name now."""
    lines = OLD_NAMES.read_text(encoding="utf-8").splitlines()[1:]
    for line in lines:
        code, commune, district, province = line.split("\t")
        if (unit := wanted.get(code)) is None:
            continue
        names = [commune, district]
        if parted(province)[1] != provinces[unit.parent or ""].name:
            names.append(province)
            yield unit.parent or "", _lower_kind(province)
        yield code, ", ".join(map(_lower_kind, names))


def _lower_kind(name: str) -> str:
    kind, rest = parted(name)
    return f"{kind} {rest}".strip()


async def _store_old_names(session: Session, names: Iterable[tuple[str, str]], known: _Known, report: LoadReport) -> int:
    wanted = {(known.places[code]["id"], name) for code, name in names}
    missing = wanted - known.aliases
    report.added += len(missing)
    report.unchanged += len(wanted) - len(missing)
    await _add_aliases(session, missing)
    return len(wanted)


async def _add_aliases(session: Session, aliases: set[tuple[int, str]]) -> None:
    if not aliases:
        return
    rows = [
        {"place_id": place_id, "name": name, "key": fold(parted(name.partition(",")[0])[1])} for place_id, name in sorted(aliases)
    ]
    await session.exec_many(insert(PlaceAlias), rows)
