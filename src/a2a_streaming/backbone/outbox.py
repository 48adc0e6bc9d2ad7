"""Which tasks have events to be pushed, and from when on anybody may see to each: the outbox's list.

A process that sees to a task keeps the time ahead of now; when it dies, or says so, the task falls to whoever looks
first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from a2a_streaming.backbone.claims import claim_due
from a2a_streaming.backbone.connection import Script, Store
from a2a_streaming.backbone.keys import Keys
from a2a_streaming.settings import Settings

_LATER, _ENLIST = Script("push_later"), Script("push_enlist")


class Backlog(NamedTuple):
    """How the outbox is.

    Args:
        due: Tasks that somebody should have taken a second ago, and nobody has.
        dead: Dead letters.
    """

    due: int
    dead: int


class Outbox:
    """The list.

    Args:
        store: Redis.
        keys: Names of keys.
        settings: Lifetimes.
    """

    def __init__(self, store: Store, keys: Keys, settings: Settings) -> None:
        self._store = store
        self._keys = keys
        self._lifetime = settings.listed_ttl * 1000
        self.hold = 2 * settings.lease_seconds
        """For how long who takes a task holds it, seconds."""

    async def enlist(self, task_id: str) -> None:
        """Put a task on the list; if it is there, see to it that it is looked at soon.

        Args:
            task_id: The task.

        Raises:
            Unavailable: Redis is away.
        """
        args = [task_id, int(self.hold * 1000), self._lifetime]
        await self._store.script(_ENLIST, [self._keys.pushing], args)

    async def claim(self, *, count: int) -> list[str]:
        """Take tasks with something to push, so that nobody else pushes it meanwhile.

        Args:
            count: The most tasks.

        Raises:
            Unavailable: Redis is away.
        """
        _, taken = await claim_due(self._store, self._keys.pushing, seconds=self.hold, count=count)
        return taken

    async def later(self, tasks: Mapping[str, float]) -> None:
        """Say in how many seconds tasks may be taken by anybody; of those that are listed.

        Raises:
            Unavailable: Redis is away.
        """
        if tasks:
            pairs = [part for task, wait in tasks.items() for part in (task, int(wait * 1000))]
            await self._store.script(_LATER, [self._keys.pushing], [self._lifetime, *pairs])

    async def settle(self, task_id: str) -> None:
        """Take a task off the list: nothing is left to be pushed.

        Raises:
            Unavailable: Redis is away.
        """
        await self._store.call("ZREM", self._keys.pushing, task_id)

    async def backlog(self) -> Backlog:
        """Return how the outbox is.

        Raises:
            Unavailable: Redis is away.
        """
        (seconds, _), dead = await self._store.pipeline(
            [["TIME"], ["ZCARD", self._keys.dead_letters]]
        )
        before = (int(seconds) - 1) * 1000
        due = await self._store.call("ZCOUNT", self._keys.pushing, "-inf", before)
        return Backlog(int(due), int(dead))
