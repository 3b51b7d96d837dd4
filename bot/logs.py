"""Log lines: one JSON object each, with what was done; no secrets, no names, no texts."""

import json
import logging
import re
from datetime import UTC, datetime

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


def set_up(level: str) -> None:
    """Sends everything to standard error at this level."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # These write addresses with tokens in them, or a line a request.
    for noisy in ("httpx", "httpcore", "telegram", "aiohttp.access", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
