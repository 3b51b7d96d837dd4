"""The functions that are written for a statement: from a row to its objects, and from what is given to the parameters."""

from collections import namedtuple
from datetime import UTC, datetime
from typing import Any

import pytest

from storage.generated import Given, Slot, binder, reader
from storage.moment import Moment
from storage.person import Person
from storage.sendings import Sendings

PERSON = Slot(Person, (("id", None), ("created_at", Moment.read), ("full_name", None)), ("id",))
SENDINGS = Slot(Sendings, (("month", None), ("channel", None), ("count", int)), ("channel", "month"))
COUNT, TIME = Slot(None, (("", None),), ()), Slot(None, (("", Moment.read),), ())
AT, STORED = datetime(2026, 11, 1, 10, tzinfo=UTC), "2026-11-01 10:00:00.000000"
Row = namedtuple("Row", ("Person", "Sendings", "count", "time"))
READ = reader((PERSON, SENDINGS, COUNT, TIME), Row)


def test_a_row_becomes_its_objects_and_values() -> None:
    known: dict[Any, Any] = {}
    row = READ(known, (5, STORED, "An", "2026-11", "zalooa", "7", 3, STORED))
    assert type(row) is Row
    assert (row.count, row.time) == (3, AT)
    assert (type(row.Person), row.Person.id, row.Person.created_at, row.Person.full_name) == (Person, 5, AT, "An")
    assert (type(row.Sendings), row.Sendings.month, row.Sendings.count) == (Sendings, "2026-11", 7)
    assert known == {(Person, 5): row.Person, (Sendings, ("zalooa", "2026-11")): row.Sendings}


def test_a_row_that_is_known_stays_as_it_is() -> None:
    known: dict[Any, Any] = {}
    (first,) = (reader((PERSON,), Row)(known, row) for row in [(5, STORED, "An")])
    first.full_name = "Bình"
    again = READ(known, (5, STORED, "An", "2026-11", "zalooa", "7", 3, None))
    assert again.Person is first
    assert first.full_name == "Bình"


def test_the_empty_side_of_an_outer_join() -> None:
    known: dict[Any, Any] = {}
    assert READ(known, (None, None, None, None, None, None, 3, None)) == (None, None, 3, None)
    assert known == {}


def test_values_alone() -> None:
    assert reader((COUNT,), Row)({}, (3,)) == 3
    assert reader((TIME,), Row)({}, (None,)) is None


def test_parameters_by_name_by_place_and_always_the_same() -> None:
    assert binder([Given("b", None), "sent", Given("a", Moment.bound)])({"a": AT, "b": 2, "c": 3}) == [2, "sent", STORED]
    assert binder([Given(1, Moment.bound), Given(0, None), Given(0, str)])((0, None)) == [None, 0, "0"]
    assert binder(["sent", None])(()) == ["sent", None]
    assert binder([Given(0, None), Given(1, str), Given(2, str)], "nothing")((None, None, 0)) == ["nothing", "nothing", "0"]
    with pytest.raises(KeyError):
        binder([Given("a", None)])({})
