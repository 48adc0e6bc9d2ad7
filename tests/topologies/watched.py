"""A task that moves on while something is done to Redis, and a watcher of it in another process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import redis.asyncio

from a2a_streaming import Run
from a2a_streaming.errors import Unavailable
from a2a_streaming.event import Event
from a2a_streaming.feeds import Feeds
from a2a_streaming.session import Reset, StreamSession
from a2a_streaming.settings import Settings
from agents import Desk, working
from tasks import connected, contiguous, log_of, story, until

TASK = "t1"
_PACE = 0.004
"""Seconds between two events: as fast as a language model speaks."""


class Watched:
    """The task, and what its watcher sees.

    Args:
        desk: The process that runs its agent.
        session: The watcher's, in another process.
    """

    def __init__(self, desk: Desk, session: StreamSession) -> None:
        self.desk = desk
        self.seen: list[Event] = []
        """What the watcher has seen, since its last reset."""
        self.resets: list[Reset] = []
        self.enough = asyncio.Event()
        self.watching: asyncio.Task[None] | None = None
        self._session = session

    async def run(self, run: Run) -> None:
        """Emit until it is enough."""
        n = 0
        while not self.enough.is_set():
            await run.working(f"word {n}")
            n += 1
            await asyncio.sleep(_PACE)
        await run.complete("Done")

    async def watch(self) -> None:
        """Read to the end."""
        while not (self.seen and self.seen[-1].state and self.seen[-1].state.terminal):
            try:
                got = await self._session.next(20)
            except Unavailable:  # come back later, as a client does
                continue
            if isinstance(got, Reset):
                self.resets.append(got)
                self.seen.clear()
            else:
                self.seen += got

    async def until_seen(self, more: int = 20) -> None:
        """Wait until the watcher has seen so many more events."""
        begun, resets = len(self.seen), len(self.resets)

        async def is_seen() -> bool:
            if self.watching is not None and self.watching.done():
                self.watching.result()
            return len(self.seen) >= (more if len(self.resets) > resets else begun + more)

        await until(is_seen, 40)

    async def has_seen_it_all(self) -> None:
        """The watcher has seen what the log has, each event once; or from its last reset on."""
        log = await log_of(self.desk.manager, TASK)
        after = self.resets[-1].position.offset if self.resets else 0
        assert story(self.seen) == story(log[after:])
        contiguous(self.seen, after)
        assert [event.state for event in log if event.state and event.state.terminal] == [
            log[-1].state
        ]


@asynccontextmanager
async def watched(settings: Settings, raw: redis.asyncio.Redis) -> AsyncIterator[Watched]:
    """A task under way, and its watcher; afterwards the task ends, and the watcher has seen it."""
    told: list[Watched] = []

    async def script(run: Run) -> None:
        await told[0].run(run)

    async with (
        working(settings, raw, script) as desk,
        connected(settings) as other,
        _feeding(Feeds(other)) as feeds,
    ):
        session = StreamSession(other, feeds, TASK)
        it = Watched(desk, session)
        told.append(it)
        await desk.send(task=TASK)
        async with session:
            watching = it.watching = asyncio.create_task(it.watch())
            try:
                await it.until_seen()
                yield it
                it.enough.set()
                async with asyncio.timeout(20):
                    await watching
            finally:
                watching.cancel()
        await it.has_seen_it_all()


@asynccontextmanager
async def _feeding(feeds: Feeds) -> AsyncIterator[Feeds]:
    feeds.start()
    try:
        yield feeds
    finally:
        await feeds.aclose()


async def apart(step: Callable[[], object]) -> None:
    """Do something that blocks, while the event loop goes on."""
    await asyncio.to_thread(step)
