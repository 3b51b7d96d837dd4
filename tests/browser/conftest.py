"""A running bot for the browser."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import Bot

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync")  # fmt: skip


@pytest.fixture
def bot(tmp_path: Path) -> Iterator[Bot]:
    running = Bot(tmp_path)
    running.start()
    yield running
    if running.process and running.process.poll() is None:
        running.stop()
