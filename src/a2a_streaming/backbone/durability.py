"""Durability: what was accepted is at so many replicas before who sent it is told so.

Replication is one ordered stream for each primary. So a small write on a link of its own, the mark, is at a replica only
when all that was written before it is; Redis' WAIT tells when. A link waits for one mark at a time, and whoever comes
meanwhile shares the next. As WAIT blocks its link, nothing else is asked there.

The mark alone wouldn't do: after a failover it stands at another server than what it is to vouch for. So what was
accepted is read on the very link on which the mark is written. If it isn't there, it is lost, and its sender is told.

Source: Redis' documentation of WAIT.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from a2a_streaming.backbone.connection import Command, CommandFailed, Link, LinkLost, Store
from a2a_streaming.backbone.keys import Keys
from a2a_streaming.backbone.link import Redirected
from a2a_streaming.errors import Unavailable, Unconfirmed
from a2a_streaming.metrics import UNCONFIRMED
from a2a_streaming.settings import Settings

_MARK_MS = 10_000
_GRACE = 1.0
"""Seconds that connecting may take, and that a reply may be late, before the link counts as dead."""


@dataclass(frozen=True, slots=True)
class Proof:
    """How it is seen that something was accepted.

    Args:
        task_id: The task that it concerns.
        command: What is read, from keys of that task.
        holds: Whether the reply shows it.
    """

    task_id: str
    command: Command
    holds: Callable[[Any], bool]


class Durability:
    """Waits for replicas, if the settings ask for any.

    Args:
        store: Redis.
        keys: Names of keys.
        settings: How many replicas, and for how long they are waited for.
    """

    def __init__(self, store: Store, keys: Keys, settings: Settings) -> None:
        self._store = store
        self._keys = keys
        self._count = settings.redis_replicas
        self._ms = settings.redis_replicas_ms
        self._primaries: dict[str, _Primary] = {}
        self._closed = False
        self.on = self._count > 0
        """Whether anything is waited for."""

    async def confirm(self, proof: Proof) -> None:
        """Return when what was accepted is at as many replicas as the settings ask for.

        Args:
            proof: How it is seen that it was accepted; that has been answered.

        Raises:
            Unconfirmed: It isn't, or not in time. It may be carried out all the same; send it again.
            CommandFailed: Redis doesn't know WAIT, or refuses it.
        """
        if not self.on:
            return
        try:
            acknowledged = await self._ask(proof)
        except Unavailable as away:
            UNCONFIRMED.labels("away").inc()
            raise Unconfirmed from away
        if acknowledged is None:
            UNCONFIRMED.labels("lost").inc()
            raise Unconfirmed
        if acknowledged < self._count:
            UNCONFIRMED.labels("late").inc()
            raise Unconfirmed

    async def _ask(self, proof: Proof) -> int | None:
        """Return how many replicas have it; None if the primary hasn't. A link that is lost, or leads elsewhere by now, is replaced once."""
        mark = self._keys.mark(proof.task_id)
        try:
            return await self._primary_of(mark).ask(mark, proof)
        except (LinkLost, Redirected) as error:
            if isinstance(error.__cause__, TimeoutError):
                raise
            await self._store.topology.locate()
            return await self._primary_of(mark).ask(mark, proof)

    def _primary_of(self, mark: str) -> _Primary:
        if self._closed:
            raise _closed()
        name = self._store.topology.home(mark)
        primary = self._primaries.get(name)
        if primary is None:
            primary = self._primaries[name] = _Primary(self._store, self._count, self._ms)
        return primary

    async def aclose(self) -> None:
        """Wait for nothing any more."""
        self._closed = True
        for primary in self._primaries.values():
            await primary.aclose()


class _Primary:
    """One primary, whose replicas are waited for.

    Args:
        store: Redis.
        count: How many replicas.
        ms: For how long, ms.
    """

    def __init__(self, store: Store, count: int, ms: int) -> None:
        self._store = store
        self._wait: Command = ["WAIT", count, ms]
        self._patience = ms / 1000 + _GRACE
        self._asked: list[tuple[str, Proof, asyncio.Future[int | None]]] = []
        self._working: asyncio.Task[None] | None = None
        self._link: Link | None = None

    async def ask(self, mark: str, proof: Proof) -> int | None:
        """Return how many replicas have what was accepted; None if the primary hasn't.

        Args:
            mark: A key in the slot of what was accepted.
            proof: How it is seen.

        Raises:
            Unavailable: The primary is away, or isn't one, or its keys are elsewhere.
            CommandFailed: It refuses a command.
        """
        told: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        self._asked.append((mark, proof, told))
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._work(), name="wait for replicas")
        return await told

    async def _work(self) -> None:
        """Wait for what was asked together, until nobody asks."""
        while self._asked:
            asked, self._asked = self._asked, []
            try:
                replies = await self._round(asked)
            except (Unavailable, CommandFailed) as error:
                replies: list[Any] = [error] * (len(asked) + 2)
            except asyncio.CancelledError:
                self._asked += asked  # who closes tells them
                raise
            *found, marked, acknowledged = replies
            for (_, proof, told), reply in zip(asked, found, strict=True):
                refused = [one for one in (marked, reply, acknowledged) if _is_refused(one)]
                if told.done():  # whoever asked has been canceled
                    continue
                if refused:
                    told.set_exception(refused[0])
                else:
                    told.set_result(acknowledged if proof.holds(reply) else None)

    async def _round(self, asked: list[tuple[str, Proof, Any]]) -> list[Any]:
        """Return the replies to the proofs, to the mark, and to WAIT."""
        mark = asked[0][0]
        try:
            async with asyncio.timeout(self._patience):
                if self._link is None or self._link.ended.done():
                    self._link = await self._store.dedicated(mark)
                proofs = [proof.command for _, proof, _ in asked]
                return await self._link.ask_all(
                    [*proofs, ["SET", mark, "", "PX", _MARK_MS], self._wait]
                )
        except TimeoutError as error:
            link, self._link = self._link, None
            if link is not None:
                link.abort(error)
            raise LinkLost(error) from error

    async def aclose(self) -> None:
        """Wait no more, and close the link."""
        if self._working is not None:
            self._working.cancel()
            await asyncio.wait({self._working})
        for _, _, told in self._asked:
            if not told.done():
                told.set_exception(_closed())
        link, self._link = self._link, None
        if link is not None:
            await link.aclose()


def _closed() -> LinkLost:
    return LinkLost(ConnectionError("the store is closed"))


def _is_refused(reply: Any) -> bool:
    return isinstance(reply, Exception)
