"""Which processes there are, how each is, and how their counts move.

A process says how it is now and then, in one round trip. What it said is forgotten when it says no more: so one
that was killed is gone by itself. How counts have moved stays for ten minutes, also of those that are gone.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

import orjson

from a2a_streaming.backbone.connection import Command, Store
from a2a_streaming.backbone.keys import Keys
from a2a_streaming.settings import Settings
from a2a_streaming.tally import Counts
from a2a_streaming.task import Json

LIFETIME_BEATS = 5
"""After so many beats without a word a process counts as gone."""
KEPT_SECONDS = 600
"""For how long it is told how counts have moved."""
_LISTED_MS = 60_000


def lifetime_ms(beat_seconds: float) -> int:
    """Return for how long what a process says is kept, ms.

    Args:
        beat_seconds: How often it says how it is.
    """
    return int(LIFETIME_BEATS * max(beat_seconds, 0.2) * 1000)


class Figures(NamedTuple):
    """How one process's counts have moved from one beat to the next.

    Args:
        id: Where it stands among all of them; later ones are greater.
        at: When, ms since 1970, by Redis' clock.
        node: The process.
        moved: By how much.
    """

    id: str
    at: int
    node: str
    moved: Counts


class Nodes:
    """The processes.

    Args:
        store: Redis.
        keys: Names of keys.
        settings: How often processes say how they are, lifetimes.
    """

    def __init__(self, store: Store, keys: Keys, settings: Settings) -> None:
        self._store = store
        self._keys = keys
        self._lifetime = lifetime_ms(settings.beat_seconds)
        self._listed = settings.listed_ttl * 1000

    async def beat(
        self,
        name: str,
        told: Json,
        *,
        agents: Sequence[str],
        listed: bool,
        moved: Counts | None,
    ) -> None:
        """Say how a process is; in one round trip.

        Args:
            name: The process.
            told: How it is, JSON.
            agents: The agents that it serves, with `listed`.
            listed: Whether to put it on the lists of processes and agents as well; once in a while.
            moved: How its counts have moved; None if they haven't.

        Raises:
            Unavailable: Redis is away.
        """
        keys, now = self._keys, time.time_ns() // 1_000_000
        commands: list[Command] = [
            ["SET", keys.node(name), orjson.dumps(told), "PX", self._lifetime]
        ]
        if listed:
            commands.append(["ZADD", keys.nodes, now, name])
            commands.append(["ZREMRANGEBYSCORE", keys.nodes, "-inf", now - _LISTED_MS])
            commands.append(["PEXPIRE", keys.nodes, _LISTED_MS])
        if listed and agents:
            pairs = [part for agent in agents for part in (now, agent)]
            commands.append(["ZADD", keys.agents, *pairs])
            commands.append(["ZREMRANGEBYSCORE", keys.agents, "-inf", now - self._listed])
            commands.append(["PEXPIRE", keys.agents, self._listed])
        if moved is not None:
            oldest = now - KEPT_SECONDS * 1000
            fields = ["n", name, "d", orjson.dumps(moved)]
            commands.append(["XADD", keys.figures, "MINID", "~", oldest, "*", *fields])
            commands.append(["PEXPIRE", keys.figures, KEPT_SECONDS * 1000])
        await self._store.pipeline(commands)

    async def leave(self, name: str) -> None:
        """Say that a process has ended.

        Raises:
            Unavailable: Redis is away.
        """
        await self._store.pipeline(
            [["DEL", self._keys.node(name)], ["ZREM", self._keys.nodes, name]]
        )

    async def alive(self) -> list[Json]:
        """Return how each process is, by their names.

        Raises:
            Unavailable: Redis is away.
        """
        names: list[bytes] = await self._store.call("ZRANGE", self._keys.nodes, 0, -1)
        told = await self._store.pipeline(
            [["GET", self._keys.node(name.decode())] for name in names]
        )
        found: list[Json] = [orjson.loads(one) for one in told if isinstance(one, bytes)]
        return sorted(found, key=lambda one: one["name"])

    async def agents(self) -> list[str]:
        """Return the agents that processes serve, or have served.

        Raises:
            Unavailable: Redis is away.
        """
        found: list[bytes] = await self._store.call("ZRANGE", self._keys.agents, 0, -1)
        return sorted(agent.decode() for agent in found)

    async def figures(self, after: str | None) -> tuple[int, list[Figures]]:
        """Return Redis' clock, ms since 1970, and how counts have moved in the last ten minutes, in order.

        Args:
            after: Leave out what stands up to there, as `Figures.id` says it; None for all.

        Raises:
            Unavailable: Redis is away.
        """
        since = "-" if after is None else f"({after}"
        time_, entries = await self._store.pipeline(
            [["TIME"], ["XRANGE", self._keys.figures, since, "+"]]
        )
        now = int(time_[0]) * 1000 + int(time_[1]) // 1000
        found: list[Figures] = []
        for entry, (_, name, _, moved) in entries:
            at = int(entry.partition(b"-")[0])
            found.append(Figures(entry.decode(), at, name.decode(), orjson.loads(moved)))
        return now, found
