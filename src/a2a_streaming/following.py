"""Reading several things at once: tasks, each at its own position and to its end, and topics, as they stand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from a2a_streaming.audience import Seal, Sink
from a2a_streaming.caller import Caller
from a2a_streaming.errors import TaskNotFound, Unavailable
from a2a_streaming.position import Position
from a2a_streaming.reading import Reader
from a2a_streaming.task import Json
from a2a_streaming.topic import Topic


class FollowReader:
    """Reads several things at once, each to its end.

    Args:
        readers: Readers of one task, or topic, each.
        first: Frames that are told before all others.
        gone: Makes the frame that says of a reader that there is nothing left of its task; None to say nothing.
    """

    def __init__(
        self,
        readers: Sequence[Reader],
        *,
        first: Sequence[bytes] = (),
        gone: Callable[[Reader], bytes] | None = None,
    ) -> None:
        self.name = f"{len(readers)} readers"
        self.mark = b""
        self._readers = list(readers)
        self._first = list(first)
        self._tell_gone = gone
        self._gone: list[Reader] = []
        self._next: dict[asyncio.Task[list[bytes]], Reader] = {}

    @property
    def ended(self) -> bool:
        """Whether everything has been told to its end."""
        return not self._first and all(self._over(reader) for reader in self._readers)

    def _over(self, reader: Reader) -> bool:
        return reader in self._gone or reader.ended

    async def read(self, seconds: float) -> list[bytes]:
        """Wait for frames of any of them; none if the time is over.

        Raises:
            Unavailable: Redis is away.
        """
        if self._first:
            first, self._first = self._first, []
            return first
        waiting = self._next.values()
        for reader in self._readers:
            if reader not in waiting and not self._over(reader):
                self._next[asyncio.create_task(reader.read(3600))] = reader
        done, _ = await asyncio.wait(
            self._next, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
        )
        frames: list[bytes] = []
        away: Unavailable | None = None
        for task in done:
            reader = self._next.pop(task)
            try:
                frames += task.result()
            except TaskNotFound:
                self._gone.append(reader)  # the others go on
                if self._tell_gone is not None:
                    frames.append(self._tell_gone(reader))
            except Unavailable as error:
                away = error
        if away is not None and not frames:  # what others have read must not be lost with it
            raise away
        return frames

    def follow(self, sink: Sink, seal: Seal) -> bool:  # noqa: ARG002 - see `Reader`
        """Say that it reads on: what comes of several tasks is put in order here."""
        return False

    def resume(self, sink: Sink, position: Position | None, *, over: bool) -> None:
        """Do nothing: it is never told at once."""

    async def aclose(self) -> None:
        """Leave every session."""
        for task in self._next:
            task.cancel()
        await asyncio.gather(*self._next, return_exceptions=True)
        await asyncio.gather(*(reader.aclose() for reader in self._readers))


class TopicReader:
    """Reads one topic: how it stands, told anew whenever that changes.

    While its stream can't take more it asks at most once, and then for what it has become since.

    Args:
        topic: The topic.
        caller: Who follows it.
        seen: The version that they have.
        frame: Makes the frame of a version and what it says.
    """

    def __init__(
        self,
        topic: Topic,
        caller: Caller,
        seen: str | None,
        frame: Callable[[str, Json], bytes],
    ) -> None:
        self.name = topic.name
        self.mark = b""
        self.ended = False
        """Never: it has no end."""
        self._topic = topic
        self._caller = caller
        self._seen = seen
        self._frame = frame

    async def read(self, seconds: float) -> list[bytes]:
        """Wait until it stands differently; nothing if the time is over.

        Raises:
            Unavailable: What it is read from is away.
        """
        try:
            async with asyncio.timeout(seconds):
                self._seen, said = await self._topic.next(self._caller, self._seen)
        except TimeoutError:
            return []
        return [self._frame(self._seen, said)]

    def follow(self, sink: Sink, seal: Seal) -> bool:  # noqa: ARG002 - see `Reader`
        """Say that it reads on: it isn't told by a feed."""
        return False

    def resume(self, sink: Sink, position: Position | None, *, over: bool) -> None:
        """Do nothing: it is never told at once."""

    async def aclose(self) -> None:
        """Do nothing: who reads it is cancelled."""
