"""The pusher: one process's share of what is to be pushed.

It takes tasks from the list, and follows those whose webhooks know all, up to a number; what is more takes turns. A
task whose webhooks all fail isn't held: it is on the list, for when the first of them is to be tried again. Who waits
for a receiver's next turn makes room for others, too. So however many wait, for whomever, the others are seen to.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import uuid

from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.errors import Unavailable
from a2a_streaming.feeds import Feeds
from a2a_streaming.push import figures
from a2a_streaming.push.sender import Sender
from a2a_streaming.push.telling import Means
from a2a_streaming.push.visit import Visit
from a2a_streaming.telemetry import get_logger

_log = get_logger(__name__)

_LOOK = 0.5
"""Seconds between looks for tasks that nobody pushes."""
_BEAT = 1.0
"""The most seconds between looks at those that this process holds."""
_TASKS = 1024
"""The most tasks that a process follows."""
_AT_ONCE = 64
"""The most tasks that are taken in one look."""
_TURN = (4.0, 8.0)
"""Between how many seconds a task isn't followed that had to make room."""


class Pusher:
    """Pushes events to webhooks, for as long as it runs.

    Args:
        manager: Redis.
        feeds: The process's feeds.
        sender: Posts; it is started and closed with the pusher.
        tasks: The most tasks that it follows.
    """

    def __init__(
        self, manager: RedisManager, feeds: Feeds, sender: Sender, *, tasks: int = _TASKS
    ) -> None:
        self._outbox = manager.outbox
        self._webhooks = manager.webhooks
        self._sender = sender
        self._tasks = tasks
        self._means = Means(manager, feeds, sender, uuid.uuid4().hex)
        self._visits: dict[str, Visit] = {}
        self._jobs: dict[str, asyncio.Task[None]] = {}
        self._loop: asyncio.Task[None] | None = None
        self._beaten = float("-inf")

    async def start(self) -> None:
        """Begin."""
        await self._sender.start()
        self._loop = asyncio.create_task(self._look(), name="push")

    async def aclose(self) -> None:
        """Stop; what is left to push, another process goes on with."""
        if self._loop is None:
            return
        held = [*self._jobs]
        jobs = [self._loop, *self._jobs.values()]
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)
        with contextlib.suppress(Unavailable):
            await self._outbox.later(dict.fromkeys(held, 0.0))
        await self._sender.aclose()

    async def _look(self) -> None:
        while True:
            try:
                await self._keep()
                await self._take()
            except Unavailable:
                _log.debug("Redis is away; webhooks wait")
            except Exception:  # without this loop nothing is pushed
                _log.exception("can't look for what is to be pushed; trying again")
            figures.PUSH_TASKS.set(len(self._jobs))
            await asyncio.sleep(_LOOK)

    async def _keep(self) -> None:
        """Keep the tasks that this process has; see which it has lost, and whose webhooks have changed."""
        now = asyncio.get_running_loop().time()
        if not self._visits or now - self._beaten < min(_BEAT, self._outbox.hold / 4):
            return
        tasks = [*self._visits]
        await self._outbox.later(dict.fromkeys(tasks, self._outbox.hold))
        self._beaten = now
        for task, (holder, changes) in zip(tasks, await self._webhooks.changes(tasks), strict=True):
            visit = self._visits.get(task)
            if visit is None or visit.changes is None:
                continue
            if holder not in ("", self._means.holder):
                self._jobs[task].cancel()
            elif changes != visit.changes:
                visit.changed.set()

    async def _take(self) -> None:
        """Take tasks that nobody has; where there are too many, let some go for which no post is under way."""
        idle = [task for task, visit in self._visits.items() if visit.idle]
        room = self._tasks - len(self._visits) + len(idle)
        if room <= 0:
            return
        for task in await self._outbox.claim(count=min(room, _AT_ONCE)):
            if task not in self._jobs:
                self._begin(task)
        idle = [task for task in idle if task in self._visits and self._visits[task].idle]
        over = idle[: max(0, len(self._visits) - self._tasks)]
        jobs = [self._jobs[task] for task in over]
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)
        await self._outbox.later({task: random.uniform(*_TURN) for task in over})

    def _begin(self, task: str) -> None:
        visit = self._visits[task] = Visit(self._means, task)
        job = self._jobs[task] = asyncio.create_task(visit.run(), name=f"push {task}")
        job.add_done_callback(lambda _: self._end(task))

    def _end(self, task: str) -> None:
        del self._visits[task], self._jobs[task]
