"""Place names as people type them, brought to one form for comparing."""

import re
import unicodedata
from functools import lru_cache

_ABBREVIATIONS = {
    "to_dan_pho": r"(?:tdp|t\.\s?d\.\s?p|t[oổ]\.?\s?dp)(?:\.|\b|(?=\d))",
    "thanh_pho": r"(?:tp|t\.\s?p)(?:\.|\b|(?=\d))",
    "thi_xa": r"(?:tx|t\.\s?x)(?:\.|\b|(?=\d))",
    "thi_tran": r"(?:tt|t\.\s?t|ttr|(?:th\.\s?|t\.?)tr[aấ]n)(?:\.|\b|(?=\d))",
    "khu_pho": r"(?:kp|k\.\s?p)(?:\.|\b|(?=\d))",
    # A lone letter is one only before a full stop ("x. Cẩm Bình") or a number ("p5", "x3").
    "phuong": r"p(?:\.|(?=\d))",
    "quan": r"q(?:\.|(?=\d))",
    "xa": r"x\.",
    "huyen": r"h\.",
    "xom": r"x(?=\d)",
    "to": r"t(?=\d)",
    "khoi": r"k(?=\d)",
}
_ABBREVIATION = re.compile(rf"\b(?:{'|'.join(f'(?P<{words}>{short})' for words, short in _ABBREVIATIONS.items())})")
_NUMBER_AFTER_WORD = re.compile(r"(?<=[^\W\d_])(?=\d)")
_BEFORE_NUMBER = re.compile(r"\b(?:s[oố] +|0+)+(?=\d)")
_NOT_A_WORD = re.compile(r"[\W_]+")
_TONES = frozenset("\u0300\u0301\u0303\u0309\u0323")


def spell(text: str) -> str:
    """Lower case with its tone marks; abbreviations of kinds written out; "03" and "số 3" are "3"."""
    text = unicodedata.normalize("NFC", text).casefold()
    text = _ABBREVIATION.sub(lambda found: str(found.lastgroup).replace("_", " ") + " ", text)
    text = _NOT_A_WORD.sub(" ", text).strip()
    return _BEFORE_NUMBER.sub("", _NUMBER_AFTER_WORD.sub(" ", text))


def fold(text: str) -> str:
    """`"TDP 03, P. Trần Phú"` becomes `"to dan pho 3 phuong tran phu"`."""
    return bare(spell(text))


def bare(text: str) -> str:
    """Without tone marks and letters' hats; the words stay as they are."""
    if text.isascii():
        return text
    return "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c)).replace("đ", "d")


@lru_cache(maxsize=4096)
def sound(word: str) -> str:
    """One spelled word, so that `hoà` and `hòa` are the same and `hoa` is another."""
    letters = unicodedata.normalize("NFD", word)
    marks = sorted(c for c in letters if c in _TONES)
    return unicodedata.normalize("NFC", "".join(c for c in letters if c not in _TONES)) + "".join(marks)


@lru_cache(maxsize=8192)
def sounds(name: str) -> tuple[str, ...]:
    """A name word by word, for telling “Thôn Đông” from “Thôn Đồng”."""
    return tuple(map(sound, spell(name).split()))
