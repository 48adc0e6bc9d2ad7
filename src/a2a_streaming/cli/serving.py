"""`up` and `serve`: processes that serve clients and run agents."""

from __future__ import annotations

import asyncio
import importlib
import ipaddress
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import typer

from a2a_streaming.agent import Agent
from a2a_streaming.errors import SetupError
from a2a_streaming.http.app import node_app
from a2a_streaming.http.server import StreamServer, config
from a2a_streaming.node import Node, Role
from a2a_streaming.settings import Settings, load_settings
from a2a_streaming.telemetry import configure_logging

_BACKLOG = 2048


def up(host: str, port: int, data_dir: Path | None) -> None:
    """Run the platform.

    Raises:
        SetupError: It can't start; the message says what to do.
    """
    from a2a_streaming.customer_service.platform import Platform  # noqa: PLC0415 - only `up` needs it all

    settings = load_settings(data_dir=data_dir)
    configure_logging(settings.log_format, settings.log_level)
    listening = _listen(host, port)
    base = f"http://{_reachable(host)}:{port}"
    platform = Platform(settings, base)
    node = Node(platform.agents, settings, exclusive=True)
    by_name = {agent.name: agent for agent in platform.agents}
    mounts = {"": by_name["intent"]} | {f"/agents/{name}": a for name, a in by_name.items()}
    _run(
        node,
        mounts,
        listening,
        banner=f"a2a_streaming is ready at {base}  (Ctrl-C stops it)",
        parts=[platform],
    )


def serve(target: str, host: str, port: int, role: Role, public_url: str | None) -> None:
    """Run one agent.

    Raises:
        SetupError: It can't start; the message says what to do.
    """
    settings = load_settings(public_url=public_url)
    configure_logging(settings.log_format, settings.log_level)
    listening = _listen(host, port)
    base = f"http://{_reachable(host)}:{port}"
    agent, parts = _load(target, settings, base)
    node = Node([agent], settings, role=role)
    _run(node, {"": agent}, listening, banner=f"{agent.card.name} is ready at {base}", parts=parts)


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
    if isinstance(found, type) and issubclass(found, Agent):
        found = found()
    if not isinstance(found, Agent):
        raise SetupError(f"{target} is no Agent; derive it from a2a_streaming.Agent.")
    return found, []


def _listen(host: str, port: int) -> socket.socket:
    """Take the port first, so that a busy one is told before anything starts."""
    if not _is_loopback(host):
        raise SetupError(
            f"Without authentication the server listens on loopback alone, not on {host}. "
            "Leave --host at 127.0.0.1, and put a proxy that authenticates in front."
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
) -> None:
    """Run a node behind uvicorn until a signal ends it.

    Args:
        node: The node.
        mounts: Its agents, by path.
        listening: The socket that clients connect to.
        banner: What to tell the user once it is ready.
        parts: What else to start before it and to stop after it.
    """
    app = node_app(node, mounts, owns_node=False)
    served = config(app, backlog=_BACKLOG)
    server = StreamServer(served, node)

    async def main() -> None:
        stop: list[Callable[[], Any]] = []
        try:
            for part in parts:
                await part.start()
                stop.append(part.stop)
            stop.append(node.aclose)
            await node.start()
            typer.echo(banner)
            await server.serve(sockets=[listening])
        finally:
            for close in reversed(stop):
                await close()

    with asyncio.Runner(loop_factory=served.get_loop_factory()) as runner:
        runner.run(main())
