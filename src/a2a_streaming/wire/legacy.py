"""The first dialect of A2A: `tasks/send`, `tasks/sendSubscribe` and their like.

Requests are read into A2A 1.0 terms, and 1.0 events and tasks are told in the first dialect's. States
it lacks become their nearest: `rejected` is told as `failed`, `auth-required` as `input-required`; the
original stands in the metadata.
"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any, Literal, TypeVar

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from a2a_streaming.errors import InvalidParams
from a2a_streaming.event import Event
from a2a_streaming.task import INTERNAL, Json, State, artifact_index

DIALECT = "0.1"

_STATES = {
    State.REJECTED: "failed",
    State.AUTH_REQUIRED: "input-required",
}


def _not_ours(metadata: Json) -> Json:
    if INTERNAL in metadata:
        raise ValueError(f"the key {INTERNAL!r} is reserved; choose another")
    return metadata


Metadata = Annotated[dict[str, Any], AfterValidator(_not_ours)]


class Params(BaseModel):
    """What a method takes: what it doesn't know is ignored, what it knows has its type."""

    model_config = ConfigDict(strict=True, extra="ignore")


P = TypeVar("P", bound=Params)


class TextPart(Params):
    """Plain text."""

    type: Literal["text"]
    text: str
    metadata: Metadata | None = None


class FileContent(Params):
    """A file's bytes, base64, or where it is: one of both."""

    name: str | None = None
    mimeType: str | None = None  # noqa: N815 - the wire's name
    bytes: str | None = None
    uri: str | None = None


class FilePart(Params):
    """A file."""

    type: Literal["file"]
    file: FileContent
    metadata: Metadata | None = None


class DataPart(Params):
    """Structured data."""

    type: Literal["data"]
    data: dict[str, Any]
    metadata: Metadata | None = None


class Message(Params):
    """What the customer says."""

    role: Literal["user"]
    parts: Annotated[
        list[Annotated[TextPart | FilePart | DataPart, Field(discriminator="type")]],
        Field(min_length=1),
    ]
    metadata: Metadata | None = None

    def to_parts(self) -> list[Json]:
        """Return its parts in A2A 1.0 terms.

        Raises:
            InvalidParams: A file has neither or both of bytes and URI, or its bytes are no base64.
        """
        return [
            _incoming_part(part, f"params.message.parts.{place}")
            for place, part in enumerate(self.parts)
        ]


class TaskIdParams(Params):
    """Names a task."""

    id: str
    metadata: Metadata | None = None


class TaskQueryParams(TaskIdParams):
    """Names a task, and how much of its messages to return."""

    historyLength: Annotated[int, Field(ge=0)] | None = None  # noqa: N815 - the wire's name


class FollowedTask(Params):
    """A task to follow, and how far it has been seen."""

    id: str
    after: str | None = None


class FollowParams(Params):
    """Names several tasks to follow on one connection; ours, not the first dialect's."""

    tasks: Annotated[list[FollowedTask], Field(min_length=1, max_length=200)]


class TaskSendParams(TaskQueryParams):
    """A message to a task."""

    sessionId: str | None = None  # noqa: N815 - the wire's name
    message: Message
    pushNotification: dict[str, Any] | None = None  # noqa: N815 - the wire's name


def read_params(model: type[P], params: Json, *place: str) -> P:
    """Read a method's parameters, or a part of them.

    Args:
        model: What they should be.
        params: What they are.
        place: Where the part stands in them.

    Raises:
        InvalidParams: They aren't; the text names each field that is wrong.
    """
    try:
        return model.model_validate(params)
    except ValidationError as cause:
        wrong = "; ".join(
            f"{_field((*place, *item['loc']))}: {item['msg'][:200]}"
            for item in cause.errors(include_url=False, include_input=False)[:5]
        )
        raise InvalidParams(f"{wrong}.") from cause


def _field(loc: tuple[int | str, ...]) -> str:
    """Return a field's path as the client wrote it: pydantic puts a part's type into it."""
    fields = ["params", *(str(part) for part in loc)]
    if fields[1:3] == ["message", "parts"]:
        del fields[4:5]
    return ".".join(fields)


def _incoming_part(part: TextPart | FilePart | DataPart, place: str) -> Json:
    made: Json
    match part:
        case TextPart():
            made = {"text": part.text}
        case DataPart():
            made = {"data": part.data, "mediaType": "application/json"}
        case FilePart(file=file):
            if (file.bytes is None) == (file.uri is None):
                raise InvalidParams(f'{place}.file: a file has either "bytes" or "uri".')
            if file.bytes is not None:
                _check_base64(file.bytes, place)
                made = {"raw": file.bytes}
            else:
                made = {"url": file.uri}
            if file.name:
                made["filename"] = file.name
            if file.mimeType:
                made["mediaType"] = file.mimeType
    if part.metadata:
        made["metadata"] = part.metadata
    return made


def _check_base64(text: str, place: str) -> None:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as cause:
        raise InvalidParams(f"{place}.file.bytes: must be base64: {cause}.") from cause


def tell_event(event: Event, *, final: bool) -> tuple[str, bytes]:
    """Tell an event in the first dialect.

    Args:
        event: The event.
        final: Whether the stream ends with it, if it ends a turn; a task's end is always final.

    Returns:
        The SSE event's type, `status` or `artifact`; and its JSON.
    """
    key = (DIALECT, final)
    kind = "artifact" if event.kind == "artifact" else "status"
    told = event.encodings.get(key)
    if told is None:
        told = event.encodings[key] = orjson.dumps(_tell(event.payload, final=final))
    return kind, told


def _tell(payload: Json, *, final: bool) -> Json:
    if "artifactUpdate" in payload:
        update = payload["artifactUpdate"]
        artifact = _tell_artifact(
            update["artifact"], update.get("metadata", {}).get(INTERNAL, {}).get("index", 0)
        )
        if "append" in update:
            artifact["append"] = update["append"]
        if "lastChunk" in update:
            artifact["lastChunk"] = update["lastChunk"]
        return _with_metadata({"id": update["taskId"], "artifact": artifact}, update)
    if "statusUpdate" in payload:
        update = payload["statusUpdate"]
        return _tell_status_event(update["taskId"], update, final=final)
    if "task" in payload:
        task = payload["task"]
        return _tell_status_event(task["id"], {"status": task["status"]}, final=final)
    said = payload["message"]
    return {
        "id": said.get("taskId", ""),
        "status": {"state": "completed", "message": _tell_message(said)},
        "final": True,
    }


def _tell_status_event(task_id: str, update: Json, *, final: bool) -> Json:
    state = State(update["status"]["state"])
    told: Json = {
        "id": task_id,
        "status": _tell_status(update["status"]),
        "final": state.terminal or (state.interrupted and final),
    }
    told = _with_metadata(told, update)
    if state in _STATES:
        told.setdefault("metadata", {})["state"] = state.label
    return told


def tell_reset(task: Json, reason: str) -> bytes:
    """Tell a watcher that the story begins anew from a snapshot: a status, with both in its metadata.

    Args:
        task: The task as it is now (A2A 1.0 JSON).
        reason: Why its position can't be continued.
    """
    told = _tell_status_event(task["id"], {"status": task["status"]}, final=False)
    whole = tell_task(task, history_length=None)
    told.setdefault("metadata", {})["reset"] = {"reason": reason, "task": whole}
    return orjson.dumps(told)


def tell_task(task: Json, *, history_length: int | None) -> Json:
    """Tell a task in the first dialect.

    Args:
        task: The task (A2A 1.0 JSON).
        history_length: How many of its latest messages to tell; None for none of them.
    """
    told: Json = {
        "id": task["id"],
        "sessionId": task["contextId"],
        "status": _tell_status(task["status"]),
        "artifacts": [
            _tell_artifact(artifact, artifact_index(artifact))
            for artifact in task.get("artifacts", ())
        ],
    }
    if history_length:
        told["history"] = [_tell_message(m) for m in task.get("history", ())[-history_length:]]
    told = _with_metadata(told, task)
    state = State(task["status"]["state"])
    if state in _STATES:
        told.setdefault("metadata", {})["state"] = state.label
    return told


def _tell_status(status: Json) -> Json:
    state = State(status["state"])
    told: Json = {"state": _STATES.get(state, state.label)}
    if "message" in status:
        told["message"] = _tell_message(status["message"])
    if "timestamp" in status:
        told["timestamp"] = status["timestamp"]
    return told


def _tell_message(said: Json) -> Json:
    told: Json = {
        "role": "user" if said["role"] == "ROLE_USER" else "agent",
        "parts": [_tell_part(part) for part in said.get("parts", ())],
    }
    return _with_metadata(told, said)


def _tell_artifact(artifact: Json, index: int) -> Json:
    told: Json = {"parts": [_tell_part(part) for part in artifact.get("parts", ())], "index": index}
    for name in ("name", "description"):
        if name in artifact:
            told[name] = artifact[name]
    return _with_metadata(told, artifact)


def _tell_part(part: Json) -> Json:
    if "text" in part:
        told: Json = {"type": "text", "text": part["text"]}
    elif "data" in part:
        data = part["data"]
        # The first dialect's data are objects; 1.0's may be any value.
        told = {"type": "data", "data": data if isinstance(data, dict) else {"value": data}}
    else:
        file: Json = {"bytes": part["raw"]} if "raw" in part else {"uri": part.get("url", "")}
        if "filename" in part:
            file["name"] = part["filename"]
        if "mediaType" in part:
            file["mimeType"] = part["mediaType"]
        told = {"type": "file", "file": file}
    return _with_metadata(told, part)


def _with_metadata(told: Json, source: Json) -> Json:
    metadata: Json | None = source.get("metadata")
    if metadata and (kept := {k: v for k, v in metadata.items() if k != INTERNAL}):
        told["metadata"] = kept
    return told
