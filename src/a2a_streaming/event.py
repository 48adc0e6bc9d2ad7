"""Events: the entries of a task's log, and how the writer makes them.

An event is A2A 1.0 JSON (a `StreamResponse`, specification 1.0, section 3.2.3), encoded once, by its
writer. A 1.0 watcher is sent these very bytes. What other dialects need beside it (an artifact's
ordinal, the version of this format) stands in the event's metadata under `task.INTERNAL`.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal, cast

import orjson

from a2a_streaming.errors import NewerFormat
from a2a_streaming.position import Position
from a2a_streaming.task import INTERNAL, Json, State

FORMAT_VERSION = 1
"""Version of the events' format; a reader knows its own and all before it. `docs/backup.md` says how one is raised."""

Kind = Literal["task", "status", "artifact", "message"]
_KINDS: dict[str, Kind] = {
    "task": "task",
    "statusUpdate": "status",
    "artifactUpdate": "artifact",
    "message": "message",
}


_ARTIFACT = b'{"artifactUpdate":'
"""How an artifact's event begins, as its writer encodes it."""


class Event:
    """One entry of a task's log, as all local watchers of the task share it.

    Args:
        position: Where it stands.
        previous: The position it follows on; None at the log's start.
        data: The event's JSON, one line of UTF-8.
    """

    __slots__ = ("_payload", "data", "encodings", "position", "previous")

    def __init__(self, position: Position, previous: Position | None, data: bytes) -> None:
        self.position = position
        self.previous = previous
        self.data = data
        self.encodings: dict[Any, bytes] = {}
        """What each dialect made of it, so that it is made once a process."""
        self._payload: Json | None = None

    def __repr__(self) -> str:
        return f"Event({self.position}, {self.data[:80]!r})"

    @property
    def payload(self) -> Json:
        """The event as an object; shared, so never to be changed."""
        payload = self._payload
        if payload is None:
            payload = self._payload = cast("Json", orjson.loads(self.data))
        return payload

    def forget(self) -> None:
        """Drop what was made of it: it is told as a part of something else."""
        self.encodings.clear()
        self._payload = None

    @property
    def kind(self) -> Kind:
        """Which of the four kinds of events it is."""
        if self.data.startswith(_ARTIFACT):
            return "artifact"
        return _KINDS[next(iter(self.payload))]

    @property
    def state(self) -> State | None:
        """The state that it puts the task into; None if it leaves it as it is."""
        if self.data.startswith(_ARTIFACT):
            return None  # the most there is of, and told without being read
        payload = self.payload
        if "statusUpdate" in payload:
            return State(payload["statusUpdate"]["status"]["state"])
        if "task" in payload:
            return State(payload["task"]["status"]["state"])
        return State.COMPLETED if "message" in payload else None

    @property
    def message(self) -> Json | None:
        """The message that its status carries; None without one."""
        if self.data.startswith(_ARTIFACT):
            return None
        update = self.payload.get("statusUpdate")
        return update["status"].get("message") if update else None


MAX_DEPTH = 34
"""How deep objects and arrays may nest in what is told, or asked: each level is up to three of the hundred
messages that protobuf's readers take within one another."""
_NESTING = (dict, list)  # `dict | list` is made anew at each look


def nests_too_deep(value: Any) -> bool:
    """Say whether objects and arrays nest deeper than `MAX_DEPTH`."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for item in level
            for inner in (item.values() if isinstance(item, dict) else item)
            if isinstance(inner, _NESTING)
        ]
        if not level:
            return False
    return True


_CONTENT = ("text", "raw", "url", "data")


def check_event(event: Json, *, task_id: str, context_id: str) -> State | None:
    """Check an event that an agent has made, before anything of it is folded.

    What every reader relies on is checked (specification 1.0, sections 3.2.3 and 4.1); what else an event
    holds is left to the agent.

    Args:
        event: What is to be a StreamResponse with a status or an artifact.
        task_id: The task that it must name.
        context_id: The task's context.

    Returns:
        The state that it puts the task into; None if it leaves it as it is.

    Raises:
        ValueError: It is none; the text says what is missing, and where.
    """
    match event:
        case {"statusUpdate": {"status": {"state": state} as status} as update} if len(event) == 1:
            if "message" in status:
                _check_message(status["message"])
        case {"artifactUpdate": {"artifact": {"artifactId": str(), "parts": parts}} as update} if (
            len(event) == 1
        ):
            state = None
            _check_parts(parts, "artifactUpdate.artifact.parts")
        case _:
            raise ValueError(
                "An event is an object with one key: statusUpdate, with status.state, or"
                f" artifactUpdate, with artifact.artifactId and artifact.parts. This is {event!r:.200}"
            )
    match update:
        case {"taskId": task, "contextId": context} if (task, context) == (task_id, context_id):
            pass
        case _:
            raise ValueError(
                f"An event names its task and context: taskId {task_id!r}, contextId {context_id!r}."
            )
    match update.get("metadata", {}):
        case dict():
            pass
        case other:
            raise ValueError(f"An event's metadata are an object, not {other!r:.80}")
    _check_depth(event)
    return None if state is None else State(state)


def check_answer(said: Json, *, task_id: str, context_id: str) -> None:
    """Check a message that an agent has made as its whole answer.

    Args:
        said: What is to be a Message (A2A 1.0 JSON).
        task_id: The task that it must name.
        context_id: The task's context.

    Raises:
        ValueError: It is none; the text says what is missing.
    """
    _check_message(said)
    match said:
        case {"taskId": task, "contextId": context, "role": "ROLE_AGENT"} if (task, context) == (
            task_id,
            context_id,
        ):
            pass
        case _:
            raise ValueError(
                "A message that answers names its role, task and context: role 'ROLE_AGENT', "
                f"taskId {task_id!r}, contextId {context_id!r}."
            )
    _check_depth({"message": said})


def _check_depth(event: Json) -> None:
    if nests_too_deep(event):
        raise ValueError(
            f"An event nests deeper than {MAX_DEPTH} levels, which not every client could read. Send"
            " flatter data, or a file."
        )


def _check_message(said: Any) -> None:
    match said:
        case {
            "messageId": str(),
            "role": "ROLE_AGENT" | "ROLE_USER",
            "parts": parts,
        }:
            _check_parts(parts, "message.parts")
        case _:
            raise ValueError("A message needs messageId, role and parts.")


def _check_parts(parts: Any, where: str) -> None:
    listed = cast("list[Json]", parts if isinstance(parts, list) else [{}])
    wrong = [
        part
        for part in listed
        if not isinstance(cast("Any", part), dict) or sum(key in part for key in _CONTENT) != 1
    ]
    if wrong:
        raise ValueError(
            f"{where} must be a list of parts, objects with one of {', '.join(_CONTENT)} each;"
            f" this isn't: {parts!r:.200}"
        )


def load(data: bytes) -> Json:
    """Read an event that is to be folded.

    Args:
        data: The event, as it stands in a log.

    Raises:
        NewerFormat: It is written in a format that is newer than this process.
    """
    event: Json = orjson.loads(data)
    if not data.startswith(_ARTIFACT):
        inner: Any = event.get("statusUpdate") or event.get("task") or {}
    else:
        inner = event["artifactUpdate"]
    check_format(inner.get("metadata", {}).get(INTERNAL))
    return event


def check_format(notes: Any) -> None:
    """Check that this process can read what is stored.

    Args:
        notes: What is noted with it: an object with `v`, the version of its format; without one it is the first.

    Raises:
        NewerFormat: It is newer than this process.
    """
    found: Any = cast("Json", notes).get("v") if isinstance(notes, dict) else None
    if isinstance(found, int) and found > FORMAT_VERSION:
        raise NewerFormat(found, FORMAT_VERSION)


def encode(event: Json) -> bytes:
    """Encode an event for the log: one line of JSON."""
    return orjson.dumps(event)


def timestamp() -> str:
    """Return the time now as A2A writes it: RFC 3339 in UTC, milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def text_part(text: str) -> Json:
    """Return a part of plain text."""
    return {"text": text}


def data_part(data: Any, *, media_type: str = "application/json") -> Json:
    """Return a part of structured data.

    Args:
        data: Any JSON value.
        media_type: What it is.
    """
    return {"data": data, "mediaType": media_type}


def message(
    role: Literal["user", "agent"],
    parts: Sequence[Json],
    *,
    task_id: str,
    context_id: str,
    message_id: str | None = None,
    metadata: Json | None = None,
) -> Json:
    """Return a Message (specification 1.0, section 4.1.4) that belongs to a task.

    Args:
        role: Who speaks.
        parts: What they say, at least one part.
        task_id: The task.
        context_id: Its context.
        message_id: The message's id; a fresh one by default.
        metadata: What else belongs to it.
    """
    made: Json = {
        "messageId": message_id or uuid.uuid4().hex,
        "contextId": context_id,
        "taskId": task_id,
        "role": "ROLE_USER" if role == "user" else "ROLE_AGENT",
        "parts": list(parts),
    }
    if metadata:
        made["metadata"] = metadata
    return made


def new_task(
    task_id: str, context_id: str, first: Json, *, at: str, metadata: Json | None = None
) -> Json:
    """Return a task as it is when its first message has been accepted.

    Args:
        task_id: The task's id.
        context_id: Its context.
        first: The customer's message.
        at: When, as `timestamp` writes it.
        metadata: What the client said of the task.
    """
    task: Json = {
        "id": task_id,
        "contextId": context_id,
        "status": {"state": State.SUBMITTED.value, "timestamp": at},
        "history": [first],
    }
    if metadata:
        task["metadata"] = metadata
    return task


def task_event(task: Json) -> Json:
    """Return the event that sets the whole task: a log's first, or a new attempt's."""
    return {"task": task}


def status_event(
    task_id: str,
    context_id: str,
    state: State,
    said: Json | None = None,
    *,
    metadata: Json | None = None,
) -> Json:
    """Return the event that puts a task into a state.

    Args:
        task_id: The task.
        context_id: Its context.
        state: The state that it takes, or has already.
        said: The message that goes with it.
        metadata: Merged into the task's metadata.
    """
    status: Json = {"state": state.value, "timestamp": timestamp()}
    if said is not None:
        status["message"] = said
    return {
        "statusUpdate": {
            "taskId": task_id,
            "contextId": context_id,
            "status": status,
            "metadata": {**(metadata or {}), INTERNAL: {"v": FORMAT_VERSION}},
        }
    }


def artifact_event(
    task_id: str,
    context_id: str,
    artifact: Json,
    *,
    index: int,
    append: bool = False,
    last_chunk: bool | None = None,
) -> Json:
    """Return the event that brings an artifact, or a piece of one.

    Args:
        task_id: The task.
        context_id: Its context.
        artifact: An Artifact (specification 1.0, section 4.1.7); with `append` its new parts alone.
        index: The artifact's ordinal among the task's artifacts, from 0.
        append: Whether the parts follow on those already sent.
        last_chunk: Whether the artifact is complete now; None where it isn't sent in pieces.
    """
    update: Json = {"taskId": task_id, "contextId": context_id, "artifact": artifact}
    if append:
        update["append"] = True
    if last_chunk is not None:
        update["lastChunk"] = last_chunk
    update["metadata"] = {INTERNAL: {"v": FORMAT_VERSION, "index": index}}
    return {"artifactUpdate": update}
