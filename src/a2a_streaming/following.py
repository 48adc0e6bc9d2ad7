"""Reading several things at once: tasks, each at its own position and to its end, and topics, as they stand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from a2a_streaming.audience import Seal, Sink
from a2a_streaming.caller import Caller
from a2a_streaming.errors import TaskNotFound, Unavailable
from a2a_streaming.position import Position
from a2a_streaming.reading import Reader, TaskReader
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
        self._parts: dict[TaskReader, _Part] = {}

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
        waiting = set(self._next.values())
        for reader in self._readers:
            if reader not in waiting and not self._over(reader):
                self._begin(reader)
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

    def follow(self, sink: Sink, seal: Seal) -> bool:
        """Be told at once what follows of all tasks, if all are up to date, until a topic changes; then `resume`.

        Args:
            sink: Where it goes.
            seal: Makes of frames' pieces what the sink takes.
        """
        if self._first or any(task.done() for task in self._next):
            return False
        waiting = {reader: task for task, reader in self._next.items()}
        parts: dict[TaskReader, _Part] = {}
        others: list[Reader] = []
        for reader in self._readers:
            if self._over(reader):
                continue
            if not isinstance(reader, TaskReader):
                others.append(reader)
                continue
            part = _Part(sink, reader.mark)
            if not reader.follow(part, seal):
                self._resume(parts)
                return False
            parts[reader] = part
        if not parts:
            return False
        # Nothing was awaited since: who reads on is at the same event as who is told from now on.
        for reader in parts.keys() & waiting.keys():
            task = waiting[reader]
            del self._next[task]
            task.cancel()
        for reader in others:
            task = waiting.get(reader) or self._begin(reader)
            task.add_done_callback(lambda _: sink.leave(None, over=False))
        self._parts = parts
        return True

    def resume(self, sink: Sink, position: Position | None, *, over: bool) -> None:  # noqa: ARG002
        """Go on by reading: each task has its own position."""
        parts, self._parts = self._parts, {}
        self._resume(parts)

    @staticmethod
    def _resume(parts: Mapping[TaskReader, _Part]) -> None:
        for reader, part in parts.items():
            position = part.position if part.let_go else reader.told
            reader.resume(part, position, over=part.over)

    def _begin(self, reader: Reader) -> asyncio.Task[list[bytes]]:
        task = asyncio.create_task(reader.read(3600))
        self._next[task] = reader
        return task

    async def aclose(self) -> None:
        """Leave every session."""
        for task in self._next:
            task.cancel()
        await asyncio.gather(*self._next, return_exceptions=True)
        await asyncio.gather(*(reader.aclose() for reader in self._readers))


class _Part:
    """One task's share of a stream that several are told on. When one is let go, all read on.

    Args:
        sink: The stream.
        mark: What stands between the pieces of the task's frames.
    """

    __slots__ = ("_sink", "let_go", "mark", "over", "position", "write")

    def __init__(self, sink: Sink, mark: bytes) -> None:
        self._sink = sink
        self.write = sink.write
        self.mark = mark
        self.let_go = False
        self.position: Position | None = None
        self.over = False

    def leave(self, position: Position | None, *, over: bool) -> None:
        """Be told nothing more."""
        self.let_go, self.position, self.over = True, position, over
        self._sink.leave(None, over=False)


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
