"""Metrics, for Prometheus to fetch at `/metrics`."""

from __future__ import annotations

from collections import Counter as Counts
from collections.abc import Hashable, Iterable, Iterator
from typing import TypeVar

import prometheus_client
from prometheus_client import REGISTRY, Counter, Gauge, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from a2a_streaming.tally import TALLIES, Histogram
from a2a_streaming.version import VERSION

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
ARCHIVED = Counter(
    "a2a_archived_tasks",
    "Ended tasks, by what was done: archived, forgotten before their time, failed (tried again).",
    ["outcome"],
)
LIMITS = {
    "rate": "limit_rate",
    "bytes": "limit_bytes",
    "streams": "limit_streams",
    "tasks": "limit_tasks",
    "sign_ins": "limit_sign_ins",
    "process_rate": "limit_process_rate",
    "process_streams": "limit_process_streams",
    "process_bytes": "limit_process_bytes",
    "runs": "max_runs",
    "body": "max_body_bytes",
    "inbox": "inbox_limit",
    "webhooks": "push_limit",
}
"""Limits on what clients may ask and hold open, as they are counted, and the setting of each."""
LIMITED = Counter(
    "a2a_limited",
    f"What was refused because of a limit, or had to wait (runs), by which: {', '.join(LIMITS)}.",
    ["limit"],
)
UNCONFIRMED = Counter(
    "a2a_unconfirmed",
    "What wasn't acknowledged because too few of Redis' replicas had it, by why: late (in time), lost (by a failover),"
    " away (the primary went away).",
    ["reason"],
)
CLEANED = Counter(
    "a2a_janitor_cleaned",
    "What crashes had left behind and the janitor has cleaned up: tasks (on lists), watchers, workers, nodes, keys,"
    " webhooks (put on their lists again).",
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

REQUESTS = Counter(
    "a2a_requests",
    "Requests, by agent, method and outcome: answered, or the error that was the answer.",
    ["agent", "method", "outcome"],
)
REQUEST_SECONDS = prometheus_client.Histogram(
    "a2a_request_seconds",
    "From a request's being read to its answer, or the beginning of its stream.",
    ["method"],
    buckets=(0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
LEASES = Counter(
    "a2a_leases",
    "Leases granted to this process, by agent, and by whether the turn was begun before: first, again.",
    ["agent", "turn"],
)
LEASES_LOST = Counter(
    "a2a_leases_lost",
    "Leases that this process had and lost: taken away, or not renewed in time.",
    ["agent"],
)
RUNS_FAILED = Counter(
    "a2a_runs_failed",
    "Turns that agents didn't end themselves, by why: raised, blocked, silent, slow, exhausted, not_twice, damaged.",
    ["agent", "reason"],
)
RUNS = Gauge("a2a_runs", "Tasks that this process works on.")
WATCHERS = Gauge(
    "a2a_watchers", "Readers of tasks in this process, those included that wait for a turn."
)
LAG = Gauge("a2a_loop_lag_seconds", "By how much this process's event loop was late, lately.")
DRAINING = Gauge("a2a_draining", "Whether this process is on its way out.")
BREAKS = Counter(
    "a2a_broadcast_breaks",
    "Connections for live events that broke, or delivered nothing and were replaced.",
)
HEALS = Counter(
    "a2a_feed_heals",
    "Gaps in live events that were filled from the log, those included that turned out to be none.",
)
Gauge("a2a_info", "Which version this process runs.", ["version"]).labels(VERSION).set(1)


def expect(agent: str, failures: Iterable[str]) -> None:
    """Show an agent's counts from the beginning, as zero: else the first one of each isn't seen to be one more.

    Args:
        agent: The agent, which this process runs.
        failures: How its turns may fail.
    """
    for turn in ("first", "again"):
        LEASES.labels(agent, turn)
    LEASES_LOST.labels(agent)
    for failure in failures:
        RUNS_FAILED.labels(agent, failure)


for _limit in LIMITS:
    LIMITED.labels(_limit)
for _outcome in ("archived", "forgotten", "failed"):
    ARCHIVED.labels(_outcome)
for _outcome in ("delivered", "failed", "given up"):
    PUSHES.labels(_outcome)
for _reason in ("late", "lost", "away"):
    UNCONFIRMED.labels(_reason)
for _reason in ("trimmed", "forked", "future", "malformed", "gone"):
    RESETS.labels(_reason)


def exposition() -> bytes:
    """Return every metric of this process as Prometheus reads it."""
    return generate_latest()
