"""Reads the CSV file of a village list: its form only, nothing of what is in the database."""

import csv
import io
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from storage.places.folding import fold

COLUMNS = {
    "commune": ("xa", "xa phuong", "phuong xa", "commune"),
    "province": ("tinh", "tinh thanh pho", "province"),
    "village": ("thon", "thon to dan pho", "village"),
    "aliases": ("ten khac", "aliases"),
    "difficult": ("kho khan", "difficult"),
}
NEEDED = {"commune": "xã (or commune)", "village": "thôn (or village)"}
YES, NO = ("co", "x", "1", "yes"), ("", "khong", "0", "no")
LONGEST_NAME = 60


@dataclass(frozen=True)
class Line:
    number: int
    commune: str
    village: str
    province: str = ""
    aliases: tuple[str, ...] = ()
    difficult: bool | None = None  # the file does not say


class Fault(Exception):
    """The message is a sentence for the operator."""

    def __init__(self, line: int, sentence: str) -> None:
        super().__init__(sentence)
        self.line = line


def read_lines(path: Path) -> tuple[list[Line], list[Fault]]:
    """The lines in order, and the faults of the others."""
    lines: list[Line] = []
    faults: list[Fault] = []
    try:
        records = _records(_text(path))
        number, header = next(records, (1, []))
        columns = _columns(number, header)
        for number, cells in records:
            try:
                lines.append(_line(number, cells, columns))
            except Fault as fault:
                faults.append(fault)
    except Fault as fault:
        faults.append(fault)
    return lines, faults


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Fault(1, f"the file cannot be read ({error.strerror})") from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise Fault(line, "the file is not UTF-8; in the spreadsheet, save it as “CSV UTF-8”") from error


def _records(text: str) -> Iterator[tuple[int, list[str]]]:
    """The records that are not empty, each with the number of its first line."""
    header = text.partition("\n")[0]
    delimiter = ";" if header.count(";") > header.count(",") else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        number = reader.line_num + 1
        try:
            cells = [_tidy(cell) for cell in next(reader)]
        except StopIteration:
            return
        except csv.Error as error:
            raise Fault(number, "a quotation mark is not closed, or stands in the middle of a cell") from error
        if any(cells):
            yield number, cells


def _tidy(cell: str) -> str:
    return " ".join(unicodedata.normalize("NFC", cell).split())


def _columns(number: int, header: list[str]) -> list[str]:
    while header and not header[-1]:
        header = header[:-1]
    columns: dict[str, str] = {}
    for name in header:
        column = next((column for column, names in COLUMNS.items() if fold(name) in names), "")
        if not column:
            raise Fault(number, f"unknown column “{name}”; known are xã, tỉnh, thôn, tên khác, khó khăn")
        if column in columns:
            raise Fault(number, f"two columns mean the same: “{columns[column]}” and “{name}”")
        columns[column] = name
    if missing := [name for column, name in NEEDED.items() if column not in columns]:
        raise Fault(number, f"the header has no column {' and no column '.join(missing)}")
    return list(columns)


def _line(number: int, cells: list[str], columns: list[str]) -> Line:
    while len(cells) > len(columns) and not cells[-1]:
        cells = cells[:-1]
    if len(cells) != len(columns):
        raise Fault(number, f"{len(cells)} cells where the header has {len(columns)} columns")
    row = dict(zip(columns, cells, strict=True))
    if not row["commune"]:
        raise Fault(number, "the commune is empty")
    aliases = tuple(dict.fromkeys(alias.strip() for alias in row.get("aliases", "").split("|") if alias.strip()))
    for name in (row["village"], *aliases):
        _check_name(number, name)
    return Line(number, row["commune"], row["village"], row.get("province", ""), aliases, _difficult(number, row))


def _check_name(number: int, name: str) -> None:
    if not name:
        raise Fault(number, "the village's name is empty")
    if not fold(name):
        raise Fault(number, f"“{name}” is no name: it has neither a letter nor a digit")
    if len(name) > LONGEST_NAME:
        raise Fault(number, f"“{name[:20]}…” is longer than {LONGEST_NAME} letters")


def _difficult(number: int, row: dict[str, str]) -> bool | None:
    if "difficult" not in row:
        return None
    answer = fold(row["difficult"])
    if answer not in (*YES, *NO):
        raise Fault(number, f"“{row['difficult']}” in khó khăn is neither có nor không")
    return answer in YES
