"""A task's stream as an HTTP response: Server-Sent Events with positions, heartbeats and an end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import TypeAlias

from starlette.types import Message, Receive, Scope, Send

from a2a_streaming import sse
from a2a_streaming.errors import RequestError, Unavailable
from a2a_streaming.event import Event
from a2a_streaming.node import Node
from a2a_streaming.session import Reset, StreamSession
from a2a_streaming.task import state_of
from a2a_streaming.telemetry import get_logger

_log = get_logger(__name__)
_CHUNK = 64 * 1024

HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]

Encode: TypeAlias = Callable[[Event, bool], bytes]
"""Makes a frame of an event; told whether the stream ends with it."""
EncodeReset: TypeAlias = Callable[[Reset], bytes]
"""Makes a frame of a reset."""


class EventStream:
    """An ASGI response that sends what a session reads, until the turn or the task has ended.

    Args:
        node: The process's node, which ends its streams when it drains.
        session: The session, already entered; the response leaves it.
        encode: Makes frames of events.
        encode_reset: Makes frames of resets.
        turn: The id of the message with which the stream begins; what comes before it is another
            turn's. None to begin with what comes first.
    """

    def __init__(
        self,
        node: Node,
        session: StreamSession,
        *,
        encode: Encode,
        encode_reset: EncodeReset,
        turn: str | None = None,
    ) -> None:
        self._node = node
        self._session = session
        self._encode = encode
        self._encode_reset = encode_reset
        self._turn = turn
        self._first = True

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        """Send the stream; returns when it has ended or the client has gone."""
        pump = asyncio.create_task(self._pump(send), name=f"stream {self._session.task_id}")
        gone = asyncio.create_task(_disconnected(receive))
        self._node.track(pump)
        try:
            await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
            await asyncio.wait({pump, gone}, return_when=asyncio.FIRST_COMPLETED)
            left = gone.done()
        finally:
            pump.cancel()
            gone.cancel()
            await asyncio.gather(pump, gone, return_exceptions=True)
            await self._session.__aexit__(None, None, None)
        if not pump.cancelled() and (error := pump.exception()) is not None and not left:
            _log.error("a stream broke", task=self._session.task_id, exc_info=error)
        with contextlib.suppress(OSError):
            await send(_body(b"", more=False))

    async def _pump(self, send: Send) -> None:
        heartbeat = self._node.settings.heartbeat_seconds
        while not self._task_is_over():
            try:
                got = await self._session.next(heartbeat)
            except Unavailable:
                # The client keeps its stream; it goes on when Redis is back.
                await send(_body(sse.HEARTBEAT))
                await asyncio.sleep(1)
                continue
            except RequestError as error:
                _log.info("a stream ended early", task=self._session.task_id, reason=error.detail)
                return
            if isinstance(got, Reset):
                await self._send(send, [self._encode_reset(got)])
                if state_of(got.task).terminal:
                    return
            elif not got:
                await send(_body(sse.HEARTBEAT))
            elif await self._send_events(send, got):
                return

    async def _send_events(self, send: Send, events: Sequence[Event]) -> bool:
        """Send events, and say whether the stream has ended with them."""
        frames: list[bytes] = []
        size = 0
        newest = events[-1]
        for event in events:
            if self._turn is not None:
                said = event.message
                if said is None or said["messageId"] != self._turn:
                    continue
                self._turn = None
            state = event.state
            ends = state is not None and (
                state.terminal
                # What waits for its customer ends the stream, unless the story goes on already.
                or (state.interrupted and event is newest and self._session.at_end)
            )
            frame = self._encode(event, ends)
            frames.append(frame)
            size += len(frame)
            if ends or size >= _CHUNK:
                await self._send(send, frames)
                frames, size = [], 0
            if ends:
                return True
        await self._send(send, frames)
        return False

    def _task_is_over(self) -> bool:
        """Say whether nothing can follow, because the watcher already has the task's last event."""
        newest = self._session.newest
        return newest is not None and newest.state is not None and newest.state.terminal

    async def _send(self, send: Send, frames: list[bytes]) -> None:
        if not frames:
            return
        if self._first:
            frames[0] = sse.with_retry(frames[0], self._node.settings.retry_ms)
            self._first = False
        await send(_body(b"".join(frames)))


def _body(chunk: bytes, *, more: bool = True) -> Message:
    return {"type": "http.response.body", "body": chunk, "more_body": more}


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
