"""The catalogues: one `<language>.po` beside this file for each language other than Vietnamese."""

from functools import cache
from pathlib import Path

from babel.messages.pofile import read_po

FOLDER = Path(__file__).parent
OWN_NAME = "Tiếng Việt"  # of a language, in itself


@cache
def languages() -> dict[str, str]:
    """Each language that the bot speaks, with its own name for itself; whoever serves reads them beforehand."""
    # The catalogue knows the name: Babel's own list of all the world's names takes 4 MB.
    others = sorted(path.stem for path in FOLDER.glob("*.po"))
    return {"vi": OWN_NAME} | {code: catalogue(code).get(OWN_NAME, code) for code in others}


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
