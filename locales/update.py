"""`make words`: extracts every text, and brings each language's catalogue up to date."""

from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po, write_po

from locales.catalogue import OWN_NAME

ROOT = Path(__file__).parent.parent
FOLDER = Path(__file__).parent
FOLDERS = ("handlers", "bot")


def template() -> Catalog:
    """All texts that the program says, as they stand in the source now."""
    with (FOLDER / "babel.cfg").open(encoding="utf-8") as file:
        methods, options = parse_mapping_cfg(file)
    catalog = Catalog(project="hoc-tap-bot", charset="utf-8")
    found = extract_from_dir(ROOT, methods, options, keywords={"_": None}, directory_filter=_ours)
    for filename, line, message, comments, _context in found:
        catalog.add(message, locations=[(filename, line)], auto_comments=comments)
    catalog.add(OWN_NAME, auto_comments=["The name of this language, in itself: English, Français"])
    return catalog


def updated(path: Path, words: Catalog) -> bytes:
    """A language's catalogue with today's texts: kept where they still stand, empty where they are new."""
    catalog = Catalog(locale=path.stem, project="hoc-tap-bot", charset="utf-8")
    if path.exists():
        with path.open("rb") as file:
            catalog = read_po(file, locale=path.stem)
    catalog.update(words, no_fuzzy_matching=True)
    out = BytesIO()
    write_po(
        out, catalog, width=0, sort_output=True, ignore_obsolete=True, include_previous=False, omit_header=True, no_location=True
    )
    return out.getvalue()


def _ours(folder: str) -> bool:
    inside = Path(folder).relative_to(ROOT).parts
    return not inside or (inside[0] in FOLDERS and not inside[-1].startswith((".", "__")))


def main() -> None:
    words = template()
    for path in sorted(FOLDER.glob("*.po")):
        path.write_bytes(updated(path, words))
        catalog = read_po(path.open("rb"), locale=path.stem)
        missing = sum(1 for message in catalog if message.id and not message.string)
        print(f"{path.name}: {len(catalog)} texts, {missing} without a translation")


if __name__ == "__main__":
    main()
