"""What Prometheus fetches: this process's metrics, and how the whole installation is, as Redis tells it at that moment."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from a2a_streaming import metrics
from a2a_streaming.backbone.census import Queue
from a2a_streaming.errors import Unavailable
from a2a_streaming.node import Node
from a2a_streaming.singleflight import SingleFlight

_FRESH_SECONDS = 1.0
"""For how long an answer serves others who ask: anybody may."""


class Measures:
    """ASGI endpoint of `/metrics`.

    Args:
        node: The process's node.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._reads: SingleFlight[None, bytes] = SingleFlight()
        self._told = b""
        self._at = -_FRESH_SECONDS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        # In a thread: the process's own figures are read from files.
        process = await asyncio.to_thread(metrics.exposition)
        if time.monotonic() - self._at >= _FRESH_SECONDS:
            self._told = await self._reads.ask(None, self._installation)
            self._at = time.monotonic()
        response = Response(process + self._told, media_type=metrics.CONTENT_TYPE)
        await response(scope, receive, send)

    async def _installation(self) -> bytes:
        if not self._node.started:
            return b""
        manager, settings = self._node.manager, self._node.settings
        began = time.monotonic()
        try:
            agents = sorted({*await manager.nodes.agents(), *self._node.cards})
            states = await manager.census.states(agents)
            queues = await manager.census.queues(agents)
            silent = await manager.census.silent(agents, seconds=settings.silent_seconds)
            backlog = await manager.outbox.backlog()
            alerts = await manager.alerts.count()
        except Unavailable:
            return _shown(_Installation(None, {}, [], {}))
        single = {
            "a2a_tasks_silent": silent,
            "a2a_push_due": backlog.due,
            "a2a_dead_letters": backlog.dead,
            "a2a_alerts_open": alerts,
        }
        return _shown(_Installation(time.monotonic() - began, states, queues, single))


_SINGLE = {
    "a2a_tasks_silent": "Tasks that are to move on by themselves and haven't, in the whole installation.",
    "a2a_push_due": "Tasks with something to push that no process has taken for a second, likewise.",
    "a2a_dead_letters": "Webhooks that were given up, and can be replayed, likewise.",
    "a2a_alerts_open": "Alerts that nobody has acknowledged, likewise.",
}


class _Installation(Collector):
    """How the installation is.

    Args:
        seconds: How long Redis took to tell; None if it is away.
        states: How many tasks are in each state, by agent.
        queues: The agents' work queues.
        single: What is one figure, by its metric's name.
    """

    def __init__(
        self,
        seconds: float | None,
        states: dict[str, dict[str, int]],
        queues: list[Queue],
        single: Mapping[str, int],
    ) -> None:
        self._seconds = seconds
        self._states = states
        self._queues = queues
        self._single = single

    def collect(self) -> Iterator[Metric]:
        """Return the figures; those of the installation are the same from every process."""
        yield GaugeMetricFamily(
            "a2a_redis_up", "Whether Redis answers this process.", value=self._seconds is not None
        )
        if self._seconds is None:
            return
        yield GaugeMetricFamily(
            "a2a_redis_seconds",
            "How long Redis took to tell this process how the installation is, in a few round trips.",
            value=self._seconds,
        )
        tasks = GaugeMetricFamily(
            "a2a_tasks",
            "Tasks by agent and state, in the whole installation.",
            labels=["agent", "state"],
        )
        for agent, states in self._states.items():
            for state, count in states.items():
                tasks.add_metric([agent, state], count)
        yield tasks
        for name, value in self._single.items():
            yield GaugeMetricFamily(name, _SINGLE[name], value=value)
        waiting = _by_agent(
            "a2a_queue_waiting", "Hints that no worker has taken, in the whole installation."
        )
        pending = _by_agent(
            "a2a_queue_pending", "Hints that workers have taken and not settled, likewise."
        )
        oldest = _by_agent(
            "a2a_queue_oldest_seconds",
            "For how long the oldest hint waits that no worker has taken, likewise; 0 if none waits.",
        )
        for queue in self._queues:
            waiting.add_metric([queue.agent], queue.waiting)
            pending.add_metric([queue.agent], queue.pending)
            oldest.add_metric([queue.agent], (queue.oldest_ms or 0) / 1000)
        yield from (waiting, pending, oldest)


def _by_agent(name: str, told: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, told, labels=["agent"])


def _shown(installation: _Installation) -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(installation)
    return generate_latest(registry)
