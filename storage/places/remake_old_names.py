"""Makes old_names.tsv anew: python -m storage.places.remake_old_names DATA, the data folder of vietnamadminunits."""

import json
import sqlite3
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from storage.places.folding import fold, sounds

HEADER = ("commune", "old_commune", "old_district", "old_province")
TARGET = Path(__file__).with_name("old_names.tsv")
Key = tuple[str, ...]


def remake(data: Path) -> list[str]:
    """Writes the file; gives the successors that have no official code, which should be none."""
    database = sqlite3.connect(data / "dataset.db")
    new_names = _names(database, "SELECT provinceKey, wardKey, province, ward FROM admin_units")
    old_names = _names(
        database,
        "SELECT provinceKey, districtKey, coalesce(wardKey, ''), coalesce(ward, district), district, province "
        "FROM admin_units_legacy",
        width=3,
    )
    codes = _Codes()
    rows: set[Key] = set()
    missing: set[str] = set()
    for old_key, new_key in _successions(json.loads((data / "converter_2025.json").read_text(encoding="utf-8"))):
        province, commune = new_names[new_key]
        code = codes.of(province, commune)
        if code is None:
            missing.add(f"{commune}, {province}")
            continue
        rows.add((code, *old_names[old_key]))
    _write(rows)
    return sorted(missing)


def _names(database: sqlite3.Connection, query: str, width: int = 2) -> dict[Key, Key]:
    return {tuple(row[:width]): tuple(row[width:]) for row in database.execute(query)}


def _successions(converter: dict[str, dict[str, dict[str, list]]]) -> Iterator[tuple[Key, Key]]:  # type: ignore[type-arg]
    """(key of the old commune, key of a new one); a divided commune comes once for every successor."""
    for province, communes in converter["DICT_PROVINCE_WARD_NO_DIVIDED"].items():
        for commune, olds in communes.items():
            yield from ((tuple(old.split("_")), (province, commune)) for old in olds)
    for province, divided in converter["DICT_PROVINCE_WARD_DIVIDED"].items():
        for old, successors in divided.items():
            yield from ((tuple(old.split("_")), (province, new["newWardKey"])) for new in successors)


class _Codes:
    """Official commune codes by name: without tone marks first, by the exact spelling where that is not enough."""

    def __init__(self) -> None:
        from vietnam_provinces import Province, Ward

        provinces = {province.code: province.name for province in Province.iter_all()}
        self.known: dict[Key, list[tuple[str, str]]] = defaultdict(list)
        for ward in Ward.iter_all():
            self.known[_key(provinces[ward.province_code], ward.name)].append((ward.name, f"{int(ward.code):05d}"))

    def of(self, province: str, commune: str) -> str | None:
        found = self.known.get(_key(province, commune), [])
        if len(found) > 1:
            found = [(name, code) for name, code in found if sounds(name) == sounds(commune)]
        return found[0][1] if len(found) == 1 else None


def _key(province: str, commune: str) -> Key:
    return fold(province).removeprefix("tinh ").removeprefix("thanh pho "), fold(commune)


def _write(rows: Iterable[Key]) -> None:
    lines = ["\t".join(row) for row in (HEADER, *sorted(rows))]
    TARGET.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    for line in remake(Path(sys.argv[1])):
        print(f"no official code: {line}", file=sys.stderr)
