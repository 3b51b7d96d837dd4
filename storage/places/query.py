"""What a person typed about a place, word by word: which words may name one, and what kind they say it is."""

import re
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from storage.places.folding import bare, sound, spell
from storage.places.kinds import LEVELS

PART_LETTERS = tuple("abcde")  # "thôn 3 A", "Vĩnh Châu B"
_UNITS = ("một", "hai", "ba", "bốn", "năm", "sáu", "bảy", "tám", "chín")
NUMBERS = {
    **{unit: str(n) for n, unit in enumerate(_UNITS, 1)},
    **{f"mười {unit}": str(n) for n, unit in enumerate(_UNITS, 11)},
    **{f"hai mươi {unit}": str(n) for n, unit in enumerate(_UNITS, 21)},
    "tư": "4", "mười": "10", "mười lăm": "15", "hai mươi": "20", "hai mươi mốt": "21", "hai mươi tư": "24", "hai mươi lăm": "25",
}  # fmt: skip
FILLERS = (
    "xin chào", "cảm ơn", "cám ơn", "không biết", "việt nam", "địa chỉ", "nơi ở", "hiện tại", "hiện nay", "hộ khẩu",
    "thường trú", "tạm trú", "trước là", "trước đây", "ngày xưa", "trước kia", "sáp nhập", "quê quán", "gia đình", "chào",
    "tôi", "tui", "tau", "mình", "em", "cháu", "con", "bác", "ông", "bà", "cô", "chú", "anh", "chị", "chúng", "nhà", "ở", "tại",
    "quê", "sống", "sinh", "thuộc", "của", "là", "và", "với", "thì", "có", "dạ", "vâng", "thưa", "ạ", "ah", "nhé", "nha",
    "hiện", "đang", "nay", "cũ", "mới", "trước", "đây", "kia", "đó", "số", "gọi", "tên", "chi hội", "hội", "trên", "dưới",
)  # fmt: skip
_SPEECH = frozenset((*LEVELS, *FILLERS))
_PHRASES: dict[str, list[tuple[str, tuple[str, ...]]]] = defaultdict(list)  # by the first word, the longest first
for _phrase in sorted((*LEVELS, *FILLERS, *NUMBERS), key=lambda phrase: -phrase.count(" ")):
    _words = tuple(bare(_phrase).split())
    _PHRASES[_words[0]].append((_phrase, _words))
_TELEX_LETTERS = {"aa": "â", "ee": "ê", "oo": "ô", "dd": "đ", "aw": "ă", "ow": "ơ", "uw": "ư"}
_TELEX_TONES = {"s": "\u0301", "f": "\u0300", "r": "\u0309", "x": "\u0303", "j": "\u0323"}
_TELEX = re.compile(r"aa|ee|oo|dd|[aou]w|(?:(?<=[aeiouyw])|(?<=[aeiouyw][cmnpt])|(?<=[aeiouyw]ng|[aeiouyw][cn]h))[sfrxj]")


class Kind(NamedTuple):
    start: int
    name: str


@dataclass(frozen=True)
class Query:
    """Sets of words are kept as bits: word 0 is 1, word 1 is 2, word 2 is 4."""

    words: tuple[str, ...]  # without tone marks
    spelled: tuple[str, ...]  # as typed
    content: int = 0  # the words that are neither kinds nor fillers
    fillers: int = 0  # "tôi ở", and single letters
    kinds: dict[int, Kind] = field(default_factory=dict)  # by the word that follows them

    def levels_at(self, at: int) -> frozenset[str]:
        """The levels of the kind that stands before this word; none where there is no kind."""
        return LEVELS[self.kinds[at].name] if at in self.kinds else frozenset()


def split(text: str) -> list[str]:
    """The spelled words of a text."""
    return [word for word in spell(text).split() if bare(word).strip()]


def readings(spelled: Sequence[str]) -> Iterator[Query]:
    """The words as they stand; where they may be read otherwise, "thôn năm" as "thôn 5", "3 a" as "3a"."""
    first = _read(spelled)
    yield first
    other = split(" ".join(_with_numbers(first)))
    if other != list(spelled):
        yield _read(other)


def telex(word: str) -> str:
    """`"tieens"`, which was typed for Telex where there is none, is `"tiến"`; its tone mark stands on the last vowel."""
    letters = _TELEX.sub(lambda found: _TELEX_LETTERS.get(found[0], ""), word)
    tones = [_TELEX_TONES[found] for found in _TELEX.findall(word) if found in _TELEX_TONES]
    vowel = 1 + max(map(letters.rfind, "aeiouyâêôăơư"))
    return letters[:vowel] + "".join(tones[-1:]) + letters[vowel:]


def with_names(query: Query, spans: Iterable[tuple[int, int]]) -> Query:
    """Knowing which stretches are names as they stand.

    In "xã Cẩm Quan, huyện Cẩm Xuyên" the word "Quan" ends a name and is no "quận"; in "huyện U Minh" nobody says "mình".
    """
    longer = [(start, end) for start, end in spans if end - start > 1]
    inside = {at for start, end in longer for at in range(start + 1, end)}
    kinds = {
        end: kind
        for end, kind in query.kinds.items()
        if kind.start not in inside or query.spelled[kind.start] != query.words[kind.start]
    }
    names = 0
    for start, end in longer:
        mask = (1 << end) - (1 << start)
        names |= mask if mask & query.fillers == mask else 0
    return replace(query, kinds=kinds, content=query.content | names, fillers=query.fillers & ~names)


def _read(spelled: Sequence[str]) -> Query:
    words = [bare(word) for word in spelled]
    query = Query(tuple(words), tuple(spelled))
    content, fillers, at = 0, 0, 0
    while at < len(words):
        phrase, length = _phrase_at(query, at, _SPEECH)
        if phrase in LEVELS:
            query.kinds[at + length] = Kind(at, phrase)
        elif phrase and not _numbered(query, at):
            fillers |= ((1 << length) - 1) << at
        elif len(words[at]) > 1 or words[at].isdigit() or words[at] in PART_LETTERS[1:]:
            content |= 1 << at
            length = 1
        else:
            fillers |= 1 << at
        at += length
    return replace(query, content=content, fillers=fillers)


def _with_numbers(query: Query) -> Iterator[str]:
    """A number in words counts behind a village's kind and at the end of a name, before a kind or where the text ends."""
    ends = {len(query.words), *(kind.start for kind in query.kinds.values())}
    at = 0
    while at < len(query.words):
        number, length = _phrase_at(query, at, NUMBERS)
        if number and (_numbered(query, at) or (at and at + length in ends)):
            yield NUMBERS[number]
        elif query.words[at].isdigit() and "".join(query.spelled[at + 1 : at + 2]) in PART_LETTERS:
            length = 2
            yield "".join(query.words[at : at + 2])
        else:
            length = 1
            yield query.spelled[at]
        at += length


def _numbered(query: Query, at: int) -> bool:
    """Does a number in words stand behind the kind of a village, or behind "số"?"""
    behind = "village" in query.levels_at(at) or query.words[max(0, at - 1) : at] == ("so",)
    return behind and bool(_phrase_at(query, at, NUMBERS)[0])


def _phrase_at(query: Query, start: int, phrases: Container[str]) -> tuple[str, int]:
    """The longest of these phrases that begins here, and how many words it has; ("", 1) where there is none."""
    for phrase, words in _PHRASES.get(query.words[start], ()):
        end = start + len(words)
        same = phrase in phrases and query.words[start:end] == words
        if same and all(map(_may_be, query.spelled[start:end], words, phrase.split())):
            return phrase, len(words)
    return "", 1


def _may_be(spelled: str, word: str, wanted: str) -> bool:
    """Typed without marks, or with the very marks: "xa" and "xã" may be the kind, "xá" may not."""
    return spelled == word or sound(spelled) == sound(wanted)
