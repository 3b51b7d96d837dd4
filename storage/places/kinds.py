"""The kinds of place, and a name parted from its kind."""

import re
import unicodedata
from functools import cache

from storage.places.folding import bare, spell

VILLAGE_KINDS = (
    "tổ dân phố", "cụm dân cư", "khu dân cư", "khối phố", "khu phố", "tiểu khu", "thôn", "xóm", "ấp", "bản", "buôn", "bon",
    "làng", "khối", "khóm", "khu", "phum", "sóc", "tổ", "đội", "cụm",
)  # fmt: skip
COMMUNE_KINDS = ("xã", "phường", "thị trấn", "đặc khu")
DISTRICT_KINDS = ("huyện", "quận", "thị xã", "thành phố")
PROVINCE_KINDS = ("tỉnh", "thành phố")
AREA_KINDS = tuple(dict.fromkeys((*COMMUNE_KINDS, *DISTRICT_KINDS, *PROVINCE_KINDS)))
_BY_LEVEL = {"village": VILLAGE_KINDS, "commune": COMMUNE_KINDS, "district": DISTRICT_KINDS, "province": PROVINCE_KINDS}
LEVELS = {kind: frozenset(level for level, kinds in _BY_LEVEL.items() if kind in kinds) for kind in (*VILLAGE_KINDS, *AREA_KINDS)}
_GLUED = re.compile(r"\.(?=\S)|(?<=[^\W\d_])(?=\d)")


def parted(name: str, kinds: tuple[str, ...] = AREA_KINDS) -> tuple[str, str]:
    """`"Thị trấn Cẩm Xuyên"` is ("thị trấn", "Cẩm Xuyên"); without a kind the first is empty."""
    words = _GLUED.sub(lambda found: found[0] + " ", unicodedata.normalize("NFC", name)).split()
    heads = _heads(kinds)
    for written in (str.casefold, spell):  # the second, which is slow, knows abbreviations
        for length in range(min(3, len(words) - 1), 0, -1):
            if kind := heads.get(written(" ".join(words[:length]))):
                return kind, " ".join(words[length:])
    return "", " ".join(name.split())


@cache
def _heads(kinds: tuple[str, ...]) -> dict[str, str]:
    return {form: kind for kind in reversed(kinds) for form in (bare(kind), kind)}
