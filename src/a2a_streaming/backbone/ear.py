"""One Pub/Sub connection to one server: it is made anew when it breaks, and proves each second that it delivers."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections import Counter
from typing import Any, Protocol, cast

from a2a_streaming import metrics
from a2a_streaming.backbone.connection import CommandFailed, Link, Store
from a2a_streaming.backbone.link import refusal
from a2a_streaming.errors import Unavailable
from a2a_streaming.telemetry import get_logger

_log = get_logger(__name__)
_BROKE = "the Pub/Sub connection broke; reconnecting"
_PROBE_SECONDS = 1.0
_FRESH_SECONDS = 1.5
_DEAF_SECONDS = 3.0


class Hearer(Protocol):
    """Who is told what an ear hears."""

    def message(self, channel: bytes, payload: bytes) -> None:
        """Take what was published on a channel."""

    def joined(self, channel: bytes) -> None:
        """From now on nothing on a channel is missed."""

    def strayed(self) -> None:
        """A channel isn't at its server, or the server is gone."""

    def hand_on(self) -> None:
        """All that came at once was told."""


class Ear:
    """One Pub/Sub connection.

    Args:
        store: Redis.
        home: The server's name.
        probe: A channel of this ear's own, in a slot of that server.
        hearer: Who is told what it hears.
        plain: The channel that isn't sharded although the store is.
    """

    def __init__(
        self,
        store: Store,
        home: str,
        probe: str,
        hearer: Hearer,
        plain: bytes,
    ) -> None:
        self.home = home
        self.probe = probe
        self._probe = probe.encode()
        self.channels: set[bytes] = set()
        """What it is to hear, but for the probe."""
        self.confirmed: set[bytes] = set()
        """What it hears."""
        self._store = store
        self._hearer = hearer
        self._plain = plain
        self._leaving: Counter[bytes] = Counter()
        self._link: Link | None = None
        self._heard = self._connected = -math.inf
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def healthy(self) -> bool:
        """Whether it has just been seen to deliver."""
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

    def join(self, channel: bytes) -> None:
        """Hear a channel, too."""
        self.channels.add(channel)
        if self._link is not None:
            with contextlib.suppress(Unavailable):  # it is subscribed when the connection is back
                self._subscribe(self._link, channel)

    def leave(self, channel: bytes) -> None:
        """Hear a channel no longer."""
        self.channels.discard(channel)
        self.confirmed.discard(channel)
        if self._link is not None:
            with contextlib.suppress(Unavailable):
                word = self._word("UNSUBSCRIBE", channel)
                self._link.tell([word, channel])
                if word == "SUNSUBSCRIBE":
                    self._leaving[channel] += 1

    def _word(self, word: str, channel: bytes) -> str:
        return f"S{word}" if self._store.sharded and channel != self._plain else word

    def _subscribe(self, link: Link, *channels: bytes) -> None:
        if not self._store.sharded:
            link.tell(["SUBSCRIBE", *channels])
            return
        for channel in channels:  # those of several slots don't go into one command
            link.tell([self._word("SUBSCRIBE", channel), channel])

    async def _listen(self) -> None:
        pause = 0.05
        while True:
            try:
                link = await self._store.dedicated(
                    self.probe, hear=self._take, heard=self._hearer.hand_on
                )
                self._link, self._connected = link, time.monotonic()
                self._leaving.clear()
                self._subscribe(link, self._probe, *self.channels)
                pause = 0.05
                await link.ended
                _log.warning(_BROKE, reason=str(link.why))
            except (Unavailable, CommandFailed) as error:
                _log.warning(_BROKE, reason=str(error.__cause__))
            except Exception:  # without this ear the whole process is deaf
                _log.exception("listening failed; reconnecting")
            metrics.BREAKS.inc()
            self._drop()
            self._hearer.strayed()
            await asyncio.sleep(pause)
            pause = min(pause * 2, 1.0)

    def _take(self, message: Any) -> None:
        if not isinstance(message, list):
            # Without its confirmation nobody relies on the channel.
            if isinstance(refusal(message), Unavailable):
                self._leaving.clear()
                self._hearer.strayed()
            return
        kind, channel, *rest = cast("list[bytes]", message)
        if kind in (b"message", b"smessage"):
            self._heard = time.monotonic()
            if channel != self._probe:
                self._hearer.message(channel, rest[0])
        elif kind in (b"subscribe", b"ssubscribe"):
            if channel in self.channels:
                self.confirmed.add(channel)
                self._hearer.joined(channel)
        elif kind == b"sunsubscribe":
            if self._leaving[channel] > 0:
                self._leaving[channel] -= 1
            else:  # the server has it no more
                self.confirmed.discard(channel)
                self._hearer.strayed()

    async def _prove(self) -> None:
        while True:
            await asyncio.sleep(_PROBE_SECONDS)
            with contextlib.suppress(Unavailable, CommandFailed):
                await self._store.publish(self.probe, "")
            if self._link is not None and self._deaf:
                _log.warning("the Pub/Sub connection delivers nothing; replacing it")
                self._drop()

    def _drop(self) -> None:
        link, self._link = self._link, None
        self._heard = -math.inf
        self.confirmed.clear()
        if link is not None:
            link.abort()
