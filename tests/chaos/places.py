"""Places for processes: each with a role and a port, whichever process has it now."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
from pathlib import Path
from typing import Literal

import httpx2

from chaos.fleet import until
from processes import TESTS, free_port
from warm import Forked, fork

Role = Literal["front", "worker", "ops"]


class Place:
    """A process's place: its role and its port, whichever process has it.

    Args:
        role: What it does.
        log: Where its processes say what they say.
        settings: Their environment.
    """

    def __init__(self, role: Role, log: Path, settings: dict[str, str]) -> None:
        self.role: Role = role
        self.port = free_port()
        self.log = log
        self._settings = settings
        self.url = f"http://127.0.0.1:{self.port}"
        """Where it is reached."""
        self._process: Forked | subprocess.Popen[bytes] | None = None

    def start(self, python: Path | None = None) -> None:
        """Start a process of this version, or another version's by its own interpreter."""
        what = ("ops",) if self.role == "ops" else ("serve", "apps.rolled:RolledAgent")
        role = () if self.role == "ops" else ("--role", self.role)
        arguments = (*what, *role, "--port", str(self.port))
        with self.log.open("ab") as output:
            if python is None:
                self._process = fork(
                    arguments, cwd=TESTS, environment=self._settings, output=output.fileno()
                )
            else:
                self._process = subprocess.Popen(
                    [str(python), "-m", "a2a_streaming", *arguments],
                    cwd=TESTS,
                    env=self._settings,
                    stdout=output,
                    stderr=output,
                )

    async def ready(self, http: httpx2.AsyncClient) -> None:
        """Wait until it serves."""
        async with asyncio.timeout(60):
            while True:
                assert self._process is not None
                assert self._process.poll() is None, (
                    f"it ended at its start: {self.log.read_text()}"
                )
                with contextlib.suppress(httpx2.TransportError):
                    if (await http.get(f"{self.url}/readyz")).status_code == 200:
                        return
                await asyncio.sleep(0.05)

    async def end(self) -> int:
        """Tell it to end, wait until it has, and return its exit code."""
        process = self._process
        assert process is not None
        process.send_signal(signal.SIGTERM)
        assert await until(lambda: process.poll() is not None, 40), "it doesn't end"
        code = process.poll()
        assert code is not None
        return code

    def kill(self) -> None:
        """Kill it, if it still runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(10)
