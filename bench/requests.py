"""Requests as the load generator sends them, with `{i}`, `{n}` and `{t}` as places for numbers."""

from __future__ import annotations

import json
from typing import Any

from bench.servers import Server

JSON = "Content-Type: application/json"
V1 = "A2A-Version: 1.0"

EACH_ITS_OWN = "{i}"
"""The JSON-RPC id by which each connection has one of its own: its number."""


def _call(method: str, params: Any, request_id: str | int = 1) -> str:
    request = json.dumps({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params})
    return request.replace(f'"{EACH_ITS_OWN}"', EACH_ITS_OWN)


def send_subscribe(task: str, text: str) -> str:
    """Begin a task in the first dialect, and watch it."""
    message = {"role": "user", "parts": [{"type": "text", "text": text}]}
    return _call("tasks/sendSubscribe", {"id": task, "message": message})


def send_streaming(message_id: str, text: str) -> str:
    """Begin a task in 1.0, and watch it."""
    return _call("SendStreamingMessage", {"message": _message(message_id, text)})


def subscribe(task: str, request_id: str | int = 1) -> str:
    """Watch a task in 1.0: as it is, then live."""
    return _call("SubscribeToTask", {"id": task}, request_id)


def resubscribe(task: str) -> str:
    """Watch a task in the first dialect: its whole story, then live."""
    return _call("tasks/resubscribe", {"id": task})


def begin(server: Server, message_id: str, text: str, *headers: str) -> str:
    """Begin a task in 1.0 without waiting for it, and return its id.

    Raises:
        RuntimeError: The server refuses.
    """
    params = {
        "message": _message(message_id, text),
        "configuration": {"returnImmediately": True},
    }
    sent = dict(header.split(": ", 1) for header in (V1, *headers))
    answer = server.post("/", json.loads(_call("SendMessage", params)), sent)
    if "error" in answer:
        raise RuntimeError(f"refused: {answer['error']}")
    return answer["result"]["task"]["id"]


def _message(message_id: str, text: str) -> dict[str, Any]:
    return {"messageId": message_id, "role": "ROLE_USER", "parts": [{"text": text}]}
