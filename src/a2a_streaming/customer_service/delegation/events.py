"""A child's events as a2a-sdk's client hands them over, read into A2A 1.0 JSON. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, cast

from a2a.types import StreamResponse, Task
from google.protobuf.json_format import MessageToDict

from a2a_streaming.task import Json

RESUME = "urn:a2a-streaming:resume:v1"
"""The extension by which events tell their positions, and streams are resumed; docs/resume.md."""

Kind = Literal["task", "status", "artifact", "message"]
_KINDS: dict[str, Kind] = {
    "task": "task",
    "status_update": "status",
    "artifact_update": "artifact",
    "message": "message",
}


@dataclass(frozen=True, slots=True)
class ChildEvent:
    """One event of a child's stream.

    Args:
        kind: Which of the four kinds it is.
        data: The Task, TaskStatusUpdateEvent, TaskArtifactUpdateEvent or Message (A2A 1.0 JSON), without the
            resume extension's metadata.
        position: Where it stands in the child's log; empty if the specialist doesn't say.
        anew: Whether a task takes the place of all that was told before, as after a reset.
    """

    kind: Kind
    data: Json
    position: str = ""
    anew: bool = False

    @property
    def task_id(self) -> str:
        """The child's id; empty in a message that belongs to no task."""
        return str(self.data.get("id" if self.kind == "task" else "taskId", ""))


def read_event(response: StreamResponse, *, anew: bool = False) -> ChildEvent | None:
    """Read an event; None if there is nothing in it that we know.

    Args:
        response: What a2a-sdk's client yields.
        anew: Whether a task that comes without a position takes the place of what was told before.
    """
    payload = response.WhichOneof("payload")
    if payload is None:
        return None
    data = cast("Json", _whole(MessageToDict(getattr(response, payload))))
    metadata: Json = data.get("metadata", {})
    resume: Any = metadata.pop(RESUME, {})
    if not metadata:
        data.pop("metadata", None)
    return ChildEvent(
        _KINDS[payload],
        data,
        str(resume.get("position", "")),
        anew=payload == "task" and (anew or "reset" in resume),
    )


def read_task(task: Task) -> ChildEvent:
    """Return a task as it is now as the event that takes the place of all before it."""
    return ChildEvent("task", cast("Json", _whole(MessageToDict(task))), anew=True)


def _whole(value: Any) -> Any:
    """Make whole numbers whole again: a protobuf Struct has no integers (beyond 2^53 none are exact)."""
    if isinstance(value, dict):
        return {key: _whole(item) for key, item in cast("Json", value).items()}
    if isinstance(value, list):
        return [_whole(item) for item in cast("list[Any]", value)]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
