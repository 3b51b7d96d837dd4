"""The stand-in for each test, and a look at every log line: no secret, nothing that a person wrote."""

import logging
from collections.abc import AsyncIterator, Iterator

import pytest

from bot.logs import JsonLines
from tests.channels import zalobot_api, zalooa_api
from tests.channels.listening import SECRET, Listener
from tests.channels.telegram_api import TOKEN, TelegramApi

OA = (zalooa_api.APP_SECRET, zalooa_api.SECRET_KEY, "access-0", "refresh-0")
PRIVATE = (TOKEN, TOKEN.partition(":")[2], zalobot_api.TOKEN.partition(":")[2], SECRET, "xin chào", "Nguyễn", *OA)


@pytest.fixture(autouse=True)
def nothing_private_in_logs(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.DEBUG)
    yield
    formatter = JsonLines()
    for record in caplog.get_records("call"):
        given = {key: value for key, value in record.__dict__.items() if key not in ("exc_info", "exc_text")}
        line = f"{formatter.format(record)} {record.getMessage()} {given}"
        assert not [word for word in PRIVATE if word in line], line


@pytest.fixture
async def api() -> AsyncIterator[TelegramApi]:
    async with TelegramApi.open() as api:
        yield api


@pytest.fixture
def listener(api: TelegramApi) -> Listener:
    return Listener(api)
