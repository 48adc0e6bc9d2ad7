"""Archiving: a process takes tasks that have ended, and keeps their stories where they outlive Redis.

index:ended ──► claimed for a minute ──► archived, if its rule says so ──► off the list
                     ▲                      │                 └──► on it until it is to be forgotten before its time
                     │                      ▼
                     └── the archive is away: its keys' lives are prolonged, and whoever looks next tries again

At least once: who dies between the archive and its note archives a task twice, as the same object. A task that is
deleted meanwhile is taken out of the archive again.
"""

from __future__ import annotations

import asyncio
import time
from datetime import datetime

from a2a_streaming import metrics
from a2a_streaming.archive import Archive, Story
from a2a_streaming.archive.shelves import digest_of
from a2a_streaming.backbone.ended import EndedTask
from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.errors import Unavailable
from a2a_streaming.position import Position
from a2a_streaming.retention import Retention
from a2a_streaming.task import Json
from a2a_streaming.telemetry import get_logger

_log = get_logger(__name__)

_LOOK = 1.0
"""Seconds between looks for tasks that have ended."""
_HELD = 60.0
"""Seconds for which a process holds a task."""
_AT_ONCE = 8
"""Tasks that a process archives at once."""
_PAUSE = 5.0
"""Seconds of rest when a task couldn't be archived."""
_WAITING = 500
"""Tasks whose lives are prolonged then."""
_PAGE = 500
_EXPIRE_EVERY = 600.0
"""Seconds between looks whether it is time to look at what the archive has kept for long enough."""


class Archiver:
    """Archives and forgets what has ended, for as long as it runs.

    Args:
        manager: Redis.
        archive: The archive; None if there is none.
        retention: For how long tasks are kept.
    """

    def __init__(
        self, manager: RedisManager, archive: Archive | None, retention: Retention
    ) -> None:
        self._manager = manager
        self._ended = manager.ended
        self._archive = archive
        self._retention = retention
        self._loops: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin."""
        self._loops = [
            asyncio.create_task(self._look(), name="archive"),
            asyncio.create_task(self._expire(), name="expire the archive"),
        ]

    async def aclose(self) -> None:
        """Stop; what isn't done, another process does when this one's hold has lapsed."""
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)

    async def _look(self) -> None:
        while True:
            taken: list[str] = []
            failed = 0
            try:
                taken = await self._ended.claim(seconds=_HELD, count=_AT_ONCE)
                failed = sum(await asyncio.gather(*map(self._try, taken)))
                if failed:
                    await self._prolong()
            except Unavailable:
                _log.debug("Redis is away; what has ended waits")
            except Exception:  # without this loop nothing is archived
                _log.exception("can't look at what has ended; trying again")
            if failed:
                await asyncio.sleep(_PAUSE)
            elif len(taken) < _AT_ONCE:
                await asyncio.sleep(_LOOK)

    async def _try(self, task_id: str) -> bool:
        """See to a task; returns whether that failed, so that it waits for another look."""
        try:
            await self.see_to(task_id)
        except Unavailable as error:
            _log.warning("can't archive a task; trying again", task=task_id, reason=str(error))
        except Exception:
            _log.exception("can't archive a task; trying again", task=task_id)
        else:
            return False
        metrics.ARCHIVED.labels("failed").inc()
        await self._ended.prolong(task_id)
        return True

    async def _prolong(self) -> None:
        """Let those live that wait behind what couldn't be archived; they are held as if it had been tried."""
        for task_id in await self._ended.claim(seconds=_HELD, count=_WAITING):
            await self._ended.prolong(task_id)

    async def see_to(self, task_id: str) -> None:
        """Do with an ended task what its rule says; may be called again.

        Args:
            task_id: The task, by its stored id.

        Raises:
            Unavailable: Redis or the archive is away.
        """
        known = await self._ended.about(task_id)
        if known is None or known.answer:
            await self._ended.settle(task_id)
            return
        snapshot = await self._manager.snapshots.get(task_id)
        if snapshot is None:  # nothing is left that could be kept
            await self._ended.settle(task_id)
            return
        kept = self._retention.of(known.state, known.agent, known.owner)
        head = ""
        if kept.archive_days and self._archive is not None and not known.archived:
            events = await self._events(task_id)
            story = _story(task_id, known, snapshot.task, snapshot.position, events)
            head = await self._archive.put(story, days=kept.archive_days)
            if not await self._ended.is_there(task_id):
                await self._archive.forget(digest_of(task_id), known.owner)
                return
            metrics.ARCHIVED.labels("archived").inc()
        if kept.redis_seconds is None:
            await self._ended.settle(task_id, head=head)
            return
        until = _ended_at(snapshot.task) + kept.redis_seconds
        if until > time.time():
            await self._ended.look_again(task_id, until, head=head)
            return
        await self._ended.forget(
            task_id, owner=known.owner, context=known.context, agent=known.agent
        )
        metrics.ARCHIVED.labels("forgotten").inc()

    async def _events(self, task_id: str) -> list[tuple[Position, bytes]]:
        found: list[tuple[Position, bytes]] = []
        after: Position | None = None
        while page := await self._manager.census.events(task_id, after, count=_PAGE):
            found += page
            after = page[-1][0]
        return found

    async def _expire(self) -> None:
        while True:
            try:
                if self._archive is not None and await self._ended.may_expire():
                    count = await self._archive.expire()
                    if count:
                        _log.info("tasks have left the archive: their time is over", count=count)
            except Unavailable as error:
                _log.warning("can't look through the archive", reason=str(error))
            except Exception:
                _log.exception("can't look through the archive; trying again")
            await asyncio.sleep(_EXPIRE_EVERY)


def _story(
    task_id: str,
    known: EndedTask,
    task: Json,
    position: Position,
    events: list[tuple[Position, bytes]],
) -> Story:
    return Story(
        id=task_id,
        owner=known.owner,
        agent=known.agent,
        context=known.context,
        dialect=known.dialect,
        state=known.state,
        created=known.created,
        task=task,
        position=position,
        events=events,
    )


def _ended_at(task: Json) -> float:
    """Return when a task ended, seconds since 1970, as its last status tells."""
    told = task["status"].get("timestamp")
    return datetime.fromisoformat(told).timestamp() if told else time.time()
