"""Cuts a long text into messages: between paragraphs if it can, never inside a word or an emoji if it need not."""

import re
import unicodedata

from bot.channels import Attachment, Outgoing

# Each better than the next; what is behind the break begins the next message.
BREAKS = (re.compile(r"\n\s*\n"), re.compile(r"\n"), re.compile(r"(?<=[.!?…:;])\s+"), re.compile(r"\s+"))
Piece = tuple[Attachment | None, str]
JOINER, KEYCAP = "\u200d", "\u20e3"


def units(text: str) -> int:
    """The length as the platforms count it: in UTF-16 units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def fits(text: str, limit: int) -> bool:
    """Whether the text has at most `limit` UTF-16 units."""
    # No character takes more than two: most texts need no counting.
    return len(text) * 2 <= limit or units(text) <= limit


def cut(text: str, limit: int) -> list[str]:
    """The text in parts of at most `limit` UTF-16 units; at least one part, none of them blank unless the text is."""
    parts = []
    while not fits(text, limit):
        window = _within(text, limit)
        end, start = _best_break(text, window)
        parts.append(text[:end].rstrip())
        text = text[start:].lstrip()
    parts.append(text)
    return [part for part in parts if part.strip()] or [text]


def pieces(message: Outgoing, text_limit: int, caption_limit: int) -> list[Piece]:
    """What must be sent one after the other; a short text goes below the picture."""
    file = message.attachment
    if file and fits(message.text, caption_limit):
        return [(file, message.text)]
    parts: list[Piece] = [(None, part) for part in cut(message.text, text_limit)]
    return [(file, ""), *parts] if file else parts


def _within(text: str, limit: int) -> int:
    """How many characters fit into `limit` units."""
    count = 0
    for index, character in enumerate(text):
        count += 2 if character > "\uffff" else 1
        if count > limit:
            return index
    return len(text)


def _best_break(text: str, window: int) -> tuple[int, int]:
    """Where this part ends and where the next begins."""
    for number, pattern in enumerate(BREAKS):
        # A strong break very early would leave a stump: then a weaker one further on is better.
        earliest = 1 if number == len(BREAKS) - 1 else max(window // 2, 1)
        found = [match for match in pattern.finditer(text, 0, window + 1) if earliest <= match.start() <= window]
        if found:
            return found[-1].start(), found[-1].end()
    end = _between_signs(text, window)
    return end, end


def _between_signs(text: str, window: int) -> int:
    """The last place up to `window` that is not inside what is seen as one sign."""
    for end in range(window, 0, -1):
        if not _belongs(text, end):
            return end
    return max(window, 1)


def _belongs(text: str, end: int) -> bool:
    """Whether the character at `end` is one sign with what stands before it."""
    sign, before = text[end], text[end - 1]
    if before == JOINER or sign in (JOINER, KEYCAP) or unicodedata.combining(sign):
        return True
    if "\ufe00" <= sign <= "\ufe0f" or "\U0001f3fb" <= sign <= "\U0001f3ff" or "\U000e0020" <= sign <= "\U000e007f":
        return True
    return _flag(sign) and _flags_before(text, end) % 2 == 1


def _flag(sign: str) -> bool:
    return "\U0001f1e6" <= sign <= "\U0001f1ff"


def _flags_before(text: str, end: int) -> int:
    """A flag is two signs: an odd number before means that one is open."""
    start = end
    while start and _flag(text[start - 1]):
        start -= 1
    return end - start
