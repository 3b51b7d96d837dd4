"""Checks a title's file before it is published, and names every fault by its line."""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from handlers.approval.roles import ROLES
from handlers.titles.model import ALL, Question, Title
from locales.catalogue import catalogue, languages
from locales.extract import strings

LONGEST_BUTTON = 30  # characters; more is cut on a narrow phone
LONGEST_QUESTION = 1200  # characters of one whole question with its examples
_HEADER = re.compile(r"^\s*(\[\[?)\s*([\w.\-]+)\s*\]\]?")
_KEY = re.compile(r"^\s*([\w\-]+)\s*=")
_BAD_TOML = re.compile(r"at line (\d+)")
Where = tuple[str | int, ...]


@dataclass(frozen=True)
class Fault:
    line: int
    text: str
    hinders: bool = True  # whether it forbids publishing


def check(path: Path) -> list[Fault]:
    """Every fault of the file, by line. Raises OSError where it cannot be read."""
    raw = path.read_bytes()
    try:
        source = raw.decode()
        data = tomllib.loads(source)
    except UnicodeDecodeError as error:
        return [Fault(raw[: error.start].count(b"\n") + 1, "the file is not UTF-8")]
    except tomllib.TOMLDecodeError as error:
        line = _BAD_TOML.search(str(error))
        return [Fault(int(line[1]) if line else source.count("\n") + 1, f"not TOML: {error}")]
    lines = _lines(source)
    try:
        title = Title.model_validate(data)
    except ValidationError as error:
        return sorted(_unfit(error, lines), key=lambda fault: fault.line)
    faults = [Fault(_line(lines, where), text) for where, text in _faults(title)]
    return sorted([*faults, *_untranslated(data, source)], key=lambda fault: fault.line)


def _unfit(error: ValidationError, lines: dict[Where, int]) -> Iterator[Fault]:
    for problem in error.errors():
        where = tuple(part for part in problem["loc"])
        yield Fault(_line(lines, where), f"{'.'.join(map(str, where))}: {problem['msg']}")


def _faults(title: Title) -> Iterator[tuple[Where, str]]:
    yield from _sums(title)
    yield from _thresholds(title)
    yield from _names(title)
    for number, question in enumerate(title.questions):
        yield from _wordings(title, question, ("questions", number))
        yield from _steps(title, question, ("questions", number))


def _sums(title: Title) -> Iterator[tuple[Where, str]]:
    points = sum(question.points for question in title.questions)
    if points != title.total:
        yield ("total",), f"the questions' points add up to {points}, not to total = {title.total}"


def _thresholds(title: Title) -> Iterator[tuple[Where, str]]:
    for key in ("threshold", "threshold_difficult_area"):
        value = getattr(title, key)
        if value is not None and not 0 < value <= title.total:
            yield (key,), f"{key} = {value} cannot be reached: the total is {title.total}"
    if title.floor is not None:
        for number, question in enumerate(title.questions):
            if question.points < title.floor:
                yield ("questions", number, "points"), f"question {question.id} can never reach the floor of {title.floor}"
    if title.valid_to and title.valid_to < title.valid_from:
        yield ("valid_to",), "valid_to lies before valid_from"
    for number, role in enumerate(title.route):
        if role not in ROLES:
            yield ("route",), f"route names the unknown role {role!r}; known: {', '.join(ROLES)}"
        if role in title.route[:number]:
            yield ("route",), f"route names {role!r} twice"


def _names(title: Title) -> Iterator[tuple[Where, str]]:
    for table in ("groups", "parts", "ladder", "questions"):
        seen: set[str] = set()
        for number, item in enumerate(getattr(title, table)):
            if item.id in seen:
                yield (table, number, "id"), f"the id {item.id!r} stands twice in {table}"
            seen.add(item.id)
            if table in ("groups", "ladder") and len(item.label) > LONGEST_BUTTON:
                yield (table, number, "label"), _too_long(item.label)
    parts = {part.id for part in title.parts}
    for number, question in enumerate(title.questions):
        if question.part not in parts:
            yield ("questions", number, "part"), f"question {question.id} names the unknown part {question.part!r}"


def _wordings(title: Title, question: Question, at: Where) -> Iterator[tuple[Where, str]]:
    wanted = {group.id for group in title.groups} or {ALL}
    for missing in sorted(wanted - set(question.wording)):
        yield at, f"question {question.id} has no wording for {missing}"
    for extra in sorted(set(question.wording) - wanted):
        yield (*at, "wording", extra), f"question {question.id} has a wording for the unknown group {extra}"
    for group, wording in question.wording.items():
        where = (*at, "wording", group)
        if not question.choices and len(wording.examples) != len(title.ladder):
            text = f"{len(wording.examples)} examples for {len(title.ladder)} steps"
            yield (*where, "examples"), f"question {question.id}, {group}: {text}"
        if strange := set(re.findall(r"\{(.*?)\}", wording.text)) - {"who"}:
            yield (*where, "text"), f"unknown placeholder {{{sorted(strange)[0]}}}; only {{who}} is known here"
        if sum(map(len, [wording.text, *wording.examples])) > LONGEST_QUESTION:
            yield (
                (*where, "text"),
                f"question {question.id}, {group}: longer than {LONGEST_QUESTION} characters with its examples",
            )


def _steps(title: Title, question: Question, at: Where) -> Iterator[tuple[Where, str]]:
    steps = question.choices or title.ladder
    if not steps:
        yield at, f"question {question.id} has nothing to choose from: neither [[ladder]] nor its own choices"
    elif max(step.points for step in steps) != question.points:
        best = max(step.points for step in steps)
        yield (*at, "points"), f"question {question.id}: its best step gives {best}, not points = {question.points}"
    for number, step in enumerate(question.choices):
        if len(step.label) > LONGEST_BUTTON:
            yield (*at, "choices", number, "label"), _too_long(step.label)


def _too_long(label: str) -> str:
    return f"the button {label!r} has {len(label)} characters; more than {LONGEST_BUTTON} are cut on a phone"


def _untranslated(data: dict[str, Any], source: str) -> Iterator[Fault]:
    for language in languages():
        known = catalogue(language)
        for text in dict.fromkeys(strings(data)):
            if language != "vi" and text and text not in known:
                line = next((n for n, row in enumerate(source.splitlines(), 1) if text in row), 1)
                yield Fault(line, f"no {language} translation of {text!r}", hinders=False)


def _lines(source: str) -> dict[Where, int]:
    """Where each table and key of the file stands. Enough for plain TOML: a key a line, tables under headers."""
    found: dict[Where, int] = {}
    table: Where = ()
    counts: dict[Where, int] = {}
    for number, row in enumerate(source.splitlines(), 1):
        if header := _HEADER.match(row):
            table = _table(header[2].split("."), header[1] == "[[", counts)
            found[table] = number
        elif key := _KEY.match(row):
            found.setdefault((*table, key[1]), number)
    return found


def _table(names: list[str], array: bool, counts: dict[Where, int]) -> Where:
    path: Where = ()
    for name in names[:-1]:
        path = (*path, name)
        if path in counts:
            path = (*path, counts[path])
    path = (*path, names[-1])
    if array:
        counts[path] = counts.get(path, -1) + 1
        path = (*path, counts[path])
    return path


def _line(lines: dict[Where, int], where: Where) -> int:
    """The line of the nearest thing that has one."""
    while where and where not in lines:
        where = where[:-1]
    return lines.get(where, 1)
