"""A feed: one task's log, as one process serves it to all its local watchers.

It holds one subscription and one copy of the log's recent tail, however many watch. Live events are
merged into the tail; a gap is healed from the log. While Pub/Sub delivers nothing, feeds poll.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.errors import HistoryLost, Unavailable
from a2a_streaming.event import Event
from a2a_streaming.position import Position
from a2a_streaming.replay import Tail, merge
from a2a_streaming.telemetry import get_logger

_log = get_logger(__name__)
_POLL_SECONDS = 0.5
_CHECK_EVERY = 10  # polls, while Pub/Sub is well
_PAGE = 500
_PAGE_BYTES = 512 * 1024
_NOWHERE = Position(0, 0)  # no event stands there: a tail from here sends everybody to the log


class Feed:
    """One task's log in one process.

    Args:
        manager: Redis.
        task_id: The task.
    """

    def __init__(self, manager: RedisManager, task_id: str) -> None:
        self._manager = manager
        self.task_id = task_id
        self.watchers: set[str] = set()
        self._tail: Tail | None = None
        self._early: list[Event] = []
        self._changed = asyncio.Event()
        self._healing: asyncio.Task[None] | None = None
        self._stale = False
        self._pages: dict[Position | None, asyncio.Task[list[Event]]] = {}

    @property
    def last(self) -> Position | None:
        """Where the log ends, as far as the feed knows."""
        return self._tail.last if self._tail is not None else None

    @property
    def newest(self) -> Event | None:
        """The log's last event, as far as the feed knows."""
        return self._tail.newest if self._tail is not None else None

    @property
    def gone(self) -> bool:
        """Whether there is no log any more."""
        return self.last == _NOWHERE

    async def start(self) -> None:
        """Join the task's channel, then read the log's end: in this order, so that nothing is missed.

        Raises:
            Unavailable: Redis is away.
        """
        await self._manager.broadcast.join(self.task_id, self)
        await self._read_tail()

    async def aclose(self) -> None:
        """Leave the channel."""
        for task in [self._healing, *self._pages.values()]:
            if task is not None:
                task.cancel()
        await self._manager.broadcast.leave(self.task_id, self)

    def received(self, event: Event) -> None:
        """Take a live event."""
        if self._tail is None:
            self._early.append(event)
            return
        fresh, gap = merge(self._tail, [event])
        if fresh:
            self._notify()
        if gap is not None:
            self.heal()

    def interrupted(self) -> None:
        """Events may have been missed: look into the log."""
        self.heal()

    def heal(self) -> None:
        """Bring the tail up to the log's end, in the background."""
        self._stale = True
        if self._healing is None and self._tail is not None:
            self._healing = asyncio.create_task(self._heal(), name=f"heal {self.task_id}")

    @property
    def changed(self) -> asyncio.Event:
        """Is set when the feed next changes. Take it before you read, so that no change is missed."""
        return self._changed

    async def after(self, position: Position | None) -> Sequence[Event]:
        """Return events that follow on a position: from the tail, else a page of the log.

        Args:
            position: The position; None for the log's start.

        Returns:
            Events in order; none if there are none yet.

        Raises:
            HistoryLost: The log can't be continued from there.
            Unavailable: Redis is away.
        """
        if self._tail is not None and (events := self._tail.after(position)) is not None:
            return events
        # Watchers that come back together ask for the same page: one read serves them all.
        page = self._pages.get(position)
        if page is None:
            page = asyncio.create_task(
                self._manager.history.page(self.task_id, position, count=self._page_size())
            )
            self._pages[position] = page
            page.add_done_callback(lambda page: self._forget(position, page))
        events = await asyncio.shield(page)
        if not events and self.last != position:
            self.heal()
        return events

    def _forget(self, position: Position | None, page: asyncio.Task[list[Event]]) -> None:
        self._pages.pop(position, None)
        if not page.cancelled():
            page.exception()  # looked at, should everybody who waited for it have left

    def _page_size(self) -> int:
        """Return how many events make a page of about `_PAGE_BYTES`, if they are like the newest."""
        weight = self._tail.mean_bytes if self._tail is not None else 0
        return max(1, min(_PAGE, _PAGE_BYTES // max(1, weight)))

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _read_tail(self) -> None:
        """Begin at the log's end; if there is no log any more, each watcher finds that out for itself."""
        try:
            before, events = await self._manager.history.newest(self.task_id)
        except HistoryLost:
            before, events = _NOWHERE, []
        tail = Tail(before)
        merge(tail, events)
        early, self._early = self._early, []
        _, gap = merge(tail, early)
        self._tail = tail
        if gap is not None or self._stale:
            self.heal()
        self._notify()

    async def _heal(self) -> None:
        pause = 0.05
        try:
            while self._stale:
                self._stale = False
                try:
                    await self._catch_up()
                except Unavailable:
                    self._stale = True
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, 1.0)
        finally:
            self._healing = None

    async def _catch_up(self) -> None:
        tail = self._tail
        while tail is not None:
            count = self._page_size()
            try:
                events = await self._manager.history.page(self.task_id, tail.last, count=count)
            except HistoryLost:
                # Another log stands there now. Begin anew at its end; each watcher finds out for
                # itself whether it can go on from where it is.
                await self._read_tail()
                return
            fresh, _ = merge(tail, events)
            if fresh:
                self._notify()
            if len(events) < count:
                return


class Feeds:
    """A process's feeds, by task, counted by their watchers.

    Args:
        manager: Redis.
    """

    def __init__(self, manager: RedisManager) -> None:
        self._manager = manager
        self._feeds: dict[str, Feed] = {}
        self._starting: dict[str, asyncio.Task[None]] = {}
        self._patrol: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look after the feeds."""
        self._patrol = asyncio.create_task(self._look_after(), name="feeds")

    async def aclose(self) -> None:
        """Close every feed."""
        if self._patrol is not None:
            self._patrol.cancel()
            await asyncio.gather(self._patrol, return_exceptions=True)
        for feed in list(self._feeds.values()):
            await feed.aclose()
        self._feeds.clear()

    async def join(self, task_id: str, watcher: str) -> Feed:
        """Return a task's feed, and count a watcher in; the first one starts it.

        Args:
            task_id: The task.
            watcher: Who watches; ids are unique.

        Raises:
            Unavailable: Redis is away.
        """
        feed = self._feeds.get(task_id)
        if feed is None:
            feed = self._feeds[task_id] = Feed(self._manager, task_id)
            self._starting[task_id] = asyncio.create_task(feed.start())
        feed.watchers.add(watcher)
        try:
            await self._manager.subscriptions.add([(task_id, watcher)])
            if (starting := self._starting.get(task_id)) is not None:
                await asyncio.shield(starting)
                self._starting.pop(task_id, None)
        except BaseException:
            await self.leave(feed, watcher)
            raise
        return feed

    async def leave(self, feed: Feed, watcher: str) -> None:
        """Count a watcher out; the last one closes the feed."""
        feed.watchers.discard(watcher)
        if not feed.watchers and self._feeds.get(feed.task_id) is feed:
            del self._feeds[feed.task_id]
            starting = self._starting.pop(feed.task_id, None)
            if starting is not None:
                starting.cancel()
                await asyncio.gather(starting, return_exceptions=True)
            await feed.aclose()
        with contextlib.suppress(Unavailable):  # the claim lapses by itself
            await self._manager.subscriptions.remove(feed.task_id, watcher)

    async def _look_after(self) -> None:
        rounds = 0
        renewed = asyncio.get_running_loop().time()
        renew_every = self._manager.settings.watcher_seconds / 3
        while True:
            await asyncio.sleep(_POLL_SECONDS)
            rounds += 1
            try:
                if not self._manager.broadcast.healthy or rounds % _CHECK_EVERY == 0:
                    await self._compare()
                if asyncio.get_running_loop().time() - renewed >= renew_every:
                    await self._renew()
                    renewed = asyncio.get_running_loop().time()
            except Unavailable as error:
                _log.warning("Redis is away; feeds wait for it", reason=str(error.__cause__))

    async def _compare(self) -> None:
        """Compare where each feed is with where its log is, in one round trip."""
        feeds = list(self._feeds.values())
        lasts = await self._manager.history.lasts([feed.task_id for feed in feeds])
        for feed, last in zip(feeds, lasts, strict=True):
            if last != feed.last:
                feed.heal()

    async def _renew(self) -> None:
        """Renew every watcher's claim, in one round trip."""
        await self._manager.subscriptions.add(
            [(feed.task_id, watcher) for feed in self._feeds.values() for watcher in feed.watchers]
        )
