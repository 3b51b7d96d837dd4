"""What is due by time: so far, forgetting what need not be remembered."""

import asyncio
import logging
from collections.abc import Callable, Collection
from datetime import datetime, timedelta

from storage.database import Database
from storage.delivery import forget_sent
from storage.heard import forget_heard

log = logging.getLogger("bot.clock")
EVERY = 3600.0  # seconds
# A platform delivers again for a day at most; a week is on the safe side.
HEARD_FOR = timedelta(days=7)
# The platform shows its own history; what was said is in the events and papers.
SENT_FOR = timedelta(days=60)
BREATH = 0.1  # seconds between two portions, so that nobody waits for the house to be kept


async def run(database: Database, now: Callable[[], datetime], platforms: Collection[str]) -> None:
    """Keeps house once an hour; `platforms` are the channels that keep a history of their own. Ends by cancellation."""
    while True:
        await asyncio.sleep(EVERY)
        try:
            async with database.transaction() as session:
                gone = await forget_heard(session, now() - HEARD_FOR)
            sent = await keep_outbox_small(database, now(), platforms)
            log.info("house kept", extra={"action": "forget", "heard": gone, "sent": sent})
        except Exception:
            log.exception("housekeeping failed", extra={"action": "clock_failed"})


async def keep_outbox_small(database: Database, now: datetime, platforms: Collection[str]) -> int:
    """Forgets what was sent long ago; gives how many messages. Raises DatabaseAway."""
    total = 0
    while True:
        async with database.transaction() as session:
            gone = await forget_sent(session, platforms, now - SENT_FOR)
        total += gone
        if not gone:
            return total
        await asyncio.sleep(BREATH)
