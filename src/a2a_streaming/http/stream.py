"""A stream as an HTTP response: Server-Sent Events with heartbeats, back-pressure and an end."""

from __future__ import annotations

import asyncio
import contextlib

from starlette.types import Message, Receive, Scope, Send

from a2a_streaming import metrics, sse
from a2a_streaming.errors import RequestError, Unavailable
from a2a_streaming.http.server import Line, chunked, line_of
from a2a_streaming.node import Node
from a2a_streaming.opening import Opening
from a2a_streaming.position import Position
from a2a_streaming.reading import Reader
from a2a_streaming.telemetry import get_logger
from a2a_streaming.wire.modern import ModernFrames

_log = get_logger(__name__)
_CHUNK = 32 * 1024
_HEARTBEAT = chunked(sse.HEARTBEAT)

HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


class EventStream:
    """An ASGI response that sends what a reader reads, until it has ended.

    Args:
        node: The process's node, which ends its streams when it drains.
        reader: The reader; the response closes it.
    """

    def __init__(self, node: Node, reader: Reader) -> None:
        self._node = node
        self._reader = reader
        self._first = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream; returns when it has ended or the client has gone."""
        line = line_of(scope)
        pump = asyncio.create_task(self._pump(send, line), name=f"stream {self._reader.name}")
        gone = asyncio.create_task(_disconnected(receive))
        self._node.track(pump)
        reason = "error"
        metrics.STREAMS.inc()
        try:
            await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
            await asyncio.wait({pump, gone}, return_when=asyncio.FIRST_COMPLETED)
            reason = self._why(pump, gone)
        finally:
            pump.cancel()
            gone.cancel()
            await asyncio.gather(pump, gone, return_exceptions=True)
            await self._reader.aclose()
            metrics.STREAMS.dec()
            metrics.STREAMS_CLOSED.labels(reason).inc()
        if reason == "stalled":
            _log.warning("closed a stream whose client reads nothing", stream=self._reader.name)
            if line is not None:
                line.abort()
            return  # what waits to be sent may never go, so there is no clean end
        with contextlib.suppress(OSError):
            await send(_body(b"", more=False))

    def _why(self, pump: asyncio.Task[None], gone: asyncio.Task[None]) -> str:
        """Say why the stream is over."""
        if gone.done():
            return "client"
        if pump.cancelled():
            return "drain"
        error = pump.exception()
        if isinstance(error, TimeoutError):
            return "stalled"
        if isinstance(error, RequestError):
            _log.info("a stream ended early", stream=self._reader.name, reason=error.detail)
            return "gone"
        if error is not None:
            _log.error("a stream broke", stream=self._reader.name, exc_info=error)
            return "error"
        return "end"

    async def _pump(self, send: Send, line: Line | None) -> None:
        heartbeat = self._node.settings.heartbeat_seconds
        while not self._reader.ended:
            try:
                frames = await self._reader.read(heartbeat)
            except Unavailable:
                # The client keeps its stream; it goes on when Redis is back.
                await self._write(send, sse.HEARTBEAT)
                await asyncio.sleep(1)
                continue
            if not frames:
                await self._write(send, sse.HEARTBEAT)
                continue
            if self._first:
                frames[0] = sse.with_retry(frames[0], self._node.settings.retry_ms)
                self._first = False
            metrics.DELIVERIES.inc(len(frames))
            chunk = b"".join(frames)
            frames.clear()  # a client that stops reading holds them once, not twice
            await self._write(send, chunk)
            if line is not None:
                await self._follow(line)

    async def _follow(self, line: Line) -> None:
        """Let the feed write what comes straight to the connection, as long as the client keeps up."""
        sink = _Straight(line)
        if not self._reader.follow(sink, chunked):
            return
        heartbeat = self._node.settings.heartbeat_seconds
        try:
            while not sink.left.done():
                await asyncio.wait({sink.left}, timeout=heartbeat)
                if not sink.left.done():
                    line.write(_HEARTBEAT)
        finally:
            self._reader.resume(sink, sink.position, over=sink.over)

    async def _write(self, send: Send, chunk: bytes) -> None:
        """Write bytes, as fast as the client reads them.

        Raises:
            TimeoutError: It reads nothing for too long.
        """
        # In slices: the server's buffer takes one beyond its limit, so it must not be a large one.
        for start in range(0, len(chunk), _CHUNK):
            async with asyncio.timeout(self._node.settings.stall_seconds):
                await send(_body(chunk[start : start + _CHUNK]))


class _Straight:
    """Writes what a feed tells straight to a connection.

    Args:
        line: The connection.
    """

    __slots__ = ("left", "over", "position", "write")

    def __init__(self, line: Line) -> None:
        self.write = line.write
        self.left: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when it is told nothing more."""
        self.position: Position | None = None
        self.over = False

    def leave(self, position: Position | None, *, over: bool) -> None:
        """Be told nothing more."""
        self.position, self.over = position, over
        if not self.left.done():
            self.left.set_result(None)


async def serve(node: Node, opening: Opening, frames: ModernFrames) -> EventStream:
    """Return the response that streams what was opened, in 1.0 or 0.3.

    Args:
        node: The process's node.
        opening: The stream's beginning and end.
        frames: Makes the frames.
    """
    return EventStream(node, await opening.read(frames))


def _body(chunk: bytes, *, more: bool = True) -> Message:
    return {"type": "http.response.body", "body": chunk, "more_body": more}


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
