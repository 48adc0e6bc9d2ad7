"""Every error this package raises, in one tree.

A2AStreamingError
├── RequestError                what a client sent can't be served; knows its codes on every wire
│   ├── ParseError              the body is no JSON
│   ├── InvalidRequest          JSON, but no JSON-RPC request
│   ├── BodyTooLarge            more bytes than the limit
│   ├── MethodNotFound          no such method in this dialect
│   ├── VersionNotSupported     a version of A2A that isn't spoken here
│   ├── InvalidParams           the method is known, its parameters are wrong
│   ├── TaskNotFound            no such task, or not the caller's
│   ├── TaskNotCancelable       the task has ended
│   ├── ContentTypeNotSupported the body is no JSON by its own word
│   ├── ExtensionSupportRequired  the agent's card requires an extension that the client lacks
│   ├── PushNotificationNotSupported
│   ├── UnsupportedOperation    the task's state doesn't allow it
│   ├── Unauthenticated         nobody knows who asks
│   ├── Forbidden               it is known who asks, and they may not
│   ├── TooManyRequests         more than an owner may send or hold open
│   ├── InboxFull               too many messages wait for this task
│   ├── Unavailable             Redis is away or the process drains: come back later
│   └── InternalError           our fault; the cause is in the log, never on the wire
├── RunError                    what an agent's run may no longer do
│   ├── Fenced                  the run lost its lease: another process goes on with the task
│   ├── RunEnded                the run has sent its last event
│   ├── InvalidTransition       the task's state machine has no such step
│   └── StepRepeated            the same step name twice in one turn
├── InvalidPosition             a position that can't be read
├── HistoryLost                 the log no longer holds what follows a position
└── SetupError                  the installation needs a hand; the message says which
    ├── StoreUnavailable        Redis can't be reached or started
    ├── DataDirInUse            another `up` holds the data directory
    └── InvalidSetting          a setting is wrong

The codes are those of JSON-RPC 2.0, of A2A (specification 1.0.1, section 5.4, "Error code mappings")
and of its first version, which uses the same numbers where it has the error.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar


class A2AStreamingError(Exception):
    """Anything that a2a_streaming raises on purpose."""


class RequestError(A2AStreamingError):
    """A request that can't be served.

    Args:
        detail: What is wrong and what to do about it, in words for the client.
        data: Structured detail for the JSON-RPC error's `data`, an object.
    """

    code: ClassVar[int]
    """JSON-RPC error code."""
    title: ClassVar[str]
    """The error's message, constant for its code."""
    http_status: ClassVar[int]
    """Status on REST, and on JSON-RPC where the HTTP layer itself refuses."""
    grpc_status: ClassVar[str]
    """Name of the gRPC status code."""
    by_http: ClassVar[bool] = False
    """Whether HTTP's own status says so, too, where JSON-RPC's errors travel under 200."""
    retry_after: int | None = None
    """Seconds after which to try again, where that helps."""

    def __init__(self, detail: str, *, data: dict[str, Any] | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.data = data

    def to_jsonrpc(self) -> dict[str, Any]:
        """Return the JSON-RPC error object, the detail in `data.detail`."""
        return {
            "code": self.code,
            "message": self.title,
            "data": {"detail": self.detail, **(self.data or {})},
        }


class ParseError(RequestError):
    """The body is no JSON."""

    code, title, http_status, grpc_status = -32700, "Invalid JSON payload", 400, "INVALID_ARGUMENT"


class InvalidRequest(RequestError):
    """The body is JSON, but no JSON-RPC request."""

    code, title = -32600, "Request payload validation error"
    http_status, grpc_status = 400, "INVALID_ARGUMENT"


class BodyTooLarge(InvalidRequest):
    """The body has more bytes than the limit.

    Args:
        limit: The most bytes that a body may have.
    """

    http_status, grpc_status, by_http = 413, "RESOURCE_EXHAUSTED", True

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"The body is larger than {limit} bytes. Send less at once, or a file by its URI; "
            "the operator can raise A2A_MAX_BODY_BYTES."
        )


class MethodNotFound(RequestError):
    """The method isn't one of this dialect.

    Args:
        method: What was asked for.
        known: The methods that there are.
    """

    code, title, http_status, grpc_status = -32601, "Method not found", 404, "UNIMPLEMENTED"

    def __init__(self, method: str, known: Sequence[str]) -> None:
        super().__init__(
            f"There is no method {method[:64]!r} here. Use one of: {', '.join(known)}."
        )


class VersionNotSupported(RequestError):
    """A version of A2A that isn't spoken here, or not for this method (specification 1.0, section 3.6).

    Args:
        wanted: The version that was asked for.
        known: The versions that there are.
    """

    code, title, http_status, grpc_status = (
        -32009,
        "Version not supported",
        400,
        "FAILED_PRECONDITION",
    )

    def __init__(self, wanted: str, known: Sequence[str]) -> None:
        super().__init__(
            f"A2A version {wanted[:32]!r} isn't supported here. Send the header A2A-Version: {' or '.join(known)}."
        )


class InvalidParams(RequestError):
    """The method's parameters are wrong."""

    code, title, http_status, grpc_status = -32602, "Invalid parameters", 400, "INVALID_ARGUMENT"


class TaskNotFound(RequestError):
    """There is no such task, or it isn't the caller's.

    Args:
        task_id: The id that was asked for.
    """

    code, title, http_status, grpc_status = -32001, "Task not found", 404, "NOT_FOUND"

    def __init__(self, task_id: str) -> None:
        super().__init__(
            f"There is no task {task_id!r}. Check the id; tasks are forgotten some time after they end."
        )


class TaskNotCancelable(RequestError):
    """The task has already ended.

    Args:
        task_id: The task.
        state: The state in which it ended.
    """

    code, title = -32002, "Task cannot be canceled"
    http_status, grpc_status = 400, "FAILED_PRECONDITION"

    def __init__(self, task_id: str, state: str) -> None:
        super().__init__(
            f"Task {task_id!r} has already ended as {state}; there is nothing to cancel."
        )


class PushNotificationNotSupported(RequestError):
    """This agent sends no push notifications."""

    code, title = -32003, "Push Notification is not supported"
    http_status, grpc_status = 400, "FAILED_PRECONDITION"


class UnsupportedOperation(RequestError):
    """The operation doesn't fit the task as it is now."""

    code, title = -32004, "This operation is not supported"
    http_status, grpc_status = 400, "FAILED_PRECONDITION"


class ContentTypeNotSupported(RequestError):
    """The body is said to be of a type that isn't read here.

    Args:
        said: The type that it is said to be.
    """

    code, title = -32005, "Incompatible content types"
    http_status, grpc_status = 400, "INVALID_ARGUMENT"

    def __init__(self, said: str) -> None:
        super().__init__(
            f"A body of type {said[:64]!r} isn't read here. Send JSON as application/json, or as"
            " application/a2a+json over REST."
        )


class ExtensionSupportRequired(RequestError):
    """The agent requires an extension of which the client doesn't say that it knows it.

    Args:
        missing: The extensions' URIs.
    """

    code, title = -32008, "Extension support required"
    http_status, grpc_status = 400, "FAILED_PRECONDITION"

    def __init__(self, missing: Sequence[str]) -> None:
        super().__init__(
            f"This agent requires {', '.join(missing)}; see its card. Support it, and name it in A2A-Extensions."
        )


class InboxFull(UnsupportedOperation):
    """Too many messages wait for this task.

    Args:
        task_id: The task.
        limit: The most messages that may wait.
    """

    http_status, grpc_status = 429, "RESOURCE_EXHAUSTED"

    def __init__(self, task_id: str, limit: int) -> None:
        super().__init__(
            f"Task {task_id!r} already has {limit} messages waiting. Wait for its answers, then send on."
        )


class Unauthenticated(RequestError):
    """The request doesn't say who asks, or nobody believes it.

    Args:
        detail: What is wrong.
    """

    code, title = -31401, "Authentication required"
    http_status, grpc_status, by_http = 401, "UNAUTHENTICATED", True

    def __init__(self, detail: str) -> None:
        super().__init__(f"{detail} Sign in as the agent's card says.")


class Forbidden(RequestError):
    """It is known who asks, and they may not do that."""

    code, title = -31403, "Not allowed"
    http_status, grpc_status, by_http = 403, "PERMISSION_DENIED", True


class TooManyRequests(RequestError):
    """More than an owner may send, or hold open, at once.

    Args:
        detail: Of what.
        retry_after: Seconds after which to try again.
    """

    code, title = -31429, "Too many requests"
    http_status, grpc_status, by_http = 429, "RESOURCE_EXHAUSTED", True

    def __init__(self, detail: str, *, retry_after: int) -> None:
        super().__init__(
            f"{detail} Try again in {retry_after} s.", data={"retryAfterSeconds": retry_after}
        )
        self.retry_after = retry_after


class Unavailable(RequestError):
    """The service can't serve this now; the client should come back.

    Args:
        detail: Why.
        retry_after: Seconds after which to try again.
    """

    code, title = -32603, "Internal error"
    http_status, grpc_status, by_http = 503, "UNAVAILABLE", True

    def __init__(self, detail: str, *, retry_after: int = 2) -> None:
        super().__init__(detail, data={"retryAfterSeconds": retry_after})
        self.retry_after = retry_after


class InternalError(RequestError):
    """Something failed on our side."""

    code, title, http_status, grpc_status = -32603, "Internal error", 500, "INTERNAL"

    def __init__(self) -> None:
        super().__init__("Something failed on our side; it has been logged. Try again.")


class RunError(A2AStreamingError):
    """What an agent's run may not do, or no longer."""


class Fenced(RunError):
    """The run has lost its lease; whoever holds it now goes on with the task.

    Args:
        task_id: The task.
        epoch: The epoch (fencing token) that is no longer valid.
    """

    def __init__(self, task_id: str, epoch: int) -> None:
        super().__init__(
            f"The run of task {task_id!r} under epoch {epoch} no longer holds the lease: stop working on it."
        )
        self.task_id = task_id
        self.epoch = epoch


class RunEnded(RunError):
    """The run has sent its last event.

    Args:
        task_id: The task.
    """

    def __init__(self, task_id: str) -> None:
        super().__init__(
            f"The run of task {task_id!r} has ended; emit nothing after complete(), fail() or input_required()."
        )


class InvalidTransition(RunError):
    """The task's state machine has no such step.

    Args:
        current: The state the task is in.
        wanted: The state that was asked for.
    """

    def __init__(self, current: str, wanted: str) -> None:
        super().__init__(
            f"A task that is {current} can't become {wanted}; see a2a_streaming.task.TRANSITIONS."
        )


class StepRepeated(RunError):
    """The same step name twice in one turn.

    Args:
        name: The step's name.
    """

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The step {name!r} has already run in this turn; give each step of a turn a name of its own."
        )


class InvalidPosition(A2AStreamingError, ValueError):
    """A position that can't be read.

    Args:
        text: What was given.
    """

    def __init__(self, text: str) -> None:
        super().__init__(
            f"{text[:64]!r} is no position; one looks like 1700000000000000-7, as in the events' id."
        )


class HistoryLost(A2AStreamingError):
    """The log no longer holds what follows on a position.

    Args:
        task_id: The task.
        reason: Why: `trimmed`, `forked`, `future`, `malformed` or `gone`.
    """

    def __init__(self, task_id: str, reason: str) -> None:
        super().__init__(
            f"The history of task {task_id!r} can't be continued from there ({reason}); start from its snapshot."
        )
        self.task_id = task_id
        self.reason = reason


class SetupError(A2AStreamingError):
    """The installation needs a hand; the message says which."""


class StoreUnavailable(SetupError):
    """Redis can't be reached or started.

    Args:
        reason: One sentence that says why and what to do.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)


class DataDirInUse(SetupError):
    """Another process holds the data directory.

    Args:
        data_dir: The directory.
    """

    def __init__(self, data_dir: Path) -> None:
        super().__init__(
            f"Another `a2a-streaming up` is using the data directory {data_dir}. "
            "Stop it, or choose another directory with --data-dir."
        )
        self.data_dir = data_dir


class InvalidSetting(SetupError):
    """A setting is wrong.

    Args:
        detail: Which one, why, and what to set instead.
    """

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
