"""Looks for tasks that exceed their limits, and raises each once, whatever the number of processes that look.

    due ──► claimed for a moment ──► what is known of the task ──► judged ──► raised, once ──► put off to its next deadline

A process that dies in between leaves the entry where it is: another one takes it a moment later, comes to the same
verdict, and finds what was raised already.
"""

from __future__ import annotations

import asyncio
import contextlib

from prometheus_client import Counter

from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.errors import Unavailable
from a2a_streaming.sla import Breach, Does, Facts, judge
from a2a_streaming.telemetry import get_logger

_log = get_logger(__name__)

EVERY = 0.4
"""Seconds between two looks: two, and a claim of a process that died, are less than 2 s."""
_CLAIM = 1.0
_AT_ONCE = 100
"""Tasks that are looked at in one go."""
RAISED = Counter("a2a_alerts", "Alerts raised, by limit, what it measures, and agent.", ["limit", "measure", "agent"])  # fmt: skip


class DeadlineWatch:
    """Looks, from `start` to `stop`.

    Args:
        manager: Redis.
        every: Seconds between two looks.
    """

    def __init__(self, manager: RedisManager, *, every: float = EVERY) -> None:
        self._manager = manager
        self._every = every
        self._watching: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look; goes on whatever becomes of Redis."""
        self._watching = asyncio.create_task(self._watch(), name="deadlines")

    async def stop(self) -> None:
        """Look no more."""
        watching, self._watching = self._watching, None
        if watching is not None:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching

    async def look(self) -> int:
        """Look at what is due, once; returns how many tasks that were.

        Raises:
            Unavailable: Redis is away.
        """
        deadlines = self._manager.deadlines
        now, tasks = await deadlines.claim(seconds=_CLAIM, count=_AT_ONCE)
        looked: list[tuple[str, Facts, int | None]] = []
        known = await deadlines.known(tasks)
        for task_id, (facts, raised) in zip(tasks, known, strict=True):
            verdict = judge(deadlines.policy, facts, raised, now)
            for breach in verdict.breaches:
                await self._raise(task_id, breach, facts)
            looked.append((task_id, facts, verdict.look))
        await deadlines.settle(looked)
        return len(tasks)

    async def _watch(self) -> None:
        while True:
            pause = self._every
            try:
                if await self.look() == _AT_ONCE:
                    pause = 0.0  # there is more
            except Unavailable:
                _log.debug("Redis is away; deadlines wait")
            except Exception:
                # One look that fails must not be the last one.
                _log.exception("looking for what is overdue failed; trying again")
            await asyncio.sleep(pause)

    async def _raise(self, task_id: str, breach: Breach, facts: Facts) -> None:
        limit = breach.limit
        # What is done is done at the first time; from then on people are reminded.
        wanted: tuple[Does, ...] = limit.actions if breach.first else ("notify",)
        has_hook = self._manager.deadlines.policy.webhook is not None
        actions: list[Does] = [
            does for does in wanted if does in limit.actions and (does != "notify" or has_hook)
        ]
        alert = await self._manager.alerts.raise_once(task_id, breach, facts, actions=actions)
        if alert is None:
            return
        RAISED.labels(limit.name, limit.measure, facts.agent).inc()
        _log.warning(
            "a limit is exceeded",
            task=task_id,
            agent=facts.agent,
            limit=limit.name,
            seconds=breach.allowed / 1000,
            repeat=breach.number,
            alert=alert,
        )
