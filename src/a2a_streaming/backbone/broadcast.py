"""Live broadcast: one Pub/Sub connection a process, channels shared by all who listen.

What comes in is a hint, the log is the truth: whenever events may have been missed (the connection
broke, a channel was subscribed anew), listeners are told so, and look into the log. A probe to itself
proves every second that the connection delivers; one that doesn't is replaced.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any, Protocol, cast

from a2a_streaming import metrics
from a2a_streaming.backbone.connection import CommandFailed, Link, Store
from a2a_streaming.backbone.keys import Keys
from a2a_streaming.errors import Unavailable
from a2a_streaming.event import Event
from a2a_streaming.position import Position
from a2a_streaming.telemetry import get_logger

_log = get_logger(__name__)
_BROKE = "the Pub/Sub connection broke; reconnecting"
_PROBE_SECONDS = 1.0
_FRESH_SECONDS = 1.5
_DEAF_SECONDS = 3.0
_CONFIRM_SECONDS = 1.0


class Listener(Protocol):
    """Who listens to a task's channel."""

    def received(self, events: Sequence[Event]) -> None:
        """Take live events that came together; some may be doubled, and others may be missing."""

    def interrupted(self) -> None:
        """Events may have been missed: look into the log."""


class Broadcast:
    """A process's ear on Redis Pub/Sub.

    Args:
        store: Redis.
        keys: Names of channels.
    """

    def __init__(self, store: Store, keys: Keys) -> None:
        self._store = store
        self._keys = keys
        self._probe = keys.probe(uuid.uuid4().hex)
        self._listeners: dict[bytes, Listener] = {}
        self._confirmed: dict[bytes, asyncio.Future[bool]] = {}
        self._came: dict[Listener, list[Event]] = {}
        self._controls: list[Callable[[str, str], None]] = []
        self._connection: Link | None = None
        self._heard = self._connected = -math.inf
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def healthy(self) -> bool:
        """Whether the connection has just been seen to deliver. Else look into the logs."""
        return time.monotonic() - self._heard < _FRESH_SECONDS

    @property
    def _deaf(self) -> bool:
        """Whether the connection has had its time, and delivers nothing."""
        return time.monotonic() - max(self._heard, self._connected) > _DEAF_SECONDS

    def start(self) -> None:
        """Begin to listen; returns at once, and goes on whatever becomes of Redis."""
        self._tasks = [
            asyncio.create_task(self._listen(), name="broadcast"),
            asyncio.create_task(self._prove(), name="broadcast-probe"),
        ]

    async def aclose(self) -> None:
        """Stop listening."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._drop()
        for waiting in self._confirmed.values():
            _settle(waiting, False)

    def on_control(self, callback: Callable[[str, str], None]) -> None:
        """Call back with what is to be done to a run (`cancel`, `escalate`, `retry`) and its task's id."""
        self._controls.append(callback)

    def join(self, task_id: str, listener: Listener) -> asyncio.Future[bool]:
        """Listen to a task's channel.

        Args:
            task_id: The task, to which nobody here listens yet.
            listener: Who is told.

        Returns:
            True when Redis has confirmed that nothing is missed from now on. False if it doesn't, in time:
            then the listener is told to look into the log when the confirmation comes, and until then
            `healthy` says what to make of the silence.
        """
        channel = self._keys.channel(task_id).encode()
        self._listeners[channel] = listener
        loop = asyncio.get_running_loop()
        confirmed = self._confirmed[channel] = loop.create_future()
        patience = loop.call_later(_CONFIRM_SECONDS, _settle, confirmed, False)
        confirmed.add_done_callback(lambda _: patience.cancel())
        if self._connection is not None:
            with contextlib.suppress(Unavailable):  # it is subscribed when the connection is back
                self._connection.tell(["SUBSCRIBE", channel])
        return confirmed

    def leave(self, task_id: str, listener: Listener) -> None:
        """Listen no longer to a task's channel, unless another listener has joined it since."""
        channel = self._keys.channel(task_id).encode()
        if self._listeners.get(channel) is not listener:
            return
        del self._listeners[channel]
        if (confirmed := self._confirmed.pop(channel, None)) is not None:
            _settle(confirmed, False)
        if self._connection is not None:
            with contextlib.suppress(Unavailable):
                self._connection.tell(["UNSUBSCRIBE", channel])

    async def _listen(self) -> None:
        pause = 0.05
        while True:
            try:
                connection = await self._store.dedicated(hear=self._take, heard=self._hand_on)
                self._connection, self._connected = connection, time.monotonic()
                connection.tell(["SUBSCRIBE", self._probe, self._keys.control, *self._listeners])
                pause = 0.05
                await connection.ended
                _log.warning(_BROKE, reason=str(connection.why))
            except (Unavailable, CommandFailed) as error:
                _log.warning(_BROKE, reason=str(error.__cause__))
            except Exception:  # without this ear the whole process is deaf
                _log.exception("listening failed; reconnecting")
            metrics.BREAKS.inc()
            self._drop()
            await asyncio.sleep(pause)
            pause = min(pause * 2, 1.0)

    def _take(self, message: Any) -> None:
        if not isinstance(message, list):
            return  # a refusal: without its confirmation nobody relies on the channel
        kind, channel, *rest = cast("list[bytes]", message)
        if kind == b"message":
            self._heard = time.monotonic()
            self._hear(channel, rest[0])
        elif kind == b"subscribe":
            confirmed = self._confirmed.get(channel)
            if confirmed is None:
                return
            if not confirmed.done():
                _settle(confirmed, True)
            # Not the first confirmation: the connection is a new one, and was deaf before.
            elif (listener := self._listeners.get(channel)) is not None:
                listener.interrupted()

    def _hear(self, channel: bytes, payload: bytes) -> None:
        if (listener := self._listeners.get(channel)) is not None:
            try:
                event = _parse(payload)
            except ValueError:  # anybody may publish there; whatever it was, the log knows
                listener.interrupted()
            else:
                self._came.setdefault(listener, []).append(event)
        elif channel == self._keys.control.encode():
            does, _, task_id = payload.decode(errors="replace").rpartition(" ")
            for callback in self._controls:
                callback(does or "cancel", task_id)

    def _hand_on(self) -> None:
        """Hand on what came together, together."""
        came, self._came = self._came, {}
        for listener, events in came.items():
            listener.received(events)

    async def _prove(self) -> None:
        while True:
            await asyncio.sleep(_PROBE_SECONDS)
            with contextlib.suppress(Unavailable, CommandFailed):
                await self._store.call("PUBLISH", self._probe, "")
            if self._connection is not None and self._deaf:
                _log.warning("the Pub/Sub connection delivers nothing; replacing it")
                self._drop()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        self._heard = -math.inf
        if connection is not None:
            connection.abort()


def _settle(confirmed: asyncio.Future[bool], well: bool) -> None:
    if not confirmed.done():
        confirmed.set_result(well)


def _parse(payload: bytes) -> Event:
    previous, position, data = payload.split(b" ", 2)
    return Event(
        Position.parse(position), None if previous == b"0-0" else Position.parse(previous), data
    )
