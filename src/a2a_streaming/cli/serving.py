"""`up` and `serve`: processes that serve clients and run agents."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import importlib
import ipaddress
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import typer
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from a2a_streaming.agent import Agent
from a2a_streaming.cli.door import NodeDoor
from a2a_streaming.cli.signals import asked_to_end
from a2a_streaming.errors import SetupError
from a2a_streaming.executors import as_agent
from a2a_streaming.http.app import node_app
from a2a_streaming.http.server import StreamServer, config
from a2a_streaming.node import Node, Role
from a2a_streaming.ops import PLACE, Operations
from a2a_streaming.redaction import redacting
from a2a_streaming.settings import Settings, load_settings
from a2a_streaming.telemetry import configure_logging, get_logger
from a2a_streaming.web import Web
from a2a_streaming.web.session import nobody

_log = get_logger(__name__)

_BACKLOG = 2048


def up(host: str, port: int, data_dir: Path | None, grpc_port: int | None = None) -> None:
    """Run the platform.

    Raises:
        SetupError: It can't start; the message says what to do.
    """
    from a2a_streaming.customer_service.platform import Platform  # noqa: PLC0415 - only `up` needs it all

    settings = load_settings(data_dir=data_dir)
    configure_logging(settings.log_format, settings.log_level, redacting(settings))
    listening = _listen(host, port, settings)
    base = f"http://{_reachable(host)}:{port}"
    platform = Platform(settings, base)
    node = Node(platform.agents, settings, exclusive=True)
    by_name = {agent.name: agent for agent in platform.agents}
    mounts = {"": by_name["intent"]} | {f"/agents/{name}": a for name, a in by_name.items()}
    door = NodeDoor(node, "intent")
    operations = Operations(node, platform.keepers)
    web = Web(
        node,
        [*platform.places, PLACE],
        topics=[operations.topic, *platform.topics(door)],
        customers=platform.demo_customers,
    )
    _run(
        node,
        mounts,
        listening,
        banner=(
            f"a2a_streaming is ready at {base}  (Ctrl-C stops it)\n"
            f"  for customers                  {base}/\n"
            f"  for people who answer them     {base}/console\n"
            f"  for operators                  {base}/ops"
        ),
        parts=[platform],
        grpc=_grpc(node, mounts, host, grpc_port),
        more=[*platform.routes(door), *operations.routes(), *web.routes()],
        page=web.home,
    )


def serve(
    target: str,
    host: str,
    port: int,
    role: Role,
    public_url: str | None,
    grpc_port: int | None = None,
) -> None:
    """Run one agent.

    Raises:
        SetupError: It can't start; the message says what to do.
    """
    settings = load_settings(public_url=public_url)
    configure_logging(settings.log_format, settings.log_level, redacting(settings))
    listening = _listen(host, port, settings)
    base = f"http://{_reachable(host)}:{port}"
    agent, parts = _load(target, settings, base)
    node = Node([agent], settings, role=role)
    door = NodeDoor(node, agent.name)
    operations = Operations(node, [keeper for part in parts for keeper in part.keepers])
    web = Web(
        node,
        [*(place for part in parts for place in part.places), PLACE],
        topics=[operations.topic, *(topic for part in parts for topic in part.topics(door))],
        customers=parts[0].demo_customers if parts else nobody,
    )
    _run(
        node,
        {"": agent},
        listening,
        banner=f"{agent.card.name} is ready at {base}",
        parts=parts,
        grpc=_grpc(node, {"": agent}, host, grpc_port),
        more=[
            *(route for part in parts for route in part.routes(door)),
            *operations.routes(),
            *web.routes(),
        ],
        page=web.home,
    )


def ops(host: str, port: int, public_url: str | None) -> None:
    """Look after all agents' tasks, and serve operators.

    Raises:
        SetupError: It can't start; the message says what to do.
    """
    settings = load_settings(public_url=public_url)
    configure_logging(settings.log_format, settings.log_level)
    listening = _listen(host, port, settings)
    node = Node([], settings, role="ops")
    operations = Operations(node)
    web = Web(node, [PLACE], topics=[operations.topic])
    _run(
        node,
        {},
        listening,
        banner=f"Operations are ready at http://{_reachable(host)}:{port}/ops",
        parts=[],
        grpc=None,
        more=[*operations.routes(), *web.routes()],
        page=None,
    )


def _grpc(node: Node, mounts: dict[str, Agent], host: str, port: int | None) -> Any:
    """Return what serves gRPC; None if it isn't asked for."""
    if port is None:
        return None
    try:
        from a2a_streaming.grpc import GrpcServer  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise SetupError(
            "--grpc-port needs gRPC. Install a2a-streaming with the extra grpc:"
            " pip install 'a2a-streaming[grpc]'."
        ) from error
    node.grpc_address = f"{_reachable(host)}:{port}"
    return GrpcServer(node, mounts, host, port)


def _load(target: str, settings: Settings, base: str) -> tuple[Agent, list[Any]]:
    if target in ("intent", "booking", "billing"):
        from a2a_streaming.customer_service.platform import Platform  # noqa: PLC0415 - other agents don't need it

        platform = Platform(settings, base, only=(target,))
        return platform.agents[0], [platform]
    module_name, colon, name = target.partition(":")
    if not colon:
        raise typer.BadParameter(
            f"{target!r} is neither intent, booking nor billing, nor package.module:Agent."
        )
    sys.path.insert(0, str(Path.cwd()))
    try:
        found: object = getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError) as error:
        raise SetupError(f"Can't load {target}: {error}.") from error
    return as_agent(found, name=target), []


def _listen(host: str, port: int, settings: Settings) -> socket.socket:
    """Take the port first, so that a busy one is told before anything starts."""
    if not settings.authenticates and not _is_loopback(host):
        raise SetupError(
            f"Without authentication the server listens on loopback alone, not on {host}. Leave --host at "
            "127.0.0.1, or set A2A_AUTH_KEYS=true (then make a key with `a2a-streaming keys create`) or "
            "A2A_AUTH_ISSUER."
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio switches Nagle's algorithm off only where it is.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise SetupError(
            f"Can't listen on {host}:{port} ({error.strerror}). Choose another port with --port."
        ) from error
    listening.listen(_BACKLOG)
    return listening


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _reachable(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _run(
    node: Node,
    mounts: dict[str, Agent],
    listening: socket.socket,
    *,
    banner: str,
    parts: Sequence[Any],
    grpc: Any,
    more: Sequence[BaseRoute],
    page: ASGIApp | None,
) -> None:
    """Run a node behind uvicorn until a signal ends it.

    Args:
        node: The node.
        mounts: Its agents, by path.
        listening: The socket that clients connect to.
        banner: What to tell the user once it is ready.
        parts: What else to start before it and to stop after it, also if its start failed.
        grpc: What serves gRPC beside HTTP; None if nothing does.
        more: What else is served over HTTP.
        page: What browsers are shown at `/`; None for the text that others get.
    """
    served = config(node_app(node, mounts, owns_node=False, more=more, page=page), backlog=_BACKLOG)
    with asyncio.Runner(loop_factory=served.get_loop_factory()) as runner:
        process = _Process(runner.get_loop(), StreamServer(served, node), node, parts, grpc)
        with asked_to_end(process.stop):
            runner.run(process.run(listening, banner))


class _Process:
    """A node, what it needs, and the server before it, from their start to their end.

    Args:
        loop: The event loop that will run it.
        server: The server.
        node: The node.
        parts: What else to start before the node and to stop after it, also if its start failed.
        grpc: What serves gRPC, to be started after the node; None if nothing does.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        server: StreamServer,
        node: Node,
        parts: Sequence[Any],
        grpc: Any,
    ) -> None:
        self._loop = loop
        self._server = server
        self._node = node
        self._parts = parts
        self._grpc = grpc
        self._close: list[Callable[[], Awaitable[None]]] = []
        self._starting: asyncio.Task[None] | None = None

    def stop(self) -> None:
        """Ask for a clean end, be it still starting or serving. May be called by a signal's handler."""
        self._server.stop()
        # A signal comes in the midst of whatever runs, which has nothing to do with it.
        self._loop.call_soon_threadsafe(self._call_off, context=contextvars.Context())

    async def run(self, listening: socket.socket, banner: str) -> None:
        """Start, serve until it is asked to end, and close all that was started.

        Args:
            listening: The socket that clients connect to.
            banner: What to tell the user once it is ready.

        Raises:
            SetupError: It can't start; the message says what to do.
        """
        try:
            if self._server.stopping:
                return
            # A task of its own: what a signal cancels is the start, never the server.
            self._starting = asyncio.create_task(self._start(), name="start up")
            await asyncio.wait({self._starting})
            if self._starting.cancelled():
                return
            self._starting.result()
            if not self._server.stopping:
                typer.echo(banner)
                await self._server.serve(sockets=[listening])
        finally:
            for close in reversed(self._close):
                await close()

    async def _start(self) -> None:
        for part in self._parts:
            self._close.append(part.stop)  # before: a start may be called off halfway
            await part.start()
        self._close.append(self._node.aclose)
        await self._node.start()
        if self._grpc is not None:
            self._close.append(self._grpc.stop)
            await self._grpc.start()
        # What is there now stays: the collector need never walk through it, while streams wait.
        gc.freeze()

    def _call_off(self) -> None:
        _log.info("stopping; a second signal ends the process at once")
        if self._starting is not None:
            self._starting.cancel()  # without effect once it has started
