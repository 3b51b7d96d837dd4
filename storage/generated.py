"""Functions that are written for one statement, as a dataclass's `__init__` is written for one class.

A turn reads one wide row and writes three. Looking up for each of their values what it is called, where it goes and whether
it has to be read or bound cost as much as the work itself; here that stands in the function's text.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

Process = Callable[[Any], Any] | None  # of a value that is there; None where it goes as it is
Known = dict[tuple[type, Any], Any]  # objects, by their model and primary key


@dataclass(frozen=True)
class Slot:
    """What some columns of a row become: an object of `model`, or where that is None the value itself."""

    model: type | None
    reads: tuple[tuple[str, Process], ...]  # each column's name, and how its value is read
    key: tuple[str, ...]  # the columns of the primary key


class Given(NamedTuple):
    """A parameter that is found under `name` in what is given."""

    name: str | int
    bind: Process


@lru_cache(500)  # a statement that is written anew each time has the slots of the one before
def reader(slots: tuple[Slot, ...], together: type[tuple[Any, ...]]) -> Callable[[Known, Sequence[Any]], Any]:
    """Makes of a row what its slots say: of several, all of them `together`.

    A row whose object is known stays as that is; another's becomes known. The empty side of an outer join is None.
    """
    names: dict[str, Any] = {"together": together, "tuple_of": tuple.__new__, "object_of": object.__new__}
    names["set"] = object.__setattr__
    lines, parts, at = list[str](), list[str](), 0
    for number, slot in enumerate(slots):
        values, ready = dict[str, str](), dict[str, str]()
        for at, (name, read) in enumerate(slot.reads, at):  # noqa: B020
            values[name], names[f"read{at}"] = f"v{at}", read
            ready[name] = f"v{at}" if read is None else f"None if v{at} is None else read{at}(v{at})"
        at += 1
        if slot.model is None:
            parts += ready.values()
        else:
            names[f"model{number}"] = slot.model
            lines += _object(number, [values[name] for name in slot.key], ready)
            parts.append(f"part{number}")
    lines.insert(0, f"{', '.join(f'v{place}' for place in range(at))}, = row")
    lines.append(f"return tuple_of(together, ({', '.join(parts)}))" if len(parts) > 1 else f"return {parts[0]}")
    return _function("known, row", lines, names)  # type: ignore[no-any-return]


def _object(number: int, key: Sequence[str], values: Mapping[str, str]) -> list[str]:
    """The lines that make `part…` an object of `model…`."""
    part, known_by = f"part{number}", key[0] if len(key) == 1 else f"({', '.join(key)})"
    return [
        f"{part} = None",
        f"if {key[0]} is not None:",
        f"    key = model{number}, {known_by}",
        f"    {part} = known.get(key)",
        f"    if {part} is None:",
        f"        known[key] = {part} = object_of(model{number})",
        f"        set({part}, '__dict__', {{{', '.join(f'{name!r}: {value}' for name, value in values.items())}}})",
    ]


def binder(parameters: Sequence[Given | Any], nothing: Any = None) -> Callable[[Any], list[Any]]:
    """Gives a statement's parameters in order, in the driver's types: those that are `Given`, and those that are always the
    same. `nothing` is what the driver gets for None. It raises KeyError where one is missing."""
    if not any(isinstance(one, Given) for one in parameters):
        return lambda given: list(parameters)
    names, values = {"nothing": nothing}, list[str]()
    for at, one in enumerate(parameters):
        names[f"p{at}"] = one.bind if isinstance(one, Given) else one
        values.append(_bound(at, one, nothing) if isinstance(one, Given) else f"p{at}")
    return _function("given", [f"return [{', '.join(values)}]"], names)  # type: ignore[no-any-return]


def _bound(at: int, one: Given, nothing: Any) -> str:
    taken = f"given[{one.name!r}]"
    if one.bind is None and nothing is None:
        return taken
    return f"nothing if (value := {taken}) is None else {'value' if one.bind is None else f'p{at}(value)'}"


def _function(parameters: str, lines: Sequence[str], names: dict[str, Any]) -> Any:
    text = "\n    ".join([f"def made({parameters}):", *lines])
    exec(compile(text, "<made for a statement>", "exec"), names)  # noqa: S102
    return names.pop("made")  # it knows these names: among them itself, it would never be forgotten
