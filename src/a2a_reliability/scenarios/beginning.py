"""Beginnings that scenarios share: a task is begun, and others join it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from a2a_reliability.asking import Kit
from a2a_reliability.connection import Server, Stream
from a2a_reliability.errors import KitError


@asynccontextmanager
async def begun(
    kit: Kit, *, chunks: int | None = None, pause: float | None = None, size: int = 16
) -> AsyncGenerator[Stream]:
    """Begin a task, and record its stream."""
    params = kit.order.params(
        kit.version,
        chunks=chunks or kit.order.chunks,
        pause=kit.order.pause if pause is None else pause,
        size=size,
    )
    async with kit.server.stream("stream", params) as stream:
        yield stream


@dataclass(slots=True)
class Joined:
    """A stream that has joined a task.

    Args:
        stream: Its recording.
        seen: How many events the task's first stream had told before.
        refused: Why it couldn't be read, or None.
    """

    stream: Stream
    seen: int
    refused: KitError | None = None


@asynccontextmanager
async def watching(server: Server, first: Stream) -> AsyncGenerator[Joined]:
    """Subscribe to a task that another stream tells of."""
    seen = len(first.frames)
    async with server.stream("subscribe", {"id": first.task_id}) as stream:
        yield Joined(stream, seen)
