"""What belongs to a customer: all of it can be exported, and deleted (see `erasing.py`).

tasks in Redis     with their history, steps, webhooks; what is open is canceled first
the archive        what Redis has forgotten
systems of record  whatever says that it keeps something of customers: see `Keeper`
API keys           deleted with the rest
the audit          stays: what was done, when and by whom; whose it was goes
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol

import orjson

from a2a_streaming.archive import Archive, Story
from a2a_streaming.backbone.credentials import ApiKey
from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.chain import Chain
from a2a_streaming.errors import InvalidParams, TaskNotFound
from a2a_streaming.event import timestamp
from a2a_streaming.exporting import Exports, access_entry
from a2a_streaming.task import Json


class Keeper(Protocol):
    """A system that keeps something of customers beside their tasks.

    Give the platform's operations one for each: see docs/customers-data.md.
    """

    name: str
    """What it is called in exports and outcomes."""

    def check(self) -> None:
        """Check that it can do what follows, before anything is done.

        Raises:
            UnsupportedOperation: It can't.
        """
        ...

    async def export(self, owner: str) -> Sequence[tuple[str, Json]]:
        """Return all that it keeps of a customer: of what kind each is, and its JSON.

        Args:
            owner: The customer, as the owner of their tasks.
        """
        ...

    async def erase(self, owner: str, tasks: Sequence[str]) -> Mapping[str, int]:
        """Delete all that it keeps of a customer; returns how many of what kind. May be called again.

        Args:
            owner: The customer, as the owner of their tasks.
            tasks: The stored ids of their tasks that are still known.
        """
        ...


class Belongings:
    """Exports it.

    Args:
        manager: Redis.
        archive: The archive; None if there is none.
        keepers: What keeps something of customers beside their tasks.
    """

    def __init__(
        self,
        manager: RedisManager,
        archive: Archive | None,
        keepers: Sequence[Keeper] = (),
    ) -> None:
        self._manager = manager
        self._archive = archive
        self._keepers = keepers

    def check(self, owner: str) -> None:
        """Check that a customer's data can be exported and deleted.

        Args:
            owner: The customer.

        Raises:
            InvalidParams: The owner is empty: those tasks are everybody's.
            UnsupportedOperation: A system can't tell what it keeps of customers.
        """
        if not owner or owner == "?":
            raise InvalidParams(
                "owner must name a customer: tasks without an owner are everybody's, and can't be told apart."
            )
        for keeper in self._keepers:
            keeper.check()

    async def export(self, owner: str, chain: Chain) -> AsyncIterator[bytes]:
        """Return all that belongs to a customer, as lines of a chain, its end included.

        Args:
            owner: The customer; not empty.
            chain: The chain.

        Raises:
            InvalidParams: As `check` raises it.
            UnsupportedOperation: Likewise.
            Unavailable: Redis or the archive is away.
        """
        self.check(owner)
        header = {"kind": "customer", "owner": owner, "exported": timestamp()}
        yield chain.line(orjson.dumps(header))
        async for line in self._tasks_told(owner, chain):
            yield line
        for keeper in self._keepers:
            for kind, record in await keeper.export(owner):
                entry = {"kind": "record", "system": keeper.name, "what": kind, "record": record}
                yield chain.line(orjson.dumps(entry))
        for key in await keys_of(self._manager, owner):
            about = {"id": key.id, "name": key.name, "role": key.role}
            entry = {"kind": "key", **about, "created": key.created, "expires": key.expires}
            yield chain.line(orjson.dumps(entry))
        async for access in self._manager.audit.trail():
            if access.fields.get("owner") == owner:
                yield chain.line(access_entry(access))
        yield chain.end()

    async def _tasks_told(self, owner: str, chain: Chain) -> AsyncIterator[bytes]:
        """Return the lines of their tasks: those in Redis, and those that only the archive has."""
        exports = Exports(self._manager, None)  # they may read what they said
        told: set[str] = set()
        for task in await self._tasks(owner):
            with contextlib.suppress(TaskNotFound):  # forgotten meanwhile; the archive may have it
                async for line in exports.of_task(task, chain):
                    told.add(task)
                    yield line
        async for story in self._archived(owner):
            if story.id not in told:
                for line in exports.of_story(story, chain):
                    yield line

    async def _tasks(self, owner: str) -> list[str]:
        return [task for _, task in await self._manager.index.tasks([("owner", owner)])]

    async def _archived(self, owner: str) -> AsyncIterator[Story]:
        """Return their archived tasks, one after the other."""
        if self._archive is None:
            return
        for digest in await self._archive.of_owner(owner):
            story = await self._archive.at(digest)
            if story is not None:
                yield story


async def keys_of(manager: RedisManager, owner: str) -> list[ApiKey]:
    """Return a customer's API keys.

    Args:
        manager: Redis.
        owner: The customer.

    Raises:
        Unavailable: Redis is away.
    """
    return [key for key in await manager.credentials.all() if key.owner == owner]
