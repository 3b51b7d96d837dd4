"""The parent of all bots of the fault tests."""

from collections.abc import Iterator

import pytest

from tests.faults.forks import Forks, forks


@pytest.fixture(scope="session")
def parent() -> Iterator[Forks]:
    with forks() as parent:
        yield parent
