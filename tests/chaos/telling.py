"""What a frame says, whatever the dialect it is told in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import orjson

RESUME = "urn:a2a-streaming:resume:v1"
TERMINAL = frozenset({"completed", "failed", "canceled", "rejected"})
_MARKER = re.compile(rb"~([0-9a-f]{8}) (\d+) (\d+) (\d+)~")


@dataclass(frozen=True, slots=True)
class Marker:
    """Who wrote an event, by what it says itself.

    Args:
        execution: Which execution of the agent.
        number: The how manieth of its events, from 0.
        pid: The process.
        attempt: The attempt.
    """

    execution: str
    number: int
    pid: int
    attempt: int


@dataclass(frozen=True, slots=True)
class Said:
    """What a frame says.

    Args:
        state: The state that it tells of; empty if it tells of none.
        reset: Why the story begins anew; None if it goes on.
        task: The task as it is now, if the frame tells of it whole (JSON as the dialect has it).
        marker: Who wrote it, if an agent of ours did.
        task_id: The task, as its client knows it.
    """

    state: str
    reset: str | None
    task: dict[str, Any] | None
    marker: Marker | None
    task_id: str = ""

    @property
    def ends(self) -> bool:
        """Whether it tells of a task's end."""
        return self.state in TERMINAL


def said(data: bytes) -> Said:
    """Read a frame's data, in any dialect."""
    told: dict[str, Any] = orjson.loads(data)
    if "jsonrpc" in told:
        told = told.get("result", {})
    inner: dict[str, Any] = told
    for name in ("task", "statusUpdate", "artifactUpdate", "message"):
        if isinstance(told.get(name), dict):
            inner = told[name]
    metadata: dict[str, Any] = inner.get("metadata") or {}
    state = str((inner.get("status") or {}).get("state", ""))
    whole = inner if told.get("task") is inner or inner.get("kind") == "task" else None
    reset: str | None = None
    if isinstance(metadata.get("reset"), dict):
        reset, whole = metadata["reset"]["reason"], metadata["reset"]["task"]
    elif isinstance(metadata.get(RESUME), dict):
        reset = metadata[RESUME].get("reset")
    task_id = str(inner.get("taskId") or inner.get("id") or "")
    mark = marker(data) if whole is None else None  # a whole task repeats what others said
    return Said(label(state), reset, whole, mark, task_id)


def marker(data: bytes) -> Marker | None:
    """Find who wrote an event; None if it doesn't say so."""
    found = _MARKER.search(data)
    if found is None:
        return None
    return Marker(found[1].decode(), int(found[2]), int(found[3]), int(found[4]))


def label(state: str) -> str:
    """Return a state in one word of lower case, whatever the dialect."""
    state = state.removeprefix("TASK_STATE_").lower().replace("_", "-")
    return state.replace("cancelled", "canceled")
