"""Audiences: watchers of one task who are up to date, and are told as events come.

A session that has caught up may leave its own loop and join an audience of its feed. Then an event is framed
once for all of them and written to each at once, without waking a single one. What is a watcher's own, the id of
its request, is its *mark*: the same pieces are joined by each one's mark. Who can't take more for now, or has been
told the last event, is let go, and goes on by itself from there.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Protocol, TypeAlias

from a2a_streaming.event import Event
from a2a_streaming.position import Position
from a2a_streaming.tally import Tally

_MOST = 64 * 1024
"""The most bytes that are written at once; what is more, everybody reads at their own pace."""

Tell: TypeAlias = Callable[[Sequence[Event]], tuple[Sequence[bytes], bool]]
"""Makes the pieces that tell events, between which each watcher's mark belongs; and says whether nothing may follow."""

Seal: TypeAlias = Callable[[Sequence[bytes], int], Sequence[bytes]]
"""Makes of pieces what the connections take, for marks of a length."""


class Sink(Protocol):
    """Where a watcher's bytes go."""

    @property
    def mark(self) -> bytes:
        """What stands between the pieces for this watcher."""
        ...

    def write(self, chunk: bytes) -> bool:
        """Write at once.

        Args:
            chunk: Whole frames, sealed.

        Returns:
            Whether it can take more at once.
        """
        ...

    def leave(self, position: Position | None, *, over: bool) -> None:
        """Be let go: nothing more comes.

        Args:
            position: The last event that was written; None if none was.
            over: Whether it was the stream's last.
        """
        ...


class Audience:
    """Watchers who are told the same.

    Args:
        tell: Makes the pieces.
        seal: Seals them.
        tally: Where what they are told is counted.
    """

    def __init__(self, tell: Tell, seal: Seal, tally: Tally) -> None:
        self._tally = tally
        self._tell = tell
        self._seal = seal
        self.sinks: set[Sink] = set()

    def hear(self, events: Sequence[Event]) -> None:
        """Tell everybody what follows.

        Args:
            events: Events that follow on those told before, at least one.
        """
        pieces, over = self._tell(events)
        if sum(map(len, pieces)) > _MOST:
            self.let_go(events[0].previous)
            return
        self._tally.deliveries += len(events) * len(self.sinks)
        full = self._write(pieces)
        position = events[-1].position
        if over:
            self.let_go(position, over=True)
            return
        for sink in full:
            self.sinks.discard(sink)
            sink.leave(position, over=False)

    def _write(self, pieces: Sequence[bytes]) -> list[Sink]:
        """Write to everybody; return those who can't take more for now."""
        sealed: dict[int, Sequence[bytes]] = {}
        full: list[Sink] = []
        last: bytes | None = None
        chunk = b""
        for sink in self.sinks:
            mark = sink.mark
            if mark != last:  # many have the same: clients like to call a request "1"
                told = sealed.get(len(mark))
                if told is None:
                    told = sealed[len(mark)] = self._seal(pieces, len(mark))
                chunk, last = mark.join(told), mark
            if not sink.write(chunk):
                full.append(sink)
        return full

    def let_go(self, position: Position | None, *, over: bool = False) -> None:
        """Let everybody go.

        Args:
            position: The last event that they were told.
            over: Whether it was the stream's last.
        """
        sinks, self.sinks = self.sinks, set()
        for sink in sinks:
            sink.leave(position, over=over)


class Audiences:
    """The audiences of one feed, by what they are told.

    Args:
        tally: Where that is counted.
    """

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._audiences: dict[Hashable, Audience] = {}

    def join(self, key: Hashable, tell: Tell, seal: Seal, sink: Sink) -> None:
        """Join the audience that is told the same.

        Args:
            key: What the pieces depend on beside the events.
            tell: Makes them, if there is no such audience yet.
            seal: Seals them, likewise.
            sink: Where they go.
        """
        audience = self._audiences.get(key)
        if audience is None:
            audience = self._audiences[key] = Audience(tell, seal, self._tally)
        audience.sinks.add(sink)

    def leave(self, key: Hashable, sink: Sink) -> None:
        """Leave an audience; who has been let go already may do so too."""
        audience = self._audiences.get(key)
        if audience is not None:
            audience.sinks.discard(sink)
            if not audience.sinks:
                del self._audiences[key]

    def hear(self, events: Sequence[Event]) -> None:
        """Tell every audience what follows."""
        for key, audience in list(self._audiences.items()):
            audience.hear(events)
            if not audience.sinks:
                del self._audiences[key]

    def let_go(self, position: Position | None) -> None:
        """Let everybody go on by themselves.

        Args:
            position: The last event that they were told.
        """
        audiences, self._audiences = self._audiences, {}
        for audience in audiences.values():
            audience.let_go(position)
