"""gRPC (specification 1.0, section 10), 1.0 and 0.3: one service for all agents of a process.

A request's `tenant` names the agent, as its card says; without one it is for the agent at the root. 0.3
has no tenants. Positions travel in the events' metadata for a client that asks for the resume extension,
which says the last one that it has seen in the metadata `last-event-id`. Needs the extra `grpc`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from typing import Any, cast
from urllib.parse import unquote

import a2a.client  # noqa: F401  # pyright: ignore[reportUnusedImport] - as in a2a_streaming.http
import grpc
import grpc.aio
from a2a.compat.v0_3 import a2a_v0_3_pb2_grpc as v03_grpc
from a2a.compat.v0_3.grpc_handler import CompatGrpcHandler
from a2a.server.context import ServerCallContext
from a2a.server.request_handlers.grpc_handler import (
    DefaultGrpcServerCallContextBuilder,
    GrpcHandler,
)
from a2a.types import a2a_pb2_grpc as v1_grpc
from a2a.utils.errors import A2AError
from starlette.requests import Request

from a2a_streaming.agent import Agent
from a2a_streaming.caller import ANYBODY, Caller
from a2a_streaming.errors import (
    InvalidParams,
    RequestError,
    SetupError,
    TooManyRequests,
    Unavailable,
    VersionNotSupported,
)
from a2a_streaming.grpc_faults import Faults
from a2a_streaming.handlers import Handler
from a2a_streaming.http.access import Access
from a2a_streaming.http.asked import Asked
from a2a_streaming.http.bodies import VERSION_HEADER, check_extensions
from a2a_streaming.node import Node
from a2a_streaming.wire.dialects import Dialect, read_version
from a2a_streaming.wire.modern import read_v03_send, sdk_error

_GRACE = 0.5
"""Seconds that calls get to end when the server stops; streams are told to come back elsewhere."""
_LONGEST_TEXT = 400
"""Characters of an error's text."""
_UNARY = (
    "SendMessage",
    "GetTask",
    "ListTasks",
    "CancelTask",
    "CreateTaskPushNotificationConfig",
    "GetTaskPushNotificationConfig",
    "ListTaskPushNotificationConfigs",
    "DeleteTaskPushNotificationConfig",
    "GetExtendedAgentCard",
)
_UNARY_V03 = (
    "SendMessage",
    "GetTask",
    "CancelTask",
    "CreateTaskPushNotificationConfig",
    "GetTaskPushNotificationConfig",
    "ListTaskPushNotificationConfig",
    "DeleteTaskPushNotificationConfig",
    "GetAgentCard",
)
_STREAMS = ("SendStreamingMessage", "SubscribeToTask")
_STREAMS_V03 = ("SendStreamingMessage", "TaskSubscription")

_VERSIONS: tuple[tuple[Dialect, Any], ...] = ((Dialect.V1, v1_grpc), (Dialect.V03, v03_grpc))


class GrpcServer:
    """Serves agents over gRPC.

    Args:
        node: The process's node, started.
        mounts: The agents by the path under which HTTP serves each; `""` is the root.
        host: Where to listen.
        port: On which port; 0 for any that is free.
    """

    def __init__(self, node: Node, mounts: Mapping[str, Agent], host: str, port: int) -> None:
        self._node = node
        self._mounts = mounts
        self._address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._server: grpc.aio.Server | None = None
        self.port = port
        """The port on which it listens."""

    async def start(self) -> None:
        """Listen.

        Raises:
            SetupError: The port is taken.
        """
        limit = self._node.settings.max_body_bytes
        server = self._server = grpc.aio.server(
            options=[("grpc.max_receive_message_length", limit), ("grpc.so_reuseport", 0)],
            interceptors=[Faults()],
        )
        for version, module in _VERSIONS:
            calls = _Calls(self._node, self._mounts, version)
            module.add_A2AServiceServicer_to_server(calls.servicer(), server)
        try:
            self.port = server.add_insecure_port(self._address)
        except RuntimeError as error:
            raise SetupError(
                f"Can't listen for gRPC on {self._address}. Choose another port with --grpc-port."
            ) from error
        await server.start()

    async def stop(self) -> None:
        """End what is under way, and listen no longer."""
        if self._server is not None:
            await self._server.stop(_GRACE)


class _Headers(DefaultGrpcServerCallContextBuilder):
    """Hands a call's metadata on as HTTP's headers are."""

    def build(self, context: Any) -> ServerCallContext:
        built: ServerCallContext = cast("Any", super()).build(context)
        built.state["headers"] = _metadata(context)
        return built


class _V1(GrpcHandler):
    """a2a-sdk's handler, which tells also what it doesn't know."""

    @property
    def refused(self) -> RequestError | None:
        """What kept the request from being served."""
        return cast("Handler", self.request_handler).refused

    async def abort_context(self, error: A2AError, context: Any) -> None:
        await _abort_away(self.request_handler, context)
        _shorten(error)
        await cast("Any", super()).abort_context(error, context)


class _V03(CompatGrpcHandler):
    """a2a-sdk's handler for 0.3, which tells also what it doesn't know."""

    def __init__(self, request_handler: Handler, builder: Any) -> None:
        super().__init__(request_handler, builder)
        self._handler = request_handler

    @property
    def refused(self) -> RequestError | None:
        """What kept the request from being served."""
        return self._handler.refused

    async def abort_context(self, error: A2AError, context: Any) -> None:
        await _abort_away(self._handler, context)
        _shorten(error)
        await cast("Any", super()).abort_context(error, context)


async def _abort_away(handler: Any, context: Any) -> None:
    if handler.away is not None:
        await _abort(handler.away, context)


async def _abort(error: RequestError, context: Any) -> None:
    """Abort a call for what every protocol over HTTP tells by a status of its own."""
    await context.abort(grpc.StatusCode[error.grpc_status], error.detail)


def _shorten(error: A2AError) -> None:
    """Shorten what is told of an error: it goes in a call's trailers, twice, and they hold 8 KiB."""
    error.message = error.message[:_LONGEST_TEXT]


class _Calls:
    """Takes the calls of one version: each gets a handler of its own, for its caller and agent.

    Args:
        node: The process's node.
        mounts: The agents by path.
        dialect: The version.
    """

    def __init__(self, node: Node, mounts: Mapping[str, Agent], dialect: Dialect) -> None:
        self._node = node
        self._dialect = dialect
        self._access = Access(node)
        self._names = {agent.name: agent.name for agent in mounts.values()}
        if "" in mounts:
            self._names[""] = mounts[""].name

    def servicer(self) -> Any:
        """Return what gRPC's server calls."""
        v1 = self._dialect is Dialect.V1
        base = v1_grpc.A2AServiceServicer if v1 else v03_grpc.A2AServiceServicer
        methods = {name: self._unary(name) for name in (_UNARY if v1 else _UNARY_V03)}
        methods |= {name: self._stream(name) for name in (_STREAMS if v1 else _STREAMS_V03)}
        return type("Service", (base,), methods)()

    def _unary(self, name: str) -> Callable[..., Any]:
        async def call(_: Any, request: Any, context: Any) -> Any:
            with self._asked(name, request, context) as asked:
                handler, _caller = await self._handler(name, request, context, asked)
                try:
                    return await getattr(handler, name)(request, context)
                finally:
                    asked.refused(handler.refused)

        return call

    def _stream(self, name: str) -> Callable[..., Any]:
        async def call(_: Any, request: Any, context: Any) -> AsyncIterator[Any]:
            with self._asked(name, request, context) as asked:
                handler, caller = await self._handler(name, request, context, asked)
                close = await self._open_stream(caller, context, asked)
                told: AsyncGenerator[Any] = getattr(handler, name)(request, context)
                try:
                    first = await anext(told, None)
                except BaseException:
                    asked.refused(handler.refused)
                    close()
                    raise
            try:
                if first is not None:
                    yield first
                async for one in told:
                    yield one
            finally:
                close()

        return call

    def _asked(self, name: str, request: Any, context: Any) -> Asked:
        agent = self._names.get(getattr(request, "tenant", ""), "unknown")
        asked = Asked(agent, name, _metadata(context))
        asked.speaks(self._dialect)
        return asked

    async def _handler(self, name: str, request: Any, context: Any, asked: Asked) -> Any:
        """Return a2a-sdk's handler of one call, and who calls; a call that can't be served is aborted."""
        try:
            metadata = _metadata(context)
            wanted = read_version(metadata.get(VERSION_HEADER.lower()))
            if wanted not in (None, self._dialect):
                raise VersionNotSupported(str(wanted), [self._dialect])
            self._node.check_serving()
            asking = _as_request(metadata, context.peer())
            agent = self._agent(getattr(request, "tenant", ""))
            if name.startswith("Send"):
                check_extensions(asking, self._node.cards[agent])
                if self._dialect is Dialect.V03:
                    # Here: a2a-sdk's handler takes what it can't read for our fault.
                    read_v03_send(request)
            caller = await self._access.identify(asking)
            return self._adapted(agent, caller), caller
        except RequestError as error:
            asked.refused(error)
            if error.by_http:
                await _abort(error, context)
            anybodys = self._adapted(self._node.agents[0].name, ANYBODY)
            await anybodys.abort_context(sdk_error(error), context)

    async def _open_stream(self, caller: Caller, context: Any, asked: Asked) -> Callable[[], None]:
        try:
            return self._node.quotas.open_stream(caller)
        except (TooManyRequests, Unavailable) as error:
            asked.refused(error)
            await _abort(error, context)
            raise  # never: the call is over

    def _agent(self, tenant: str) -> str:
        if tenant not in self._names:
            known = ", ".join(sorted(filter(None, self._names)))
            raise InvalidParams(
                f"There is no agent {tenant[:64]!r} here. Set tenant to the one in the agent's card: {known}."
            )
        return self._names[tenant]

    def _adapted(self, agent: str, caller: Caller) -> Any:
        base = self._node.settings.public_url.rstrip("/")
        handler = Handler(self._node, agent, self._dialect, caller, base)
        return (_V1 if self._dialect is Dialect.V1 else _V03)(handler, _Headers())


def _metadata(context: Any) -> dict[str, str]:
    return {
        key.lower(): value if isinstance(value, str) else value.decode("latin-1")
        for key, value in context.invocation_metadata() or ()
    }


def _as_request(metadata: Mapping[str, str], peer: str) -> Request:
    """Return a call's metadata as the HTTP request that says who asks, and from where (`ipv4:<address>:<port>`)."""
    kind, _, address = peer.partition(":")
    host = unquote(address.rpartition(":")[0]).strip("[]")
    headers = [
        (key.encode(), value.encode("latin-1", "replace")) for key, value in metadata.items()
    ]
    return Request(
        {
            "type": "http",
            "method": "POST",
            "path": "/",
            "query_string": b"",
            "headers": headers,
            "client": (host, 0) if kind in ("ipv4", "ipv6") else None,
        }
    )
