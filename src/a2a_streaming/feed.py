"""A feed: one task's log, as one process serves it to all its local watchers.

It holds one subscription and one copy of the log's recent tail, however many watch. Live events are
merged into the tail; a gap is healed from the log. While Pub/Sub delivers nothing, feeds poll.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from a2a_streaming import metrics
from a2a_streaming.audience import Audiences
from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.backbone.snapshots import Meta
from a2a_streaming.errors import HistoryLost, Unavailable
from a2a_streaming.event import Event
from a2a_streaming.pages import Pages
from a2a_streaming.position import Position
from a2a_streaming.replay import Page, Tail, merge
from a2a_streaming.singleflight import SingleFlight

_PAGE = 500
_PAGE_BYTES = 32 * 1024  # what a watcher that stops reading holds on to
_AHEAD = 8
"""Pages that are read at once for who reads on."""
_NOWHERE = Position(0, 0)  # no event stands there: a tail from here sends everybody to the log


class Feed:
    """One task's log in one process. It listens from the beginning; `ready` before it is read.

    Args:
        manager: Redis.
        task_id: The task.
        pages: Where the process keeps pages of logs.
    """

    def __init__(self, manager: RedisManager, task_id: str, pages: Pages) -> None:
        self._manager = manager
        self._kept = pages
        self.task_id = task_id
        self.watchers: set[str] = set()
        self.meta: Meta | None = None
        """What was known of the task when somebody last asked; owner and agent never change."""
        self._joined = manager.broadcast.join(task_id, self)
        self._starting: asyncio.Task[None] | None = None
        self._first: Event | None = None
        self._tail: Tail | None = None
        self._early: list[Event] = []
        self._changed = asyncio.Event()
        self._healing: asyncio.Task[None] | None = None
        self._stale = False
        self.audiences = Audiences(manager.tally)
        """Those who are up to date and told at once."""
        self._reads: SingleFlight[Position | None, Sequence[Event]] = SingleFlight()
        self._read_to: Position | None = None

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

    async def ready(self) -> None:
        """Wait until the log's end is known.

        Raises:
            Unavailable: Redis is away.
        """
        self.prepare()
        if self._starting is not None and self._tail is None:
            await asyncio.shield(self._starting)

    def prepare(self) -> None:
        """Begin to find out where the log ends, if that isn't known yet."""
        if self._tail is None and (self._starting is None or self._starting.done()):
            self._starting = asyncio.create_task(self._start(), name=f"feed {self.task_id}")
            self._starting.add_done_callback(_look_at)

    def begin(self, first: Event) -> None:
        """Begin with a log's first event, which was just written; what follows is only written after `listening`.

        Args:
            first: The event.
        """
        if self._tail is None:
            self._first = first
        self.prepare()

    async def listening(self) -> None:
        """Wait until nothing more can be missed, or Redis doesn't confirm it in time."""
        await asyncio.wait({self._joined})

    async def _start(self) -> None:
        """Read the log's end, once the channel is joined: in this order, so that nothing is missed."""
        first, self._first = self._first, None
        if await self._joined and first is not None:
            self._set_tail(Tail(first.previous), [first])
        else:
            await self._read_tail()

    def close(self) -> None:
        """Leave the channel."""
        if self._starting is not None:
            self._starting.cancel()
        self.audiences.let_go(self.last)
        self._reads.cancel()
        self._kept.forget(self.task_id)
        if self._healing is not None:
            self._healing.cancel()
        self._manager.broadcast.leave(self.task_id, self)

    def received(self, events: Sequence[Event]) -> None:
        """Take live events."""
        if self._tail is None:
            self._early += events
            return
        fresh, gap = merge(self._tail, events)
        if fresh:
            self._notify(fresh)
        if gap is not None:
            self.heal()

    def interrupted(self) -> None:
        """Events may have been missed: look into the log."""
        self.heal()

    def heal(self) -> None:
        """Bring the tail up to the log's end, in the background."""
        self._stale = True
        if self._healing is None and self._tail is not None:
            metrics.HEALS.inc()
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
        if self._tail is not None:
            events = self._tail.after(position, max_bytes=_PAGE_BYTES)
            if events is not None:
                return events
        page = self._kept.get(self.task_id, position)
        if page is not None:
            return page
        # Watchers that come back together ask for the same page: one read serves them all.
        events = await self._reads.ask(position, lambda: self._read(position))
        if not events and self.last != position:
            self.heal()
        return events

    async def _read(self, position: Position | None) -> Sequence[Event]:
        """Read what follows on a position: a page, and for who reads on the next ones with it."""
        size = self._page_size()
        reads_on = position is not None and position == self._read_to
        count = size * _AHEAD if reads_on else size
        log = self._tail
        # One more: a page is only what others follow on.
        events = await self._manager.history.page(self.task_id, position, count=count + 1)
        pages = [Page(events[end - size : end]) for end in range(size, len(events), size)]
        if not pages:
            return events
        self._read_to = pages[-1][-1].position
        if self._tail is log:  # else it may be another log now
            for page in pages:
                self._kept.put(self.task_id, page[0].previous, page)
        return pages[0]

    def _page_size(self) -> int:
        """Return how many events make a page of about `_PAGE_BYTES`, if they are like the newest."""
        weight = self._tail.mean_bytes if self._tail is not None else 0
        return max(1, min(_PAGE, _PAGE_BYTES // max(1, weight)))

    def _notify(self, fresh: Sequence[Event]) -> None:
        self.audiences.hear(fresh)
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _read_tail(self) -> None:
        """Begin at the log's end; if there is no log any more, each watcher finds that out for itself."""
        try:
            before, events = await self._manager.history.newest(self.task_id)
        except HistoryLost:
            before, events = _NOWHERE, []
        self.audiences.let_go(self.last)  # it may be another log
        self._kept.forget(self.task_id)
        self.meta = None  # another task may stand there now
        self._set_tail(Tail(before), events)

    def _set_tail(self, tail: Tail, events: Sequence[Event]) -> None:
        merge(tail, events)
        early, self._early = self._early, []
        _, gap = merge(tail, early)
        self._tail = tail
        if gap is not None or self._stale:
            self.heal()
        self._wake()

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
                self._notify(fresh)
            if len(events) < count:
                return


def _look_at(starting: asyncio.Task[None]) -> None:
    """Look at a failure, should nobody wait for it: who joins next tries again."""
    if not starting.cancelled():
        starting.exception()
