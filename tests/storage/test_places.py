"""Where people live: official lists, and what people type."""

import asyncio
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlmodel import select

from storage.database import Database
from storage.place import Place, PlaceAlias, by_code, stamp
from storage.places import official, villages
from storage.places.folding import fold
from storage.places.search import Found, PlaceIndex, is_sure
from tests.storage.loaded import NOW, count, places
from tests.storage.typed_places import TYPED

HEADER = "xã,tỉnh,thôn,tên khác,khó khăn\n"
MORE_VILLAGES = HEADER + "".join(
    f"{commune},Hà Tĩnh,{village},,\n"
    for commune, names in {
        "Đồng Tiến": ["Thôn 1", "Thôn 2", "Thôn 3", "Thôn 13", "Thôn 3A", "Tân Tiến 1", "Tân Tiến 2"],
        "Thạch Lạc": ["Thôn Trung Tiến", "Thôn Tân An", "Xóm Bắc", "Thôn Hồng Lạc"],
        "Can Lộc": ["Thôn 2", "Thôn 23", "TDP Xuân Thủy", "Thôn Yên Bình"],
        "Hương Khê": ["Thôn Phú Bình", "Thôn Trung Tiến"],
        "Vũng Áng": ["TDP Liên Phú", "TDP Tân Phong", "TDP Tây Yên"],
    }.items()
    for village in names
)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> PlaceIndex:
    """Hà Tĩnh with the sample villages and some more."""
    path = tmp_path_factory.mktemp("places") / "more.csv"
    path.write_text(MORE_VILLAGES, encoding="utf-8")

    async def load() -> PlaceIndex:
        async with places("Hà Tĩnh", villages.SAMPLE, path) as session:
            return await PlaceIndex.load(session)

    return asyncio.run(load())


@pytest.fixture(scope="module")
def everywhere() -> tuple[PlaceIndex, list[tuple[int, str]]]:
    """All 34 provinces; and of each commune its id and "name, province"."""

    async def load() -> tuple[PlaceIndex, list[tuple[int, str]]]:
        async with places(None) as session:
            rows = (await session.exec(select(Place))).all()
            names = {place.id: place.name for place in rows}
            communes = [(place.id or 0, f"{place.name}, {names[place.parent_id]}") for place in rows if place.level == "commune"]
            return await PlaceIndex.load(session), communes

    return asyncio.run(load())


def labels(found: list[Found]) -> list[str]:
    return [one.label for one in found]


# --- official lists


async def test_the_whole_country_is_loaded() -> None:
    async with places(None) as session:
        assert await count(session, Place.level == "province") == 34
        assert await count(session, Place.level == "commune") == 3321
        aliases = (await session.exec(select(PlaceAlias).where(PlaceAlias.key == "cam vinh"))).all()
        assert [alias.name for alias in aliases] == ["xã Cẩm Vịnh, thành phố Hà Tĩnh"]
        again = await official.load(session, None, NOW)
        assert (again.added, again.changed) == (0, 0)


async def test_ha_tinh() -> None:
    async with places("ha tinh") as session:
        province = await by_code(session, "42")
        assert province and (province.kind, province.name, province.key) == ("tỉnh", "Hà Tĩnh", "ha tinh")
        inside = Place.parent_id == province.id
        assert await count(session, inside) == 69
        assert await count(session, inside, Place.kind == "xã") == 60
        assert await count(session, inside, Place.kind == "phường") == 9
        commune = await by_code(session, "18685")
        assert commune and (commune.kind, commune.name) == ("xã", "Cẩm Bình")
        assert commune.valid_from == date(2025, 7, 1) and commune.valid_to is None and commune.confirmed


@pytest.mark.parametrize("name", ["42", "Hà Tĩnh", "ha tinh", "tỉnh Hà Tĩnh", "HA TINH"])
async def test_a_province_is_named_by_code_or_name(name: str) -> None:
    async with places(name) as session:
        assert await count(session, Place.level == "commune") == 69


@pytest.mark.parametrize("name", ["", "99", "Hà Tỉnh Bắc", "Cẩm Bình", "1=1"])
async def test_an_unknown_province_is_refused(name: str) -> None:
    with pytest.raises(official.UnknownProvince, match="34 provinces"):
        async with places(name):
            pass


async def test_hanoi_has_a_code_with_a_nought() -> None:
    async with places("1") as session:
        assert (await by_code(session, "01")).name == "Hà Nội"  # type: ignore[union-attr]


async def test_loading_again_changes_nothing(database: Database) -> None:
    """On SQLite and PostgreSQL."""
    async with database.transaction() as session:
        before = await stamp(session)
        report = await official.load(session, "Hà Tĩnh", NOW)
        assert (report.added, report.changed) == (0, 0) and report.unchanged == 70 + report.old_names
        assert str(report) == "1 provinces, 69 communes, 212 old names: 0 added, 0 changed, 282 unchanged"
        assert await stamp(session) == before


async def test_a_renamed_commune_keeps_its_id_and_its_old_name() -> None:
    async with places() as session:
        commune = await by_code(session, "18685")
        assert commune
        commune.name, commune.key, commune.difficult_area = "Cẩm Vàng", "cam vang", True
        await session.flush()
        before = await stamp(session)
        report = await official.load(session, "42", NOW)
        assert (report.added, report.changed) == (0, 1)
        commune = await session.get(Place, commune.id, lock=True)
        assert commune
        assert (commune.name, commune.key, commune.difficult_area) == ("Cẩm Bình", "cam binh", True)
        assert await stamp(session) != before
        found = (await PlaceIndex.load(session)).find("xa cam vang")
        assert (found[0].place_id, found[0].former) == (commune.id, "xã Cẩm Vàng")


async def test_a_divided_commune_stands_under_every_successor() -> None:
    async with places() as session:
        rows = (await session.exec(select(PlaceAlias).where(PlaceAlias.key == "dai nai"))).all()
        names = [(await session.get(Place, row.place_id)).name for row in rows]  # type: ignore[union-attr]
        assert sorted(names) == ["Hà Huy Tập", "Thành Sen"]


# --- what people type


def test_the_places_that_people_type_are_found(index: PlaceIndex) -> None:
    first = [wanted == (labels(index.find(typed)) or [""])[0] for typed, wanted in TYPED]
    six = [wanted in labels(index.find(typed)) for typed, wanted in TYPED]
    missed = [typed for (typed, _), hit in zip(TYPED, first, strict=True) if not hit]
    lost = [typed for (typed, _), hit in zip(TYPED, six, strict=True) if not hit]
    assert len(TYPED) >= 190
    assert sum(first) / len(TYPED) >= 0.95, missed
    assert sum(six) / len(TYPED) >= 0.99, lost


def test_never_sure_of_a_wrong_place(index: PlaceIndex) -> None:
    for typed, wanted in TYPED:
        found = index.find(typed)
        assert not is_sure(found) or found[0].label == wanted, typed


@pytest.mark.parametrize(
    "typed",
    ["thôn Trung Tiến, xã Cẩm Bình", "trung tien cam binh", "cam binhh", "xa cam vinh", "tdp 13 thanh sen", "song tri"],
)
def test_sure_where_only_one_can_be_meant(index: PlaceIndex, typed: str) -> None:
    assert is_sure(index.find(typed))


@pytest.mark.parametrize("typed", ["thôn Trung Tiến", "thôn 2", "thôn 3", "sơn kim", "đại nài", "thach ha", "huyện Can Lộc", "3"])
def test_not_sure_where_several_can_be_meant(index: PlaceIndex, typed: str) -> None:
    found = index.find(typed)
    assert len(found) > 1 and not is_sure(found)


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        ("thôn 3", {"3"}),
        ("thon 03", {"3"}),
        ("thôn 2", {"2"}),
        ("xóm 13", {"13"}),
        ("thon 3a", {"3A"}),
        ("thôn3 xã đồng tiến", {"3", "Đồng Tiến"}),
        ("thon 23 can loc", {"23", "Can Lộc"}),
        ("tân tiến 1", {"Tân Tiến 1"}),
        ("tan tien 2", {"Tân Tiến 2"}),
        ("son kim 2", {"Sơn Kim 2"}),
        ("thôn hai", {"2"}),
        ("thôn ba", {"3"}),
        ("thôn mười ba", {"13"}),
        ("thôn 3 ạ", {"3"}),
        ("thon 3 a", {"3", "3A"}),
        ("thôn tư", set()),
        ("thôn năm", set()),
        ("thon 99", set()),
        ("thôn 14", set()),
        ("thon 22", set()),
        ("thôn 33", set()),
        ("thôn 3b", set()),
        ("thon 103", set()),
        ("tan tien 3", set()),
        ("tan tien 12", set()),
        ("son kim 11", set()),
        ("son kim 3", set()),
        ("trung tien 2", set()),
    ],
)
def test_numbers_matter(index: PlaceIndex, typed: str, wanted: set[str]) -> None:
    found = index.find(typed)
    names = {name for one in found if (name := index._places[one.place_id].name)[-1:].isdigit() or name[-2:-1].isdigit()}
    assert names == {name for name in wanted if any(c.isdigit() for c in name)}
    assert bool(found) == bool(wanted)


def test_the_exact_spelling_breaks_a_tie(index: PlaceIndex) -> None:
    assert labels(index.find("thach ha"))[:2] == ["xã Thạch Hà, tỉnh Hà Tĩnh", "phường Trần Phú, tỉnh Hà Tĩnh"]
    assert labels(index.find("Thạch Hà"))[0] == "xã Thạch Hà, tỉnh Hà Tĩnh"
    assert labels(index.find("Thạch Hạ"))[0] == "phường Trần Phú, tỉnh Hà Tĩnh"


def test_the_old_name_is_told(index: PlaceIndex) -> None:
    assert index.find("thị trấn Cẩm Xuyên")[0].former == "thị trấn Cẩm Xuyên"
    assert index.find("phuong bac ha tp ha tinh")[0].former == "phường Bắc Hà"
    assert index.find("xóm chợ mới")[0].former == "Xóm Chợ Mới".replace("X", "x")
    assert index.find("Cẩm Bình")[0].former is None
    assert index.find("trung tien, xa cam vinh")[0].former is None


def test_a_former_district_gives_its_communes(index: PlaceIndex) -> None:
    found = labels(index.find("thành phố Hà Tĩnh"))
    assert found[0] == "phường Thành Sen, tỉnh Hà Tĩnh" and "phường Trần Phú, tỉnh Hà Tĩnh" in found
    assert labels(index.find("huyện Can Lộc"))[0] == "xã Can Lộc, tỉnh Hà Tĩnh"


def test_only_within_a_place_and_of_a_level(index: PlaceIndex) -> None:
    commune = index.find("xã Cẩm Bình")[0].place_id
    other = index.find("xã Thạch Lạc")[0].place_id
    assert labels(index.find("trung tien", within=commune)) == ["thôn Trung Tiến, xã Cẩm Bình"]
    assert labels(index.find("thon tan an", within=commune)) == []
    assert labels(index.find("3", within=index.find("đồng tiến")[0].place_id, level="village")) == ["thôn 3, xã Đồng Tiến"]
    assert labels(index.find("trung tiến, thạch lạc", level="commune")) == ["xã Thạch Lạc, tỉnh Hà Tĩnh"]
    assert labels(index.find("trung tien, thach lac", level="village"))[0] == "thôn Trung Tiến, xã Thạch Lạc"
    assert labels(index.find("ha tinh", level="province")) == ["tỉnh Hà Tĩnh"]
    assert index.find("cam binh", within=commune) == []
    assert is_sure(index.find("xom bac", within=other))
    assert len(index.find("thôn Trung Tiến", limit=2)) == 2


NONSENSE = [
    "", " ", "🙂", "🙂🙂🙂", "asdf qwer", "qwertyuiop", "...", "???", "\n\t", "\x00", "-" * 200, "xin chào", "cảm ơn", "ok", "vâng ạ",
    "tôi không biết", "' OR 1=1 --", "SELECT * FROM place; DROP TABLE place", "<script>alert(1)</script>", "你好世界", "مرحبا",
    "xin hỏi đăng ký thế nào", "hoi cong an xa", "thôn của tôi", "cong dan hoc tap", "toi muon dang ky", "thon", "xa toi",
    "https://example.vn/a?b=c", "0912345678", "%s %d {0}", "a", "hello my friend", "lorem ipsum dolor sit amet", "\u0301\u0309", "null",
]  # fmt: skip


@pytest.mark.parametrize("typed", NONSENSE)
def test_nonsense_finds_nothing(index: PlaceIndex, typed: str) -> None:
    assert index.find(typed) == []


@pytest.mark.parametrize("typed", ["a" * 4000, "bla " * 1000, "thôn " * 800, "3" * 4000, "🙂" * 4000, "ạ" * 4000, "(" * 4000])
def test_four_thousand_letters_find_nothing(index: PlaceIndex, typed: str) -> None:
    assert index.find(typed) == []


@given(st.text(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_text_is_borne(index: PlaceIndex, typed: str) -> None:
    found = index.find(typed)
    assert len(found) <= 6 and all(0 < one.score <= 100 for one in found)
    assert fold(fold(typed)) == fold(typed)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_a_commune_is_found_without_tone_marks(everywhere: tuple[PlaceIndex, list[tuple[int, str]]], data: st.DataObject) -> None:
    found_in, communes = everywhere
    place_id, name = data.draw(st.sampled_from(communes))
    assert place_id in [one.place_id for one in found_in.find(fold(name))]


async def test_only_confirmed_villages_in_force_are_found() -> None:
    async with places("Hà Tĩnh", villages.SAMPLE) as session:
        village = await by_code(session, "18685-001")
        assert village
        for change in ({"confirmed": False}, {"confirmed": True, "valid_to": date(2026, 1, 1)}):
            before = await stamp(session)
            village.sqlmodel_update(change)
            await session.flush()
            assert await stamp(session) != before
            assert (await PlaceIndex.load(session)).find("thôn trung tiến", level="village") == []
