"""A plugin for the protocol's conformance kit: each message gets an id of its own.

The kit sends several different messages under one id. An id is unique (specification 1.0, section 4.1.4), and
this server tells a message that was sent again by it.
"""

from __future__ import annotations

import importlib
import itertools
from typing import Any

CLIENTS = {
    "grpc_client": "GrpcClient",
    "http_json_client": "HttpJsonClient",
    "jsonrpc_client": "JsonRpcClient",
}
"""The kit's clients, by their modules."""

_numbers = itertools.count(1)


def pytest_configure() -> None:
    """Let the kit's clients send each message under an id that no other has."""
    for module, class_name in CLIENTS.items():
        client = getattr(importlib.import_module(f"tck.transport.{module}"), class_name)
        for name in ("send_message", "send_streaming_message"):
            setattr(client, name, _numbered(getattr(client, name)))


def _numbered(send: Any) -> Any:
    def numbered(self: Any, message: dict[str, Any], **more: Any) -> Any:
        return send(
            self, {**message, "messageId": f"{message['messageId']}-{next(_numbers)}"}, **more
        )

    return numbered
