"""Audiences: watchers of one task who are up to date, and are told the same bytes as events come.

A session that has caught up may leave its own loop and join an audience of its feed. Then an event is framed
once for all of them and written to each at once, without waking a single one. Who can't take more for now, or
has been told the last event, is let go, and goes on by itself from there.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Protocol, TypeAlias

from a2a_streaming import metrics
from a2a_streaming.event import Event
from a2a_streaming.position import Position

_MOST = 64 * 1024
"""The most bytes that are written at once; what is more, everybody reads at their own pace."""

Tell: TypeAlias = Callable[[Sequence[Event]], tuple[bytes, bool]]
"""Makes the bytes that tell events, and says whether nothing may follow on them."""


class Sink(Protocol):
    """Where a watcher's bytes go."""

    def write(self, chunk: bytes) -> bool:
        """Write at once.

        Args:
            chunk: Whole frames.

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
    """Watchers who are told the same bytes.

    Args:
        tell: Makes the bytes.
    """

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self.sinks: set[Sink] = set()

    def hear(self, events: Sequence[Event]) -> None:
        """Tell everybody what follows.

        Args:
            events: Events that follow on those told before, at least one.
        """
        chunk, over = self._tell(events)
        if len(chunk) > _MOST:
            self.let_go(events[0].previous)
            return
        position = events[-1].position
        metrics.DELIVERIES.inc(len(events) * len(self.sinks))
        if over:
            self.let_go(position, chunk)
            return
        full = [sink for sink in self.sinks if not sink.write(chunk)]
        for sink in full:
            self.sinks.discard(sink)
            sink.leave(position, over=False)

    def let_go(self, position: Position | None, last: bytes | None = None) -> None:
        """Let everybody go.

        Args:
            position: The last event that they were told, or are told now.
            last: What tells them the stream's last events; None if they go on by themselves.
        """
        sinks, self.sinks = self.sinks, set()
        for sink in sinks:
            if last is not None:
                sink.write(last)
            sink.leave(position, over=last is not None)


class Audiences:
    """The audiences of one feed, by what they are told."""

    def __init__(self) -> None:
        self._audiences: dict[Hashable, Audience] = {}

    def join(self, key: Hashable, tell: Tell, sink: Sink) -> None:
        """Join the audience that is told the same bytes.

        Args:
            key: What those bytes depend on.
            tell: Makes them, if there is no such audience yet.
            sink: Where they go.
        """
        audience = self._audiences.get(key)
        if audience is None:
            audience = self._audiences[key] = Audience(tell)
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
