"""Lines to PostgreSQL that are kept open beside the pool: to hear what others ring, and to be the only one at some work."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

LOOK_SECONDS = 1.0
PATIENCE = 4.0  # seconds for a connection
COMMAND_SECONDS = 20  # for one statement, also on a connection whose other end is gone without a word
# A machine that loses its power says goodbye to nobody: what it holds is free within ten seconds, or within thirty where it
# was in the middle of a transaction (a country's villages, 60,000, are read in six). By itself the server would notice after
# two hours.
VANISHED = {
    "tcp_keepalives_idle": "3", "tcp_keepalives_interval": "2", "tcp_keepalives_count": "3",
    "idle_in_transaction_session_timeout": "30s",
}  # fmt: skip
# InternalClientError: the server has hung up while nothing was asked, and the driver has not noticed yet.
AWAY = (
    asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError, asyncpg.InsufficientResourcesError,
    asyncpg.IdleInTransactionSessionTimeoutError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError,
)  # fmt: skip


async def listen(url: str, name: str, hear: Callable[[str], None]) -> None:
    """Calls `hear` with what any process rings, for ever; what rings while the line is down is not heard."""

    def heard(connection: Any, process: int, channel: str, words: str) -> None:
        hear(words)

    while True:
        async with _line(url) as (line, broken):
            try:
                await line.add_listener(name, heard)
            except AWAY:
                continue
            await broken.wait()


async def only_one(url: str, name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Does `work` to its end while no other process does.

    Where the line to the database breaks it goes on, as nobody else can begin. When the database is back and another was
    first, it is stopped, and begun anew when it is our turn again.
    """
    working: asyncio.Future[None] | None = None
    try:
        while working is None or not working.done():
            async with _line(url) as (line, broken):
                try:
                    if working and not await line.fetchval("SELECT pg_try_advisory_lock(hashtext($1))", name):
                        working = await _ended(working)
                    if working is None:
                        await line.fetchval("SELECT pg_advisory_lock(hashtext($1))", name)
                        working = asyncio.ensure_future(work())
                except AWAY:
                    continue
                breaking = asyncio.create_task(broken.wait())
                await asyncio.wait((working, breaking), return_when=asyncio.FIRST_COMPLETED)
                breaking.cancel()
        await working
    finally:
        await _ended(working)


async def _ended(working: "asyncio.Future[None] | None") -> None:
    """It is cut off, if it is under way."""
    if working:
        working.cancel()
        await asyncio.wait([working])


@asynccontextmanager
async def _line(url: str) -> AsyncIterator[tuple[Any, asyncio.Event]]:
    """A connection of its own, for as long as it takes to get one; and what says that it is broken."""
    broken = asyncio.Event()
    while True:
        try:
            line = await asyncpg.connect(url, timeout=PATIENCE, server_settings=VANISHED)
            break
        except AWAY:
            await asyncio.sleep(LOOK_SECONDS)
    line.add_termination_listener(lambda line: broken.set())
    try:
        yield line, broken
    finally:
        line.terminate()
