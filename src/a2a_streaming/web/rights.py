"""Streams that end with the right to read them: a page's stream may stay open for days."""

from __future__ import annotations

import asyncio
import math

from a2a_streaming.caller import Caller
from a2a_streaming.errors import Unavailable
from a2a_streaming.http.stream import EventStream
from a2a_streaming.node import Node

_EVERY = 5.0
"""Seconds between two looks."""


class Rights:
    """Ends streams whose callers' key was revoked, or whose token's time is over: one timer a process.

    Args:
        node: The process's node.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._streams: dict[EventStream, Caller] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._looking: asyncio.Task[None] | None = None

    def watch(self, stream: EventStream, caller: Caller) -> None:
        """End a stream when what its caller came by ends.

        Args:
            stream: The stream.
            caller: Who reads it.
        """
        if not caller.key and not math.isfinite(caller.until):
            return
        self._streams[stream] = caller
        stream.at_end(lambda: self._forget(stream))
        if self._timer is None:
            self._wait()

    def _forget(self, stream: EventStream) -> None:
        self._streams.pop(stream, None)
        if not self._streams and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(_EVERY, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._looking = asyncio.create_task(self._look(), name="rights")

    async def _look(self) -> None:
        try:
            # A key is looked up once, however many streams it has.
            known: dict[tuple[str, float], bool] = {}
            for stream, caller in list(self._streams.items()):
                by = (caller.key, caller.until)
                if by not in known:
                    known[by] = await self._node.authenticator.still_trusts(caller)
                if not known[by]:
                    stream.stop("revoked")
        except Unavailable:
            pass  # it can't be known now; the next look may tell
        finally:
            if self._streams and self._timer is None:
                self._wait()
