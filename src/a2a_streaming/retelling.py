"""Watching a task that only the archive has: its story is told as it was, from any position of it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Self

from a2a_streaming.archive import Story
from a2a_streaming.audience import Seal, Sink, Tell
from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.backbone.snapshots import Snapshot
from a2a_streaming.event import Event
from a2a_streaming.feeds import Feeds
from a2a_streaming.position import Position
from a2a_streaming.session import Reset, StreamSession

_PAGE = 200


class ArchivedSession(StreamSession):
    """One watcher's reading of an archived task; nothing follows on its end.

    Args:
        manager: Redis.
        feeds: The process's feeds.
        story: The task.
        after: The last position that the watcher has seen; None to begin at the log's start.
        malformed: Whether the watcher sent a position that can't be read: it gets a reset.
        from_snapshot: Whether to begin with the task as it ended.
    """

    def __init__(
        self,
        manager: RedisManager,
        feeds: Feeds,
        story: Story,
        *,
        after: Position | None = None,
        malformed: bool = False,
        from_snapshot: bool = False,
    ) -> None:
        super().__init__(
            manager,
            feeds,
            story.id,
            after=after,
            malformed=malformed,
            from_snapshot=from_snapshot,
        )
        self.standing = Snapshot(story.task, story.position)
        """The task as it ended."""
        self._story = story
        self._left, why = _after(story, after)
        if why is not None and not self._begins_anew:
            self._lost, self._begins_anew = why, True

    async def __aenter__(self) -> Self:
        """Begin; there is no feed to join."""
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._left = ()

    async def next(self, seconds: float) -> Sequence[Event] | Reset:  # noqa: ARG002 - there is nothing to wait for
        """Return what follows; nothing is waited for."""
        if self._begins_anew:
            reason, self._lost, self._begins_anew = self._lost, None, False
            self.position, self._left = self.standing.position, ()
            return Reset(reason, self.standing.task, self.standing.position)
        page, self._left = self._left[:_PAGE], self._left[_PAGE:]
        if page:
            self.position = page[-1].position
        return page

    def follow(self, key: Hashable, tell: Tell, seal: Seal, sink: Sink) -> bool:  # noqa: ARG002 - nobody tells it
        """Say that nothing comes by itself."""
        return False

    @property
    def at_end(self) -> bool:
        """Whether the watcher has been handed all there is."""
        return self.position == self.standing.position and not self._begins_anew

    @property
    def newest(self) -> Event | None:
        """The log's last event, if the watcher has been handed it."""
        if not self.at_end or not self._story.events:
            return None
        position, data = self._story.events[-1]
        return Event(position, None, data)


def _after(story: Story, after: Position | None) -> tuple[Sequence[Event], str | None]:
    """Return the events behind a position or, where they can't be told, why not."""
    positions = [position for position, _ in story.events]
    if after is None:
        begin, known = 0, bool(positions) and positions[0].offset == 1
    else:
        known = after in positions
        begin = positions.index(after) + 1 if known else 0
    if known:
        events = story.events[begin:]
        before = [after, *positions[begin:]]
        return [
            Event(position, previous, data)
            for (position, data), previous in zip(events, before, strict=False)
        ], None
    if after is None or not positions or after.offset < positions[0].offset:
        return (), "trimmed"
    return (), "future" if after.offset > story.position.offset else "forked"
