"""The command line, as an operator types it: what it says, and what it says when something is wrong."""

import asyncio
import os
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.channels.telegram_api import TelegramApi
from tests.forks import Forks

ROOT = Path(__file__).parent.parent


@pytest.fixture
def settings(tmp_path: Path, sqlite_template: Path) -> dict[str, str]:
    """Of a bot on a database with the sample villages."""
    (tmp_path / "bot.sqlite3").write_bytes(sqlite_template.read_bytes())
    return {"DATA_DIR": str(tmp_path), "HTTP_PORT": "0", "TELEGRAM_BOT_TOKEN": "", "DATABASE_URL": ""}


@pytest.fixture
def bot(parent: Forks, settings: dict[str, str], tmp_path: Path):  # type: ignore[no-untyped-def]
    """Runs `python -m bot …` to its end."""

    def run(*words: str, **others: str) -> tuple[int, str]:
        return parent.run(*words, log=tmp_path / "said.txt", **(settings | others))

    return run


@pytest.mark.parametrize(
    ("wrong", "names"),
    [
        ({"HTTP_PORT": "many"}, "HTTP_PORT: "),
        ({"PUBLIC_URL": "bot.example.vn"}, "PUBLIC_URL: must begin with http:// or https://"),
        ({"SECRET_KEY": "short"}, "SECRET_KEY: must have at least 32 characters"),
        ({"LOG_LEVEL": "LOUD"}, "LOG_LEVEL: "),
        ({"DATABASE_URL": "mysql://x/y"}, "DATABASE_URL: must begin with sqlite:/// or postgresql://"),
        ({"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}, "DATABASE_URL: the database cannot be used"),
        ({"TELEGRAM_BOT_TOKEN": "1:x", "TELEGRAM_API_URL": "http://127.0.0.1:1", "PUBLIC_URL": "https://x.example"}, "TELEGRAM_WEBHOOK_SECRET"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_one_line(wrong: dict[str, str], names: str, bot) -> None:  # type: ignore[no-untyped-def]
    code, said = bot("run", **wrong)
    assert code == 2
    assert said.startswith(names)
    assert said.count("\n") == 1, said


def test_a_port_that_is_taken_and_a_database_that_does_not_answer(bot) -> None:  # type: ignore[no-untyped-def]
    """Each is one line, and soon: five seconds a start on a quiet machine."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        began = time.monotonic()
        code, said = bot("run", HTTP_PORT=str(port))
        assert code == 2 and said.startswith(f"HTTP_PORT: cannot listen on 127.0.0.1:{port} ") and said.count("\n") == 1
        code, said = bot("run", DATABASE_URL=f"postgresql://nobody@127.0.0.1:{port}/none")
        assert (code, said) == (2, "DATABASE_URL: the database cannot be used (it does not answer)\n")
        assert time.monotonic() - began < 30


@pytest.mark.parametrize("half", ["DELETE FROM alembic_version", "UPDATE alembic_version SET version_num = '0001'"])
def test_a_database_that_is_half_migrated(half: str, bot, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    with sqlite3.connect(tmp_path / "bot.sqlite3") as database:
        database.execute(half)
    database.close()
    code, said = bot("run")
    assert code == 2
    assert said.startswith("DATABASE_URL: the database cannot be used (")
    assert said.count("\n") == 1, said


async def test_a_token_that_telegram_refuses(settings: dict[str, str]) -> None:
    async with TelegramApi.open() as api:
        env = os.environ | settings | {"TELEGRAM_API_URL": api.url, "TELEGRAM_BOT_TOKEN": "1:another"}
        run = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot", "run", cwd=ROOT, env=env,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        _out, said = await asyncio.wait_for(run.communicate(), 20)
    assert (run.returncode, said.decode()) == (2, "TELEGRAM_BOT_TOKEN: Telegram does not accept this token\n")


def test_officers_are_invited_by_name_and_by_code(bot) -> None:  # type: ignore[no-untyped-def]
    code, said = bot("officers", "invite", "--role", "branch", "--area", "trung tien cam binh")
    assert code == 0
    assert "Chi hội khuyến học – thôn Trung Tiến, xã Cẩm Bình, tỉnh Hà Tĩnh" in said
    assert bot("officers", "invite", "--role", "association", "--area", "18685")[0] == 0
    assert bot("officers", "invite", "--role", "king", "--area", "18685") == (2, said_of_king())
    code, said = bot("officers", "invite", "--role", "branch", "--area", "18685")
    assert (code, said) == (2, "18685 is a commune; a village is needed here\n")
    code, said = bot("officers", "invite", "--role", "branch", "--area", "Nơi Nào Đó")
    assert code == 2
    assert "python -m bot areas list" in said
    assert bot("officers", "list")[0] == 0


def said_of_king() -> str:
    return "--role: king is not a role; known: branch, association, committee, province\n"


def test_villages_are_imported_whole_or_not_at_all(bot, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    good.write_text("xã,thôn\nCẩm Bình,Thôn Mới\n", encoding="utf-8-sig")
    bad.write_text("xã;thôn\nCẩm Bình;Thôn Khác\nXã Không Có;Thôn Một\n", encoding="utf-8")
    code, said = bot("areas", "import", str(bad))
    assert code == 1
    assert "bad.csv:3: " in said
    assert "Khác" not in bot("areas", "list", "Cẩm Bình")[1]
    assert bot("areas", "import", "--dry-run", str(good))[0] == 0
    assert "Mới" not in bot("areas", "list", "Cẩm Bình")[1]
    assert bot("areas", "import", str(good))[0] == 0
    assert "thôn Mới" in bot("areas", "list", "Cẩm Bình")[1]
    assert "v-18685-001" in bot("areas", "link", "Trung Tiến")[1]
    code, said = bot("areas", "load", "--province", "Atlantis")
    assert code == 2
    assert said.count("\n") == 1


def test_criteria_are_checked_before_they_are_published(bot, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    source = (ROOT / "handlers/titles/cong_dan_hoc_tap.toml").read_text(encoding="utf-8")
    file = tmp_path / "title.toml"
    file.write_text(source.replace("total = 100", "total = 90"), encoding="utf-8")
    code, said = bot("criteria", "publish", str(file))
    assert code == 1
    assert "add up to 100" in said
    file.write_text(source.replace("minutes = 10", "minutes = 12"), encoding="utf-8")
    assert bot("criteria", "check", str(file)) == (0, "No faults.\n")
    assert bot("criteria", "publish", str(file)) == (0, "cong_dan_hoc_tap: revision 2 is in force.\n")
    assert bot("criteria", "check", str(tmp_path / "none.toml"))[0] == 1


def test_a_talk_in_the_terminal(settings: dict[str, str]) -> None:
    command, typed = [sys.executable, "-m", "bot", "chat", "An"], "xin chào\n1\nHùng: xin chào\n\n"
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | settings, input=typed, capture_output=True, text=True, timeout=60, check=True
    )
    assert "An < Để xét danh hiệu" in done.stdout
    assert "Hùng < Dạ, kính chào ông/bà" in done.stdout


def test_a_database_that_is_newer_than_the_program(bot, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    with sqlite3.connect(tmp_path / "bot.sqlite3") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    code, said = bot("db", "upgrade")
    assert code == 2
    assert said == "DATABASE_URL: the database is newer than this program (its version is 9999)\n"
