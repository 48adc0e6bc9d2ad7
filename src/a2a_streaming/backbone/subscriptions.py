"""Who is watching: each watcher of a task, across all processes, with the time its claim lapses.

A process renews its watchers in one round trip; those of a killed process lapse by themselves.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Iterable, Sequence

from a2a_streaming.backbone.connection import Command, Store
from a2a_streaming.backbone.keys import Keys
from a2a_streaming.errors import Unavailable
from a2a_streaming.task import Json


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

    async def change(
        self, *, come: Iterable[tuple[str, str]] = (), gone: Iterable[tuple[str, str]] = ()
    ) -> None:
        """Say who watches, or still does, and who has gone; in one round trip.

        Args:
            come: Pairs of task id and watcher id.
            gone: Likewise.

        Raises:
            Unavailable: Redis is away. Claims of those who have gone lapse by themselves.
        """
        now = time.time_ns() // 1_000_000
        commands: list[Command] = []
        for task_id, watchers in _by_task(come).items():
            key = self._keys.subscriptions(task_id)
            lapse = now + self._lifetime
            commands.append(["ZADD", key, *(part for w in watchers for part in (lapse, w))])
            commands.append(["ZREMRANGEBYSCORE", key, "-inf", now])
            commands.append(["PEXPIRE", key, 2 * self._lifetime])
        for task_id, watchers in _by_task(gone).items():
            commands.append(["ZREM", self._keys.subscriptions(task_id), *watchers])
        await self._store.pipeline(commands)

    async def watchers(self, task_id: str) -> list[str]:
        """Return who watches a task now, on any process.

        Raises:
            Unavailable: Redis is away.
        """
        now = time.time_ns() // 1_000_000
        key = self._keys.subscriptions(task_id)
        found: list[bytes] = await self._store.call("ZRANGEBYSCORE", key, f"({now}", "+inf")
        return [watcher.decode() for watcher in found]

    async def by_node(self, task_id: str) -> list[Json]:
        """Return how many watch a task now on each process, as `{"node": <its name>, "count": …}`.

        Raises:
            Unavailable: Redis is away.
        """
        # A watcher's id begins with its process's name: see `Feeds`.
        nodes = Counter(one.rpartition("/")[0] for one in await self.watchers(task_id))
        return [{"node": node, "count": count} for node, count in sorted(nodes.items())]

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


class Claims:
    """One process's watchers, said in the background: whoever comes and goes in one moment shares one round trip.

    What can't be said because Redis is away is put right by the next renewal, or lapses.

    Args:
        subscriptions: Where they are claimed.
    """

    def __init__(self, subscriptions: Subscriptions) -> None:
        self._subscriptions = subscriptions
        self._come: list[tuple[str, str]] = []
        self._gone: list[tuple[str, str]] = []
        self._saying: asyncio.Task[None] | None = None

    def add(self, task_id: str, watcher: str) -> None:
        """Say that a watcher watches."""
        self._come.append((task_id, watcher))
        self._say()

    def remove(self, task_id: str, watcher: str) -> None:
        """Say that a watcher has gone."""
        self._gone.append((task_id, watcher))
        self._say()

    async def aclose(self) -> None:
        """Say what is left to be said."""
        if self._saying is not None:
            await self._saying

    def _say(self) -> None:
        if self._saying is None:
            self._saying = asyncio.create_task(self._speak(), name="claims")

    async def _speak(self) -> None:
        try:
            while self._come or self._gone:
                come, self._come, gone, self._gone = self._come, [], self._gone, []
                with contextlib.suppress(Unavailable):
                    await self._subscriptions.change(come=come, gone=gone)
        finally:
            self._saying = None


def _by_task(claims: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for task_id, watcher in claims:
        grouped.setdefault(task_id, []).append(watcher)
    return grouped
