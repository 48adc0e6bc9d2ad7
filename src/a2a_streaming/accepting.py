"""What a customer's message is known by when it is sent again, and why one is refused."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from typing import Any

import orjson

from a2a_streaming.backbone.inbox import Accepted
from a2a_streaming.errors import (
    InboxFull,
    InvalidParams,
    RequestError,
    TaskNotFound,
    UnsupportedOperation,
)
from a2a_streaming.event import MAX_DEPTH, nests_too_deep, task_event
from a2a_streaming.metrics import LIMITED
from a2a_streaming.task import INTERNAL, Json

TRACE = "trace"
"""Where a message's notes have the trace context that it was accepted in."""


def new_task_id(owner: str, agent: str, context: str | None, message_id: str | None) -> str:
    """Return the id of the task that a message begins: the same for the same message, however often sent.

    Args:
        owner: Who sends it.
        agent: Whom to.
        context: The context as the client sent it; None if it sent none.
        message_id: The message's id as the client sent it; without one each message is a new one.
    """
    if message_id is None:
        return uuid.uuid4().hex
    identity = orjson.dumps([owner, agent, context, message_id])
    return hashlib.blake2b(identity, digest_size=16).hexdigest()


def new_context_id(stored: str) -> str:
    """Return the id of the context that a task opens whose client named none: the same however often sent.

    Args:
        stored: The id under which the task is stored.
    """
    return hashlib.blake2b(b"context\n" + stored.encode(), digest_size=16).hexdigest()


def fingerprint(parts: list[Json], metadata: Json | None) -> str:
    """Return a digest of a message's content.

    Args:
        parts: Its parts (A2A 1.0 JSON).
        metadata: Its metadata.
    """
    content: Any = [parts, metadata or {}]
    return hashlib.blake2b(
        orjson.dumps(content, option=orjson.OPT_SORT_KEYS), digest_size=16
    ).hexdigest()


def first_message_id(stored: str, content: str) -> str:
    """Return the id of a task's first message whose sender gave it none: the same however often it is sent.

    Steps' keys are made of it. So a payment is known again also where Redis has lost the task, and its sender begins it anew.

    Args:
        stored: The id under which the task is stored.
        content: The message's fingerprint.
    """
    return hashlib.blake2b(f"first\n{stored}\n{content}".encode(), digest_size=16).hexdigest()


def check_depth(task: Json) -> None:
    """Check that what a customer sends can be told to every client.

    Args:
        task: The task that it would begin (A2A 1.0 JSON).

    Raises:
        InvalidParams: It nests too deep.
    """
    if nests_too_deep(task_event(task)):
        raise InvalidParams(
            f"The message nests deeper than {MAX_DEPTH} levels. Send flatter data, or a file."
        )


def trace_of(said: Json) -> Mapping[str, Any]:
    """Return the trace context in which a message was accepted; if it wasn't traced, what its sender says of one.

    Args:
        said: The message (A2A 1.0 JSON).
    """
    metadata: Json = said.get("metadata", {})
    return metadata.get(INTERNAL, {}).get(TRACE) or metadata


def read_token(token: str) -> tuple[int, str]:
    """Read where a page of a list begins: behind a task, by when it changed last.

    Args:
        token: As the page before gave it.

    Raises:
        InvalidParams: It is none.
    """
    at, dot, task_id = token.partition(".")
    if not (at.isascii() and at.isdigit() and dot and task_id):
        raise InvalidParams(
            "The page token is none of ours. Take nextPageToken of the page before."
        )
    return int(at), task_id


def refusal(task_id: str, accepted: Accepted, limit: int) -> RequestError:
    """Return the error that tells a client why its message was refused.

    Args:
        task_id: The task it was for.
        accepted: What became of it.
        limit: The most messages that may wait for one task.
    """
    state = accepted.state.label if accepted.state else "unknown"
    match accepted.code:
        case "AGENT":
            return InvalidParams(
                f"The id {task_id!r} belongs to a task of another agent. Choose a new id."
            )
        case "CONTEXT":
            return InvalidParams(
                f"Task {task_id!r} belongs to another session. Leave the session's id out, or choose a new task id."
            )
        case "CONFLICT":
            return InvalidParams(
                "This message id was sent before with other content. Give each message its own id."
            )
        case "TERMINAL":
            return UnsupportedOperation(
                f"Task {task_id!r} has ended as {state} and takes no more messages. "
                "Send this one under a new task id; the same session id keeps the conversation together."
            )
        case "FULL":
            LIMITED.labels("inbox").inc()
            return InboxFull(task_id, limit)
        case "DAMAGED":
            return UnsupportedOperation(
                f"Redis has lost parts of task {task_id!r}. Send the message under a new task id."
            )
        case _:
            return TaskNotFound(task_id)
