"""What a stream is made of: a reader turns what sessions read into frames, and knows the stream's end."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Protocol

from a2a_streaming import metrics
from a2a_streaming.audience import Seal, Sink
from a2a_streaming.errors import InvalidPosition
from a2a_streaming.event import Event
from a2a_streaming.position import Position
from a2a_streaming.replay import Page
from a2a_streaming.session import Reset, StreamSession
from a2a_streaming.sse import together
from a2a_streaming.task import Json, mentions, state_of


class Frames(Protocol):
    """Makes a stream's frames.

    A frame comes in pieces, which many streams share; what is a stream's own stands between them.
    """

    mark: bytes
    """What stands between the pieces."""
    joins: bool
    """Whether frames that follow one another may be handed on as one."""

    @property
    def key(self) -> Hashable:
        """What the pieces depend on beside the events: equal keys make equal pieces."""
        ...

    def event(self, event: Event, final: bool) -> Sequence[bytes]:
        """Make an event's frame, in pieces; `final` says whether the stream ends with it."""
        ...

    def reset(self, task: Json, reason: str | None, position: Position) -> bytes:
        """Make the frame of a task as it is now: a reset or, without a reason, a stream's beginning."""
        ...


class Reader(Protocol):
    """What a stream reads from."""

    name: str
    """What it reads, for the log."""
    mark: bytes
    """What stands between the pieces of what it is told at once; see `follow`."""

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

    def follow(self, sink: Sink, seal: Seal) -> bool:
        """Be told at once what follows, if it can be so; see `TaskReader.follow`."""
        ...

    def resume(self, sink: Sink, position: Position | None, *, over: bool) -> None:
        """Go on by reading; see `TaskReader.resume`."""

    async def aclose(self) -> None:
        """Stop reading."""


class TaskReader:
    """Reads one task, until a turn or the task has ended.

    Args:
        session: The session, already entered.
        frames: Makes the frames.
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
        frames: Frames,
        turn: str | None = None,
        to_the_end: bool = False,
        held: bool = False,
    ) -> None:
        self.name = session.task_id
        self.mark = frames.mark
        self._session = session
        self._frames = frames
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
                self._session.tally.resets += 1
            if self._turn is not None and mentions(got.task, self._turn):
                self._turn = None  # the turn has begun already: what follows is its rest
            state = state_of(got.task)
            # After a reset the message may not have been worked on yet: only who asked to begin with the
            # task as it is knows that its turn is over.
            waits = got.reason is None and self._turn is None and state.interrupted
            self._ended = state.terminal or (waits and not self._to_the_end)
            self._held.clear()  # the task as it is now tells it too
            return [self._frames.reset(got.task, got.reason, got.position)]
        self._session.tally.deliveries += len(got)
        if isinstance(got, Page) and self._turn is None and not self._holds and self._frames.joins:
            return [self._whole(got)]
        frames = self._told(got)
        # What is held back isn't read: who waits goes on waiting.
        return await self.read(seconds) if self._held and not frames and got else frames

    def follow(self, sink: Sink, seal: Seal) -> bool:
        """Be told at once what follows, until the sink is let go; then `resume`.

        Args:
            sink: Where it goes.
            seal: Makes of frames' pieces what the sink takes.

        Returns:
            Whether it is so: not while the watcher isn't up to date.
        """
        if self._turn is not None or self._held or self._ended:
            return False

        return self._session.follow(self._key, self._live, seal, sink)

    def resume(self, sink: Sink, position: Position | None, *, over: bool) -> None:
        """Go on by reading.

        Args:
            sink: The sink that was told.
            position: The last event that it was told; None if it was told none.
            over: Whether it was the stream's last.
        """
        self._session.unfollow(self._key, sink)
        if position is not None:
            self._session.position = position
        self._ended = self._ended or over

    @property
    def told(self) -> Position | None:
        """The last event that a sink has been told that isn't let go."""
        return self._session.told

    @property
    def _key(self) -> Hashable:
        return self._to_the_end, self._frames.key

    async def aclose(self) -> None:
        """Leave the session."""
        await self._session.__aexit__(None, None, None)

    def _told(self, events: Sequence[Event]) -> list[bytes]:
        frames: list[bytes] = []
        for event in events:
            if self._turn is not None:
                said = event.message
                if said is None or said["messageId"] != self._turn:
                    continue
                self._turn = None
            newest = event is events[-1] and self._session.at_end
            self._ended = self._ends_with(event, newest=newest)
            if self._holds and event.position.offset == 1 and not self._ended:
                self._held.append(self._frame(event, final=False))
                continue
            if event.kind != "message":
                frames += self._held
            self._held.clear()
            frames.append(self._frame(event, final=self._ended))
            if self._ended:
                break
        return frames

    def _frame(self, event: Event, *, final: bool) -> bytes:
        return self.mark.join(self._frames.event(event, final))

    def _whole(self, page: Page) -> bytes:
        """Return the frames of a page: other events follow on it, so the stream ends with none of these."""
        key = self._frames.key
        told = page.told.get(key)
        if told is None:
            told = page.told[key] = together(self._frames.event(event, False) for event in page)
            for event in page:
                event.forget()  # else the page would weigh many times its bytes
        return self.mark.join(told)

    def _live(self, events: Sequence[Event]) -> tuple[Sequence[bytes], bool]:
        """Return the pieces of events that come live, and whether the stream ends with them."""
        frames: list[Sequence[bytes]] = []
        over = False
        for event in events:
            over = self._ends_with(event, newest=event is events[-1])
            frames.append(self._frames.event(event, over))
        return together(frames), over

    def _ends_with(self, event: Event, *, newest: bool) -> bool:
        state = event.state
        if state is None:
            return False
        # What waits for its customer ends the stream, unless the story goes on already.
        return state.terminal or (newest and state.interrupted and not self._to_the_end)


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
