"""One process that serves an agent over every transport."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

import grpc.aio

from a2a_streaming import Agent, Run, agent_card, create_app
from a2a_streaming.grpc import GrpcServer
from a2a_streaming.node import Node
from a2a_streaming.settings import Settings
from conftest import Served, serving

SPOKEN = [(t, v) for t in ("JSONRPC", "HTTP+JSON", "GRPC") for v in ("1.0", "0.3")]
"""The transports and versions that official clients speak."""


@dataclass
class Both:
    """A process that serves HTTP and gRPC."""

    node: Node
    http: Served
    port: int

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"


@asynccontextmanager
async def serving_both(agent: Agent, settings: Settings) -> AsyncIterator[Both]:
    """Serve an agent over HTTP and gRPC; its card names both."""
    # For good: its end, after each test, would block the event loop.
    cast("Any", grpc.aio).init_grpc_aio()
    app = create_app(agent, settings=settings)
    node: Node = app.state.node
    async with serving(app) as http:
        await node.start()
        server = GrpcServer(node, {"": agent}, "127.0.0.1", 0)
        await server.start()
        node.grpc_address = f"127.0.0.1:{server.port}"
        try:
            yield Both(node, http, server.port)
        finally:
            await server.stop()


class Counting(Agent):
    """Counts in two chunks; waits between them if it is told so, or asks for more."""

    card = agent_card("counting")

    def __init__(self) -> None:
        self.go = asyncio.Event()
        """What it waits for."""

    async def run(self, run: Run) -> None:
        await run.working("Counting")
        async with run.artifact("count") as count:
            await count.write("one two ")
            if run.text == "wait":
                await self.go.wait()
            await count.write("three four")
        if run.text == "ask":
            await run.input_required("And now?")
        else:
            await run.complete("Done")
