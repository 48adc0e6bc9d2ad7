"""A platform in a process of its own, which can be killed and started again; all that it must keep is outside of it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Self

from processes import TESTS, environment, free_port
from warm import Forked, fork

_READY = "is ready at"


class PlatformProcess:
    """`a2a-streaming up`, on a Redis and a database outside of it.

    Args:
        directory: For its files; what it says is kept there, in `log`.
        port: Where it listens; any by default.
        settings: Its environment.
    """

    starts = 1
    """How often it may end at its start, before it is given up: it does where Redis is away."""

    def __init__(self, directory: Path, *, port: int | None = None, **settings: str) -> None:
        self._port = port or free_port()
        self.settings = {"A2A_DATA_DIR": str(directory / "data"), **settings}
        """Its environment's own part."""
        self._environment = environment(**self.settings)
        self._log = directory / "log"
        self._process: Forked | None = None
        self.url = f"http://127.0.0.1:{self._port}"

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self._start)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await asyncio.to_thread(self._bury)

    async def crash(self) -> None:
        """Kill it, now, and start another one in its place."""
        if self._process is not None:
            self._process.kill()
        await asyncio.to_thread(self._bury)
        await asyncio.to_thread(self._start)

    def _start(self) -> None:
        """Start it, and wait until it says that it is ready."""
        said = ""
        for _ in range(self.starts):
            said = self._start_once()
            if _READY in said:
                return
            self._bury()
        raise AssertionError(f"the platform ended at its start: {said}")

    def _start_once(self) -> str:
        process = self._process = fork(
            ("up", "--port", str(self._port)), cwd=TESTS, environment=self._environment
        )
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            said += line
            if _READY in line:
                break
        self._keep(said)
        return said

    def _bury(self) -> None:
        """Kill it if it lives, wait until it is gone, and keep what it said."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait(20)
        if process.stdout is not None:
            with process.stdout as said:
                self._keep(said.read())

    def _keep(self, said: str) -> None:
        with self._log.open("a") as log:
            log.write(said)
