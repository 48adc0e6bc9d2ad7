"""What holds for every connection of a stream: reading it, and pausing before the next one."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Callable

from a2a_streaming.client.answers import ComeBack, StreamEvent, StreamLost
from a2a_streaming.sse import Decoder, Message

_log = logging.getLogger(__name__)

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
_LINGER = 2.0
"""Seconds in which a server closes a stream after `final: true`, or goes on with the next turn."""

ENDED_EARLY = "the server ended the stream early"


async def read(
    chunks: AsyncGenerator[bytes],
    pause: Pause,
    event_of: Callable[[Message], StreamEvent],
    *,
    unanswered: bool = False,
    linger: float | None = _LINGER,
) -> AsyncGenerator[StreamEvent]:
    """Read one connection's events, and count what shows that the other side is alive.

    While nothing shows that a follow-up arrived, heartbeats don't count: they might go on for ever.

    Args:
        chunks: The connection's bytes.
        pause: Counts progress.
        event_of: Reads an event.
        unanswered: Whether a follow-up was sent of which nothing has been seen yet.
        linger: Seconds to wait for more after a final event; None for as long as after any other.

    Raises:
        RemoteError: The agent refuses.
        AgentUnreachable: Something other than an agent answers.
        ComeBack: The connection is over before its time.
    """
    decoder = Decoder()
    last: StreamEvent | None = None
    while True:
        limit = None
        if last is not None and last.final:
            limit = linger
        elif unanswered:
            limit = pause.left
        try:
            async with asyncio.timeout(limit):
                chunk = await anext(chunks, b"")
        except TimeoutError as error:
            raise ComeBack("nothing came") from error
        if not chunk:
            return
        for message in decoder.feed(chunk):
            last = event_of(message)
            unanswered = unanswered and not answers(last)
            pause.progress()
            yield last
        if not unanswered:
            pause.progress()


def answers(event: StreamEvent) -> bool:
    """Say whether an event shows that a follow-up arrived.

    A reset to a task that waits for its customer doesn't: it may stand where it stood before.
    """
    return event.reset is None or event.state != "input-required"


class Pause:
    """Pauses between connections: they grow, at random, and end when the patience does.

    Args:
        patience: Seconds without any progress after which to give up.
    """

    def __init__(self, patience: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._patience = patience
        self._since = self._loop.time()
        self._next = _FIRST_PAUSE
        self.progressed = False
        """Whether anything has come yet."""

    @property
    def left(self) -> float:
        """Seconds of patience that are left."""
        return max(0.0, self._since + self._patience - self._loop.time())

    def progress(self) -> None:
        """Begin anew: something came."""
        self._since = self._loop.time()
        self._next = _FIRST_PAUSE
        self.progressed = True

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
