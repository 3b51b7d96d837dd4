"""Place names as people type them, brought to one form for comparing."""

import re
import unicodedata
from functools import lru_cache

# Full words, or a letter that only an abbreviation's full stop or a number may follow ("x. Cẩm Bình", "p5").
_ABBREVIATIONS = {
    r"tdp|t\.\s?d\.\s?p": "to dan pho",
    r"tp|t\.\s?p": "thanh pho",
    r"tx|t\.\s?x": "thi xa",
    r"tt|t\.\s?t": "thi tran",
    r"kp|k\.\s?p": "khu pho",
}
_LETTERS = {"x": "xa", "p": "phuong", "q": "quan", "h": "huyen"}
_WORDS = re.compile("|".join(rf"(?P<a{n}>\b(?:{short})(?:\.|(?=\d)|\b))" for n, short in enumerate(_ABBREVIATIONS)))
_LETTER = re.compile(r"\b([xpqh])\.|\b([pq])(?=\d)")
_NUMBER_AFTER_WORD = re.compile(r"(?<=[^\W\d_])(?=\d)")
_LEADING_ZEROS = re.compile(r"\b0+(?=\d)")
_NOT_A_WORD = re.compile(r"[\W_]+")
_TONES = frozenset("\u0300\u0301\u0303\u0309\u0323")


def spell(text: str) -> str:
    """Lower case with its tone marks; abbreviations of kinds written out, punctuation and "03" made plain."""
    text = unicodedata.normalize("NFC", text).casefold()
    text = _WORDS.sub(_written_out, text)
    text = _LETTER.sub(lambda found: f"{_LETTERS[found[1] or found[2]]} ", text)
    text = _NOT_A_WORD.sub(" ", text).strip()
    return _LEADING_ZEROS.sub("", _NUMBER_AFTER_WORD.sub(" ", text))


def fold(text: str) -> str:
    """`"TDP 03, P. Trần Phú"` becomes `"to dan pho 3 phuong tran phu"`."""
    return bare(spell(text))


def bare(text: str) -> str:
    """Without tone marks and letters' hats; the words stay as they are."""
    letters = unicodedata.normalize("NFD", text)
    return "".join(c for c in letters if not unicodedata.combining(c)).replace("đ", "d")


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


def _written_out(found: re.Match[str]) -> str:
    return list(_ABBREVIATIONS.values())[int(str(found.lastgroup)[1:])] + " "
