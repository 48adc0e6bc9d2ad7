"""What a client sent can't be served."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from a2a_streaming.errors.base import A2AStreamingError


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


class AlertNotFound(InvalidParams):
    """There is no such alert, or not any more.

    Args:
        alert_id: The id that was asked for.
    """

    http_status, grpc_status, by_http = 404, "NOT_FOUND", True

    def __init__(self, alert_id: str) -> None:
        super().__init__(
            f"There is no alert {alert_id[:64]!r}. Check the id; alerts are forgotten after A2A_ALERTS_TTL seconds."
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


class DeadLetterNotFound(TaskNotFound):
    """There is no such dead letter.

    Args:
        task_id: Its task.
        webhook: Its webhook.
    """

    def __init__(self, task_id: str, webhook: str) -> None:
        RequestError.__init__(
            self,
            f"There is no dead letter {task_id}/{webhook}. List them; they are kept for A2A_PUSH_DEAD_TTL seconds.",
        )


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


class Unconfirmed(Unavailable):
    """What was sent may be accepted; too few of Redis' replicas have it yet to say so."""

    def __init__(self) -> None:
        super().__init__(
            "This may have been accepted, but isn't safe from a failover yet: too few replicas of Redis have it. Send it"
            " again under the same ids: it is done once. The operator can start replicas, or lower A2A_REDIS_REPLICAS.",
        )


class NewerFormat(Unavailable):
    """A task was written by a version of ours that is newer than this process.

    Args:
        found: The version of the events' format that it is written in.
        known: The newest that this process reads.
    """

    def __init__(self, found: int, known: int) -> None:
        super().__init__(
            f"This task is written in event format {found}, and this process reads up to {known}. Update the "
            "process to the version that wrote it; another process may serve you meanwhile.",
            retry_after=5,
        )


class InternalError(RequestError):
    """Something failed on our side."""

    code, title, http_status, grpc_status = -32603, "Internal error", 500, "INTERNAL"

    def __init__(self) -> None:
        super().__init__("Something failed on our side; it has been logged. Try again.")
