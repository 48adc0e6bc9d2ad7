"""Work items: hints that wake an agent's workers. The inbox is the truth; a hint too many is harmless.

A hint is acknowledged once its task is settled. Until then it stays pending, and another worker takes
it over when its own has been silent for a lease's length.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

from a2a_streaming.backbone.connection import Command, CommandFailed, Link, Store
from a2a_streaming.backbone.keys import WORKERS, Keys
from a2a_streaming.settings import Settings

_LOOKS = 32
_DEAD_MS = 600_000


class Hint(NamedTuple):
    """A task has something to do.

    Args:
        item: The work item's ID in its stream.
        task_id: The task.
    """

    item: str
    task_id: str


class Work:
    """One agent's stream of hints.

    Args:
        store: Redis.
        keys: Names of keys.
        settings: Lifetimes.
        agent: The agent.
    """

    def __init__(self, store: Store, keys: Keys, settings: Settings, agent: str) -> None:
        self._store = store
        self._key = keys.work(agent)
        self._ttl = settings.open_ttl * 1000
        self._idle = int(settings.lease_seconds * 1000)
        self._cursor: bytes | str = "0-0"
        self._connection: Link | None = None

    async def hint(self, *task_ids: str) -> None:
        """Wake a worker for each of these tasks.

        Raises:
            Unavailable: Redis is away.
        """
        await self._store.pipeline(self.hinting(*task_ids))

    def hinting(self, *task_ids: str) -> list[Command]:
        """Return the commands that wake a worker for each of these tasks."""
        adds: list[Command] = [["XADD", self._key, "*", "t", task_id] for task_id in task_ids]
        return [*adds, ["PEXPIRE", self._key, self._ttl]]

    async def prepare(self) -> None:
        """Make the consumer group, if it isn't there. It begins at the stream's start: no hint is lost.

        Raises:
            Unavailable: Redis is away.
        """
        made, _ = await self._store.pipeline(
            [
                ["XGROUP", "CREATE", self._key, WORKERS, "0", "MKSTREAM"],
                ["PEXPIRE", self._key, self._ttl],
            ]
        )
        if isinstance(made, CommandFailed) and not made.reason.startswith("BUSYGROUP"):
            raise made

    async def next(self, worker: str, count: int) -> list[Hint]:
        """Wait for new hints, for about a second.

        Args:
            worker: Who takes them.
            count: The most to take.

        Raises:
            Unavailable: Redis is away.
        """
        if self._connection is None:
            self._connection = await self._store.dedicated()
        group = ("XREADGROUP", "GROUP", WORKERS, worker, "COUNT", count)
        try:
            # A reply that doesn't come is a connection that died without a word.
            async with asyncio.timeout(6):
                reply = await self._connection.ask(
                    [*group, "BLOCK", 1000, "STREAMS", self._key, ">"]
                )
        except CommandFailed as error:
            if not error.reason.startswith("NOGROUP"):
                raise
            await self.prepare()
            return []
        except BaseException as error:
            await self.aclose()
            if isinstance(error, TimeoutError):
                return []
            raise
        return _hints(reply[0][1]) if reply else []

    async def renew(self, worker: str, items: Sequence[str]) -> None:
        """Show that a worker still works on hints, so that nobody takes them over.

        Raises:
            Unavailable: Redis is away.
        """
        if items:
            # Lost hints are no matter: what they told of is being done.
            await self._store.pipeline(
                [["XCLAIM", self._key, WORKERS, worker, 0, *items, "JUSTID"]]
            )

    async def reclaim(self, worker: str, count: int) -> list[Hint]:
        """Take over hints whose workers have been silent for a lease's length.

        Raises:
            Unavailable: Redis is away.
        """
        hints: list[Hint] = []
        try:
            for _ in range(_LOOKS):  # one look goes past ten times `count` that aren't idle
                reply = await self._store.call(
                    *("XAUTOCLAIM", self._key, WORKERS, worker, self._idle, self._cursor),
                    *("COUNT", count - len(hints)),
                )
                self._cursor = reply[0]
                hints += _hints(reply[1])
                if self._cursor == b"0-0" or len(hints) >= count:
                    break
        except CommandFailed as error:
            if not error.reason.startswith("NOGROUP"):
                raise
            await self.prepare()
        return hints

    async def forget_the_dead(self) -> None:
        """Remove workers from the group that have been silent for long and hold nothing.

        Raises:
            Unavailable: Redis is away.
        """
        try:
            workers = await self._store.call("XINFO", "CONSUMERS", self._key, WORKERS)
        except CommandFailed:
            return  # there is no group yet
        told = [dict(zip(worker[::2], worker[1::2], strict=True)) for worker in workers]
        dead = [w[b"name"] for w in told if w[b"pending"] == 0 and w[b"idle"] > _DEAD_MS]
        await self._store.pipeline(
            [["XGROUP", "DELCONSUMER", self._key, WORKERS, name] for name in dead]
        )

    async def give_up(self, worker: str) -> None:
        """Let others have at once what a worker was handed and hasn't done: it takes no more.

        Raises:
            Unavailable: Redis is away.
        """
        try:
            reply = await self._store.call(
                "XREADGROUP", "GROUP", WORKERS, worker, "STREAMS", self._key, "0"
            )
        except CommandFailed:
            return  # the group is gone, and with it what was pending
        hints = _hints(reply[0][1])
        if hints:
            await self.hint(*{hint.task_id for hint in hints})
            await self.done(*(hint.item for hint in hints))

    async def done(self, *items: str) -> None:
        """Acknowledge hints whose tasks are settled.

        Raises:
            Unavailable: Redis is away.
        """
        if items:
            await self._store.pipeline(
                [["XACK", self._key, WORKERS, *items], ["XDEL", self._key, *items]]
            )

    async def aclose(self) -> None:
        """Close the waiting connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.aclose()


def _hints(entries: list[Any]) -> list[Hint]:
    # What was deleted meanwhile: since Redis 7.0 without fields or left out, before it nothing at all.
    there = [entry for entry in entries if entry]
    return [Hint(item.decode(), fields[1].decode()) for item, fields in there if fields]
