"""A process's feeds: started by their first watcher, closed a while after their last, and looked after in between."""

from __future__ import annotations

import asyncio
import itertools
import uuid
from collections import OrderedDict

from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.backbone.snapshots import Meta
from a2a_streaming.backbone.subscriptions import Claims
from a2a_streaming.errors import Unavailable
from a2a_streaming.feed import Feed
from a2a_streaming.pages import Pages
from a2a_streaming.singleflight import SingleFlight
from a2a_streaming.telemetry import get_logger

_log = get_logger(__name__)
_POLL_SECONDS = 0.5
_CHECK_EVERY = 10  # polls, while Pub/Sub is well
_LINGERING = 256
"""The most feeds that nobody watches."""


class Feeds:
    """A process's feeds, by task, counted by their watchers.

    Args:
        manager: Redis.
        node: The process's name, by which its watchers are known.
        linger: Seconds that a feed stays after its last watcher: who lost a connection comes back soon.
    """

    def __init__(self, manager: RedisManager, node: str = "", *, linger: float = 5.0) -> None:
        self._node = node or uuid.uuid4().hex
        self._watchers = itertools.count(1)
        self.watching = 0
        """How many watch, in all."""
        self._manager = manager
        self._stay = linger
        self._feeds: dict[str, Feed] = {}
        self._lingering: OrderedDict[str, float] = OrderedDict()
        self._pages = Pages()
        self._metas: SingleFlight[str, Meta | None] = SingleFlight()
        self._claims = Claims(manager.subscriptions)
        self._patrol: asyncio.Task[None] | None = None

    def new_watcher(self) -> str:
        """Return an id for a watcher, which no other has on any process: the process's name, and a number."""
        return f"{self._node}/{next(self._watchers):x}"

    def start(self) -> None:
        """Begin to look after the feeds."""
        self._patrol = asyncio.create_task(self._look_after(), name="feeds")

    async def aclose(self) -> None:
        """Close every feed."""
        if self._patrol is not None:
            self._patrol.cancel()
            await asyncio.gather(self._patrol, return_exceptions=True)
        for feed in self._feeds.values():
            feed.close()
        self._feeds.clear()
        await self._claims.aclose()

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

    def open(self, task_id: str) -> Feed:
        """Return a task's feed; a new one begins to listen, and is closed again if nobody joins it soon.

        Args:
            task_id: The task.
        """
        feed = self._feeds.get(task_id)
        if feed is None:
            feed = self._feeds[task_id] = Feed(self._manager, task_id, self._pages)
            self._linger(feed)
        return feed

    async def join(self, task_id: str, watcher: str) -> Feed:
        """Return a task's feed, ready to be read, and count a watcher in.

        Args:
            task_id: The task.
            watcher: Who watches; ids are unique.

        Raises:
            Unavailable: Redis is away.
        """
        feed = self.open(task_id)
        self.watching += 1
        feed.watchers.add(watcher)
        self._lingering.pop(task_id, None)
        self._claims.add(task_id, watcher)
        try:
            await feed.ready()
        except BaseException:
            self.leave(feed, watcher)
            raise
        return feed

    def leave(self, feed: Feed, watcher: str) -> None:
        """Count a watcher out; the last one's feed stays for a while."""
        self.watching -= 1
        feed.watchers.discard(watcher)
        self._claims.remove(feed.task_id, watcher)
        if feed.watchers or self._feeds.get(feed.task_id) is not feed:
            return
        if feed.gone or not self._stay:
            self._close(feed.task_id)
        else:
            self._linger(feed)

    def _linger(self, feed: Feed) -> None:
        self._lingering[feed.task_id] = asyncio.get_running_loop().time()
        while len(self._lingering) > _LINGERING:
            self._close(next(iter(self._lingering)))

    def _close(self, task_id: str) -> None:
        self._lingering.pop(task_id, None)
        self._feeds.pop(task_id).close()

    def _close_unwatched(self) -> None:
        limit = asyncio.get_running_loop().time() - self._stay
        for task_id, since in list(self._lingering.items()):
            if since > limit:
                break
            self._close(task_id)

    async def _look_after(self) -> None:
        rounds = 0
        renewed = asyncio.get_running_loop().time()
        renew_every = self._manager.settings.watcher_seconds / 3
        while True:
            await asyncio.sleep(_POLL_SECONDS)
            rounds += 1
            self._close_unwatched()
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
