"""What is due by time: so far, forgetting what need not be remembered."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from storage.database import Database
from storage.heard import forget_heard

log = logging.getLogger("bot.clock")
EVERY = 3600.0  # seconds
# A platform delivers again for a day at most; a week is on the safe side.
HEARD_FOR = timedelta(days=7)


async def run(database: Database, now: Callable[[], datetime]) -> None:
    """Keeps house once an hour. Ends by cancellation."""
    while True:
        await asyncio.sleep(EVERY)
        try:
            async with database.transaction() as session:
                gone = await forget_heard(session, now() - HEARD_FOR)
            log.info("house kept", extra={"action": "forget_heard", "count": gone})
        except Exception:
            log.exception("housekeeping failed", extra={"action": "clock_failed"})
