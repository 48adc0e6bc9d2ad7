"""Real processes of ours, started and ended as a user would."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

TESTS = Path(__file__).parent


@dataclass
class Running:
    """A server process."""

    process: subprocess.Popen[str]
    url: str
    data_dir: Path

    def ended(self, signal_number: int = signal.SIGINT, seconds: float = 15) -> int:
        """Its exit code after a signal."""
        self.process.send_signal(signal_number)
        return self.process.wait(seconds)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def environment(**settings: str) -> dict[str, str]:
    """This process's environment, without settings of the user's own."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("A2A_", "ANTHROPIC_"))}
    return {**inherited, **settings}


def command(*arguments: str) -> list[str]:
    """Our command line, by this Python."""
    return [sys.executable, "-m", "a2a_streaming", *arguments]


@contextmanager
def started(
    *arguments: str, data_dir: Path, port: int | None = None, **settings: str
) -> Iterator[Running]:
    """Start `up` or `serve`, and wait until it is ready; at the end it is killed, if it still runs."""
    port = port or free_port()
    environ = environment(A2A_DATA_DIR=str(data_dir), **settings)
    process = subprocess.Popen(
        command(*arguments, "--port", str(port)),
        cwd=TESTS,
        env=environ,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    running = Running(process, f"http://127.0.0.1:{port}", data_dir)
    try:
        _until_ready(running)
        yield running
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(10)
        assert process.stdout is not None
        print(process.stdout.read())
        process.stdout.close()


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
