"""Makes platform processes quickly: a process that has loaded everything, and forks them.

A platform that starts from nothing spends a second of the processor on loading. This server, started once, has
loaded what `up` loads, and has neither a thread nor an event loop: what it forks is a fresh `up`.

    python -m conversations.forks       reads an order a line, and answers each with a line
    {"port": 12001, "environment": {"A2A_REDIS_URL": "unix:///…"}, "log": "/tmp/log"}   →   {"pid": 4711}
    {"bury": 4711}                                                                      →   {"pid": 4711}

It answers a start when the platform is ready, and a burial when the killed process is gone. When its input ends, it
kills what is left.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from processes import TESTS, environment

_LOADED = (
    "a2a_streaming.cli.serving",
    "a2a_streaming.customer_service.billing.invoice_pdf",
    "a2a_streaming.customer_service.platform",
    "a2a_streaming.customer_service.claude.sdk",
    "aiosqlite",
    "sqlalchemy.dialects.sqlite.aiosqlite",
    "uvicorn.lifespan.on",
    "uvicorn.loops.uvloop",
    "uvicorn.protocols.http.httptools_impl",
    "uvloop",
)
_EXTRAS = ("anthropic", "asyncpg", "sqlalchemy.dialects.postgresql.asyncpg")
_READY = b"is ready at"


class Forks:
    """The server, as tests see it. Use it as a context manager; its methods block."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "conversations.forks"],
            cwd=TESTS,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.communicate(timeout=20)

    def start(self, port: int, log: Path, **settings: str) -> int:
        """Start a platform, and wait until it is ready; gives its process id."""
        return self._ask(port=port, log=str(log), environment=environment(**settings))

    def bury(self, pid: int) -> None:
        """Wait until a process that was killed is gone."""
        self._ask(bury=pid)

    def _ask(self, **order: Any) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            print(json.dumps(order), file=self._process.stdin, flush=True)
            answer = self._process.stdout.readline()
        assert answer, "the server of platforms has ended"
        told = json.loads(answer)
        assert "pid" in told, told
        return told["pid"]


def main() -> None:
    """Serve until the input ends."""
    for name in _LOADED:
        importlib.import_module(name)
    for name in _EXTRAS:
        try:
            importlib.import_module(name)
        except ImportError:
            continue  # whoever needs it says so
    assert threading.active_count() == 1, "a fork would lose these threads"
    gc.collect()
    gc.freeze()
    living: set[int] = set()
    for line in sys.stdin:
        order = json.loads(line)
        if "bury" in order:
            pid = order["bury"]
            os.waitpid(pid, 0)
            living.discard(pid)
            answer: dict[str, Any] = {"pid": pid}
        elif pid := _start(order):
            living.add(pid)
            answer = {"pid": pid}
        else:
            answer = {"error": f"it ended at its start; see {order['log']}"}
        print(json.dumps(answer), flush=True)
    for pid in living:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _start(order: dict[str, Any]) -> int | None:
    """Fork a platform, and wait for the line by which it says that it is ready; None if it ends before."""
    said, says = os.pipe()
    pid = os.fork()
    if pid == 0:
        _become_platform(order, says)
    os.close(says)
    with os.fdopen(said, "rb") as lines:
        if any(_READY in line for line in lines):
            return pid
    os.waitpid(pid, 0)
    return None


def _become_platform(order: dict[str, Any], says: int) -> None:
    """Run `up` in this new process, to its end."""
    code = 1
    try:
        nothing = os.open(os.devnull, os.O_RDONLY)
        log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for file, number in ((nothing, 0), (says, 1), (log, 2)):
            os.dup2(file, number)
            os.close(file)
        os.environ.clear()
        os.environ.update(order["environment"])
        sys.path.insert(0, str(TESTS))
        importlib.import_module("a2a_streaming.cli.serving").up("127.0.0.1", order["port"], None)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()
