"""What a specialist is sent: a message of A2A 1.0, with what it should know in its metadata. Pure."""

from __future__ import annotations

from a2a_streaming import Run
from a2a_streaming.customer_service.delegation.child import Delegation, message_id
from a2a_streaming.customer_service.delegation.trace import next_span
from a2a_streaming.task import Json

_TRACE = ("traceparent", "tracestate")


def request_message(run: Run, child: Delegation, parts: list[Json], address: str) -> Json:
    """Return the message that begins a child.

    Args:
        run: The customer's run.
        child: The child.
        parts: The customer's request, A2A parts. Of its words, the errand's own are sent, and the whole in the
            metadata.
        address: Where the customer's task is found; empty if the specialist isn't to know.
    """
    words = child.errand.text
    others = [part for part in parts if "text" not in part]
    said = _message(run, child, [{"text": words}, *others] if words else parts, address)
    said["contextId"] = run.context_id
    if words:
        texts = [part["text"] for part in parts if "text" in part]
        said["metadata"]["request"] = "\n".join(texts)
    return said


def answer_message(run: Run, child: Delegation, address: str) -> Json:
    """Return the message that passes the customer's answer on; arguments as for `request_message`."""
    return _message(run, child, run.message["parts"], address) | {"taskId": child.task}


def trace_headers(said: Json) -> dict[str, str]:
    """Return the headers by which a message's call joins its trace.

    Args:
        said: The message.
    """
    metadata: Json = said["metadata"]
    return {key: metadata[key] for key in _TRACE if key in metadata}


def _message(run: Run, child: Delegation, parts: list[Json], address: str) -> Json:
    metadata: Json = {"intents": list(child.errand.intents)}
    if child.earlier:
        metadata["earlier"] = list(child.earlier)
    if address:
        metadata["parent"] = {"task": run.task_id, "url": address}
    metadata |= next_span(run.message.get("metadata", {}), run.metadata)
    return {
        "messageId": message_id(run.task_id, run.message_id, child.errand.key),
        "role": "ROLE_USER",
        "parts": parts,
        "metadata": metadata,
    }
