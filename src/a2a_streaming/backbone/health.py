"""What Redis, and the processes in it, tell of their health: facts, of which `ops.doctor` says what is wrong."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import NamedTuple

import orjson

from a2a_streaming.backbone.connection import CommandFailed, Store
from a2a_streaming.backbone.formation import ClusterFacts, SentinelFacts, formation_of
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
        server: Its name, where there are several.
    """

    info: dict[str, str]
    config: dict[str, str] | None
    skew_ms: float
    round_trip_ms: float
    server: str = ""

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

    async def redis(self) -> list[RedisFacts]:
        """Return how each server is that takes writes.

        Raises:
            Unavailable: Redis is away.
        """
        best: dict[str, tuple[float, float]] = {}
        for _ in range(5):
            before = time.time()
            told = await self._store.each("TIME")
            after = time.time()
            for name, (seconds, micros) in told:
                if name not in best or after - before < best[name][0]:
                    skew = int(seconds) + int(micros) / 1e6 - (before + after) / 2
                    best[name] = after - before, skew
        infos, configs = await self._info(), await self._config()
        return [
            RedisFacts(
                infos.get(name, {}),
                configs.get(name),
                skew * 1000,
                took * 1000,
                name if self._store.sharded else "",
            )
            for name, (took, skew) in best.items()
        ]

    async def formation(self) -> ClusterFacts | SentinelFacts | None:
        """Return how the servers stand together; None if it is one alone.

        Raises:
            Unavailable: Redis is away.
        """
        return await formation_of(self._store)

    async def _info(self) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = {}
        for name, reply in await self._store.each("INFO"):
            if isinstance(reply, CommandFailed):
                continue
            found[name] = parse_info(reply)
        return found

    async def _config(self) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = {}
        for wanted in ("maxmemory*", "append*", "save", "min-replicas-*", "maxclients", "timeout"):
            for name, flat in await self._store.each("CONFIG", "GET", wanted):
                if isinstance(flat, CommandFailed):
                    return {}  # managed services forbid CONFIG
                found.setdefault(name, {}).update(
                    (bytes(flat[n]).decode(), bytes(flat[n + 1]).decode())
                    for n in range(0, len(flat), 2)
                )
        return found

    async def size(self) -> int:
        """Return how many keys Redis has.

        Raises:
            Unavailable: Redis is away.
        """
        return sum(int(size) for _, size in await self._store.each("DBSIZE"))

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
        cursor = b"0"
        looked_at, endless = 0, list[str]()
        while True:
            cursor, found = await self._store.scan(cursor, match=kinds.match, count=_PAGE)
            names = [n for name in found if kinds.of(n := name.decode(errors="replace"))]
            left = await self._store.pipeline([["PTTL", name] for name in names])
            looked_at += len(names)
            endless += [name for name, ms in zip(names, left, strict=True) if ms == -1]
            if cursor == b"0" or looked_at >= most:
                break
        return KeyFacts(looked_at, cursor == b"0", len(endless), endless[:_NAMED])
