"""Bots that start in a tenth of a second, so that two hundred of them can be killed in a minute.

A parent has imported the program, and forks a child for each bot. The child is a process like any other: it runs what
`python -m bot run` runs, with an environment, a port and files of its own, and dies of SIGKILL as any other does.
"""

import asyncio
import gc
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.running import ROOT, free_port

READY = "Web chat:"  # printed when everything is open


class Forks:
    """The parent, seen from a test: one line asks, one line answers."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.forks"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, **words: Any) -> Any:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps(words) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def run(self, *words: str, log: Path, **settings: str) -> tuple[int, str]:
        """`python -m bot …` to its end: its exit code, and all that it said."""
        log.write_bytes(b"")
        pid, until = self.ask(run=["bot", *words], log=str(log), settings=settings, limits={}), time.monotonic() + 60
        while (code := self.ask(look=pid)) is None:
            assert time.monotonic() < until, log.read_text(encoding="utf-8")
            time.sleep(0.005)
        return code, log.read_text(encoding="utf-8")

    def close(self) -> None:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()


@contextmanager
def forks() -> Iterator[Forks]:
    parent = Forks()
    try:
        yield parent
    finally:
        parent.close()


@dataclass
class Bot:
    """`python -m bot run` on a port of its own; `settings` are its environment."""

    forks: Forks
    folder: Path
    settings: dict[str, str]
    roles: str = "web,sender,clock"
    limits: dict[str, int] = field(default_factory=dict)  # of the process, as `resource` names them
    port: int = field(default_factory=free_port)
    pid: int = 0
    starts: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    log: Path = Path()

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.log = self.folder / f"out-{self.port}-{next(self.starts)}.txt"
        self.log.touch()
        given = {"HTTP_PORT": str(self.port), "DATA_DIR": str(self.folder), "DATABASE_URL": "", "PUBLIC_URL": self.base}
        self.pid = self.forks.ask(
            run=["bot", "run", "--roles", self.roles], log=str(self.log), settings=given | self.settings, limits=self.limits
        )

    async def ready(self, seconds: float = 30) -> None:
        """Waits until it hears."""
        until = time.monotonic() + seconds
        while READY not in self.output():
            assert self.ended() is None, f"it ended by itself: {self.output()}"
            assert time.monotonic() < until, self.output()
            await asyncio.sleep(0.005)

    def kill(self) -> None:
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            assert self.forks.ask(wait=self.pid) == -signal.SIGKILL, self.output()
            self.pid = 0

    async def stop(self, seconds: float = 10) -> float:
        """Asks it to end; it must do so in time and without complaint. Gives how long it took."""
        began = time.monotonic()
        os.kill(self.pid, signal.SIGTERM)
        while (code := self.ended()) is None:
            assert time.monotonic() - began < seconds, f"it does not end: {self.output()}"
            await asyncio.sleep(0.01)
        self.pid = 0
        assert code == 0, self.output()
        return time.monotonic() - began

    def ended(self) -> int | None:
        """The code with which it ended; None while it lives."""
        code: int | None = self.forks.ask(look=self.pid)
        return code

    def output(self) -> str:
        return self.log.read_text(encoding="utf-8")


def main() -> None:
    import resource
    from contextlib import suppress

    import uvloop  # noqa: F401

    import bot.__main__  # noqa: F401
    import storage.tables  # noqa: F401
    from bot.channels.telegram import Telegram
    from tests.conftest import fill

    # Officers who read fifty times as fast as people do: nobody waits a minute for sixty prompts.
    Telegram.can = replace(Telegram.can, seconds_between=0.02, unasked_per_second=1000)

    # What is compiled on the first turn is compiled here, once.
    asyncio.run(fill("sqlite://"))
    gc.freeze()
    ended: dict[int, int] = {}
    for line in sys.stdin:
        asked = json.loads(line)
        if "run" in asked:
            pid = os.fork()
            if not pid:
                for name, most in asked["limits"].items():
                    resource.setrlimit(getattr(resource, name), (most, most))
                _become(asked["run"], asked["log"], asked["settings"])
            answer: int | None = pid
        else:
            pid = asked.get("wait") or asked["look"]
            with suppress(ChildProcessError):
                found, status = os.waitpid(pid, 0 if "wait" in asked else os.WNOHANG)
                if found:
                    ended[pid] = os.waitstatus_to_exitcode(status)
            answer = ended.get(pid)
        print(json.dumps(answer), flush=True)


def _become(argv: list[str], log: str, settings: dict[str, str]) -> None:
    """The child's life: from here on it is a bot. Never returns."""
    code = 1
    try:
        target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for number, taken in ((0, nothing), (1, target), (2, target)):
            os.dup2(taken, number)
        os.environ.update(settings)
        sys.argv = argv
        from bot.__main__ import main as serve

        serve()
        code = 0
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 0 if leaving.code is None else 1
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
