"""How a server is asked: JSON-RPC in 1.0 and 0.3, REST in 1.0. No I/O."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any, Literal, Protocol, cast
from urllib.parse import quote

from a2a_reliability.errors import Refused, Unreadable, Unusable
from a2a_reliability.events import Json

Operation = Literal["stream", "get", "cancel", "subscribe"]

ERRORS = {
    -32001: "TaskNotFound",
    -32002: "TaskNotCancelable",
    -32003: "PushNotificationNotSupported",
    -32004: "UnsupportedOperation",
    -32005: "ContentTypeNotSupported",
    -32006: "InvalidAgentResponse",
    -32007: "ExtendedAgentCardNotConfigured",
    -32008: "ExtensionSupportRequired",
    -32009: "VersionNotSupported",
    -32600: "InvalidRequest",
    -32601: "MethodNotFound",
    -32602: "InvalidParams",
    -32603: "InternalError",
}
"""Codes over JSON-RPC (specification 1.0, sections 5.4 and 9.5)."""

_METHODS: dict[str, dict[Operation, str]] = {
    "1.0": {
        "stream": "SendStreamingMessage",
        "get": "GetTask",
        "cancel": "CancelTask",
        "subscribe": "SubscribeToTask",
    },
    "0.3": {
        "stream": "message/stream",
        "get": "tasks/get",
        "cancel": "tasks/cancel",
        "subscribe": "tasks/resubscribe",
    },
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, before it is sent.

    Args:
        method: HTTP's.
        path: What follows the interface's URL.
        body: Its JSON; None without one.
        content_type: What the body is.
    """

    method: str
    path: str
    body: Json | None
    content_type: str = "application/json"


class Dialect(Protocol):
    """A version and a binding of A2A."""

    version: str

    def ask(self, operation: Operation, params: Json) -> Asked:
        """Return the request."""
        ...

    def result(self, status: int, body: Any) -> Json:
        """Return what an answer, or one of a stream's events, holds.

        Raises:
            Refused: It is an error.
            Unreadable: It is none of the dialect's answers.
        """
        ...


class JsonRpc:
    """JSON-RPC (section 9)."""

    def __init__(self, version: str) -> None:
        self.version = version

    def ask(self, operation: Operation, params: Json) -> Asked:
        """Return the request."""
        method = _METHODS[self.version][operation]
        body = {"jsonrpc": "2.0", "id": uuid.uuid4().hex, "method": method, "params": params}
        return Asked("POST", "", body)

    def result(self, status: int, body: Any) -> Json:
        """Return what an answer, or one of a stream's events, holds."""
        match body:
            case {"error": {"code": int(code), **error}}:
                raise Refused(ERRORS.get(code, str(code)), str(error.get("message", "")))
            case {"result": dict()}:
                return cast("Json", body["result"])
            case _:
                raise Unreadable(f"no answer of JSON-RPC (HTTP {status})", body)


class Rest:
    """HTTP+JSON (section 11)."""

    version = "1.0"

    def ask(self, operation: Operation, params: Json) -> Asked:
        """Return the request."""
        task = quote(str(params.get("id", "")), safe="")
        match operation:
            case "stream":
                return Asked("POST", "/message:stream", params, "application/a2a+json")
            case "get":
                return Asked("GET", f"/tasks/{task}", None)
            case "cancel":
                return Asked("POST", f"/tasks/{task}:cancel", {}, "application/a2a+json")
            case "subscribe":
                return Asked("POST", f"/tasks/{task}:subscribe", None)

    def result(self, status: int, body: Any) -> Json:
        """Return what an answer, or one of a stream's events, holds."""
        match body:
            case {"error": {**error}}:
                reasons = [one.get("reason") for one in error.get("details") or ()]
                named = next((str(one) for one in reasons if one), str(error.get("status", status)))
                raise Refused(named.title().replace("_", ""), str(error.get("message", "")))
            case dict() if status < 400:
                return cast("Json", body)
            case _:
                raise Unreadable(f"no answer of A2A over REST (HTTP {status})", body)


def textual(words: str, version: str) -> Json:
    """Return a user's message of one text, without its id."""
    if version == "0.3":
        return {"kind": "message", "role": "user", "parts": [{"kind": "text", "text": words}]}
    return {"role": "ROLE_USER", "parts": [{"text": words}]}


def chosen(card: Json, version: str, binding: str) -> tuple[str, Dialect]:
    """Choose an interface from an agent's card (section 8.3.2).

    Args:
        card: The card.
        version: `1.0` or `0.3`.
        binding: `JSONRPC` or `HTTP+JSON`.

    Returns:
        The interface's URL, and how to speak there.

    Raises:
        Unusable: The card offers no such interface.
    """
    offered = [
        (
            str(one.get("url", "")),
            str(one.get("protocolBinding", "")),
            str(one.get("protocolVersion", "")),
        )
        for one in card.get("supportedInterfaces") or ()
    ]
    if version == "0.3" and "url" in card:
        preferred = str(card.get("preferredTransport", "JSONRPC"))
        offered.append((str(card["url"]), preferred, str(card.get("protocolVersion", "0.3"))))
    dialect: Dialect = Rest() if binding == "HTTP+JSON" else JsonRpc(version)
    for url, bound, spoken in offered:
        if url and bound == binding and spoken.startswith(version) and dialect.version == version:
            return url, dialect
    shown = ", ".join(f"{bound} {spoken}" for _, bound, spoken in offered) or "none"
    raise Unusable(
        f"The card offers no interface for {binding} {version}; it offers {shown}. "
        "Choose another one with --binding and --a2a-version."
    )
