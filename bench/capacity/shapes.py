"""Workloads that the page tells of: set-ups of three sizes, and a million watchers in four shapes."""

from __future__ import annotations

from typing import NamedTuple

from bench.capacity.model import GIB, Limits
from bench.capacity.workload import Workload

HOUR = 3600.0
DAY = 24 * HOUR


class Shape(NamedTuple):
    """A workload with a name.

    Args:
        name: Its name.
        about: What it is.
        asked: The workload.
        limits: How full processes may be.
    """

    name: str
    about: str
    asked: Workload
    limits: Limits


SIZES = (
    Shape(
        "small",
        "100 tasks at once, each with 2 watchers and 2 events a second; a minute each; kept for a day",
        Workload(watchers=200, events=200, tasks=100, kept_seconds=DAY),
        Limits(redis_bytes=4 * GIB),
    ),
    Shape(
        "medium",
        "1,000 tasks at once, likewise; kept for six hours",
        Workload(watchers=2000, events=2000, tasks=1000, kept_seconds=6 * HOUR),
        Limits(runs=256, redis_bytes=16 * GIB),
    ),
    Shape(
        "large",
        "10,000 tasks at once, likewise; kept for an hour, and archived",
        Workload(watchers=20_000, events=20_000, tasks=10_000, kept_seconds=HOUR),
        Limits(runs=512, redis_bytes=32 * GIB),
    ),
)
_MILLION = Limits(runs=4000, redis_bytes=32 * GIB)
MILLION = (
    Shape(
        "a task each",
        "1,000,000 tasks with a watcher each; an event each ten seconds; ten minutes",
        Workload(watchers=1e6, events=1e5, tasks=1e6, task_seconds=600, kept_seconds=600),
        _MILLION,
    ),
    Shape(
        "a hundred to a task",
        "10,000 tasks with 100 watchers each; 10 events a second; ten minutes",
        Workload(watchers=1e6, events=1e5, tasks=1e4, task_seconds=600, kept_seconds=600),
        _MILLION,
    ),
    Shape(
        "the same, by task",
        "the same, and a balancer that sends the watchers of one task to two fronts",
        Workload(watchers=1e6, events=1e5, tasks=1e4, task_seconds=600, kept_seconds=600, spread=2),
        _MILLION,
    ),
    Shape(
        "a crowd",
        "one task with 100,000 watchers and 10 events a second; 900,000 tasks with one each",
        Workload(
            watchers=9e5,
            events=1e5,
            tasks=900_001,
            task_seconds=600,
            kept_seconds=600,
            hot_watchers=1e5,
            hot_events=10,
        ),
        _MILLION,
    ),
)
