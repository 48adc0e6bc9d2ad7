"""REST (specification 1.0, section 11), and 0.3's: streams on our own way, the rest by a2a-sdk's dispatchers.

Both versions' clients use the same paths, below `/v1`; the header `A2A-Version` (or the query parameter)
tells 1.0's from 0.3's, which say none.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, cast

import orjson
from a2a.compat.v0_3 import a2a_v0_3_pb2 as v03_pb
from a2a.server.routes.rest_dispatcher import RestDispatcher
from a2a.server.routes.rest_routes import (
    REST03Adapter,  # pyright: ignore[reportPrivateImportUsage] - its own module imports in a circle
)
from a2a.types import SendMessageRequest
from google.protobuf.json_format import Parse, ParseError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp

from a2a_streaming.errors import (
    InternalError,
    InvalidParams,
    MethodNotFound,
    RequestError,
    VersionNotSupported,
)
from a2a_streaming.handlers import Handler
from a2a_streaming.http.access import Access, counted
from a2a_streaming.http.asked import Asked
from a2a_streaming.http.bodies import (
    A2A_JSON,
    asked_version,
    check_extensions,
    check_json,
    extensions,
    for_old_clients,
    json_response,
    load_json,
    read_again,
    read_body,
    rest_error,
)
from a2a_streaming.http.cards import base_url
from a2a_streaming.http.stream import serve
from a2a_streaming.node import Node
from a2a_streaming.task import Json
from a2a_streaming.telemetry import get_logger
from a2a_streaming.wire.cards import RESUME
from a2a_streaming.wire.dialects import Dialect, read_version
from a2a_streaming.wire.modern import ModernFrames, read_v03_send

_log = get_logger(__name__)

_ID = r"(?P<id>[^/:]+)"
_PUSH = rf"/tasks/{_ID}/pushNotificationConfigs"
_STREAMS = (
    ("POST", re.compile(r"/message:stream"), "/message:stream"),
    ("GET", re.compile(rf"/tasks/{_ID}:subscribe"), "/tasks/{id}:subscribe"),
    ("POST", re.compile(rf"/tasks/{_ID}:subscribe"), "/tasks/{id}:subscribe"),
)
_UNARY = (
    ("POST", re.compile(r"/message:send"), "/message:send"),
    ("GET", re.compile(r"/tasks"), "/tasks"),
    ("GET", re.compile(rf"/tasks/{_ID}"), "/tasks/{id}"),
    ("POST", re.compile(rf"/tasks/{_ID}:cancel"), "/tasks/{id}:cancel"),
    ("POST", re.compile(_PUSH), "/tasks/{id}/pushNotificationConfigs"),
    ("GET", re.compile(_PUSH), "/tasks/{id}/pushNotificationConfigs"),
    (
        "GET",
        re.compile(rf"{_PUSH}/(?P<push_id>[^/]+)"),
        "/tasks/{id}/pushNotificationConfigs/{push_id}",
    ),
    (
        "DELETE",
        re.compile(rf"{_PUSH}/(?P<push_id>[^/]+)"),
        "/tasks/{id}/pushNotificationConfigs/{push_id}",
    ),
    ("GET", re.compile(r"/extendedAgentCard"), "/extendedAgentCard"),
    ("GET", re.compile(r"/card"), "/card"),
)
"""HTTP method, path below `/v1`, and the operation as a2a-sdk's tables of routes name it."""
_V1 = {
    ("POST", "/message:send"): "on_message_send",
    ("GET", "/tasks"): "list_tasks",
    ("GET", "/tasks/{id}"): "on_get_task",
    ("POST", "/tasks/{id}:cancel"): "on_cancel_task",
    ("POST", "/tasks/{id}/pushNotificationConfigs"): "set_push_notification",
    ("GET", "/tasks/{id}/pushNotificationConfigs"): "list_push_notifications",
    ("GET", "/tasks/{id}/pushNotificationConfigs/{push_id}"): "get_push_notification",
    ("DELETE", "/tasks/{id}/pushNotificationConfigs/{push_id}"): "delete_push_notification",
    ("GET", "/extendedAgentCard"): "handle_authenticated_agent_card",
}
_LENGTH = re.compile(r"[0-9]{0,9}")
_SET_PUSH = ("POST", "/tasks/{id}/pushNotificationConfigs")
_DELETE_PUSH = ("DELETE", "/tasks/{id}/pushNotificationConfigs/{push_id}")

_Dispatch = Callable[[Request], Awaitable[Response]]


class RestEndpoint:
    """Serves one agent's tasks over REST.

    Args:
        node: The process's node.
        agent: The agent's name.
    """

    def __init__(self, node: Node, agent: str) -> None:
        self._node = node
        self._agent = agent
        self._access = Access(node)

    async def serve(self, request: Request, path: str) -> ASGIApp:
        """Answer one request; every error becomes an HTTP error with a `google.rpc.Status`.

        Args:
            request: The HTTP request.
            path: Its path below `/v1`, with the slash.
        """
        try:
            return await self._answer(request, path)
        except RequestError as error:
            return rest_error(error)
        except ClientDisconnect:
            return Response(status_code=400)  # for nobody: it left before it had said all
        except Exception:  # whatever fails, the client gets an answer and the server lives
            _log.exception("a request failed", agent=self._agent)
            return rest_error(InternalError())

    async def _answer(self, request: Request, path: str) -> ASGIApp:
        body = await read_body(request, self._node.settings.max_body_bytes, self._node.quotas)
        await self._node.ready()
        dialect = read_version(asked_version(request)) or Dialect.V03
        if dialect is Dialect.FIRST:
            raise VersionNotSupported(dialect, (Dialect.V03, Dialect.V1))
        if body:
            check_json(request)
            load_json(body)
        if not _LENGTH.fullmatch(request.query_params.get("historyLength", "")):
            raise InvalidParams("historyLength must be a whole number, 0 or more.")
        caller = await self._access.identify(request)
        base = base_url(request, self._node.settings)
        if path.startswith("/message:"):
            check_extensions(request, self._node.cards[self._agent])
        handler = Handler(self._node, self._agent, dialect, caller, base)
        position = request.headers.get("last-event-id")
        for method, pattern, operation in _STREAMS:
            if request.method == method and (found := pattern.fullmatch(path)):
                task_id = found.groupdict().get("id")
                resumes = RESUME in extensions(request)
                frames = ModernFrames(dialect, None, with_positions=resumes)
                stream = partial(self._stream, handler, body, task_id, position, frames)
                with self._asked(request, method, operation, dialect):
                    return await counted(self._node, caller, stream)
        for method, pattern, name in _UNARY:
            if request.method == method and (found := pattern.fullmatch(path)):
                with self._asked(request, method, name, dialect) as asked:
                    answer = await self._dispatch(request, body, handler, (method, name), found)
                    asked.refused(handler.refused)
                    return answer
        raise MethodNotFound(f"{request.method} /v1{path}", [f"{m} /v1{n}" for m, n in _V1])

    def _asked(self, request: Request, method: str, name: str, dialect: Dialect) -> Asked:
        asked = Asked(self._agent, f"{method} {name}", request.headers)
        asked.speaks(dialect)
        return asked

    async def _stream(
        self,
        handler: Handler,
        body: bytes,
        task_id: str | None,
        position: str | None,
        frames: ModernFrames,
    ) -> ASGIApp:
        """Stream the turn of a message or, where the path names one, a task."""
        if task_id is None:
            sent = await handler.send(_read_send(body, handler.dialect))
            opening = handler.openings.of_turn(sent, position)
        else:
            opening = await handler.openings.of_task(task_id, position)
        return await serve(self._node, opening, frames)

    async def _dispatch(
        self,
        request: Request,
        body: bytes,
        handler: Handler,
        operation: tuple[str, str],
        found: re.Match[str],
    ) -> ASGIApp:
        dialect = handler.dialect
        if dialect is Dialect.V03 and operation == _SET_PUSH and body:
            body = _with_parent(body, found["id"])
        again = read_again(request, body, dialect, path_params=found.groupdict())
        dispatch = (
            _of_v1(handler, operation) if dialect is Dialect.V1 else _of_v03(handler, operation)
        )
        if dispatch is None:
            raise MethodNotFound(
                f"{operation[0]} /v1{operation[1]} in {dialect}", [f"{m} /v1{n}" for m, n in _V1]
            )
        response = await dispatch(again)
        if handler.away is not None:
            raise handler.away
        response.headers["cache-control"] = "no-store"
        if dialect is Dialect.V1:
            response.headers["content-type"] = A2A_JSON
        elif response.status_code >= 400:
            told = for_old_clients(orjson.loads(response.body))
            return json_response(orjson.dumps(told), response.status_code)
        return response


def _of_v1(handler: Handler, operation: tuple[str, str]) -> _Dispatch | None:
    name = _V1.get(operation)
    return getattr(RestDispatcher(handler), name) if name else None


def _of_v03(handler: Handler, operation: tuple[str, str]) -> _Dispatch | None:
    if operation == _DELETE_PUSH:  # which a2a-sdk's table lacks
        return _delete_push(handler)
    method, path = operation
    routes: dict[tuple[str, str], Any] = REST03Adapter(handler).routes()
    return routes.get((f"/v1{path}", method))


def _delete_push(handler: Handler) -> _Dispatch:
    async def delete(request: Request) -> Response:
        await handler.delete_push(request.path_params["id"], request.path_params["push_id"])
        return Response(status_code=204)

    return delete


def _with_parent(body: bytes, task_id: str) -> bytes:
    """Return what sets a webhook in 0.3 as a2a-sdk reads it: the whole request of gRPC.

    0.3's mapping to HTTP has the request's `config` alone as the body, and its `parent` in the path.
    """
    read = orjson.loads(body)
    if not isinstance(read, dict):
        return body  # a2a-sdk says what is wrong with it
    told = cast("Json", read)
    whole = told if "config" in told else {"config": told}
    return orjson.dumps({**whole, "parent": f"tasks/{task_id}"})


def _read_send(body: bytes, dialect: Dialect) -> SendMessageRequest:
    try:
        if dialect is Dialect.V1:
            return Parse(body, SendMessageRequest(), ignore_unknown_fields=True)
        said = Parse(body, v03_pb.SendMessageRequest(), ignore_unknown_fields=True)
    except (ParseError, ValueError) as error:
        raise InvalidParams(f"The body can't be read: {str(error)[:500]}") from error
    return read_v03_send(said)
