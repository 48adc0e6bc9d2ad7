"""Deleting all that belongs to a customer: in parts, so that neither a crash nor a limit of time loses what is done.

keys ──► tasks in Redis ──► the archive ──► other systems ──► alerts, the audit
                 │
                 └── noted before they are deleted: what comes behind must still know them

Each part may be done twice. The lists and markers that tell what is left go behind what they list, the audit last.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from a2a_streaming.archive import Archive
from a2a_streaming.auth import authenticator
from a2a_streaming.backbone.erasures import Erasure
from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.belongings import Keeper, keys_of
from a2a_streaming.errors import TaskNotCancelable, TaskNotFound, Unavailable
from a2a_streaming.feeds import Feeds
from a2a_streaming.intervening import Interventions
from a2a_streaming.task import Json
from a2a_streaming.telemetry import get_logger

_log = get_logger(__name__)

_ROUNDS = 10
"""How often to look for tasks that were begun while others were deleted."""
_AT_ONCE = 32
"""Tasks that are deleted at once."""


class Outcome(NamedTuple):
    """What came of a deletion, or of a part of it.

    Args:
        done: Whether nothing is left.
        told: How many tasks, archived tasks and API keys were deleted, what of each other system, how many entries of the
            audit were redacted, and what stands there in the customer's place (`alias`). While it isn't done: so far,
            with what is being deleted (`at`), and how many of these are left (`left`; 0 where that isn't known).
    """

    done: bool
    told: Json


class Eraser:
    """Deletes what belongs to one customer.

    Args:
        manager: Redis.
        feeds: The process's feeds.
        archive: The archive; None if there is none.
        keepers: What keeps something of customers beside their tasks.
        owner: The customer; not empty.
    """

    def __init__(
        self,
        manager: RedisManager,
        feeds: Feeds,
        archive: Archive | None,
        keepers: Sequence[Keeper],
        owner: str,
    ) -> None:
        self._manager = manager
        self._noted = manager.erasures
        self._interventions = Interventions(manager, feeds)
        self._archive = archive
        self._keepers = keepers
        self._owner = owner

    async def go_on(self, by: str, *, seconds: float) -> Outcome:
        """Begin, or go on where it was broken off; stop after a while, to be asked again.

        Args:
            by: Who asks, as audits name them.
            seconds: For about how long; one step is taken at least.

        Raises:
            Unavailable: Redis or the archive is away: a part of it is done.
        """
        await self._noted.begin(self._owner, by)
        until = time.monotonic() + seconds
        parts: dict[str, Callable[[float], Awaitable[int | None]]] = {
            "keys": self._keys,
            "tasks": self._tasks,
            "archived": self._archived,
            "records": self._records,
            "alerts": self._alerts,
            "audit": self._audit,
        }
        for at, part in parts.items():
            left = await part(until)
            if left is not None:
                return Outcome(False, {**_told(await self._so_far()), "at": at, "left": left})
        so_far = await self._so_far()
        _log.info(
            "a customer's data are deleted", alias=so_far.alias, tasks=so_far.counts.get("tasks", 0)
        )
        return Outcome(True, _told(so_far))

    async def end(self) -> None:
        """Forget that there was a deletion: its outcome is noted.

        Raises:
            Unavailable: Redis is away.
        """
        await self._noted.end(self._owner)

    async def _so_far(self) -> Erasure:
        noted = await self._noted.under_way(self._owner)
        if noted is None:
            raise Unavailable("Another request has ended this deletion. Ask again.")
        return noted

    async def _keys(self, _until: float) -> None:
        """Delete their API keys, and wait until every process refuses them: so that no task is begun behind this."""
        keys = await keys_of(self._manager, self._owner)
        if keys:
            refused = int((time.time() + authenticator.KEYS_FRESH) * 1000)
            await self._noted.note(self._owner, refused=refused)
            removed = sum([await self._manager.credentials.remove(key.id) for key in keys])
            await self._noted.count(self._owner, "keys", removed)
        refused = (await self._so_far()).refused
        if refused is not None:
            await asyncio.sleep(max(0.0, refused / 1000 - time.time()))

    async def _tasks(self, until: float) -> int | None:
        """Delete their tasks; those, too, that are begun meanwhile."""

        async def delete(tasks: Sequence[str]) -> None:
            await self._noted.found(self._owner, tasks)
            await _all([self._task(task) for task in tasks])

        for _ in range(_ROUNDS):
            tasks = [task for _, task in await self._manager.index.tasks([("owner", self._owner)])]
            if not tasks:
                break
            left = await _in_parts(tasks, until, delete)
            if left is not None:
                return left
        return None

    async def _task(self, task: str) -> None:
        meta = await self._manager.snapshots.meta(task)
        if meta is not None and not meta.state.terminal:
            with contextlib.suppress(TaskNotCancelable, TaskNotFound):  # it has ended by itself
                await self._interventions.cancel(task)
        if meta is not None:
            await self._forget(task, meta.context, [meta.agent])
        else:  # Redis has forgotten it, and not yet all lists have
            await self._forget(task, "", await self._manager.nodes.agents())

    async def _forget(self, task: str, context: str, agents: Sequence[str]) -> None:
        forget = self._manager.ended.forget
        for agent in agents or [""]:
            await forget(task, owner=self._owner, context=context, agent=agent)

    async def _archived(self, until: float) -> int | None:
        archive = self._archive
        if archive is None:
            return None

        async def one(digest: str) -> None:
            story = await archive.at(digest)
            if story is not None:  # lists may have it yet
                await self._noted.found(self._owner, [story.id])
                await self._forget(story.id, story.context, [story.agent])
            await archive.forget(digest, self._owner)

        async def delete(digests: Sequence[str]) -> None:
            await _all([one(digest) for digest in digests])
            await self._noted.count(self._owner, "archived", len(digests))

        return await _in_parts(await archive.of_owner(self._owner), until, delete)

    async def _records(self, _until: float) -> None:
        """Delete what other systems keep; each does it in one."""
        tasks = await self._noted.tasks(self._owner)
        for keeper in self._keepers:
            erased = await keeper.erase(self._owner, tasks)
            known = (await self._so_far()).records
            sums = Counter(known.get(keeper.name, {}))
            sums.update(erased)
            await self._noted.note(self._owner, records={**known, keeper.name: dict(sums)})

    async def _alerts(self, until: float) -> int | None:
        """Delete their tasks' alerts, and what was noted of each: behind the rest, so that none is raised anew."""

        async def forget(task: str) -> None:
            await self._manager.alerts.forget(task)
            await self._manager.audit.forget(task)

        async def delete(tasks: Sequence[str]) -> None:
            await _all([forget(task) for task in tasks])
            await self._noted.lost(self._owner, tasks)

        return await _in_parts(await self._noted.tasks(self._owner), until, delete)

    async def _audit(self, until: float) -> int | None:
        """Take the customer out of the audit, a page at a time; how many are left isn't known."""
        noted = await self._so_far()
        after = noted.after
        while page := await self._manager.audit.redact(self._owner, noted.alias, after=after):
            after = page.after
            await self._noted.count(self._owner, "audit", page.redacted)
            await self._noted.note(self._owner, after=after)
            if time.monotonic() > until:
                return 0
        return None


async def _in_parts(
    things: Sequence[str], until: float, do: Callable[[Sequence[str]], Awaitable[None]]
) -> int | None:
    """Do something with some at a time, until all are done or time is over; returns how many are left then."""
    for start in range(0, len(things), _AT_ONCE):
        if start and time.monotonic() > until:
            return len(things) - start
        await do(things[start : start + _AT_ONCE])
    return None


async def _all(doing: Sequence[Awaitable[None]]) -> None:
    """Wait for all of them, also if one fails: nothing goes on behind the answer."""
    for one in await asyncio.gather(*doing, return_exceptions=True):
        if isinstance(one, BaseException):
            raise one


def _told(noted: Erasure) -> Json:
    counts = {what: noted.counts.get(what, 0) for what in ("tasks", "archived", "keys", "audit")}
    return {"alias": noted.alias, **counts, "records": noted.records}
