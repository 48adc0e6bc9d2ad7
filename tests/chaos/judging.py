"""Judges of what is left when a run is over: the logs, and what customers were told."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

import orjson

from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.errors import HistoryLost
from a2a_streaming.event import Event
from a2a_streaming.wire import legacy
from chaos.customers import Customer
from chaos.oracle import Oracle, Seen
from chaos.stories import Path, Story, Violation


async def logs_of(manager: RedisManager, tasks: Iterable[str]) -> dict[str, list[Event]]:
    """Tasks' whole logs; an empty one for a task that has none."""
    logs: dict[str, list[Event]] = {}
    for task in tasks:
        events = logs[task] = []
        try:
            while got := await manager.history.page(task, events[-1].position if events else None):
                events += got
        except HistoryLost:
            events.clear()
    return logs


def judge_log(task: str, events: Sequence[Event]) -> list[str]:
    """Judge a task's log: dense, and ended once, well, by its last event (I1, I5, I8)."""
    if [e.position.offset for e in events] != [*range(1, len(events) + 1)]:
        return [f"{task}: its log has offsets {[e.position.offset for e in events]}"]
    ends = [e for e in events if e.state is not None and e.state.terminal]
    states = [e.state.label for e in ends if e.state is not None]
    if states != ["completed"]:
        return [f"{task} ended {len(ends)} times: {states}; its log ends with {events[-1:]}"]
    if ends[0] is not events[-1]:
        return [f"{task}: after its end stands {events[-1]}"]
    return []


def judge_stories(logs: Mapping[str, Sequence[Event]], customers: Sequence[Customer]) -> list[str]:
    """Judge what customers were told by what the logs hold (I1 to I3), and that they were told all."""
    oracle = Oracle()
    for task, events in logs.items():
        log = Seen("the log", task)
        for event in events:
            before, position = event.previous, str(event.position)
            oracle.wrote(task, None if before is None else str(before), position)
            oracle.saw(log, position, json.loads(legacy.tell_event(event, final=False)[1]))
    for number, customer in enumerate(customers):
        seen = Seen(f"customer {number}", customer.task)
        for told in customer.told:
            oracle.saw(seen, told.position, told.data)
        if logs[customer.task]:
            oracle.settle(seen)
    refused = [f"{c.task} was refused: {reason}" for c in customers for reason in c.refusals]
    unfinished = [f"{c.task}: a customer never saw its end" for c in customers if not c.over]
    return [*oracle.violations, *refused, *unfinished]


def judge_lossy_stories(
    logs: Mapping[str, Sequence[Event]], customers: Sequence[Customer]
) -> list[str]:
    """Judge what customers were told where failovers may lose ends of logs (I1 to I3, I5).

    What one was told and the log doesn't hold must be followed by a reset, unless it was the end: then they were gone before
    it was lost.
    """
    found: list[Violation] = []
    stories = {task: Story(task, found.append) for task in logs}
    for task, events in logs.items():
        path = Path("the log", stories[task], "legacy")
        for event in events:
            path.hear(str(event.position).encode(), legacy.tell_event(event, final=False)[1])
    for number, customer in enumerate(customers):
        path = Path(f"customer {number}", stories[customer.task], "legacy")
        for told in customer.told:
            path.hear(told.position.encode(), orjson.dumps(told.data))
        if not path.over:
            last = path.position
            found.append(Violation("I8", customer.task, f"{path.name} stays at {last!r}"))
    refused = [f"{c.task} was refused: {reason}" for c in customers for reason in c.refusals]
    return [*map(str, found), *refused]
