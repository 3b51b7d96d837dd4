"""Village lists from associations: read with all their faults, imported whole or not at all."""

from pathlib import Path

import pytest
from sqlmodel import col, select

from storage.database import Database
from storage.place import Place, by_code, stamp
from storage.places import villages
from storage.places.search import PlaceIndex
from storage.session import Session
from tests.storage.loaded import NOW, count, places


async def read(session: Session, folder: Path, text: str | bytes) -> tuple[list[villages.VillageRow], list[str]]:
    path = folder / "list.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    return await villages.read_villages(path, session)


async def test_the_sample_villages() -> None:
    async with places() as session:
        rows, faults = await villages.read_villages(villages.SAMPLE, session)
        assert not faults and len(rows) == 12 and len({row.commune_id for row in rows}) == 3
        assert (rows[0].code, rows[0].kind, rows[0].name) == ("18685-001", "thôn", "Trung Tiến")
        report = await villages.import_villages(session, rows, NOW)
        assert str(report) == "12 villages: 12 added, 0 changed, 0 unchanged"
        difficult = (await session.exec(select(Place).where(col(Place.difficult_area).is_(True)))).all()
        assert {place.code[:5] for place in difficult} == {"18196"}


async def test_importing_again_changes_nothing(database: Database) -> None:
    async with database.transaction() as session:
        before = await stamp(session)
        rows, _ = await villages.read_villages(villages.SAMPLE, session)
        report = await villages.import_villages(session, rows, NOW)
        assert (report.added, report.changed, report.unchanged) == (0, 0, 12)
        assert await stamp(session) == before


@pytest.mark.parametrize(
    "text",
    [
        "xã,thôn\nCẩm Bình,Thôn Đông Vinh\n",
        "\ufeffxã,thôn\nCẩm Bình,Thôn Đông Vinh\n",
        "xã;thôn\r\nCẩm Bình;Thôn Đông Vinh\r\n",
        '"thôn","xã"\n"Đông  Vinh","xã Cẩm Bình"\n\n',
        "Village,Commune,Province\nthôn Đông Vinh,18685,42\n",
        "xã/phường;tỉnh;thôn;;\nxa cam binh;tinh ha tinh;Thôn Đông Vinh;;\n",
    ],
    ids=["plain", "byte order mark", "semicolons", "quoted", "English", "empty columns"],
)
async def test_lists_as_offices_save_them(tmp_path: Path, text: str) -> None:
    async with places() as session:
        rows, faults = await read(session, tmp_path, text)
        assert not faults
        assert [(row.code, row.kind, row.name) for row in rows] == [("18685-001", "thôn", "Đông Vinh")]


@pytest.mark.parametrize(
    ("written", "kind", "name"),
    [
        ("TDP 3", "tổ dân phố", "3"),
        ("Tổ dân phố 3", "tổ dân phố", "3"),
        ("xóm 5", "xóm", "5"),
        ("Khối phố Bắc", "khối phố", "Bắc"),
        ("Bản Giàng", "bản", "Giàng"),
        ("Bàn Thạch", "thôn", "Bàn Thạch"),
        ("Thôn Làng Mới", "thôn", "Làng Mới"),
        ("Trung Tiến", "thôn", "Trung Tiến"),
    ],
)
async def test_the_kind_is_parted_from_the_name(tmp_path: Path, written: str, kind: str, name: str) -> None:
    async with places() as session:
        rows, _ = await read(session, tmp_path, f"xã,thôn\nCẩm Bình,{written}\n")
        assert (rows[0].kind, rows[0].name) == (kind, name)


async def test_a_ward_has_groups_where_nothing_else_is_said(tmp_path: Path) -> None:
    async with places() as session:
        rows, _ = await read(session, tmp_path, "xã,thôn\nThành Sen,Bắc Trung\n")
        assert rows[0].kind == "tổ dân phố"


async def test_a_later_list_keeps_the_codes(tmp_path: Path) -> None:
    async with places("Hà Tĩnh", villages.SAMPLE) as session:
        group = await by_code(session, "18073-003")
        assert group
        text = "xã,thôn,tên khác\nThành Sen,Thôn Mới,\nThành Sen,Thôn 3,Xóm Đình\nThành Sen,TDP 2,\nThành Sen,Thôn 2,\n"
        rows, faults = await read(session, tmp_path, text)
        assert not faults
        assert [row.code for row in rows] == ["18073-005", "18073-003", "18073-002", "18073-006"]
        report = await villages.import_villages(session, rows, NOW)
        assert (report.added, report.changed, report.unchanged) == (2, 1, 1)
        assert (group.kind, group.name) == ("thôn", "3")
        assert (await PlaceIndex.load(session)).find("xom dinh")[0].place_id == group.id
        rows, _ = await read(session, tmp_path, text)
        report = await villages.import_villages(session, rows, NOW)
        assert (report.added, report.changed, report.unchanged) == (0, 0, 4)


async def test_names_that_differ_in_marks_only_are_different_villages(tmp_path: Path) -> None:
    async with places() as session:
        rows, faults = await read(session, tmp_path, "xã,thôn\nCẩm Bình,Thôn Hà\nCẩm Bình,Thôn Hạ\n")
        assert not faults
        await villages.import_villages(session, rows, NOW)
        rows, _ = await read(session, tmp_path, "xã,thôn\nCẩm Bình,Thôn Hạ\nCẩm Bình,Thôn Há\n")
        assert [row.code for row in rows] == ["18685-002", "18685-001"]


async def test_a_village_that_a_citizen_named_is_confirmed_by_the_list(tmp_path: Path) -> None:
    async with places() as session:
        commune = await by_code(session, "18685")
        assert commune
        typed = Place(
            code="18685-n1",
            level="village",
            kind="thôn",
            name="Đông Vinh",
            key="dong vinh",
            parent_id=commune.id,
            confirmed=False,
            created_at=NOW,
        )
        session.add(typed)
        await session.flush()
        rows, _ = await read(session, tmp_path, "xã,thôn\nCẩm Bình,Thôn Đông Vinh\nCẩm Bình,Thôn Bắc\n")
        await villages.import_villages(session, rows, NOW)
        assert typed.confirmed and [row.code for row in rows] == ["18685-n1", "18685-001"]


async def test_a_list_without_the_column_leaves_difficult_areas(tmp_path: Path) -> None:
    async with places("Hà Tĩnh", villages.SAMPLE) as session:
        rows, _ = await read(session, tmp_path, "xã,thôn\nSơn Kim 1,Thôn 3\n")
        await villages.import_villages(session, rows, NOW)
        assert (await by_code(session, rows[0].code)).difficult_area  # type: ignore[union-attr]


FAULTS: list[tuple[str, str | bytes, list[str]]] = [
    ("unknown commune", "xã,thôn\nCẩm Bình,A\nCẩm Xanh,B\n", ["3: the commune “Cẩm Xanh” is unknown, or its province is not loaded"]),
    ("old commune", "xã,thôn\nCẩm Vịnh,B\n", ["2: “Cẩm Vịnh” is a name from before 1/7/2025; it is in xã Cẩm Bình (18685) now"]),
    ("wrong kind", "xã,thôn\nxã Thành Sen,B\n", ["2: there is no xã Thành Sen; do you mean phường Thành Sen (18073)?"]),
    ("unknown code", "xã,thôn\n99999,B\n", ["2: no commune has the code 99999"]),
    ("unknown province", "xã,tỉnh,thôn\nCẩm Bình,Hà Xanh,B\n", ["2: the province “Hà Xanh” is unknown, or not loaded"]),
    ("other province", "xã,tỉnh,thôn\nCẩm Bình,Nghệ An,B\n", ["2: the province “Nghệ An” is unknown, or not loaded"]),
    ("empty commune", "xã,thôn\n,B\n", ["2: the commune is empty"]),
    ("empty name", "xã,thôn\nCẩm Bình,\n", ["2: the village's name is empty"]),
    ("kind without a name", "xã,thôn\nCẩm Bình,Thôn\n", ["2: “Thôn” is a kind of village without a name"]),
    ("no letters", "xã,thôn\nCẩm Bình,🙂\n", ["2: “🙂” is no name: it has neither a letter nor a digit"]),
    ("long name", f"xã,thôn\nCẩm Bình,{'Dài' * 30}\n", ["2: “DàiDàiDàiDàiDàiDàiDà…” is longer than 60 letters"]),
    ("twice", "xã,thôn\nCẩm Bình,Thôn A\nCẩm Bình,thon a\n", ["3: thôn a in Cẩm Bình is on line 2 already"]),
    ("twice with noughts", "xã,thôn\n18685,Thôn 3\nCẩm Bình,Thôn 03\n", ["3: thôn 03 in Cẩm Bình is on line 2 already"]),
    ("twice without marks", "xã,thôn\nCẩm Bình,Thôn Đông\nCẩm Bình,Thôn Đồng\nCẩm Bình,Thôn Dong\n", ["4: thôn Dong in Cẩm Bình is on line 2 already"]),
    ("too few cells", "xã,thôn\nCẩm Bình\n", ["2: 1 cells where the header has 2 columns"]),
    ("too many cells", "xã,thôn\nCẩm Bình,A,B\n", ["2: 3 cells where the header has 2 columns"]),
    ("unknown header", "xã,thôn,dân số\nCẩm Bình,A,7\n", ["1: unknown column “dân số”; known are xã, tỉnh, thôn, tên khác, khó khăn"]),
    ("no header", "Cẩm Bình,Thôn A\n", ["1: unknown column “Cẩm Bình”; known are xã, tỉnh, thôn, tên khác, khó khăn"]),
    ("column twice", "xã,thôn,commune\nCẩm Bình,A,B\n", ["1: two columns mean the same: “xã” and “commune”"]),
    ("column missing", "xã\nCẩm Bình\n", ["1: the header has no column thôn (or village)"]),
    ("empty file", "", ["1: the header has no column xã (or commune) and no column thôn (or village)"]),
    ("difficult", "xã,thôn,khó khăn\nCẩm Bình,A,maybe\n", ["2: “maybe” in khó khăn is neither có nor không"]),
    ("quotation mark", 'xã,thôn\nCẩm Bình,A\nCẩm Bình,"B\n', ["3: a quotation mark is not closed, or stands in the middle of a cell"]),
    ("cell of two lines", 'xã,thôn\nCẩm Bình,"A\nB"\nCẩm Xanh,C\n', ["4: the commune “Cẩm Xanh” is unknown, or its province is not loaded"]),
    ("not UTF-8", "xã,thôn\nCẩm Bình,Thôn A\n".encode("utf-16"), ["1: the file is not UTF-8; in the spreadsheet, save it as “CSV UTF-8”"]),
    ("not UTF-8 later", "xã,thôn\nCẩm Bình,".encode() + b"\xe9\xff\n", ["2: the file is not UTF-8; in the spreadsheet, save it as “CSV UTF-8”"]),
    ("several", "xã,thôn\n,A\nCẩm Bình,B\nCẩm Xanh,C\nCẩm Bình,\n", ["2: the commune is empty", "4: the commune “Cẩm Xanh” is unknown, or its province is not loaded", "5: the village's name is empty"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "faults"), [fault[1:] for fault in FAULTS], ids=[fault[0] for fault in FAULTS])
async def test_faults_name_the_file_and_the_line(tmp_path: Path, text: str | bytes, faults: list[str]) -> None:
    async with places() as session:
        rows, found = await read(session, tmp_path, text)
        assert found == [f"list.csv:{fault}" for fault in faults]
        assert rows == []
        assert await count(session, Place.level == "village") == 0


async def test_a_missing_file_is_a_fault(tmp_path: Path) -> None:
    async with places() as session:
        assert await villages.read_villages(tmp_path / "none.csv", session) == (
            [],
            ["none.csv:1: the file cannot be read (No such file or directory)"],
        )


async def test_an_ambiguous_commune_needs_its_province(tmp_path: Path) -> None:
    async with places(None) as session:
        rows, faults = await read(session, tmp_path, "xã,tỉnh,thôn\nThanh An,Hồ Chí Minh,A\nHưng Đạo,,B\nHưng Đạo,Cao Bằng,C\n")
        assert rows == [] and len(faults) == 1
        assert faults[0].startswith("list.csv:3: “Hưng Đạo” is ambiguous: ")
        assert faults[0].endswith("add the tỉnh or give the code")
