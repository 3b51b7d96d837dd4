"""What is logged: where and what kind, never what somebody wrote."""

import json
import logging

from bot.logs import JsonLines
from storage.session import DatabaseAway

SECRET = "0912345678"


def logged(error: Exception) -> str:
    """What a line says of this error."""
    record = logging.LogRecord("bot", logging.ERROR, "", 0, "failed", None, (type(error), error, error.__traceback__))
    return json.loads(JsonLines().format(record))["error"]  # type: ignore[no-any-return]


def caught(cause: Exception, then: Exception) -> Exception:
    """An error that led to another, as it is when it is caught."""
    try:
        try:
            raise cause
        except Exception as error:
            raise then from error
    except Exception as error:
        return error


def test_an_error_keeps_what_was_written_to_itself() -> None:
    told = logged(caught(ValueError(f"invalid literal: '{SECRET}'"), KeyError(SECRET)))
    assert SECRET not in told
    assert told.index("ValueError") < told.index("KeyError") and "test_logs.py" in told


def test_a_group_of_errors_tells_each() -> None:
    told = logged(ExceptionGroup(SECRET, [caught(OSError(28, "No space left on device", SECRET), TypeError(SECRET))]))
    assert SECRET not in told
    assert all(word in told for word in ("ExceptionGroup", "TypeError", "OSError: No space left on device"))


def test_what_the_database_said_is_told() -> None:
    told = logged(caught(TimeoutError(), DatabaseAway("ConnectionRefusedError")))
    assert "DatabaseAway: ConnectionRefusedError" in told
