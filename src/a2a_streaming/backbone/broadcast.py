"""Live broadcast: channels shared by all who listen, heard by one Pub/Sub connection to each server that has some.

What comes in is a hint, the log is the truth: whenever events may have been missed (the connection
broke, a channel was subscribed anew), listeners are told so, and look into the log. A probe to itself
proves every second that the connection delivers; one that doesn't is replaced.

In a cluster the channels of tasks are sharded: each is heard at the server that has its slot, and follows it when it
moves. What all processes are told goes by the plain kind, which reaches every server.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Callable, Sequence
from typing import Protocol

from a2a_streaming.backbone.connection import CommandFailed, Store
from a2a_streaming.backbone.ear import Ear
from a2a_streaming.backbone.keys import Keys
from a2a_streaming.errors import Unavailable
from a2a_streaming.event import Event
from a2a_streaming.position import Position

_CONFIRM_SECONDS = 1.0
_ARRANGE_SECONDS = 1.0
"""How often channels are looked at, whether they are heard where they are."""
_PROBES = 200_000
"""The most names that are tried for a probe in a server's slots."""


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
        self._control = keys.control.encode()
        self._listeners: dict[bytes, Listener] = {}
        self._confirmed: dict[bytes, asyncio.Future[bool]] = {}
        self._came: dict[Listener, list[Event]] = {}
        self._controls: list[Callable[[str, str], None]] = []
        self._ears: dict[str, Ear] = {}
        self._at: dict[bytes, Ear | None] = {}
        """Where each channel is heard; None: its server isn't known."""
        self._astray = asyncio.Event()
        self._arranging: asyncio.Task[None] | None = None

    @property
    def healthy(self) -> bool:
        """Whether what is listened to has just been seen to be delivered. Else look into the logs."""
        return (
            bool(self._ears)
            and all(ear.healthy for ear in self._ears.values())
            and not self._astray.is_set()
        )

    def start(self) -> None:
        """Begin to listen; returns at once, and goes on whatever becomes of Redis."""
        self._hear_at(self._control)
        if self._store.sharded:
            self._arranging = asyncio.create_task(self._arrange(), name="broadcast-arrange")

    async def aclose(self) -> None:
        """Stop listening."""
        if self._arranging is not None:
            self._arranging.cancel()
            await asyncio.gather(self._arranging, return_exceptions=True)
        await asyncio.gather(*(ear.aclose() for ear in self._ears.values()))
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
        self._hear_at(channel)
        return confirmed

    def leave(self, task_id: str, listener: Listener) -> None:
        """Listen no longer to a task's channel, unless another listener has joined it since."""
        channel = self._keys.channel(task_id).encode()
        if self._listeners.get(channel) is not listener:
            return
        del self._listeners[channel]
        if (confirmed := self._confirmed.pop(channel, None)) is not None:
            _settle(confirmed, False)
        if (ear := self._at.pop(channel, None)) is not None:
            ear.leave(channel)

    def message(self, channel: bytes, payload: bytes) -> None:
        """Take what was published on a channel."""
        if (listener := self._listeners.get(channel)) is not None:
            try:
                event = _parse(payload)
            except ValueError:  # anybody may publish there; whatever it was, the log knows
                listener.interrupted()
            else:
                self._came.setdefault(listener, []).append(event)
        elif channel == self._control:
            does, _, task_id = payload.decode(errors="replace").rpartition(" ")
            for callback in self._controls:
                callback(does or "cancel", task_id)

    def joined(self, channel: bytes) -> None:
        """Tell a channel's listener that from now on nothing is missed."""
        confirmed = self._confirmed.get(channel)
        if confirmed is None:
            return
        if not confirmed.done():
            _settle(confirmed, True)
        # Not the first confirmation: the connection is a new one, and was deaf before.
        elif (listener := self._listeners.get(channel)) is not None:
            listener.interrupted()

    def strayed(self) -> None:
        """Find out where channels are: one isn't where it was, or a server is gone."""
        if self._store.sharded:
            self._astray.set()

    def hand_on(self) -> None:
        """Hand on what came together, together."""
        came, self._came = self._came, {}
        for listener, events in came.items():
            listener.received(events)

    def _hear_at(self, channel: bytes) -> None:
        """Have a channel heard at the server that has it."""
        ear = self._ear(self._store.topology.home(channel))
        self._at[channel] = ear
        if ear is None:
            self.strayed()
        else:
            ear.join(channel)

    def _ear(self, home: str) -> Ear | None:
        ear = self._ears.get(home)
        if ear is None and (probe := self._probe_at(home)) is not None:
            ear = self._ears[home] = Ear(self._store, home, probe, self, self._control)
            ear.start()
        return ear

    def _probe_at(self, home: str) -> str | None:
        """Return a channel of our own that a server has."""
        if not self._store.sharded:
            return self._probe
        names = (f"{self._probe}:{{{n}}}" for n in range(_PROBES if home else 0))
        return next((name for name in names if self._store.topology.home(name) == home), None)

    async def _arrange(self) -> None:
        """See to it that each channel is heard where it is, whatever moves."""
        arranged, pause = self._store.topology.generation, 0.02
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_ARRANGE_SECONDS):
                    await self._astray.wait()
            if not self._astray.is_set() and arranged == self._store.topology.generation:
                pause = 0.02
                continue
            await asyncio.sleep(pause)  # what moves, moves together
            pause = min(pause * 2, 1.0)
            with contextlib.suppress(Unavailable, CommandFailed):
                await self._store.topology.locate()
                self._astray.clear()
                arranged = self._store.topology.generation
                await self._rearrange()

    async def _rearrange(self) -> None:
        home = self._store.topology.home
        for name in [n for n, ear in self._ears.items() if home(ear.probe) != n]:
            await self._ears.pop(name).aclose()
        for channel, ear in list(self._at.items()):
            if ear is not None and self._ears.get(home(channel)) is ear:
                if channel in ear.confirmed:
                    continue
            elif ear is not None:
                ear.leave(channel)
            if channel in self._at:  # else it was left meanwhile
                self._hear_at(channel)


def _settle(confirmed: asyncio.Future[bool], well: bool) -> None:
    if not confirmed.done():
        confirmed.set_result(well)


def _parse(payload: bytes) -> Event:
    previous, position, data = payload.split(b" ", 2)
    return Event(
        Position.parse(position), None if previous == b"0-0" else Position.parse(previous), data
    )
