"""Requests in every dialect over HTTP, as bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

Asks = Callable[[str, str | None], bytes]


@dataclass(frozen=True)
class Way:
    """One way to watch a task.

    Args:
        name: What it is called.
        dialect: Which frames it tells: watchers of equal ones are told the same bytes.
        path: The path of its requests, or a template with the task.
        method: The JSON-RPC method; empty for none.
        version: The header `A2A-Version`; empty for none.
        stays: Whether its streams stay open while the task waits for its customer.
    """

    name: str
    dialect: str
    path: str
    method: str = ""
    version: str = ""
    stays: bool = False

    def watch(self, task: str, position: str | None, token: str) -> bytes:
        """Return the request that watches a task, after a position if there is one."""
        headers = {"last-event-id": position} if position is not None else {}
        path = self.path.format(task=task)
        if not self.method:
            return request("GET", path, token, None, headers, self.version)
        return request("POST", path, token, rpc(self.method, {"id": task}), headers, self.version)


WAYS = (
    Way("0.1", "0.1", "/", "tasks/resubscribe", "0.1"),
    Way("0.1 path", "0.1", "/tasks/resubscribe", "tasks/resubscribe"),
    Way("EventSource", "0.1", "/tasks/resubscribe?id={task}", stays=True),
    Way("0.3", "0.3", "/rpc/0.3", "tasks/resubscribe"),
    Way("1.0", "1.0", "/rpc/1.0", "SubscribeToTask", stays=True),
    Way("1.0 REST", "1.0 REST", "/v1/tasks/{task}:subscribe", version="1.0", stays=True),
)
"""All ways to watch over HTTP."""


def rpc(method: str, params: Any) -> bytes:
    """Return a JSON-RPC call's body."""
    return orjson.dumps({"jsonrpc": "2.0", "id": "1", "method": method, "params": params})


def request(
    verb: str,
    path: str,
    token: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    version: str = "",
) -> bytes:
    """Return a request."""
    lines = [f"{verb} {path} HTTP/1.1", "host: 127.0.0.1", f"authorization: Bearer {token}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if version:
        lines.append(f"a2a-version: {version}")
    if body is not None:
        lines += ["content-type: application/json", f"content-length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + (body or b"")


def send(dialect: str, task: str, text: str, token: str, hook: str = "", key: str = "") -> bytes:
    """Return the request that sends a task's first message and streams what comes of it.

    Args:
        dialect: In which dialect.
        task: The task's id, in the first dialect; else a part of the message's.
        text: What is said.
        token: Who says it.
        hook: A webhook for the task; empty for none.
        key: The task's real id, for a message to a task that is there; empty to begin one.
    """
    if dialect == "0.1":
        said: Any = {"role": "user", "parts": [{"type": "text", "text": text}]}
        params: Any = {"id": key or task, "message": said}
        if hook and not key:
            params["pushNotification"] = {"url": hook}
        return request("POST", "/tasks/sendSubscribe", token, rpc("tasks/sendSubscribe", params))
    about = {"taskId": key} if key else {}
    if dialect == "0.3":
        said = {"kind": "message", "messageId": f"m-{task}-{len(key)}", "role": "user"}
        params = {"message": {**said, **about, "parts": [{"kind": "text", "text": text}]}}
        if hook and not key:
            params["configuration"] = {"pushNotificationConfig": {"url": hook}}
        return request("POST", "/rpc/0.3", token, rpc("message/stream", params))
    said = {"messageId": f"m-{task}-{len(key)}", "role": "ROLE_USER", "parts": [{"text": text}]}
    params = {"message": {**said, **about}}
    if hook and not key:
        params["configuration"] = {"taskPushNotificationConfig": {"url": hook}}
    if dialect == "1.0 REST":
        return request("POST", "/v1/message:stream", token, orjson.dumps(params), version="1.0")
    return request("POST", "/rpc/1.0", token, rpc("SendStreamingMessage", params))


def get(task: str, token: str) -> bytes:
    """Return the request for a task as it is, in 1.0."""
    return request("POST", "/rpc/1.0", token, rpc("GetTask", {"id": task}))


def cancel(task: str, token: str) -> bytes:
    """Return the request to cancel a task, in 1.0."""
    return request("POST", "/rpc/1.0", token, rpc("CancelTask", {"id": task}))
