"""A process's word of itself: how it is, and how its counts have moved, every second."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Callable

from a2a_streaming import metrics
from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.errors import Unavailable
from a2a_streaming.event import FORMAT_VERSION
from a2a_streaming.tally import Counts, moved, told
from a2a_streaming.task import Json
from a2a_streaming.telemetry import get_logger
from a2a_streaming.version import VERSION

_log = get_logger(__name__)
_LISTED_EVERY = 20.0
"""Seconds after which it puts itself on the lists again; they forget it after three times that."""


class Registry:
    """Says how a process is, until it ends.

    Args:
        manager: Redis.
        name: The process.
        describe: Returns what is known of it elsewhere: `role`, `agents`, `escalates`, `streams`, `watchers`,
            `runs`, `draining`.
    """

    def __init__(self, manager: RedisManager, name: str, describe: Callable[[], Json]) -> None:
        self._manager = manager
        self._describe = describe
        self._same: Json = {
            "name": name,
            "version": VERSION,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "started": _now(),
            "beatMs": int(manager.settings.beat_seconds * 1000),
            "format": FORMAT_VERSION,
        }
        self._name = name
        self._said: Counts = {}
        self._listed = 0.0
        self._clock = time.monotonic(), time.process_time()
        self._load = 0.0
        self._lag = 0.0
        self._wake = asyncio.Event()
        self._speaking: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to speak; goes on whatever becomes of Redis."""
        self._speaking = asyncio.create_task(self._speak(), name="registry")

    def hurry(self) -> None:
        """Say how the process is now, not a moment later."""
        self._wake.set()

    async def aclose(self) -> None:
        """Say the last word."""
        if self._speaking is None:
            return
        self._speaking.cancel()
        await asyncio.gather(self._speaking, return_exceptions=True)
        with contextlib.suppress(Unavailable):  # it is forgotten by itself
            await self.beat()
            await self._manager.nodes.leave(self._name)

    async def beat(self) -> None:
        """Say how the process is.

        Raises:
            Unavailable: Redis is away.
        """
        now = told(self._manager.tally)
        lists = time.monotonic() - self._listed >= _LISTED_EVERY
        about = self._describe()
        self._measure()
        metrics.RUNS.set(about["runs"])
        metrics.WATCHERS.set(about["watchers"])
        metrics.DRAINING.set(about["draining"])
        metrics.LAG.set(self._lag)
        how: Json = {
            **self._same,
            **about,
            "seen": _now(),
            "load": round(self._load, 3),
            "lagMs": round(self._lag * 1000, 1),
            **now["counts"],
        }
        await self._manager.nodes.beat(
            self._name,
            how,
            agents=about["agents"] if lists else (),
            listed=lists,
            moved=moved(now, self._said) or None,
        )
        self._said = now
        if lists:
            self._listed = time.monotonic()

    def _measure(self) -> None:
        wall, cpu = self._clock
        self._clock = time.monotonic(), time.process_time()
        if (passed := self._clock[0] - wall) > 0:
            self._load = (self._clock[1] - cpu) / passed

    async def _speak(self) -> None:
        pause = self._manager.settings.beat_seconds
        while True:
            try:
                await self.beat()
            except Unavailable:
                pass  # others log it; what is counted is said when Redis is back
            except Exception:  # without its word the process counts as gone
                _log.exception("can't say how the process is; trying again")
            due = time.monotonic() + pause
            try:
                async with asyncio.timeout(pause):
                    await self._wake.wait()
                self._wake.clear()
            except TimeoutError:
                self._lag = max(0.0, time.monotonic() - due)


def _now() -> int:
    return time.time_ns() // 1_000_000
