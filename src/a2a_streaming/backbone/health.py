"""What Redis, and the processes in it, tell of their health: facts, of which `ops.doctor` says what is wrong."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from a2a_streaming.backbone.connection import CommandFailed, Store
from a2a_streaming.backbone.keys import Keys
from a2a_streaming.backbone.kinds import Kinds
from a2a_streaming.backbone.nodes import lifetime_ms
from a2a_streaming.backbone.product import is_too_old, parse_info, product_of, version_of
from a2a_streaming.settings import Settings
from a2a_streaming.task import Json

_PAGE = 1000
_NAMED = 20
"""The most keys that are named."""


@dataclass(frozen=True, slots=True)
class RedisFacts:
    """How Redis is.

    Args:
        info: What INFO tells, by field; empty if it may not be asked.
        config: What CONFIG GET tells of what concerns us; None if it may not be asked.
        skew_ms: By how much its clock is ahead of this process's; by half of `round_trip_ms` at most off.
        round_trip_ms: How long a command took, the quickest of some.
    """

    info: dict[str, str]
    config: dict[str, str] | None
    skew_ms: float
    round_trip_ms: float

    @property
    def product(self) -> str:
        """What it calls itself: `redis` or `valkey`."""
        return product_of(self.info)

    @property
    def version(self) -> str:
        """Its version."""
        return version_of(self.info)

    @property
    def too_old(self) -> bool:
        """Whether it lacks what is asked of it."""
        return is_too_old(self.info)


class NodeFacts(NamedTuple):
    """How a process is.

    Args:
        told: What it says of itself.
        ahead_ms: By how much its clock is ahead of Redis'.
    """

    told: Json
    ahead_ms: float


class KeyFacts(NamedTuple):
    """What a walk through keys has found.

    Args:
        looked_at: How many keys of ours it has seen.
        complete: Whether it has seen all.
        endless: How many of ours have no lifetime.
        named: Some of these.
    """

    looked_at: int
    complete: bool
    endless: int
    named: list[str]


class Health:
    """Asks Redis.

    Args:
        store: Redis.
        keys: Names of keys.
        settings: How often processes say how they are.
    """

    def __init__(self, store: Store, keys: Keys, settings: Settings) -> None:
        self._store = store
        self._keys = keys
        self._settings = settings

    async def redis(self) -> RedisFacts:
        """Return how Redis is.

        Raises:
            Unavailable: Redis is away.
        """
        best, skew = float("inf"), 0.0
        for _ in range(5):
            before = time.time()
            seconds, micros = await self._store.call("TIME")
            after = time.time()
            if after - before < best:
                best = after - before
                skew = int(seconds) + int(micros) / 1e6 - (before + after) / 2
        return RedisFacts(await self._info(), await self._config(), skew * 1000, best * 1000)

    async def _info(self) -> dict[str, str]:
        try:
            return parse_info(await self._store.call("INFO"))
        except CommandFailed:
            return {}

    async def _config(self) -> dict[str, str] | None:
        found: dict[str, str] = {}
        for wanted in ("maxmemory*", "append*", "save", "min-replicas-*", "maxclients", "timeout"):
            try:
                flat: Any = await self._store.call("CONFIG", "GET", wanted)
            except CommandFailed:
                return None  # managed services forbid CONFIG
            found |= {
                bytes(flat[n]).decode(): bytes(flat[n + 1]).decode() for n in range(0, len(flat), 2)
            }
        return found

    async def size(self) -> int:
        """Return how many keys Redis has.

        Raises:
            Unavailable: Redis is away.
        """
        return int(await self._store.call("DBSIZE"))

    async def nodes(self) -> list[NodeFacts]:
        """Return how each process is that has said so lately, and how its clock stands to Redis'.

        Raises:
            Unavailable: Redis is away.
        """
        names: list[bytes] = await self._store.call("ZRANGE", self._keys.nodes, 0, -1)
        keys = [self._keys.node(name.decode()) for name in names]
        time_, *replies = await self._store.pipeline(
            [["TIME"], *(command for key in keys for command in (["GET", key], ["PTTL", key]))]
        )
        now = int(time_[0]) * 1000 + int(time_[1]) / 1000
        found: list[NodeFacts] = []
        for told, left in zip(replies[::2], replies[1::2], strict=True):
            if not isinstance(told, bytes) or not isinstance(left, int) or left < 0:
                continue
            node: Json = orjson.loads(told)
            beat: float = node.get("beatMs", self._settings.beat_seconds * 1000) / 1000
            said = now - (lifetime_ms(beat) - left)  # when that was, by Redis' clock
            found.append(NodeFacts(node, node["seen"] - said))
        return sorted(found, key=lambda one: one.told["name"])

    async def keys(self, most: int) -> KeyFacts:
        """Walk through keys, and return what has no lifetime.

        Args:
            most: How many to look at, about.

        Raises:
            Unavailable: Redis is away.
        """
        kinds = Kinds(self._keys.prefix)
        cursor: Any = 0
        looked_at, endless = 0, list[str]()
        while True:
            cursor, found = await self._store.call(
                "SCAN", cursor, "MATCH", kinds.match, "COUNT", _PAGE
            )
            names = [n for name in found if kinds.of(n := name.decode(errors="replace"))]
            left = await self._store.pipeline([["PTTL", name] for name in names])
            looked_at += len(names)
            endless += [name for name, ms in zip(names, left, strict=True) if ms == -1]
            if cursor == b"0" or looked_at >= most:
                break
        return KeyFacts(looked_at, cursor == b"0", len(endless), endless[:_NAMED])
