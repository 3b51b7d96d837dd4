"""Log lines: one JSON object each, with what was done; no secrets, no names, no texts."""

import asyncio
import json
import logging
import re
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from storage.session import Conflict, DatabaseAway, StatementFailed

log = logging.getLogger("bot.loop")
PLAIN = set(logging.LogRecord("", 0, "", 0, "", None, None).__dict__) | {"message", "asctime", "taskName"}
_TOKEN = re.compile(r"\b\d{5,12}:[A-Za-z0-9_-]{20,}")


class JsonLines(logging.Formatter):
    """Formats a record as JSON, with everything that was passed as `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "from": record.name,
            "message": record.getMessage(),
        }
        line |= {key: value for key, value in record.__dict__.items() if key not in PLAIN}
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return _TOKEN.sub("(token)", json.dumps(line, ensure_ascii=False, default=str))

    def formatException(self, ei: Any) -> str:
        """The kind of an error and its place, and of those that led to it. What it says may quote what somebody wrote."""
        return "\n".join(_told(ei[1], set())) if ei[1] else ""


def _told(error: BaseException, before: set[int]) -> Iterator[str]:
    """Each error once: they may lead to one another in a circle."""
    before.add(id(error))
    earlier = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    for other in (earlier, *(error.exceptions if isinstance(error, BaseExceptionGroup) else ())):
        if other is not None and id(other) not in before:
            yield from _told(other, before)
    yield "".join(traceback.format_tb(error.__traceback__)) + type(error).__name__ + _said(error)


def _said(error: BaseException) -> str:
    """The database's errors come without values, the system's have words of their own."""
    if isinstance(error, Conflict | DatabaseAway | StatementFailed):
        return f": {error}"
    return f": {error.strerror}" if isinstance(error, OSError) and error.strerror else ""


def unheard(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Logs what nobody waits for: asyncio's own words show the error, and what a function was called with."""
    error, words = context.get("exception"), str(context["message"]).partition("(")[0]
    log.error(words, exc_info=error or False, extra={"action": "unheard"})


def set_up(level: str) -> None:
    """Sends everything to standard error at this level."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # These write addresses with tokens in them, or a line a request.
    for noisy in ("httpx", "httpcore", "telegram", "aiohttp.access", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # While the database is away it says so again and again, at length; the sender says it once.
    logging.getLogger("asyncpg.pool").setLevel(logging.ERROR)
