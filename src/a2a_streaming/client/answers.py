"""What an agent answers, read into values and errors; pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, cast

import orjson

from a2a_streaming.errors import A2AStreamingError
from a2a_streaming.sse import Message
from a2a_streaming.task import Json

TERMINAL = frozenset({"completed", "failed", "canceled", "rejected"})
"""States after which nothing follows (first dialect, and A2A 1.0's own)."""
NOT_FOUND = -32001
"""JSON-RPC error code: there is no such task."""

_COME_BACK = frozenset({502, 503, 504})
_STREAM = "the stream"


class RemoteError(A2AStreamingError):
    """The agent answered with a JSON-RPC error.

    Args:
        code: The JSON-RPC error code.
        message: The error's message.
        detail: What the agent says about it in `data.detail`; empty if nothing.
    """

    def __init__(self, code: int, message: str, detail: str = "") -> None:
        super().__init__(f"The agent answered with error {code}: {detail or message}")
        self.code = code
        self.message = message
        self.detail = detail


class StreamLost(A2AStreamingError):
    """A stream was cut and couldn't be taken up again in time.

    Args:
        task_id: The task; of several, those that hadn't ended, joined by commas.
        position: The last position received, with which `resubscribe` can try again; empty if none,
            or of several tasks.
        reason: What happened last.
    """

    def __init__(self, task_id: str, position: str, reason: str) -> None:
        super().__init__(
            f"Lost the stream of task {task_id!r} after position {position or 'none'}: {reason}. "
            "The task itself may go on; resubscribe later."
        )
        self.task_id = task_id
        self.position = position
        self.reason = reason


class AgentUnreachable(A2AStreamingError):
    """A call got no usable answer.

    Args:
        url: What was asked.
        reason: What came instead of an answer.
    """

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"No usable answer from {url}: {reason}.")
        self.url = url
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Reset:
    """The story couldn't be continued from the position that was sent: it begins anew from a snapshot.

    Args:
        reason: Why: `trimmed`, `forked`, `future`, `malformed` or `gone`; docs/resume.md explains them.
        task: The whole task as it is now (first dialect). It takes the place of all that was told before.
    """

    reason: str
    task: Json


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One event of a task's stream.

    Args:
        kind: `status`, `artifact`, `reset`, or another that the server names.
        data: The event (first dialect); a reset is a status with the task in its metadata.
        position: Where it stands in the task's log; empty if the server doesn't say.
        final: Whether the stream ends with it: the task has ended, or waits for its customer.
        task: The task's id.
    """

    kind: str
    data: Json
    position: str
    final: bool
    task: str = ""

    @property
    def state(self) -> str | None:
        """The state that a status or a reset reports; None in another event."""
        return self.data["status"]["state"] if self.kind in ("status", "reset") else None

    @property
    def reset(self) -> Reset | None:
        """What to begin anew from: throw away what came before; None in an event of another kind."""
        if self.kind != "reset":
            return None
        told = self.data["metadata"]["reset"]
        return Reset(told["reason"], told["task"])


class ComeBack(Exception):
    """The server can't serve this now, or can't be reached.

    Args:
        reason: Why.
        after: Seconds after which to try again.
        sent: Whether the request may have arrived.
    """

    def __init__(self, reason: str, after: float = 0.0, *, sent: bool = True) -> None:
        super().__init__(reason)
        self.after = after
        self.sent = sent


def result_of(url: str, status: int, body: bytes, retry_after: str | None) -> Json:
    """Return a JSON-RPC response's result.

    Args:
        url: What was asked.
        status: The answer's HTTP status.
        body: Its body.
        retry_after: Its `Retry-After`.

    Raises:
        RemoteError: It is an error.
        AgentUnreachable: It is no JSON-RPC response.
        ComeBack: The server can't serve this now.
    """
    if status in _COME_BACK:
        raise ComeBack(f"HTTP {status}", _seconds(retry_after))
    try:
        told = object_of(url, body)
    except AgentUnreachable as error:
        raise AgentUnreachable(url, f"HTTP {status}, {error.reason}") from error
    if "error" in told:
        _raise(told["error"])
    result = told.get("result")
    if not isinstance(result, dict):
        raise AgentUnreachable(url, f"HTTP {status} without a result")
    return cast("Json", result)


def _raise(error: Any) -> None:
    """Raise what a JSON-RPC error says."""
    if not isinstance(error, dict):
        raise RemoteError(-32603, "Internal error", "an error of unknown form")
    told = cast("Json", error)
    data: Any = told.get("data")
    details = cast("Json", data) if isinstance(data, dict) else {}
    detail = str(details.get("detail", "" if isinstance(data, dict) else data or ""))
    if "retryAfterSeconds" in details:
        raise ComeBack(detail, _seconds(details["retryAfterSeconds"]))
    code = told.get("code")
    raise RemoteError(
        code if isinstance(code, int) else -32603, str(told.get("message", "")), detail
    )


def event_of(message: Message, task_id: str) -> StreamEvent:
    """Read an event; in a JSON-RPC envelope too, as servers of the first days send it.

    Args:
        message: What the stream said.
        task_id: Whose event it is.

    Raises:
        RemoteError: It is an error.
        AgentUnreachable: It is no event.
        ComeBack: The server can't go on now.
    """
    data = object_of(_STREAM, message.data)
    if "jsonrpc" in data:
        if "error" in data:
            _raise(data["error"])
        result = data.get("result")
        data = cast("Json", result) if isinstance(result, dict) else {}
    kind = message.event
    if kind == "message":
        kind = "artifact" if "artifact" in data else "status" if "status" in data else kind
    if kind == "status" and not _has(data.get("status"), "state", str):
        raise AgentUnreachable(_STREAM, "a status event without a state")
    if kind == "artifact" and not _has(data.get("artifact"), "parts", list):
        raise AgentUnreachable(_STREAM, "an artifact event without parts")
    if kind == "status" and _is_reset(data.get("metadata")):
        kind = "reset"
    return StreamEvent(kind, data, message.id, data.get("final") is True, task_id)


def tagged_event_of(message: Message) -> StreamEvent:
    """Read an event of a stream that tells of several tasks: its id is `<task>@<position>`.

    Raises:
        RemoteError: It is an error.
        AgentUnreachable: It is no event, or names no task.
        ComeBack: The server can't go on now.
    """
    task_id, _, position = message.id.rpartition("@")  # a task's id may hold an @ of its own
    event = event_of(replace(message, id=position), task_id)
    if not task_id:
        raise AgentUnreachable(_STREAM, "an event that names no task")
    return event


def _is_reset(metadata: Any) -> bool:
    """Say whether a status' metadata are a reset's, and not an agent's own that are called so."""
    match metadata:
        case {"reset": {"reason": str(), "task": {"status": {"state": str()}, **task}}}:
            artifacts: Any = task.get("artifacts", [])
            return isinstance(artifacts, list) and all(
                _has(artifact, "parts", list) for artifact in cast("list[Any]", artifacts)
            )
        case _:
            return False


def _has(value: Any, key: str, kind: type) -> bool:
    return isinstance(value, dict) and isinstance(cast("Json", value).get(key), kind)


def object_of(url: str, body: bytes | str) -> Json:
    """Read a JSON object.

    Raises:
        AgentUnreachable: It is none.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise AgentUnreachable(url, "the answer is no JSON") from error
    if not isinstance(value, dict):
        raise AgentUnreachable(url, "the answer is no JSON object")
    return cast("Json", value)


def state_of(url: str, task: Json) -> str:
    """Return a task's state.

    Args:
        url: What was asked.
        task: The task (first dialect).

    Raises:
        AgentUnreachable: It is no task.
    """
    if not _has(task.get("status"), "state", str):
        raise AgentUnreachable(url, "a task without a state")
    return task["status"]["state"]


def _seconds(text: Any) -> float:
    """Read `Retry-After` in seconds; a date counts as soon."""
    try:
        return min(max(float(text), 0.0), 30.0)
    except (TypeError, ValueError):
        return 0.0
