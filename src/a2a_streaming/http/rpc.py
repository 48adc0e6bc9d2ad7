"""JSON-RPC over HTTP: the body is read once, the dialect chosen, and every error answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp

from a2a_streaming import tracing
from a2a_streaming.caller import Caller
from a2a_streaming.errors import (
    InternalError,
    InvalidRequest,
    RequestError,
)
from a2a_streaming.http.access import Access, counted
from a2a_streaming.http.asked import Asked
from a2a_streaming.http.bodies import (
    asked_version,
    check_extensions,
    check_json,
    error_response,
    read_body,
)
from a2a_streaming.http.legacy import LegacyEndpoint
from a2a_streaming.http.modern import ModernEndpoint
from a2a_streaming.node import Node
from a2a_streaming.telemetry import get_logger
from a2a_streaming.wire import jsonrpc
from a2a_streaming.wire.dialects import STREAMS, Dialect, choose, of_birth, read_version
from a2a_streaming.wire.jsonrpc import Call

_log = get_logger(__name__)

_SENDING = ("SendMessage", "SendStreamingMessage", "message/send", "message/stream")


class RpcEndpoint:
    """Serves one agent's tasks in every dialect.

    Args:
        node: The process's node.
        agent: The agent's name.
    """

    def __init__(self, node: Node, agent: str) -> None:
        self._node = node
        self._agent = agent
        self._access = Access(node)

    async def serve(
        self, request: Request, *, pinned: Dialect | None = None, method: str | None = None
    ) -> ASGIApp:
        """Answer one request; every error becomes a JSON-RPC error.

        Args:
            request: The HTTP request.
            pinned: The dialect that the path names; None where the request chooses.
            method: The method that the path names; None where the body alone chooses.
        """
        return await self._guarded(
            request, lambda body: self._answer(request, body, pinned, method)
        )

    async def event_source(self, request: Request) -> ASGIApp:
        """Serve a browser's EventSource, which can only GET; every error becomes a JSON-RPC error."""

        async def answer(_: bytes) -> ASGIApp:
            caller = await self._access.identify(request, by_ticket=True)
            endpoint = LegacyEndpoint(self._node, self._agent, caller)
            return await counted(self._node, caller, lambda: endpoint.event_source(request))

        return await self._guarded(request, answer)

    async def _guarded(
        self, request: Request, answer: Callable[[bytes], Awaitable[ASGIApp]]
    ) -> ASGIApp:
        body = b""
        try:
            if request.method != "GET":
                body = await read_body(
                    request, self._node.settings.max_body_bytes, self._node.quotas
                )
            await self._node.ready()
            return await answer(body)
        except RequestError as error:
            return error_response(body, error)
        except ClientDisconnect:
            return Response(status_code=400)  # for nobody: it left before it had said all
        except Exception:  # whatever fails, the client gets an answer and the server lives
            _log.exception("a request failed", agent=self._agent)
            return error_response(body, InternalError())

    async def _answer(
        self, request: Request, body: bytes, pinned: Dialect | None, method: str | None
    ) -> ASGIApp:
        if pinned in (Dialect.V03, Dialect.V1):
            check_json(request)
        call = jsonrpc.parse_call(body)
        if method is not None and call.method != method:
            raise InvalidRequest(
                f'The path asks for {method}, but "method" says {call.method[:64]!r}. Make them agree.'
            )
        dialect = choose(pinned, call.method, read_version(asked_version(request)))
        with Asked(self._agent, call.method, _trace_of(request, call)) as asked:
            return await self._answer_call(request, body, call, dialect, asked)

    async def _answer_call(
        self, request: Request, body: bytes, call: Call, dialect: Dialect | None, asked: Asked
    ) -> ASGIApp:
        caller = await self._access.identify(request)
        if dialect is None:
            dialect = of_birth(await self._born(call, caller))
        asked.speaks(dialect)
        if dialect is Dialect.FIRST:
            legacy = LegacyEndpoint(self._node, self._agent, caller)
            answer = partial(legacy.answer, request, call)
        else:
            check_json(request)
            if call.method in _SENDING:
                check_extensions(request, self._node.cards[self._agent])
            modern = ModernEndpoint(self._node, self._agent, dialect, caller)
            answer = partial(modern.answer, request, call, body, asked)
        if call.method in STREAMS:
            return await counted(self._node, caller, answer)
        return await answer()

    async def _born(self, call: Call, caller: Caller) -> str | None:
        task_id = call.params.get("id")
        if not isinstance(task_id, str):
            return None
        return await self._node.service(self._agent).born(task_id, caller=caller)


def _trace_of(request: Request, call: Call) -> tracing.Carrier:
    """Return where a request's trace context stands: in its headers or, as agents also send it, in its message."""
    if "traceparent" in request.headers:
        return request.headers
    match call.params:
        case {"message": {"metadata": {"traceparent": str()} as metadata}}:
            return metadata
        case _:
            return {}
