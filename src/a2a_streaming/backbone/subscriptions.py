"""Who is watching: each watcher of a task, across all processes, with the time its claim lapses.

A process renews its watchers in one round trip; those of a killed process lapse by themselves.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from a2a_streaming.backbone.connection import Command, Store
from a2a_streaming.backbone.keys import Keys


class Subscriptions:
    """Keeps the sets of watchers.

    Args:
        store: Redis.
        keys: Names of keys.
        lifetime: Seconds after which a watcher that isn't renewed counts as gone.
    """

    def __init__(self, store: Store, keys: Keys, *, lifetime: float = 30.0) -> None:
        self._store = store
        self._keys = keys
        self._lifetime = int(lifetime * 1000)

    async def add(self, claims: Sequence[tuple[str, str]]) -> None:
        """Say that watchers watch, or still do; in one round trip.

        Args:
            claims: Pairs of task id and watcher id.

        Raises:
            Unavailable: Redis is away.
        """
        now = time.time_ns() // 1_000_000
        commands: list[Command] = []
        for task_id, watcher in claims:
            key = self._keys.subscriptions(task_id)
            commands.append(["ZADD", key, now + self._lifetime, watcher])
            commands.append(["ZREMRANGEBYSCORE", key, "-inf", now])
            commands.append(["PEXPIRE", key, 2 * self._lifetime])
        await self._store.pipeline(commands)

    async def remove(self, task_id: str, watcher: str) -> None:
        """Say that a watcher has gone.

        Raises:
            Unavailable: Redis is away; the claim lapses by itself.
        """
        await self._store.call("ZREM", self._keys.subscriptions(task_id), watcher)

    async def watchers(self, task_id: str) -> list[str]:
        """Return who watches a task now, on any process.

        Raises:
            Unavailable: Redis is away.
        """
        now = time.time_ns() // 1_000_000
        key = self._keys.subscriptions(task_id)
        found: list[bytes] = await self._store.call("ZRANGEBYSCORE", key, f"({now}", "+inf")
        return [watcher.decode() for watcher in found]

    async def count(self, task_id: str) -> int:
        """Return how many watch a task now, on any process.

        Raises:
            Unavailable: Redis is away.
        """
        return (await self.counts([task_id]))[0]

    async def counts(self, task_ids: Sequence[str]) -> list[int]:
        """Return how many watch each of these tasks now, on any process; in one round trip.

        Raises:
            Unavailable: Redis is away.
        """
        now = time.time_ns() // 1_000_000
        replies = await self._store.pipeline(
            [["ZCOUNT", self._keys.subscriptions(t), f"({now}", "+inf"] for t in task_ids]
        )
        return [reply if isinstance(reply, int) else 0 for reply in replies]
