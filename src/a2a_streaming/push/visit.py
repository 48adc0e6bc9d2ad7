"""A visit: what a process does for one task's webhooks, from when it takes the task until it lets it go."""

from __future__ import annotations

import asyncio
from typing import TypeAlias

from a2a_streaming.errors import Unavailable
from a2a_streaming.push.telling import Lost, Means, Teller
from a2a_streaming.telemetry import get_logger

_log = get_logger(__name__)

_PATIENT = 2.0
"""For how many seconds a task is kept whose webhooks all are to be tried again later."""

_Key: TypeAlias = tuple[str, str]
"""A webhook, and which setting of it."""


class Visit:
    """Tells each of a task's webhooks what follows. One that fails holds up no other.

    Args:
        means: What that needs.
        task_id: The task.
    """

    def __init__(self, means: Means, task_id: str) -> None:
        self._means = means
        self._webhooks = means.manager.webhooks
        self._outbox = means.manager.outbox
        self._task_id = task_id
        self._tellers: dict[_Key, Teller] = {}
        self._jobs: dict[_Key, asyncio.Task[float | None]] = {}
        self._due: dict[_Key, float] = {}
        self.changed = asyncio.Event()
        """To be set when the task's webhooks have changed."""
        self.changed.set()
        self.changes: str | None = None
        """How often the webhooks had changed when they were read last; None before."""

    @property
    def idle(self) -> bool:
        """Whether no post is under way."""
        return not any(teller.posting for teller in self._tellers.values())

    async def run(self) -> None:
        """Tell all there is, until the task has ended, or all that is left is to wait."""
        try:
            await self._run()
        except (Lost, Unavailable):
            return  # another one has it, or will have it when Redis is back
        except Exception:
            _log.exception("pushing failed", task=self._task_id)
        finally:
            jobs = [*self._jobs.values()]
            for job in jobs:
                job.cancel()
            await asyncio.gather(*jobs, return_exceptions=True)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            if self.changed.is_set():
                self.changed.clear()
                await self._read()
            now = loop.time()
            for key, at in [*self._due.items()]:
                if at <= now:
                    del self._due[key]
                    self._jobs[key] = asyncio.create_task(self._tellers[key].tell())
            wait = min(self._due.values()) - now if self._due else None
            if not self._jobs and (wait is None or wait > _PATIENT):
                await self._let_go(wait)
                return
            await self._something(wait)

    async def _read(self) -> None:
        """Read the webhooks; tell those that are new, and let those be that are gone."""
        self.changes, webhooks = await self._webhooks.take(self._task_id, self._means.holder)
        found = {(one.id, one.setting): one for one in webhooks}
        for key in self._tellers.keys() - found.keys():
            del self._tellers[key]
            self._due.pop(key, None)
            if job := self._jobs.pop(key, None):
                job.cancel()
                await asyncio.gather(job, return_exceptions=True)
        for key in found.keys() - self._tellers.keys():
            teller = self._tellers[key] = Teller(self._means, found[key])
            self._due[key] = asyncio.get_running_loop().time() + teller.wait

    async def _something(self, wait: float | None) -> None:
        """Wait until a webhook has been told all, or fails, or has changed, or is to be tried again."""
        changed = asyncio.create_task(self.changed.wait())
        try:
            await asyncio.wait(
                {changed, *self._jobs.values()},
                timeout=wait,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            changed.cancel()
        for key, job in [*self._jobs.items()]:
            if job.done():
                del self._jobs[key]
                after = job.result()
                if after is not None:
                    self._due[key] = asyncio.get_running_loop().time() + after

    async def _let_go(self, wait: float | None) -> None:
        """Leave the task to whoever looks when the first webhook is to be tried again; None: it is done with."""
        if wait is None:
            await self._outbox.settle(self._task_id)
        else:
            await self._outbox.later({self._task_id: wait})
        # Who has set a webhook meanwhile was before us on the list, or sees to it that the task is on it.
        [(_, changes)] = await self._webhooks.changes([self._task_id])
        if changes != self.changes:
            await self._outbox.enlist(self._task_id)
