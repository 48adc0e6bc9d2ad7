"""Following a task over any number of connections."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import httpx2

from a2a_streaming.client.answers import ComeBack, StreamEvent, StreamLost, event_of
from a2a_streaming.sse import Decoder
from a2a_streaming.task import Json

_log = logging.getLogger(__name__)

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
_LINGER = 2.0
"""Seconds in which a server closes a stream after `final: true`, or goes on with the next turn."""
_NEVER_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)

Open = Callable[[Json | None, str], AsyncGenerator[bytes]]
"""Opens one connection: it sends the message, or resubscribes after the position if that is None."""


async def follow(
    open_: Open, task_id: str, message: Json | None, after: str | None, patience: float
) -> AsyncGenerator[StreamEvent]:
    """Yield a task's events, none missed, none twice.

    Args:
        open_: Opens one connection.
        task_id: The task.
        message: The parameters of the message to send first; None to resubscribe.
        after: The last position known; None for the task's beginning.
        patience: Seconds without any progress after which to give up.

    Raises:
        RemoteError: The agent refuses.
        AgentUnreachable: Something other than an agent answers.
        StreamLost: The patience is over.
    """
    pause = _Pause(patience)
    position = after or ""
    follow_up = message is not None and after is not None
    last: StreamEvent | None = None
    while True:
        unanswered = follow_up and last is None
        retry_after = 0.0
        try:
            async with (
                aclosing(open_(message, position)) as chunks,
                aclosing(_read(chunks, pause, last, unanswered=unanswered)) as events,
            ):
                async for event in events:
                    position = event.position or position
                    message, last = None, event
                    yield event
            reason = "the server ended the stream early"
        except ComeBack as error:
            reason, retry_after = str(error), error.after
        except (httpx2.RequestError, TimeoutError) as error:
            reason = reason_of(error)
            if isinstance(error, _NEVER_SENT):
                unanswered = False
        if last is not None and last.final:
            return
        if unanswered:
            message = None  # it may have arrived: look for what it brought about
        await pause.wait(task_id, position, reason, retry_after)


async def _read(
    chunks: AsyncGenerator[bytes], pause: _Pause, last: StreamEvent | None, *, unanswered: bool
) -> AsyncGenerator[StreamEvent]:
    """Read one connection's events, and count what shows that the other side is alive.

    While nothing shows that a follow-up arrived, heartbeats don't count: they might go on for ever.
    """
    decoder = Decoder()
    while True:
        limit = None
        if last is not None and last.final:
            limit = _LINGER
        elif unanswered:
            limit = pause.left
        async with asyncio.timeout(limit):
            chunk = await anext(chunks, b"")
        if not chunk:
            return
        for message in decoder.feed(chunk):
            last, unanswered = event_of(message), False
            pause.progress()
            yield last
        if not unanswered:
            pause.progress()


class _Pause:
    """Pauses between connections: they grow, at random, and end when the patience does.

    Args:
        patience: Seconds without any progress after which to give up.
    """

    def __init__(self, patience: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._patience = patience
        self._since = self._loop.time()
        self._next = _FIRST_PAUSE

    @property
    def left(self) -> float:
        """Seconds of patience that are left."""
        return max(0.0, self._since + self._patience - self._loop.time())

    def progress(self) -> None:
        """Begin anew: something came."""
        self._since = self._loop.time()
        self._next = _FIRST_PAUSE

    async def wait(self, task_id: str, position: str, reason: str, at_least: float) -> None:
        """Wait before the next connection.

        Args:
            task_id: The task.
            position: The last position received.
            reason: Why another connection is needed.
            at_least: Seconds that the server asked for.

        Raises:
            StreamLost: The patience is over.
        """
        seconds = max(at_least, self._next * random.uniform(0.5, 1.0))
        self._next = min(self._next * 2, _LONGEST_PAUSE)
        if seconds >= self.left:
            raise StreamLost(task_id, position, reason)
        _log.info("stream of task %s cut (%s); again in %.1f s", task_id, reason, seconds)
        await asyncio.sleep(seconds)


def reason_of(error: Exception) -> str:
    """Return what went wrong, in words: many network errors have none of their own."""
    return str(error) or type(error).__name__
