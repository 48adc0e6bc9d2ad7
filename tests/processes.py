"""Real processes of ours, started and ended as a user would."""

from __future__ import annotations

import itertools
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

import httpx2

from warm import Forked, fork

TESTS = Path(__file__).parent


@dataclass
class Running:
    """A server process."""

    process: subprocess.Popen[str] | Forked
    url: str
    data_dir: Path

    def ended(self, signal_number: int = signal.SIGINT, seconds: float = 15) -> int:
        """Its exit code after a signal."""
        self.process.send_signal(signal_number)
        return self.process.wait(seconds)

    def until_said(self, words: str) -> str:
        """Read its output up to the line that has these words in it; what was read."""
        assert self.process.stdout is not None
        read = ""
        for line in self.process.stdout:
            read += line
            if words in line:
                return read
        raise AssertionError(f"it ended without saying {words!r}: {read}")

    def until_taken(self, signal_number: int) -> None:
        """Wait until its handler has run for a signal after which the default action holds."""
        status = Path(f"/proc/{self.process.pid}/status")
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            caught = re.search(r"^SigCgt:\s*(\w+)$", status.read_text(), re.MULTILINE)
            assert caught is not None, "it has ended"
            if not int(caught[1], 16) >> (signal_number - 1) & 1:
                return
            time.sleep(0.01)
        raise AssertionError("it didn't take the signal")

    def store_pids(self) -> list[int]:
        """Processes whose command line names its embedded store: the guard and the server."""
        found = list[int]()
        for process in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                line = process.read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if str(self.data_dir / "redis") in line:
                found.append(int(process.parent.name))
        return found

    def until_alone(self) -> None:
        """Wait until nothing of its embedded store is left."""
        deadline = time.monotonic() + 20
        while pids := self.store_pids():
            assert time.monotonic() < deadline, f"the store is left behind: {pids}"
            time.sleep(0.02)


def free_port() -> int:
    """A port that nobody listens on, and that nobody else is given before it is used.

    Below those that the system gives out by itself, and other ones in each of the test processes.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    for number in _PORTS:
        port = 12_000 + worker * 2_000 + number % 2_000
        with socket.socket() as taken:
            try:
                taken.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("there is no free port")


_PORTS = itertools.count(os.getpid())
"""Where this process looks next."""


def environment(**settings: str) -> dict[str, str]:
    """This process's environment, without settings of the user's own."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("A2A_", "ANTHROPIC_"))}
    return {**inherited, **settings}


@contextmanager
def started(
    *arguments: str,
    data_dir: Path,
    port: int | None = None,
    cwd: Path = TESTS,
    cold: bool = False,
    **settings: str,
) -> Iterator[Running]:
    """Start `up` or `serve`, and wait until it is ready; at the end it is killed, if it still runs.

    It is forked from a process that has its imports behind it; `cold`: it is started as users start it.
    """
    with launched(
        *arguments, data_dir=data_dir, port=port, cwd=cwd, cold=cold, **settings
    ) as running:
        _until_ready(running)
        yield running


@contextmanager
def launched(
    *arguments: str,
    data_dir: Path,
    port: int | None = None,
    cwd: Path = TESTS,
    cold: bool = False,
    **settings: str,
) -> Iterator[Running]:
    """Start `up` or `serve`, and don't wait for it."""
    port = port or free_port()
    environ = environment(A2A_DATA_DIR=str(data_dir), **settings)
    arguments = (*arguments, "--port", str(port))
    process: subprocess.Popen[str] | Forked
    if cold:
        process = subprocess.Popen(
            [sys.executable, "-m", "a2a_streaming", *arguments],
            cwd=cwd,
            env=environ,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
    else:
        process = fork(arguments, cwd=cwd, environment=environ)
    running = Running(process, f"http://127.0.0.1:{port}", data_dir)
    try:
        yield running
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(10)
        assert process.stdout is not None
        print(process.stdout.read())
        process.stdout.close()


def ran(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """What a command of ours says, and how it ends."""
    with TemporaryFile("w+") as output, TemporaryFile("w+") as errors:
        process = fork(
            arguments,
            cwd=TESTS,
            environment=environment(**settings),
            output=output.fileno(),
            errors=errors.fileno(),
        )
        try:
            code = process.wait(40)
        finally:
            process.kill()
        output.seek(0)
        errors.seek(0)
        return subprocess.CompletedProcess(arguments, code, output.read(), errors.read())


def _until_ready(running: Running) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert running.process.poll() is None, "the server ended at its start"
        try:
            if httpx2.get(f"{running.url}/readyz", timeout=5).status_code == 200:
                return
        except httpx2.TransportError:
            pass
        time.sleep(0.02)
    raise AssertionError("the server didn't become ready")
