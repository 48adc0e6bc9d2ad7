"""1.0 and 0.3 over JSON-RPC: streams on our own way, everything else by a2a-sdk's dispatchers."""

from __future__ import annotations

from typing import Any

import orjson
from a2a.compat.v0_3 import conversions
from a2a.compat.v0_3 import types as v03
from a2a.server.request_handlers.response_helpers import build_error_response
from a2a.server.routes.common import DefaultServerCallContextBuilder
from a2a.server.routes.jsonrpc_dispatcher import (
    JSONRPC03Adapter,  # pyright: ignore[reportPrivateImportUsage] - its own module imports in a circle
    JsonRpcDispatcher,
)
from a2a.types import SendMessageRequest
from google.protobuf.json_format import ParseDict, ParseError
from pydantic import ValidationError
from starlette.requests import Request
from starlette.types import ASGIApp

from a2a_streaming.caller import Caller
from a2a_streaming.errors import InvalidParams, RequestError, TooManyRequests, Unavailable
from a2a_streaming.handlers import Handler
from a2a_streaming.http.asked import Asked
from a2a_streaming.http.bodies import extensions, json_response, read_again
from a2a_streaming.http.cards import base_url
from a2a_streaming.http.stream import serve
from a2a_streaming.node import Node
from a2a_streaming.wire.cards import RESUME
from a2a_streaming.wire.dialects import Dialect
from a2a_streaming.wire.jsonrpc import Call
from a2a_streaming.wire.modern import ModernFrames, sdk_error

_SEND = ("SendStreamingMessage", "message/stream")
_SUBSCRIBE = ("SubscribeToTask", "tasks/resubscribe")


class ModernEndpoint:
    """Answers one request in 1.0 or 0.3.

    Args:
        node: The process's node.
        agent: The agent's name.
        dialect: Which of the two.
        caller: Who asks.
    """

    def __init__(self, node: Node, agent: str, dialect: Dialect, caller: Caller) -> None:
        self._node = node
        self._agent = agent
        self._dialect = dialect
        self._caller = caller

    async def answer(self, request: Request, call: Call, body: bytes, asked: Asked) -> ASGIApp:
        """Answer one request.

        Args:
            request: The HTTP request.
            call: What it asks.
            body: Its body.
            asked: Is told if it is answered by an error.

        Raises:
            RequestError: It can't be served.
        """
        base = base_url(request, self._node.settings)
        handler = Handler(self._node, self._agent, self._dialect, self._caller, base)
        if call.method in (*_SEND, *_SUBSCRIBE):
            try:
                if call.method in _SEND:
                    return await self._send(request, call, handler)
                return await self._subscribe(request, call, handler)
            except (Unavailable, TooManyRequests):
                raise  # HTTP says so too, and when to come back
            except RequestError as error:
                asked.refused(error)
                told = build_error_response(call.id, sdk_error(error))
                return json_response(orjson.dumps(told))
        again = read_again(request, body, self._dialect)
        if self._dialect is Dialect.V1:
            response = await JsonRpcDispatcher(handler).handle_requests(again)
        else:
            adapter: Any = JSONRPC03Adapter(handler, DefaultServerCallContextBuilder())
            whole = {"jsonrpc": "2.0", "id": call.id, "method": call.method, "params": call.params}
            response = await adapter.handle_request(call.id, call.method, whole, again)
        if handler.away is not None:
            raise handler.away
        asked.refused(handler.refused)
        response.headers["cache-control"] = "no-store"
        return response

    async def _send(self, request: Request, call: Call, handler: Handler) -> ASGIApp:
        sent = await handler.send(self._read_send(call))
        opening = handler.openings.of_turn(sent, request.headers.get("last-event-id"))
        return await serve(self._node, opening, self._frames(request, call))

    def _frames(self, request: Request, call: Call) -> ModernFrames:
        asked = RESUME in extensions(request)
        return ModernFrames(self._dialect, (call.id,), with_positions=asked)

    def _read_send(self, call: Call) -> SendMessageRequest:
        try:
            if self._dialect is Dialect.V1:
                return ParseDict(call.params, SendMessageRequest(), ignore_unknown_fields=True)
            whole = {"jsonrpc": "2.0", "id": "", "method": "message/send", "params": call.params}
            read = v03.SendMessageRequest.model_validate(whole)
            return conversions.to_core_send_message_request(read)
        except (ParseError, ValidationError, ValueError) as error:
            raise InvalidParams(f"The parameters can't be read: {str(error)[:500]}") from error

    async def _subscribe(self, request: Request, call: Call, handler: Handler) -> ASGIApp:
        task_id: Any = call.params.get("id")
        if not isinstance(task_id, str):
            raise InvalidParams("params.id must be the task's id, a string.")
        opening = await handler.openings.of_task(task_id, request.headers.get("last-event-id"))
        return await serve(self._node, opening, self._frames(request, call))
