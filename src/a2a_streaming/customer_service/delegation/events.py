"""A child's events, read into A2A 1.0 JSON: as they came or, by another version, out of protobuf. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, cast

from a2a.types import StreamResponse, Task
from google.protobuf.json_format import MessageToDict

from a2a_streaming.task import Json, State

RESUME = "urn:a2a-streaming:resume:v1"
"""The extension by which events tell their positions, and streams are resumed; docs/resume.md."""

Kind = Literal["task", "status", "artifact", "message"]
_KINDS: dict[str, Kind] = {
    "artifactUpdate": "artifact",
    "statusUpdate": "status",
    "task": "task",
    "message": "message",
}
_FIELDS = {
    "artifact_update": "artifactUpdate",
    "status_update": "statusUpdate",
    "task": "task",
    "message": "message",
}
_STATES: dict[object, State] = {state.value: state for state in State}
TOLD = "told"
"""Where in a call's state `StreamTransport` leaves the event of which it yields the kind."""
SAID = "said"
"""Where in a call's state it finds the message (A2A 1.0 JSON) that is to be sent in the place of the request's."""


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

    def ends(self, *, answer: bool) -> bool:
        """Say whether its stream ends with it, as 1.0 has it (sections 3.1.2 and 3.1.6).

        Args:
            answer: Whether the stream answers a message, so that it ends with the turn.
        """
        if self.kind == "message":
            return True
        status: Json = self.data.get("status", {})
        state = _STATES.get(status.get("state"))
        return state is not None and (state.terminal or (answer and state.interrupted))


def event_of(result: Json, position: str) -> ChildEvent | None:
    """Read an event of a 1.0 stream; None if there is nothing in it that we know.

    Args:
        result: A StreamResponse (A2A 1.0 JSON); taken over.
        position: SSE's id.
    """
    for key, kind in _KINDS.items():
        data = result.get(key)
        if isinstance(data, dict):
            return _event(kind, cast("Json", data), position)
    return None


def read_event(response: StreamResponse) -> ChildEvent | None:
    """Read an event of another version's stream; None if there is nothing in it.

    Args:
        response: What a2a-sdk's client yields.
    """
    payload = response.WhichOneof("payload")
    if payload is None:
        return None
    told = getattr(response, payload)
    return event_of({_FIELDS[payload]: _whole(MessageToDict(told))}, "")


def _event(kind: Kind, data: Json, position: str) -> ChildEvent:
    metadata: Json = data.get("metadata", {})
    resume: Json = metadata.pop(RESUME, {})
    if not metadata:
        data.pop("metadata", None)
    return ChildEvent(
        kind,
        data,
        position or str(resume.get("position", "")),
        anew=kind == "task" and "reset" in resume,
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
