"""What a stream's events come to: the task that whoever has read them knows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from a2a_reliability.events import (
    ArtifactTold,
    Event,
    MessageTold,
    Snapshot,
    StatusTold,
    joined,
)

_TICK = re.compile(r"tick (\d+);")


def fold(known: Snapshot, event: Event) -> Snapshot:
    """Return the task after an event (specification 1.0, sections 4.1.1 and 4.2)."""
    match event:
        case Snapshot():
            return event
        case StatusTold():
            return replace(known, state=event.state, words=event.words)
        case ArtifactTold():
            before = known.artifacts.get(event.artifact_id, ()) if event.append else ()
            content = joined(before, event.content)
            return replace(known, artifacts={**known.artifacts, event.artifact_id: content})
        case MessageTold():
            return known


def states(told: Sequence[Event]) -> list[Snapshot]:
    """Return the task after each event; empty for a stream that doesn't begin with a task."""
    if not told or not isinstance(told[0], Snapshot):
        return []
    known = [told[0]]
    for event in told[1:]:
        known.append(fold(known[-1], event))
    return known


def ticks(task: Snapshot) -> list[int]:
    """Return the numbers of the ticks in a task's artifacts, in the order in which they stand there."""
    whole = "".join(value for content in task.artifacts.values() for _, value in content)
    return [int(number) for number in _TICK.findall(whole)]
