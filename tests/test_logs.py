"""What is logged: where and what kind, never what somebody wrote."""

import asyncio
import gc
import json
import logging

import pytest

from bot.logs import JsonLines, unheard
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


def test_errors_that_led_to_one_another() -> None:
    error = caught(ValueError(SECRET), KeyError(SECRET))
    assert error.__cause__
    error.__cause__.__cause__ = error
    assert logged(error).count("KeyError") == 1


async def test_what_nobody_waits_for_is_logged_without_its_words(caplog: pytest.LogCaptureFixture) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(unheard)

    async def fails(words: str) -> None:
        raise KeyError(words)

    def breaks(words: str) -> None:
        raise ValueError(words)

    task = asyncio.create_task(fails(SECRET))
    await asyncio.wait([task])
    del task
    gc.collect()
    loop.call_soon(breaks, SECRET)
    await asyncio.sleep(0.01)
    lines = [JsonLines().format(record) for record in caplog.records]
    assert len(lines) == 2 and SECRET not in "".join(lines)
    assert "never retrieved" in lines[0] and "KeyError" in lines[0] and "breaks" in lines[1] and "ValueError" in lines[1]


def test_what_the_database_said_is_told() -> None:
    told = logged(caught(TimeoutError(), DatabaseAway("ConnectionRefusedError")))
    assert "DatabaseAway: ConnectionRefusedError" in told
