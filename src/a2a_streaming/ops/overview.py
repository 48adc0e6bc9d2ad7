"""How the whole installation is now: processes, queues, tasks, rates."""

from __future__ import annotations

import time
from collections import Counter

from a2a_streaming.node import Node
from a2a_streaming.ops.figures import RECENT_SECONDS, Movements
from a2a_streaming.singleflight import SingleFlight
from a2a_streaming.task import Json

_FRESH_SECONDS = 0.9
_TEN_MINUTES = 600
_ALERTS = 10
"""The most alerts that are told."""
_SHOWN = ("name", "role", "version", "agents", "host", "pid", "started", "seen", "streams", "watchers", "runs", "draining", "load", "lagMs")  # fmt: skip


class Overview:
    """Reads it, at most once a second however many look.

    Args:
        node: The process's node.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._movements = Movements()
        self._reads: SingleFlight[None, Json] = SingleFlight()
        self._told: Json = {}
        self._at = 0.0

    async def now(self) -> Json:
        """Return how it is, as `docs/operations.md` says.

        Raises:
            Unavailable: Redis is away.
        """
        if not self._told or time.monotonic() - self._at >= _FRESH_SECONDS:
            return await self._reads.ask(None, self._read)
        return self._told

    async def with_series(self) -> Json:
        """Return the same, with the last ten minutes for charts.

        Raises:
            Unavailable: Redis is away.
        """
        return {**await self.now(), "series": self._movements.series()}

    async def _read(self) -> Json:
        manager, settings = self._node.manager, self._node.settings
        nodes, served = await manager.nodes.alive(), await manager.nodes.agents()
        self._movements.add(*await manager.nodes.figures(self._movements.last))
        agents = sorted({*served, *self._node.cards})
        by_agent = await manager.census.states(agents)
        states: Counter[str] = Counter()
        for counts in by_agent.values():
            states.update(counts)
        queues = await manager.census.queues(agents)
        moves = self._movements
        self._told = {
            "at": moves.now,
            "nodes": [{key: one[key] for key in _SHOWN if key in one} for one in nodes],
            "queues": [
                {
                    "agent": queue.agent,
                    "waiting": queue.waiting,
                    "pending": queue.pending,
                    "oldestMs": queue.oldest_ms,
                }
                for queue in queues
            ],
            "states": dict(states),
            "agents": by_agent,
            "rates": moves.rates(),
            "firstEvent": moves.percentiles("first", RECENT_SECONDS),
            "duration": moves.percentiles("duration", RECENT_SECONDS),
            "tenMinutes": {
                "firstEvent": moves.percentiles("first", _TEN_MINUTES),
                "duration": moves.percentiles("duration", _TEN_MINUTES),
            },
            "silent": await manager.census.silent(agents, seconds=settings.silent_seconds),
            "alerts": {
                "open": await manager.alerts.count(),
                "latest": [one.to_json() for one in await manager.alerts.page(size=_ALERTS)],
            },
        }
        self._at = time.monotonic()
        return self._told
