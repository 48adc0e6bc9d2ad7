"""A stream as an HTTP response: Server-Sent Events with heartbeats, back-pressure and an end."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable

from starlette.types import Message, Receive, Scope, Send

from a2a_streaming import metrics, sse
from a2a_streaming.errors import RequestError, Unavailable
from a2a_streaming.http.server import Line, chunked, chunked_pieces, finish_later, line_of
from a2a_streaming.node import Node
from a2a_streaming.opening import Opening
from a2a_streaming.position import Position
from a2a_streaming.reading import Reader
from a2a_streaming.settings import Settings
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
        self._task: asyncio.Task[None] | None = None
        self._why = ""
        self._at_end: list[Callable[[], None]] = []

    def at_end(self, callback: Callable[[], None]) -> None:
        """Call back when the stream is over."""
        self._at_end.append(callback)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream; returns when it has ended or the client has gone.

        On our own server it returns at once, and the stream goes on where nothing of the application is in memory.
        """
        line = line_of(scope)
        if line is None:
            gone = asyncio.create_task(_disconnected(receive))
            gone.add_done_callback(lambda _: self.stop("client"))
            try:
                await self._run(send, None)
            finally:
                gone.cancel()
            return
        try:
            await send(_START)
        except BaseException:
            await self._close("error")
            raise
        finish_later(scope, lambda send: self._run(send, line))

    def stop(self, why: str) -> None:
        """End the stream.

        Args:
            why: Why: `client` or `drain`.
        """
        if self._task is not None and not self._why:
            self._why = why
            self._task.cancel()

    async def _run(self, send: Send, line: Line | None) -> None:
        """Send the stream, in the request's own task."""
        task = self._task = asyncio.current_task()
        self._node.track(self)
        metrics.STREAMS.inc()
        why = "error"
        try:
            if line is None:
                await send(_START)
            else:
                line.on_lost(lambda: self.stop("client"))
            await self._pump(send, line)
            why = "end"
        except asyncio.CancelledError:
            if not self._why or task is None:
                raise
            task.uncancel()  # it was `stop`, not somebody who waits for this task's end
            why = self._why
        except TimeoutError:
            why = "stalled"
        except RequestError as error:
            _log.info("a stream ended early", stream=self._reader.name, reason=error.detail)
            why = "gone"
        except Exception:  # the client sees an end, and comes back
            _log.exception("a stream broke", stream=self._reader.name)
        finally:
            self._task = None
            self._node.untrack(self)
            metrics.STREAMS.dec()
            await self._close(why)
        if why == "stalled":
            _log.warning("closed a stream whose client reads nothing", stream=self._reader.name)
            if line is not None:
                line.abort()
            return  # what waits to be sent may never go, so there is no clean end
        with contextlib.suppress(OSError):
            await send(_body(b"", more=False))

    async def _close(self, why: str) -> None:
        try:
            await self._reader.aclose()
        finally:
            metrics.STREAMS_CLOSED.labels(why).inc()
            for callback in self._at_end:
                callback()

    async def _pump(self, send: Send, line: Line | None) -> None:
        heartbeat = self._node.settings.heartbeat_seconds
        while not self._reader.ended:
            try:
                frames = await self._reader.read(heartbeat)
            except Unavailable:
                # The client keeps its stream; it goes on when Redis is back.
                await self._write(send, line, sse.HEARTBEAT)
                await asyncio.sleep(1)
                continue
            if not frames:
                await self._write(send, line, sse.HEARTBEAT)
                continue
            if self._first:
                frames[0] = sse.with_retry(frames[0], _retry(self._node.settings))
                self._first = False
            chunk = b"".join(frames)
            del frames  # a client that stops reading holds them once, not twice
            await self._write(send, line, chunk)
            del chunk  # what follows may last for hours
            if line is not None:
                await self._follow(line)

    async def _follow(self, line: Line) -> None:
        """Let the feed write what comes straight to the connection, as long as the client keeps up."""
        sink = _Straight(line, self._reader.mark)
        if not self._reader.follow(sink, chunked_pieces):
            return
        heartbeats = self._node.heartbeats
        place = heartbeats.join(sink)
        try:
            await sink.left
        finally:
            heartbeats.leave(sink, place)
            self._reader.resume(sink, sink.position, over=sink.over)

    async def _write(self, send: Send, line: Line | None, chunk: bytes) -> None:
        """Write bytes, as fast as the client reads them.

        Raises:
            TimeoutError: It reads nothing for too long.
        """
        # In slices: the server's buffer takes one beyond its limit, so it must not be a large one.
        for start in range(0, len(chunk), _CHUNK):
            part = chunk[start : start + _CHUNK]
            if line is not None and not line.full:
                line.write(chunked(part))
                continue
            async with asyncio.timeout(self._node.settings.stall_seconds):
                await send(_body(part))


class _Straight:
    """Writes what a feed tells straight to a connection.

    Args:
        line: The connection.
        mark: What is this watcher's own in what it is told.
    """

    __slots__ = ("left", "mark", "over", "position", "write")

    def __init__(self, line: Line, mark: bytes) -> None:
        self.write = line.write
        self.mark = mark
        self.left: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when it is told nothing more."""
        self.position: Position | None = None
        self.over = False

    def leave(self, position: Position | None, *, over: bool) -> None:
        """Be told nothing more."""
        self.position, self.over = position, over
        if not self.left.done():
            self.left.set_result(None)

    def beat(self) -> None:
        """Write a sign of life."""
        self.write(_HEARTBEAT)


async def serve(node: Node, opening: Opening, frames: ModernFrames) -> EventStream:
    """Return the response that streams what was opened, in 1.0 or 0.3.

    Args:
        node: The process's node.
        opening: The stream's beginning and end.
        frames: Makes the frames.
    """
    return EventStream(node, await opening.read(frames))


def _retry(settings: Settings) -> int:
    """Draw how long a client is to wait before it reconnects, in milliseconds."""
    return settings.retry_ms + random.randint(0, settings.retry_spread_ms)


_START: Message = {"type": "http.response.start", "status": 200, "headers": HEADERS}


def _body(chunk: bytes, *, more: bool = True) -> Message:
    return {"type": "http.response.body", "body": chunk, "more_body": more}


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
