"""A task's state machine, and the fold of its log into a snapshot.

    submitted ──► working ──► completed | failed | canceled | rejected      (terminal: nothing follows)
        │          ▲   │
        │          │   ▼
        └─────► input-required | auth-required                              (interrupted: a turn ends)

Every state that isn't terminal may also become each terminal one, and stay what it is. `TRANSITIONS`
says it in full. A task and its events are A2A 1.0 JSON objects (specification 1.0, section 4), as
they stand in the log: plain dicts, no classes of their own.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, TypeAlias, cast

from a2a_streaming.errors import InvalidTransition

Json: TypeAlias = dict[str, Any]
"""A JSON object."""

INTERNAL = "a2a_streaming"
"""Key in an event's or artifact's metadata for what translations need; no client's business."""


class State(StrEnum):
    """A task's state, by its name in A2A 1.0 JSON (specification 1.0, section 4.1.3)."""

    SUBMITTED = "TASK_STATE_SUBMITTED"
    WORKING = "TASK_STATE_WORKING"
    INPUT_REQUIRED = "TASK_STATE_INPUT_REQUIRED"
    AUTH_REQUIRED = "TASK_STATE_AUTH_REQUIRED"
    COMPLETED = "TASK_STATE_COMPLETED"
    FAILED = "TASK_STATE_FAILED"
    CANCELED = "TASK_STATE_CANCELED"
    REJECTED = "TASK_STATE_REJECTED"

    @property
    def terminal(self) -> bool:
        """Whether the task has ended: nothing follows."""
        return self in TERMINAL

    @property
    def interrupted(self) -> bool:
        """Whether the task waits for its customer: a turn has ended, another may follow."""
        return self in INTERRUPTED

    @property
    def label(self) -> str:
        """The state as people and the first dialect write it, as in `input-required`."""
        return self.value.removeprefix("TASK_STATE_").lower().replace("_", "-")


TERMINAL = frozenset({State.COMPLETED, State.FAILED, State.CANCELED, State.REJECTED})
INTERRUPTED = frozenset({State.INPUT_REQUIRED, State.AUTH_REQUIRED})

TRANSITIONS: dict[State, frozenset[State]] = {
    State.SUBMITTED: frozenset({State.SUBMITTED, State.WORKING}) | INTERRUPTED | TERMINAL,
    State.WORKING: frozenset({State.WORKING}) | INTERRUPTED | TERMINAL,
    State.INPUT_REQUIRED: frozenset({State.WORKING}) | INTERRUPTED | TERMINAL,
    State.AUTH_REQUIRED: frozenset({State.WORKING}) | INTERRUPTED | TERMINAL,
    State.COMPLETED: frozenset(),
    State.FAILED: frozenset(),
    State.CANCELED: frozenset(),
    State.REJECTED: frozenset(),
}


def check_transition(current: State, wanted: State) -> None:
    """Check a step of the state machine.

    Args:
        current: The state the task is in.
        wanted: The state it is to take.

    Raises:
        InvalidTransition: `TRANSITIONS` has no such step.
    """
    if wanted not in TRANSITIONS[current]:
        raise InvalidTransition(current.label, wanted.label)


def state_of(task: Json) -> State:
    """Return the state that a task is in."""
    return State(task["status"]["state"])


def answered_by_message(task: Json) -> bool:
    """Say whether a task ended with a message alone, so that 1.0 and 0.3 know the message, but no task."""
    return task.get("metadata", {}).get(INTERNAL, {}).get("answer") == "message"


HANDOVER = "handover"
"""Key in a task's metadata that says that people see to it: an object, `open` true for as long as they do."""


def is_handed_over(task: Json) -> bool:
    """Say whether a task is handed over to people, so that those of the role `agent` may see it."""
    told = task.get("metadata", {}).get(HANDOVER)
    return isinstance(told, dict) and cast("Json", told).get("open") is True


def apply(task: Json | None, event: Json) -> Json:
    """Fold one event into a task: the same arguments give the same task, everywhere.

    Takes `task` over: it may be changed and returned, so that the cost is the event's size, whatever
    the task's size. Who needs the task as it was, copies it first. The event stays as it is.

    Args:
        task: The task so far; None before the log's first event.
        event: A StreamResponse: an object with the one key `task`, `statusUpdate`, `artifactUpdate`
            or `message`.

    Returns:
        The task after the event. Its metadata are the events' metadata, merged, without `INTERNAL`; a
        `message` event ends the task, which is noted there (see `answered_by_message`).

    Raises:
        InvalidTransition: The event's state can't follow on the task's, or the task has ended.
        ValueError: The event is of no known kind, or a log begins with another kind than `task`.
    """
    if task is not None and "statusUpdate" not in event and task["status"]["state"] in TERMINAL:
        raise InvalidTransition(state_of(task).label, "anything else")
    if "task" in event:
        return _copy_task(event["task"])
    if task is None:
        raise ValueError("a log begins with a task event")
    if "statusUpdate" in event:
        return _apply_status(task, event["statusUpdate"])
    if "artifactUpdate" in event:
        return _apply_artifact(task, event["artifactUpdate"])
    if "message" in event:
        return _apply_message(task, event["message"])
    raise ValueError(
        f"an event has one of task, statusUpdate, artifactUpdate, message, not {[*event]}"
    )


def _copy_task(task: Json) -> Json:
    """Copy as deep as later events change it: the event is not ours."""
    copy = dict(task)
    if "history" in copy:
        copy["history"] = list(copy["history"])
    if "artifacts" in copy:
        copy["artifacts"] = [_copy_artifact(artifact) for artifact in copy["artifacts"]]
    if "metadata" in copy:
        copy["metadata"] = {k: v for k, v in copy["metadata"].items() if k != INTERNAL}
        if not copy["metadata"]:
            del copy["metadata"]
    return copy


def _copy_artifact(artifact: Json) -> Json:
    copy = {**artifact, "parts": list(artifact.get("parts", ()))}
    if "metadata" in copy:
        copy["metadata"] = dict(copy["metadata"])
    return copy


def _apply_status(task: Json, update: Json) -> Json:
    check_transition(state_of(task), State(update["status"]["state"]))
    said = task["status"].get("message")
    if said is not None:
        task.setdefault("history", []).append(said)
    task["status"] = update["status"]
    metadata = {k: v for k, v in update.get("metadata", {}).items() if k != INTERNAL}
    if metadata:
        task.setdefault("metadata", {}).update(metadata)
    return task


def _apply_message(task: Json, said: Json) -> Json:
    """End the task with a message that is its whole answer."""
    before = task["status"].get("message")
    if before is not None:
        task.setdefault("history", []).append(before)
    task["status"] = {"state": State.COMPLETED.value, "message": said}
    task["metadata"] = {**task.get("metadata", {}), INTERNAL: {"answer": "message"}}
    return task


def _apply_artifact(task: Json, update: Json) -> Json:
    new = update["artifact"]
    artifacts: list[Json] = task.setdefault("artifacts", [])
    place = find_artifact(artifacts, new["artifactId"])
    if place is None:
        artifacts.append(_with_notes(new, update))
    elif update.get("append"):
        artifact = artifacts[place]
        artifact["parts"].extend(new.get("parts", ()))
        if "metadata" in new:
            artifact.setdefault("metadata", {}).update(new["metadata"])
    else:
        artifacts[place] = _with_notes(new, update)
    return task


def find_artifact(artifacts: list[Json], artifact_id: str) -> int | None:
    """Return where in the list an artifact stands, the newest first; None if it isn't there."""
    for place in range(len(artifacts) - 1, -1, -1):
        if artifacts[place]["artifactId"] == artifact_id:
            return place
    return None


def mentions(task: Json, message_id: str) -> bool:
    """Say whether a message is in the task: in its history, or said with its status."""
    said = task["status"].get("message")
    if said is not None and said["messageId"] == message_id:
        return True
    return any(said["messageId"] == message_id for said in reversed(task.get("history", ())))


_NOTES = ("index", "turn", "step")


def _with_notes(artifact: Json, update: Json) -> Json:
    """Keep in the fold the artifact's ordinal (the first dialect's `index`), and what it came from."""
    copy = _copy_artifact(artifact)
    told = update.get("metadata", {}).get(INTERNAL, {})
    notes = {key: told[key] for key in _NOTES if key in told}
    if notes:
        copy.setdefault("metadata", {})[INTERNAL] = notes
    return copy


def artifact_index(artifact: Json) -> int:
    """Return a folded artifact's ordinal among its task's artifacts, from 0."""
    return int(artifact.get("metadata", {}).get(INTERNAL, {}).get("index", 0))
