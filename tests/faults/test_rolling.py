"""A new version is rolled out under load: one process after the other ends in peace, and nobody notices."""

from pathlib import Path

from storage.database import Database
from tests.faults.crowd import ASSOCIATION, BRANCH
from tests.faults.town import town
from tests.forks import Forks

STOPS_WITHIN = 10.0  # seconds
ROUNDS = 4


async def test_a_rolling_restart(parent: Forks, postgres_database: Database, tmp_path: Path) -> None:
    """What was in hand is finished: nothing is left behind for the other to find, so nothing can be there twice."""
    async with town(parent, postgres_database, tmp_path, seed=7, bots=2, at_once=10) as there:
        for round_ in range(ROUNDS):
            for bot in there.bots:
                # At times an officer's telephone takes its time, and the process must wait for it.
                there.api.slow |= {BRANCH: 2, ASSOCIATION: 2} if round_ == 1 else {}
                heard = len(there.api.deliveries)
                await there.api.until(lambda heard=heard: len(there.api.deliveries) > heard + 50, seconds=30)
                await bot.stop(STOPS_WITHIN)
                bot.start()
                await bot.ready()
        books = await there.finishes()
        books.check(there.api, there.crowd)
        assert not books.in_flight
