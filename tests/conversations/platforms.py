"""A platform in a process of its own, which can be killed and started again; all that it must keep is outside of it."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Self

from conversations.forks import Forks
from processes import free_port


class PlatformProcess:
    """A platform in a process of its own: `up`, on a Redis and a database outside of it.

    Args:
        forks: Makes processes.
        directory: For its files.
        settings: Its environment.
    """

    def __init__(self, forks: Forks, directory: Path, **settings: str) -> None:
        self._forks = forks
        self._port = free_port()
        self._settings = {"A2A_DATA_DIR": str(directory / "data"), **settings}
        self._pid = 0
        self.log = directory / "log"
        self.url = f"http://127.0.0.1:{self._port}"

    async def __aenter__(self) -> Self:
        await self._start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._kill()

    async def crash(self) -> None:
        """Kill it, now, and start another one in its place."""
        await self._kill()
        await self._start()

    async def _start(self) -> None:
        self._pid = await asyncio.to_thread(
            self._forks.start, self._port, self.log, **self._settings
        )

    async def _kill(self) -> None:
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            await asyncio.to_thread(self._forks.bury, self._pid)
            self._pid = 0
