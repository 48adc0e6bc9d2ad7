"""The caretaker: lets the janitor clean up now and then, as long as its process lives."""

from __future__ import annotations

import asyncio
import contextlib
import random

from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.errors import Unavailable
from a2a_streaming.metrics import CLEANED
from a2a_streaming.telemetry import get_logger

_log = get_logger(__name__)


class Caretaker:
    """Cleans up in the background, where no other process does.

    Args:
        manager: Redis.
        name: The process.
    """

    def __init__(self, manager: RedisManager, name: str) -> None:
        self._manager = manager
        self._name = name
        self._caring: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; goes on whatever becomes of Redis, until `aclose`."""
        self._caring = asyncio.create_task(self._care(), name="caretaker")

    async def aclose(self) -> None:
        """Leave it to another process."""
        if self._caring is None:
            return
        self._caring.cancel()
        await asyncio.gather(self._caring, return_exceptions=True)
        with contextlib.suppress(Unavailable):  # another one takes it when this one's time is over
            await self._manager.janitor.resign(self._name)

    async def _care(self) -> None:
        pause = self._manager.settings.janitor_seconds
        while True:
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
            try:
                await self._clean()
            except Unavailable:
                pass  # others log it
            except Exception:  # what is left behind piles up
                _log.exception("can't clean up; trying again")

    async def _clean(self) -> None:
        janitor = self._manager.janitor
        if not await janitor.elect(self._name):
            return
        cleaned = await janitor.round()
        for what, count in cleaned.items():
            if count:
                CLEANED.labels(what).inc(count)
        if any(cleaned.values()):
            _log.info("cleaned up", **{what: n for what, n in cleaned.items() if n})
