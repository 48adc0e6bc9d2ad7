"""A stream session: one watcher's reading of a task, first its history, then live, without a seam.

A session keeps no events of its own, only its position. It takes what follows from the feed's tail
or, if it has fallen behind that, from the log, at its own pace: so a slow watcher costs nothing while
it waits, slows nobody, and misses nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Self

from a2a_streaming.audience import Seal, Sink, Tell
from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.backbone.snapshots import Snapshot
from a2a_streaming.errors import HistoryLost, TaskNotFound
from a2a_streaming.event import Event
from a2a_streaming.feed import Feed
from a2a_streaming.feeds import Feeds
from a2a_streaming.position import Position
from a2a_streaming.task import Json
from a2a_streaming.telemetry import get_logger

_log = get_logger(__name__)
_LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Reset:
    """The story can't be continued from the watcher's position: it begins anew from the snapshot.

    Args:
        reason: Why: `trimmed`, `forked`, `future`, `malformed` or `gone`; None if the watcher asked to
            begin so.
        task: The task as it is now (A2A 1.0 JSON).
        position: The last event that is in it; what follows comes next.
    """

    reason: str | None
    task: Json
    position: Position


class StreamSession:
    """One watcher's reading of a task. Use it as an async context manager.

    Args:
        manager: Redis.
        feeds: The process's feeds.
        task_id: The task.
        after: The last position that the watcher has seen; None to begin at the log's start.
        malformed: Whether the watcher sent a position that can't be read: it gets a reset.
        from_snapshot: Whether to begin with the task as it is now, as if by a reset.
    """

    def __init__(
        self,
        manager: RedisManager,
        feeds: Feeds,
        task_id: str,
        *,
        after: Position | None = None,
        malformed: bool = False,
        from_snapshot: bool = False,
    ) -> None:
        self._manager = manager
        self._feeds = feeds
        self._lost = "malformed" if malformed else None
        self._begins_anew = from_snapshot or malformed
        self.task_id = task_id
        self.watcher = feeds.new_watcher()
        """The id under which `subscriptions` knows this watcher; it begins with the process's name."""
        self.tally = manager.tally
        """Where what it reads is counted."""
        self.position = after
        """The last position that was handed out."""
        self._told: Position | None = None
        """Where the last reset left the watcher."""
        self._feed: Feed | None = None
        self._snapshot: Snapshot | None = None

    def begin_with(self, snapshot: Snapshot) -> None:
        """Begin with the task as it was just read, where it is to begin with the task as it is now."""
        self._snapshot = snapshot

    async def __aenter__(self) -> Self:
        """Join the task's feed.

        Raises:
            TaskNotFound: There is nothing left of the task.
            Unavailable: Redis is away.
        """
        feed = self._feed = await self._feeds.join(self.task_id, self.watcher)
        try:
            left = not feed.gone or await self._manager.snapshots.get(self.task_id) is not None
        except BaseException:
            await self.__aexit__()
            raise
        if not left:
            await self.__aexit__()
            raise TaskNotFound(self.task_id)
        return self

    async def __aexit__(self, *exc: object) -> None:
        feed, self._feed = self._feed, None
        if feed is not None:
            self._feeds.leave(feed, self.watcher)

    async def next(self, seconds: float) -> Sequence[Event] | Reset:
        """Wait for what follows.

        Args:
            seconds: How long to wait.

        Returns:
            Events that follow on those handed out before, in order; none if the time is over; or a
            reset, after which events follow on its position.

        Raises:
            TaskNotFound: There is nothing left of the task.
            Unavailable: Redis is away.
        """
        feed = self._feed
        if feed is None:
            raise RuntimeError("a session is read inside its `async with`")
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while True:
            changed = feed.changed
            got = await self._following(feed)
            left = deadline - loop.time()
            if got or left <= 0:
                return got or ()
            # Where there is no history, the snapshot moves on without a word.
            wait = left if got is not None else min(left, _LOOK_SECONDS)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await changed.wait()

    def follow(self, key: Hashable, tell: Tell, seal: Seal, sink: Sink) -> bool:
        """Be told what follows at once, instead of asking for it, until the sink is let go.

        Then set `position` to what it was told last, and ask on.

        Args:
            key: What it is told depends on, beside the events.
            tell: Makes that, in pieces.
            seal: Makes of those what the sink takes.
            sink: Where it goes.

        Returns:
            Whether it is so: not while the session isn't up to date.
        """
        if self._feed is None or self._begins_anew or not self.at_end:
            return False
        self._feed.audiences.join(key, tell, seal, sink)
        return True

    def unfollow(self, key: Hashable, sink: Sink) -> None:
        """Be told nothing any more; arguments as for `follow`."""
        if self._feed is not None:
            self._feed.audiences.leave(key, sink)

    @property
    def told(self) -> Position | None:
        """The last event that who follows has been told, as long as they aren't let go."""
        return self._feed.last if self._feed is not None else None

    @property
    def at_end(self) -> bool:
        """Whether the watcher has been handed all that the process knows of."""
        return self._feed is not None and self._feed.last == self.position

    @property
    def newest(self) -> Event | None:
        """The log's last event, if the watcher has been handed it and the process still holds it."""
        return self._feed.newest if self._feed is not None and self.at_end else None

    async def _following(self, feed: Feed) -> Sequence[Event] | Reset | None:
        if self._begins_anew:
            return await self._reset(self._lost)
        try:
            events = await feed.after(self.position)
        except HistoryLost as error:
            return await self._reset(error.reason)
        if events:
            self.position = events[-1].position
        return events

    async def _reset(self, reason: str | None) -> Reset | None:
        """Begin anew from the snapshot; None if the watcher was told so before, and nothing is new."""
        snapshot, self._snapshot = self._snapshot, None
        if snapshot is None:
            snapshot = await self._manager.snapshots.get(self.task_id)
        if snapshot is None:
            raise TaskNotFound(self.task_id)
        if self.position == self._told == snapshot.position:
            return None
        if reason is not None:
            _log.info("stream reset", task=self.task_id, reason=reason, position=str(self.position))
        self._lost, self._begins_anew = None, False
        self.position = self._told = snapshot.position
        return Reset(reason, snapshot.task, snapshot.position)
