"""What a stream is made of: a reader turns what sessions read into frames, and knows the stream's end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from a2a_streaming import metrics
from a2a_streaming.errors import InvalidPosition, TaskNotFound, Unavailable
from a2a_streaming.event import Event
from a2a_streaming.position import Position
from a2a_streaming.session import Reset, StreamSession
from a2a_streaming.task import mentions, state_of

Encode: TypeAlias = Callable[[Event, bool], bytes]
"""Makes a frame of an event; told whether the stream ends with it."""
EncodeReset: TypeAlias = Callable[[Reset], bytes]
"""Makes a frame of a reset."""


class Reader(Protocol):
    """What a stream reads from."""

    name: str
    """What it reads, for the log."""

    async def read(self, seconds: float) -> list[bytes]:
        """Wait for frames; none if the time is over.

        Raises:
            TaskNotFound: There is nothing left of the task.
            Unavailable: Redis is away.
        """
        ...

    @property
    def ended(self) -> bool:
        """Whether nothing can follow."""
        ...

    async def aclose(self) -> None:
        """Stop reading."""


class TaskReader:
    """Reads one task, until a turn or the task has ended.

    Args:
        session: The session, already entered.
        encode: Makes frames of events.
        encode_reset: Makes frames of resets.
        turn: The id of the message with which the story begins; what comes before it is another
            turn's. None to begin with what comes first.
        to_the_end: Whether a turn's end is not the stream's end.
        held: Whether the task's first event waits for the second one: if that is a message alone, it is
            all that is told.
    """

    def __init__(
        self,
        session: StreamSession,
        *,
        encode: Encode,
        encode_reset: EncodeReset,
        turn: str | None = None,
        to_the_end: bool = False,
        held: bool = False,
    ) -> None:
        self.name = session.task_id
        self._session = session
        self._encode = encode
        self._encode_reset = encode_reset
        self._turn = turn
        self._to_the_end = to_the_end
        self._holds = held
        self._held: list[bytes] = []
        self._ended = False

    @property
    def ended(self) -> bool:
        """Whether the stream has told its last event, or its watcher had it already."""
        newest = self._session.newest
        state = newest.state if newest is not None else None
        return self._ended or (state is not None and state.terminal)

    async def read(self, seconds: float) -> list[bytes]:
        """Wait for frames; none if the time is over.

        Raises:
            TaskNotFound: There is nothing left of the task.
            Unavailable: Redis is away.
        """
        got = await self._session.next(seconds)
        if isinstance(got, Reset):
            if got.reason is not None:
                metrics.RESETS.labels(got.reason).inc()
            if self._turn is not None and mentions(got.task, self._turn):
                self._turn = None  # the turn has begun already: what follows is its rest
            state = state_of(got.task)
            # After a reset the message may not have been worked on yet: only who asked to begin with the
            # task as it is knows that its turn is over.
            waits = got.reason is None and self._turn is None and state.interrupted
            self._ended = state.terminal or (waits and not self._to_the_end)
            self._held.clear()  # the task as it is now tells it too
            return [self._encode_reset(got)]
        frames = self._frames(got)
        # What is held back isn't read: who waits goes on waiting.
        return await self.read(seconds) if self._held and not frames and got else frames

    async def aclose(self) -> None:
        """Leave the session."""
        await self._session.__aexit__(None, None, None)

    def _frames(self, events: Sequence[Event]) -> list[bytes]:
        frames: list[bytes] = []
        for event in events:
            if self._turn is not None:
                said = event.message
                if said is None or said["messageId"] != self._turn:
                    continue
                self._turn = None
            self._ended = self._ends_with(event, newest=events[-1])
            if self._holds and event.position.offset == 1 and not self._ended:
                self._held.append(self._encode(event, False))
                continue
            if event.kind != "message":
                frames += self._held
            self._held.clear()
            frames.append(self._encode(event, self._ended))
            if self._ended:
                break
        return frames

    def _ends_with(self, event: Event, *, newest: Event) -> bool:
        state = event.state
        if state is None:
            return False
        # What waits for its customer ends the stream, unless the story goes on already.
        waits = state.interrupted and event is newest and self._session.at_end
        return state.terminal or (waits and not self._to_the_end)


class FollowReader:
    """Reads several tasks at once, each to its end, each at its own position.

    Args:
        readers: Readers of one task each.
    """

    def __init__(self, readers: Sequence[TaskReader]) -> None:
        self.name = f"{len(readers)} tasks"
        self._readers = list(readers)
        self._gone: list[TaskReader] = []
        self._next: dict[asyncio.Task[list[bytes]], TaskReader] = {}

    @property
    def ended(self) -> bool:
        """Whether every task has been told to its end."""
        return all(self._over(reader) for reader in self._readers)

    def _over(self, reader: TaskReader) -> bool:
        return reader in self._gone or reader.ended

    async def read(self, seconds: float) -> list[bytes]:
        """Wait for frames of any of the tasks; none if the time is over.

        Raises:
            Unavailable: Redis is away.
        """
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
            except Unavailable as error:
                away = error
        if away is not None and not frames:  # what others have read must not be lost with it
            raise away
        return frames

    async def aclose(self) -> None:
        """Leave every session."""
        for task in self._next:
            task.cancel()
        await asyncio.gather(*self._next, return_exceptions=True)
        await asyncio.gather(*(reader.aclose() for reader in self._readers))


def read_position(text: str | None) -> tuple[Position | None, bool]:
    """Return the position that a client has seen, and whether it sent one that can't be read.

    Args:
        text: The header `Last-Event-ID`, or what stands in its place.
    """
    if not text:
        return None, False
    try:
        return Position.parse(text), False
    except InvalidPosition:
        return None, True
