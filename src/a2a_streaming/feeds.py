"""A process's feeds: started by their first watcher, closed by their last, and looked after in between."""

from __future__ import annotations

import asyncio
import contextlib

from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.backbone.snapshots import Meta
from a2a_streaming.backbone.subscriptions import Claims
from a2a_streaming.errors import Unavailable
from a2a_streaming.feed import Feed
from a2a_streaming.singleflight import SingleFlight
from a2a_streaming.telemetry import get_logger

_log = get_logger(__name__)
_POLL_SECONDS = 0.5
_CHECK_EVERY = 10  # polls, while Pub/Sub is well


class Feeds:
    """A process's feeds, by task, counted by their watchers.

    Args:
        manager: Redis.
    """

    def __init__(self, manager: RedisManager) -> None:
        self._manager = manager
        self._feeds: dict[str, Feed] = {}
        self._starting: dict[str, asyncio.Task[None]] = {}
        self._metas: SingleFlight[str, Meta | None] = SingleFlight()
        self._claims = Claims(manager.subscriptions)
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

    async def meta(self, task_id: str) -> Meta | None:
        """Return whose task it is and which agent's; state and position may be old.

        Those who ask at once, and those who ask while somebody watches, share one read.

        Args:
            task_id: The task.

        Raises:
            Unavailable: Redis is away.
        """
        feed = self._feeds.get(task_id)
        if feed is not None and feed.meta is not None:
            return feed.meta
        meta = await self._metas.ask(task_id, lambda: self._manager.snapshots.meta(task_id))
        if (feed := self._feeds.get(task_id)) is not None:
            feed.meta = meta
        return meta

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
            await self._claims.add(task_id, watcher)
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
            await self._claims.remove(feed.task_id, watcher)

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
        await self._manager.subscriptions.change(
            come=[(feed.task_id, w) for feed in self._feeds.values() for w in feed.watchers]
        )
