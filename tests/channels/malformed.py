"""Bodies that no platform should send: recorded ones spoiled at every depth, JSON of any shape, bytes of no shape."""

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

DEEP = "as deep as it is read"
ODD: tuple[Any, ...] = (
    None, True, 0, -1, 2**70, 2**62, 1.5, "", "x" * 5000, "\ud800", "\x00", [], [[]], {}, {"id": {}}, [None], "🙂" * 40, DEEP,
)  # fmt: skip


def malformed(recorded: list[Any], count: int = 200, seed: int = 7) -> Iterator[bytes]:
    """The same ones for the same seed."""
    chance = random.Random(seed)
    for number in range(count):
        body = copy.deepcopy(chance.choice(recorded))
        match number % 4:
            case 0:
                yield chance.randbytes(chance.randrange(0, 300))
            case 1:
                text = json.dumps(body).encode()
                yield text[: chance.randrange(len(text))]
            case 2:
                yield _written(chance.choice([*ODD, {"event_name": chance.choice(ODD)}, {"result": chance.choice(ODD)}]))
            case _:
                for _spoiling in range(chance.randrange(1, 4)):
                    _spoil(body, chance)
                yield _written(body)


def _written(body: Any) -> bytes:
    return json.dumps(body).replace(json.dumps(DEEP), "[" * 1000 + "]" * 1000).encode()


def _spoil(body: Any, chance: random.Random) -> None:
    """One value somewhere becomes another, or is gone."""
    places = list(_places(body))
    if not places:
        return
    holder, key = chance.choice(places)
    if chance.random() < 0.3 and isinstance(holder, dict):
        del holder[key]
    else:
        holder[key] = copy.deepcopy(chance.choice(ODD))


def _places(thing: Any) -> Iterator[tuple[Any, Any]]:
    pairs = thing.items() if isinstance(thing, dict) else enumerate(thing) if isinstance(thing, list) else ()
    for key, value in list(pairs):
        yield thing, key
        yield from _places(value)
