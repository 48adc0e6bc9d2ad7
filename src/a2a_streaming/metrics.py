"""Metrics, for Prometheus to fetch at `/metrics`."""

from __future__ import annotations

from collections import Counter as Counts
from collections.abc import Hashable, Iterable, Iterator
from typing import TypeVar

from prometheus_client import REGISTRY, Counter, Gauge, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from a2a_streaming.tally import TALLIES, Histogram

STREAMS = Gauge("a2a_streams_open", "Streams that this process has open.")
STREAMS_CLOSED = Counter(
    "a2a_streams_closed",
    "Streams that have ended, by why: end, client, stalled, drain, gone, error.",
    ["reason"],
)
RESETS = Counter(
    "a2a_stream_resets",
    "Streams begun anew because their position couldn't be continued.",
    ["reason"],
)
PUSHES = Counter(
    "a2a_pushes", "Posts to webhooks, by outcome: delivered, failed, given up.", ["outcome"]
)
LIMITED = Counter(
    "a2a_limited",
    "What was refused because of a limit, by which: rate, process_rate, streams, process_streams, tasks, bytes,"
    " process_bytes, sign_ins, body, inbox.",
    ["limit"],
)
CLEANED = Counter(
    "a2a_janitor_cleaned",
    "What crashes had left behind and the janitor has cleaned up: tasks (on lists), watchers, workers, nodes, keys.",
    ["what"],
)
CONTENT_TYPE = CONTENT_TYPE_LATEST
_Key = TypeVar("_Key", bound=Hashable)
_BOUNDS_MS = (5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000)


class _Tallies(Collector):
    """Shows what the process counts where it happens, at the moment when it is fetched."""

    def collect(self) -> Iterator[Metric]:
        """Return the figures."""
        tallies = list(TALLIES)
        yield CounterMetricFamily(
            "a2a_events",
            "Events appended to tasks' logs.",
            value=sum(one.events for one in tallies),
        )
        yield CounterMetricFamily(
            "a2a_deliveries",
            "Events handed to streams.",
            value=sum(one.deliveries for one in tallies),
        )
        begun = CounterMetricFamily(
            "a2a_tasks_begun", "Tasks accepted, by agent.", labels=["agent"]
        )
        for agent, count in _sum(one.begun for one in tallies).items():
            begun.add_metric([agent], count)
        yield begun
        ended = CounterMetricFamily(
            "a2a_tasks_ended",
            "Tasks that have ended, by agent and state.",
            labels=["agent", "state"],
        )
        for (agent, state), count in _sum(one.ended for one in tallies).items():
            ended.add_metric([agent, state], count)
        yield ended
        yield _seconds(
            "a2a_first_event_seconds",
            "From a task's acceptance to the first event that a run writes.",
            [one.first_event for one in tallies],
        )
        yield _seconds(
            "a2a_task_seconds",
            "From a task's acceptance to its terminal event.",
            [one.duration for one in tallies],
        )


def _sum(counts: Iterable[Counts[_Key]]) -> Counts[_Key]:
    whole = Counts[_Key]()
    for one in counts:
        whole.update(one)
    return whole


def _seconds(name: str, told: str, parts: list[Histogram]) -> HistogramMetricFamily:
    whole = Histogram()
    for part in parts:
        whole.merge(part.buckets)
    below = [*whole.up_to(_BOUNDS_MS), len(whole)]
    bounds = [*(str(bound / 1000) for bound in _BOUNDS_MS), "+Inf"]
    return HistogramMetricFamily(
        name,
        told,
        buckets=list(zip(bounds, below, strict=True)),
        sum_value=sum(part.total for part in parts) / 1000,
    )


REGISTRY.register(_Tallies())


def exposition() -> bytes:
    """Return every metric of this process as Prometheus reads it."""
    return generate_latest()
