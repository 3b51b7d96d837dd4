"""Vietnamese as people type it: compared without tone marks, capitals and punctuation."""

import re
import unicodedata

_NOT_A_WORD = re.compile(r"[\W_]+")


def fold(text: str) -> str:
    """`"Đồng ý!"` becomes `"dong y"`; the same for composed and decomposed letters."""
    bare = "".join(c for c in unicodedata.normalize("NFD", text.casefold()) if not unicodedata.combining(c))
    return _NOT_A_WORD.sub(" ", bare.replace("đ", "d")).strip()
