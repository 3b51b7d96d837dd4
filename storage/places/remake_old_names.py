"""Makes old_names.tsv anew: python -m storage.places.remake_old_names DATA, the data folder of vietnamadminunits."""

import json
import sqlite3
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from storage.places.folding import fold, sounds
from storage.places.kinds import parted
from storage.places.official import OLD_NAMES

HEADER = "commune\told_commune\told_district\told_province"
NEW = "SELECT provinceKey, wardKey, province, ward FROM admin_units"
OLD = """
    SELECT provinceKey, districtKey, coalesce(wardKey, ''), coalesce(ward, district), district, province
    FROM admin_units_legacy
"""


def remake(data: Path) -> list[str]:
    """Writes the file; gives the successors that have no official code, which should be none."""
    database = sqlite3.connect(data / "dataset.db")
    new_names = {row[:2]: row[2:] for row in database.execute(NEW)}
    old_names = {"_".join(row[:3]): row[3:] for row in database.execute(OLD)}
    codes = _codes()
    lines, missing = set(), set()
    for old, new in _successions(json.loads((data / "converter_2025.json").read_text(encoding="utf-8"))):
        province, commune = new_names[new]
        found = codes[_key(province), fold(commune)]
        if len(found) > 1:
            found = [(name, code) for name, code in found if sounds(name) == sounds(commune)]
        if len(found) == 1:
            lines.add("\t".join((found[0][1], *old_names[old])))
        else:
            missing.add(f"{commune}, {province}")
    OLD_NAMES.write_text("\n".join((HEADER, *sorted(lines), "")), encoding="utf-8")
    return sorted(missing)


def _successions(converter: dict[str, dict[str, dict[str, list]]]) -> Iterator[tuple[str, tuple[str, str]]]:  # type: ignore[type-arg]
    """(the old commune, a new one) by their keys; a divided commune comes once for every successor."""
    for province, communes in converter["DICT_PROVINCE_WARD_NO_DIVIDED"].items():
        for commune, olds in communes.items():
            yield from ((old, (province, commune)) for old in olds)
    for province, divided in converter["DICT_PROVINCE_WARD_DIVIDED"].items():
        for old, successors in divided.items():
            yield from ((old, (province, new["newWardKey"])) for new in successors)


def _codes() -> dict[tuple[str, str], list[tuple[str, str]]]:
    """The official communes with their codes, by province and name without tone marks."""
    from vietnam_provinces import Province, Ward

    provinces = {province.code: _key(province.name) for province in Province.iter_all()}
    codes = defaultdict(list)
    for ward in Ward.iter_all():
        codes[provinces[ward.province_code], fold(ward.name)].append((ward.name, f"{int(ward.code):05d}"))
    return codes


def _key(province: str) -> str:
    return fold(parted(province)[1])


if __name__ == "__main__":
    for line in remake(Path(sys.argv[1])):
        print(f"no official code: {line}", file=sys.stderr)
