"""The kinds of place, and the words around a place that name nothing, as people write them."""

import re
import unicodedata
from collections.abc import Sequence
from functools import cache

from storage.places.folding import bare, sound, spell

VILLAGE_KINDS = (
    "tổ dân phố", "cụm dân cư", "khu dân cư", "khối phố", "khu phố", "tiểu khu", "thôn", "xóm", "ấp", "bản", "buôn", "bon",
    "làng", "khối", "khóm", "khu", "phum", "sóc", "tổ", "đội", "cụm",
)  # fmt: skip
COMMUNE_KINDS = ("xã", "phường", "thị trấn", "đặc khu")
DISTRICT_KINDS = ("huyện", "quận", "thị xã", "thành phố")
PROVINCE_KINDS = ("tỉnh", "thành phố")
AREA_KINDS = tuple(dict.fromkeys((*COMMUNE_KINDS, *DISTRICT_KINDS, *PROVINCE_KINDS)))
_BY_LEVEL = {"village": VILLAGE_KINDS, "commune": COMMUNE_KINDS, "district": DISTRICT_KINDS, "province": PROVINCE_KINDS}
_KINDS = (*VILLAGE_KINDS, *AREA_KINDS)
LEVELS = {kind: frozenset(level for level, kinds in _BY_LEVEL.items() if kind in kinds) for kind in _KINDS}
FILLERS = (
    "xin chào", "cảm ơn", "cám ơn", "không biết", "việt nam", "địa chỉ", "nơi ở", "hiện tại", "hiện nay", "hộ khẩu",
    "thường trú", "tạm trú", "trước là", "trước đây", "ngày xưa", "trước kia", "sáp nhập", "quê quán", "gia đình", "chào",
    "tôi", "tui", "tau", "mình", "em", "cháu", "con", "bác", "ông", "bà", "cô", "chú", "anh", "chị", "chúng", "nhà", "ở", "tại",
    "quê", "sống", "sinh", "thuộc", "của", "là", "và", "với", "thì", "có", "dạ", "vâng", "thưa", "ạ", "ah", "nhé", "nha",
    "hiện", "đang", "nay", "cũ", "mới", "trước", "đây", "kia", "đó", "số", "gọi", "tên", "chi hội", "hội", "trên", "dưới",
)  # fmt: skip
_PHRASES: dict[tuple[str, ...], list[str]] = {}
for _phrase in (*LEVELS, *FILLERS):
    _PHRASES.setdefault(tuple(bare(_phrase).split()), []).append(_phrase)
_LONGEST = max(map(len, _PHRASES))
_GLUED = re.compile(r"\.(?=\S)|(?<=[^\W\d_])(?=\d)")


def phrase_at(spelled: Sequence[str], words: Sequence[str], start: int) -> tuple[str, int]:
    """The longest kind or filler that begins here, and how many words it has; ("", 0) where there is none."""
    for length in range(min(_LONGEST, len(words) - start), 0, -1):
        for phrase in _PHRASES.get(tuple(words[start : start + length]), ()):
            if all(map(_may_be, spelled[start : start + length], words[start:], phrase.split())):
                return phrase, length
    return "", 0


def is_kind(phrase: str) -> bool:
    return phrase in LEVELS


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


def _may_be(spelled: str, word: str, wanted: str) -> bool:
    """Typed without marks, or with the very marks: "xa" and "xã" may be the kind, "xá" may not."""
    return spelled == word or sound(spelled) == sound(wanted)
