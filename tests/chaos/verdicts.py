"""What a task's log must be when all is quiet: dense, ended once, written by one run after another, and what was told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import redis.asyncio

from chaos.stories import Path, Snapshot, Story, Violation, offset_of
from chaos.telling import label, said

Json = dict[str, Any]


@dataclass(frozen=True)
class Entry:
    """One entry of a log.

    Args:
        position: Where it stands.
        data: The event, A2A 1.0 JSON.
    """

    position: bytes
    data: bytes

    @property
    def epoch(self) -> bytes:
        """The epoch under which it was written."""
        return self.position.partition(b"-")[0]


async def read_log(client: redis.asyncio.Redis, task: str) -> list[Entry]:
    """Read a task's log, as far as there is one; by the id that it is stored under."""
    entries: Any = await client.xrange(f"task:{{{task}}}:stream")
    return [Entry(position, fields[b"e"]) for position, fields in entries]


def log_violations(task: str, log: Sequence[Entry], *, ended: bool) -> Iterator[Violation]:
    """Judge a log by itself (I1, I5, I6, I7, I8).

    Args:
        task: The task.
        log: Its entries; the first ones may have been trimmed.
        ended: Whether it must have ended.
    """
    offsets = [offset_of(entry.position) for entry in log]
    if offsets != [*range(offsets[0], offsets[0] + len(log))] if offsets else ended:
        yield Violation("I1", task, f"its log has the offsets {offsets}"[:400])
    told = [said(entry.data) for entry in log]
    ends = [place for place, one in enumerate(told) if one.ends]
    if len(ends) > 1:
        yield Violation("I5", task, f"it ended {len(ends)} times: {[log[p] for p in ends]}"[:600])
    elif ends and ends[0] != len(log) - 1:
        yield Violation("I5", task, f"after its end stands {log[ends[0] + 1]}"[:600])
    elif not ends and ended and log:
        yield Violation("I8", task, f"it hasn't ended; its log ends with {log[-1]}"[:600])
    yield from _writers(task, log)


def _writers(task: str, log: Sequence[Entry]) -> Iterator[Violation]:
    """Judge who wrote a log: an epoch that is over, or an execution that is, never writes again."""
    epochs: list[bytes] = []
    numbers: dict[str, int] = {}
    homes: dict[str, bytes] = {}
    latest = ""
    for entry in log:
        if not epochs or entry.epoch != epochs[-1]:
            if entry.epoch in epochs:
                what = f"{entry.position!r} was written under an epoch that was over"
                yield Violation("I6", task, what)
            epochs.append(entry.epoch)
        mark = said(entry.data).marker
        if mark is None:
            continue
        if mark.execution != latest and mark.execution in numbers:
            yield Violation("I6", task, f"{entry.position!r} was written by a run that was over")
        if homes.setdefault(mark.execution, entry.epoch) != entry.epoch:
            yield Violation("I6", task, f"{entry.position!r} is of a run of another epoch")
        expected = numbers.get(mark.execution, -1) + 1
        trimmed = mark.execution not in numbers and len(epochs) == 1
        if mark.number != expected and not trimmed:
            what = f"at {entry.position!r} stands {mark}, and {expected} was acknowledged before"
            yield Violation("I7", task, what)
        numbers[mark.execution], latest = mark.number, mark.execution


def told_violations(story: Story, log: Sequence[Entry]) -> Iterator[Violation]:
    """Judge what was told of a task by its log (I1, I3)."""
    before: bytes | None = None
    for number, entry in enumerate(log):
        place = story.places.get(entry.position)
        if place is not None and (number or offset_of(entry.position) == 1):
            if place.previous != before:
                what = f"{entry.position!r} stands behind {before!r}, and was told after {place.previous!r}"
                yield Violation("I1", story.task, what)
            mark = said(entry.data).marker
            if place.marker != mark and None not in (place.marker, mark):
                yield Violation(
                    "I3", story.task, f"at {entry.position!r} stands {mark}, told was {place}"
                )
        before = entry.position


def path_violations(path: Path, log: Sequence[Entry], *, lost: bool) -> Iterator[Violation]:
    """Judge where a watcher has got to, now that all is quiet (I1, I7).

    Args:
        path: The watcher's way.
        log: The log.
        lost: Whether Redis has lost something of the task after this watcher saw its end.
    """
    if path.position is None or not log or (path.over and lost):
        return
    if path.position != log[-1].position:
        there = any(entry.position == path.position for entry in log)
        where = "" if there else ", and was never told that this is lost"
        what = (
            f"{path.name} stays at {path.position!r}{where}; the log ends at {log[-1].position!r}"
        )
        yield Violation("I1" if there else "I7", path.story.task, what)


def fold_violations(story: Story, log: Sequence[Entry], task: Json) -> Iterator[Violation]:
    """Judge that a snapshot and what follows on it is the task as it is (I4).

    Args:
        story: The story, with the snapshots that were told.
        log: The log.
        task: The task as it is told now, in 1.0.
    """
    places = {entry.position: number for number, entry in enumerate(log)}
    for snapshot in story.snapshots:
        if not snapshot.dialect.startswith("1.0") or snapshot.position not in places:
            continue
        folded = fold(snapshot, [e.data for e in log[places[snapshot.position] + 1 :]])
        if folded != essence(task):
            what = f"from {snapshot.position!r} it folds to {folded}, and is {essence(task)}"
            yield Violation("I4", story.task, what[:1500])


def fold(snapshot: Snapshot, events: Sequence[bytes]) -> Json:
    """Fold events onto a snapshot; returns its `essence`."""
    now = essence(snapshot.task)
    for data in events:
        event: Json = orjson.loads(data)
        if "task" in event:
            now = essence(event["task"])
        elif "statusUpdate" in event:
            status = event["statusUpdate"]["status"]
            now["state"] = label(status["state"])
            now["says"] = _text(status.get("message", {}))
        elif "artifactUpdate" in event:
            update = event["artifactUpdate"]
            artifact = update["artifact"]
            kept = now["artifacts"].get(artifact["artifactId"], "") if update.get("append") else ""
            now["artifacts"][artifact["artifactId"]] = kept + _text(artifact)
            if not now["artifacts"][artifact["artifactId"]]:
                del now["artifacts"][artifact["artifactId"]]
    return now


def essence(task: Json) -> Json:
    """Return what of a task two ways to it must agree on: its state, its last words, its artifacts' texts."""
    status = task.get("status", {})
    artifacts = {a["artifactId"]: _text(a) for a in task.get("artifacts", ())}
    return {
        "state": label(status.get("state", "")),
        "says": _text(status.get("message", {})),
        "artifacts": {key: text for key, text in artifacts.items() if text},
    }


def _text(said: Json) -> str:
    return "".join(part.get("text", "") for part in said.get("parts", ()))
