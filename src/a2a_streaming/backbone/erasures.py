"""Deletions of customers' data that are under way: how far each is, and which tasks it has found.

Who is killed in between leaves what the next one goes on from. When all is done nothing of it is left: the customer's
name stands in it.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from a2a_streaming.backbone.audit import ERASED
from a2a_streaming.backbone.connection import Command, Store
from a2a_streaming.backbone.keys import Keys
from a2a_streaming.settings import Settings

_DONE = "done:"


@dataclass(frozen=True, slots=True)
class Erasure:
    """How far a deletion is.

    Args:
        alias: What stands in the customer's place in the audit.
        by: Who asked for it, as audits name them.
        counts: How many of what were deleted: `keys`, `tasks`, `archived`, `audit`.
        records: What was deleted of each other system, by kind.
        refused: When the API keys that were deleted are refused everywhere, ms since 1970; None if there were none.
        after: The last entry of the audit that was looked at; empty if none was.
    """

    alias: str
    by: str
    counts: Mapping[str, int] = field(default_factory=dict[str, int])
    records: Mapping[str, Mapping[str, int]] = field(default_factory=dict[str, Mapping[str, int]])
    refused: int | None = None
    after: str = ""


class Erasures:
    """Keeps them.

    Every method raises `Unavailable` if Redis is away.

    Args:
        store: Redis.
        keys: Names of keys.
        settings: Lifetimes.
    """

    def __init__(self, store: Store, keys: Keys, settings: Settings) -> None:
        self._store = store
        self._keys = keys
        self._lifetime = settings.listed_ttl * 1000

    async def begin(self, owner: str, by: str) -> None:
        """Begin a deletion, or go on with the one that is under way.

        Args:
            owner: The customer.
            by: Who asks for it.
        """
        key = self._keys.erasing(owner)
        alias = f"{ERASED}-{secrets.token_hex(6)}"
        await self._store.pipeline(
            [
                ["HSETNX", key, "alias", alias],
                ["HSETNX", key, "by", by],
                ["PEXPIRE", key, self._lifetime],
            ]
        )

    async def under_way(self, owner: str) -> Erasure | None:
        """Return how far a customer's deletion is; None if none is under way."""
        flat = await self._store.call("HGETALL", self._keys.erasing(owner))
        told = {k.decode(): v.decode() for k, v in zip(flat[::2], flat[1::2], strict=True)}
        if "alias" not in told:
            return None
        done = {
            name.removeprefix(_DONE): int(n) for name, n in told.items() if name.startswith(_DONE)
        }
        return Erasure(
            told["alias"],
            told.get("by", ""),
            done,
            orjson.loads(told.get("records", "{}")),
            int(told["refused"]) if "refused" in told else None,
            told.get("after", ""),
        )

    async def found(self, owner: str, tasks: Sequence[str]) -> None:
        """Note tasks, before anything of them is deleted.

        Args:
            owner: The customer.
            tasks: Their tasks, by stored ids; some at least.
        """
        key = self._keys.erased(owner)
        new, _ = await self._store.pipeline(
            [["SADD", key, *tasks], ["PEXPIRE", key, self._lifetime]]
        )
        if new:
            await self.count(owner, "tasks", int(new))

    async def tasks(self, owner: str) -> list[str]:
        """Return the tasks that were found."""
        found = await self._store.call("SMEMBERS", self._keys.erased(owner))
        return sorted(task.decode() for task in found)

    async def lost(self, owner: str, tasks: Sequence[str]) -> None:
        """Note that nothing of these tasks is left anywhere."""
        await self._store.call("SREM", self._keys.erased(owner), *tasks)

    async def count(self, owner: str, what: str, more: int) -> None:
        """Note that more of something was deleted."""
        await self._tell(owner, ["HINCRBY", self._keys.erasing(owner), f"{_DONE}{what}", more])

    async def note(self, owner: str, **told: str | int | Mapping[str, Mapping[str, int]]) -> None:
        """Note how far it is: `refused`, `after` or `records`, as `Erasure` has them."""
        flat = [
            part
            for name, value in told.items()
            for part in (name, orjson.dumps(value) if isinstance(value, Mapping) else value)
        ]
        await self._tell(owner, ["HSET", self._keys.erasing(owner), *flat])

    async def end(self, owner: str) -> None:
        """Note that all is done: nothing that names the customer is left."""
        await self._store.call("DEL", self._keys.erased(owner))
        await self._store.call("DEL", self._keys.erasing(owner))

    async def _tell(self, owner: str, command: Command) -> None:
        key = self._keys.erasing(owner)
        await self._store.pipeline([command, ["PEXPIRE", key, self._lifetime]])
