"""Workloads: what is asked of a set-up, and what that comes to in a set-up of some size."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bench.capacity.costs import Amounts

KIB = 1024
ENVELOPE = 230
"""Bytes of an event beside its text; they aren't told again to who begins with a task as it is."""


@dataclass(frozen=True)
class Workload:
    """What is asked.

    Args:
        watchers: Streams that are open at once.
        events: Events a second, of all tasks.
        tasks: Tasks that are being worked on at once.
        watched: How many of them are watched, each by as many.
        event_bytes: Bytes of an event, its JSON.
        task_seconds: How long a task takes.
        stream_seconds: After how long a stream breaks, and its client comes back.
        kept_seconds: How long a task stays in Redis after its end.
        spread: Over how many fronts a balancer spreads the watchers of one task; without it, over all.
        hot_watchers: Watchers of the task that most watch, in addition; they are spread over all fronts.
        hot_events: That task's events a second.
    """

    watchers: float
    events: float
    tasks: float
    watched: float = 0
    event_bytes: float = 350
    task_seconds: float = 60
    stream_seconds: float = 1800
    kept_seconds: float = 3600
    spread: float = math.inf
    hot_watchers: float = 0
    hot_events: float = 0

    def __post_init__(self) -> None:
        if min(self.watchers, self.events) < 0 or min(self.tasks, self.task_seconds) <= 0:
            raise ValueError("a workload has tasks that take time, and nothing less than none")
        if self.watched > self.tasks:
            raise ValueError("no more tasks are watched than there are")

    @property
    def each(self) -> float:
        """How many watch a task that is watched."""
        return self.watchers / (self.watched or self.tasks)

    @property
    def begun(self) -> float:
        """Tasks that begin a second, and as many end."""
        return self.tasks / self.task_seconds

    @property
    def story(self) -> float:
        """Events of a task, in all."""
        return self.events / self.begun


def hearing(fronts: float, watchers: float) -> float:
    """Return on how many fronts, on average, somebody watches a task, if a balancer sends each watcher anywhere.

    Args:
        fronts: How many fronts there are.
        watchers: How many watch the task; below 1, the share of tasks that are watched.
    """
    if watchers <= 1:
        return watchers
    return fronts * (1 - (1 - 1 / fronts) ** watchers)


def amounts(asked: Workload, fronts: int, workers: int, primaries: int) -> Amounts:
    """Return what a workload comes to in a set-up.

    Args:
        asked: The workload.
        fronts: How many fronts.
        workers: How many workers.
        primaries: How many primaries.
    """
    watched = asked.watched or asked.tasks
    ordinary = watched - (1 if asked.hot_watchers else 0)
    fanned = asked.events - asked.hot_events
    share = ordinary / asked.tasks  # of the events, those of tasks that are watched
    near = min(fronts, asked.spread)
    heard = fanned * share * hearing(near, asked.each)
    heard += asked.hot_events * hearing(fronts, asked.hot_watchers)
    delivered = fanned * share * asked.each + asked.hot_events * asked.hot_watchers
    back = asked.watchers / asked.stream_seconds + max(0.0, asked.each - 1) * (
        watched / asked.task_seconds
    )
    alone = (1 - 1 / near) ** max(0.0, asked.each - 1) if asked.watchers else 0.0
    kept = asked.tasks + asked.begun * asked.kept_seconds
    # A task that is being worked on has half its story, on average.
    kept_events = asked.story * (kept - asked.tasks / 2)
    kib = asked.event_bytes / KIB
    processes = fronts + workers
    return Amounts(
        fronts=fronts,
        workers=workers,
        primaries=primaries,
        members=primaries if primaries > 1 else 0,
        processes=processes,
        tasks=asked.begun,
        runs=asked.tasks,
        events=asked.events,
        event_kib=asked.events * kib,
        hearings=heard + fronts * (primaries - 1),  # and their probes
        hearing_kib=heard * kib,
        deliveries=delivered,
        delivery_kib=delivered * kib,
        watchers=asked.watchers + asked.hot_watchers,
        feeds=ordinary * hearing(near, asked.each) + hearing(fronts, asked.hot_watchers),
        opens=back * (1 - alone),
        firsts=back * alone,
        # Half of their stories, on average, told as one.
        opened_kib=back * asked.story / 2 * max(0.0, asked.event_bytes - ENVELOPE) / KIB,
        kept=kept,
        kept_events=kept_events,
        kept_kib=kept_events * kib,
    )
