"""The catalogues: one `<language>.po` beside this file for each language other than Vietnamese."""

from functools import cache
from pathlib import Path

from babel import Locale
from babel.messages.pofile import read_po

FOLDER = Path(__file__).parent


@cache
def languages() -> dict[str, str]:
    """Each language that the bot speaks, with its own name for itself."""
    codes = ["vi", *sorted(path.stem for path in FOLDER.glob("*.po"))]
    names = {code: Locale.parse(code).get_display_name(code) or code for code in codes}
    return {code: name[:1].upper() + name[1:] for code, name in names.items()}


@cache
def catalogue(language: str) -> dict[str, str]:
    """The translations of one language; a message without one is absent."""
    path = FOLDER / f"{language}.po"
    if not path.exists():
        return {}
    with path.open("rb") as file:
        messages = read_po(file, locale=language)
    return {str(m.id): str(m.string) for m in messages if m.id and m.string and not m.fuzzy}


def translate(message: str, language: str) -> str:
    """The message in that language; in Vietnamese where nobody has translated it."""
    return catalogue(language).get(message, message)
