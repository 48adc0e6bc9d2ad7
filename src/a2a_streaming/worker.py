"""The worker: takes an agent's tasks one by one, under leases, and sees to it that none is forgotten.

hint ──► lease ──► turns ──► settled, hint acknowledged
   │        └── the process drains ──► lease given back, a new hint for another process
   └── somebody else's, or nothing to do ──► left for later, or acknowledged
"""

from __future__ import annotations

import asyncio
import contextlib
import time

from a2a_streaming import metrics
from a2a_streaming.agent import Agent, Unwatched
from a2a_streaming.auth import Authenticator
from a2a_streaming.backbone.connection import Command
from a2a_streaming.backbone.log import Grant, NoLease, Renewal
from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.backbone.work import Hint
from a2a_streaming.backbone.writer import LogWriter
from a2a_streaming.errors import Fenced, Unavailable
from a2a_streaming.failures import Failure
from a2a_streaming.task import Json, State, answered_by_message
from a2a_streaming.telemetry import bind, get_logger
from a2a_streaming.turns import Running, Stop, Turns

_log = get_logger(__name__)

_UNWATCHED_PAUSE = 0.5


class Worker:
    """Runs one agent's tasks in this process.

    Args:
        manager: Redis.
        agent: The agent.
        name: This process's name among the workers.
        authenticator: Signs what the agent acts for customers with.
    """

    def __init__(
        self, manager: RedisManager, agent: Agent, name: str, authenticator: Authenticator
    ) -> None:
        self._manager = manager
        self._agent = agent
        self._name = name
        self._settings = manager.settings
        self._work = manager.work(agent.name)
        self._turns = Turns(manager, agent, authenticator)
        self._running: dict[str, Running] = {}
        self._jobs: set[asyncio.Task[None]] = set()
        self._room = asyncio.Event()
        self._draining = False
        self._count = 0
        self._loops: list[asyncio.Task[None]] = []
        metrics.expect(agent.name, [failure.label for failure in Failure])

    def start(self) -> None:
        """Begin to take tasks; goes on whatever becomes of Redis, until `drain`."""
        self._manager.broadcast.on_control(self._control)
        self._loops = [
            asyncio.create_task(self._claim(), name=f"claim {self._agent.name}"),
            asyncio.create_task(self._tend(), name=f"tend {self._agent.name}"),
            asyncio.create_task(self._stop_the_unrenewed(), name=f"watch {self._agent.name}"),
        ]

    async def drain(self) -> None:
        """Take no more tasks, and hand what runs to other processes, without spending an attempt."""
        self._draining = True
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        for running in self._running.values():
            running.halt(Stop.DRAIN)
        if self._jobs:  # each waits for its agent for at most `cancel_seconds`, then hands over
            _, late = await asyncio.wait(self._jobs, timeout=self._settings.cancel_seconds + 1)
            for job in late:
                job.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self._work.aclose()
        with contextlib.suppress(Unavailable):  # others reclaim it once it has been idle
            await self._work.give_up(self._name)

    @property
    def runs(self) -> int:
        """How many tasks it works on."""
        return len(self._running)

    def _control(self, does: str, task_id: str) -> None:
        if (running := self._running.get(task_id)) is None:
            return
        match does:
            case "cancel":
                running.halt(Stop.CANCEL)
            case "retry":
                running.halt(Stop.RETRY)
            case "escalate" if self._agent.escalates:
                running.halt(Stop.ESCALATE)
            case _:  # of a newer version: it will hear of it when it renews
                pass

    async def _claim(self) -> None:
        pause = 0.05
        while True:
            if len(self._jobs) >= self._settings.max_runs:
                metrics.LIMITED.labels("runs").inc()
            while len(self._jobs) >= self._settings.max_runs:
                self._room.clear()
                await self._room.wait()
            try:
                free = self._settings.max_runs - len(self._jobs)
                hints = await self._work.next(self._name, free)
                pause = 0.05
            except Exception as error:  # a worker that fetches no more looks idle and is dead
                _log.warning(
                    "can't fetch work; trying again", agent=self._agent.name, reason=str(error)
                )
                await asyncio.sleep(pause)
                pause = min(pause * 2, 1.0)
                continue
            for hint in hints:
                self._take(hint)

    async def _tend(self) -> None:
        """Renew leases; take over what other workers dropped; find what no hint tells of."""
        lease = self._settings.lease_seconds
        rounds = 0
        while True:
            await asyncio.sleep(lease / 5)
            rounds += 1
            try:
                await self._renew()
                if self._agent.unwatched is not Unwatched.CARRY_ON:
                    await self._mind_watchers()
                free = self._settings.max_runs - len(self._jobs)
                if free > 0:
                    for hint in await self._work.reclaim(self._name, free):
                        self._take(hint)
                if rounds % 10 == 0:
                    await self._sweep()
            except Exception as error:  # without this loop every run loses its lease
                _log.warning(
                    "can't tend leases; trying again", agent=self._agent.name, reason=str(error)
                )

    async def _renew(self) -> None:
        # An agent may have something to do yet after its answer, with which the lease was given back.
        running = [one for one in self._running.values() if not one.writer.released]
        if not running:
            return
        now = asyncio.get_running_loop().time()
        answers = await self._manager.log.renew([r.grant for r in running])
        moving: list[Command] = []
        for one, answer in zip(running, answers, strict=True):
            if answer is Renewal.LOST:
                if not one.writer.released:
                    one.halt(Stop.FENCED)
                continue
            one.renewed = now
            if answer is Renewal.CANCEL:
                one.halt(Stop.CANCEL)
            elif answer is Renewal.ESCALATE and self._agent.escalates:
                one.halt(Stop.ESCALATE)
            if one.moved != one.writer.position:
                one.moved = one.writer.position
                moving += self._moving(one)
        # After the leases: who takes a hint over then finds that its lease has ended too.
        await self._work.renew(self._name, [item for one in running for item in one.items])
        ids = [r.grant.task_id for r in running]
        await self._manager.index.open(self._agent.name, *ids, then=moving)

    def _moving(self, running: Running) -> list[Command]:
        """Return what notes that a task isn't silent, though its state stays the same."""
        grant = running.grant
        return self._manager.index.moving(
            grant.task_id,
            owner=grant.owner,
            context=grant.context,
            agent=grant.agent,
            state=running.writer.state,
        )

    async def _mind_watchers(self) -> None:
        """Do what the agent wants when nobody watches a run any more."""
        running = list(self._running.values())
        now = asyncio.get_running_loop().time()
        counts = await self._manager.subscriptions.counts([r.grant.task_id for r in running])
        for one, count in zip(running, counts, strict=True):
            if count:
                one.watched = now
            unwatched = now - one.watched >= self._agent.unwatched_seconds
            if unwatched and self._agent.unwatched is Unwatched.CANCEL:
                _log.info("nobody watches; canceling", task=one.grant.task_id)
                one.halt(Stop.CANCEL)
            elif one.run is not None:
                one.run.pause = _UNWATCHED_PAUSE if unwatched else 0.0

    async def _stop_the_unrenewed(self) -> None:
        """A run that can't renew its lease in time stops itself before the lease ends."""
        lease = self._settings.lease_seconds
        loop = asyncio.get_running_loop()
        while True:  # its own loop: the other may wait for Redis for longer than a lease
            before = loop.time()
            await asyncio.sleep(lease / 10)
            if loop.time() - before > lease / 2:
                continue  # the process stood still; the lease may be ours yet, so try to renew first
            limit = loop.time() - 0.8 * lease
            for running in self._running.values():
                if running.renewed < limit and not running.writer.released:
                    running.halt(Stop.FENCED)

    async def _sweep(self) -> None:
        """Hint at tasks that wait and at which nobody has looked for a while. A hint too many is harmless."""
        own, index = self._agent.name, self._manager.index
        found = await self._manager.sweep.page(own)
        found.setdefault(own, []).extend(
            found.pop("", [])
        )  # of no known agent: any worker can end them
        for agent, waiting in found.items():
            # What is on the list is found there, a few at a time: a backlog isn't hinted at in full.
            tasks = await index.unlisted(agent, waiting)
            if agent == own:
                tasks += await index.neglected(own, seconds=2 * self._settings.lease_seconds)
            if tasks:
                await index.open(agent, *tasks)
                await self._manager.work(agent).hint(*tasks)
        await self._work.forget_the_dead()

    def _take(self, hint: Hint) -> None:
        running = self._running.get(hint.task_id)
        if running is not None and running.stop is not Stop.RETRY:
            running.items.append(hint.item)  # acknowledged when that run has settled the task
            return
        job = asyncio.create_task(self._do(hint), name=f"{self._agent.name} {hint.task_id}")
        self._jobs.add(job)
        job.add_done_callback(self._finished)

    def _finished(self, job: asyncio.Task[None]) -> None:
        self._jobs.discard(job)
        self._room.set()
        if not job.cancelled() and (error := job.exception()) is not None:
            _log.error("a worker's job failed", agent=self._agent.name, exc_info=error)

    async def _do(self, hint: Hint) -> None:
        began = asyncio.get_running_loop().time()
        bind(agent=self._agent.name, task=hint.task_id)
        lease = await self._lease(hint.task_id)
        if not isinstance(lease, Grant):
            if lease is not None and lease.reason != "BUSY":
                await self._settle(hint.task_id, [hint.item])
            return  # else the hint stays pending
        bind(context=lease.context, run=lease.epoch)
        metrics.LEASES.labels(self._agent.name, "first" if lease.attempt == 1 else "again").inc()
        writer = LogWriter(
            self._manager.log,
            lease,
            on_state=lambda now, was: self._record(lease, writer.task, now, was),
        )
        running = Running(lease, writer, began, [hint.item], watched=began)
        self._running[hint.task_id] = running
        if self._draining:
            running.halt(Stop.DRAIN)
        try:
            await self._turns.handle(running)
        except Fenced:
            await self._let_go(running)
            return
        except Unavailable:
            _log.warning("Redis is away; the task goes on when it is back", task=hint.task_id)
            return
        finally:
            if self._running.get(hint.task_id) is running:  # else another attempt is under way
                del self._running[hint.task_id]
        if running.stop is Stop.DRAIN and not writer.state.terminal:
            await self._hand_over(running)
            return
        if lease.task_ended:
            await self._cleaned(running)
        await self._settle(hint.task_id, running.items)
        if not running.cleaned:
            with contextlib.suppress(Unavailable):  # the sweep sees to it that it is tried again
                await self._manager.index.open(self._agent.name, hint.task_id)

    async def _lease(self, task_id: str) -> Grant | NoLease | None:
        """Take the lease on a task; None while Redis is away."""
        self._count += 1
        holder = f"{self._name}/{self._agent.name}/{self._count}"
        try:
            lease = await self._manager.log.lease(task_id, holder)
            if isinstance(lease, NoLease) and lease.reason == "DAMAGED":
                await self._manager.restore(task_id)
                lease = await self._manager.log.lease(task_id, holder)
        except Unavailable:
            return None
        return lease

    async def _record(self, grant: Grant, task: Json, now: State, was: State) -> None:
        index = self._manager.index
        about = {"owner": grant.owner, "context": grant.context, "agent": grant.agent}
        with contextlib.suppress(
            Unavailable
        ):  # the next change, or the sweep, writes the lists anew
            if answered_by_message(task):
                await index.forget(grant.task_id, **about)
            else:
                at = time.time_ns() // 1_000_000
                elapsed = grant.elapsed
                noted = self._manager.deadlines.arming(
                    grant.task_id,
                    agent=grant.agent,
                    state=now,
                    since=at,
                    created=None if elapsed is None else at - round(elapsed),
                )
                await index.record(grant.task_id, **about, state=now, was=was, then=noted)

    async def _settle(self, task_id: str, items: list[str]) -> None:
        index = self._manager.index
        with contextlib.suppress(Unavailable):  # found again by reclaim, and settled then
            await index.settle(self._agent.name, task_id)
            # A message may have come in since its inbox was seen to be empty, its hint be among these.
            if await self._manager.inbox.waiting(task_id):
                await index.open(self._agent.name, task_id)
                await self._work.hint(task_id)
            await self._work.done(*items)

    async def _cleaned(self, running: Running) -> None:
        """Note that a task that has ended is cleaned up, or that it is tried no more."""
        grant = running.grant
        if not running.cleaned and grant.attempt >= self._settings.max_attempts:
            _log.error("gave up on cleaning up", task=grant.task_id, attempts=grant.attempt)
            running.cleaned = True
        if running.cleaned:
            with contextlib.suppress(Unavailable):  # it is cleaned up once more
                await self._manager.log.release(grant, cleaned=True)

    async def _let_go(self, running: Running) -> None:
        """Leave a task to who has its lease, or takes it: one of its hints may be the one that is to wake them."""
        metrics.LEASES_LOST.labels(self._agent.name).inc()
        _log.warning("lost the lease; another process goes on", task=running.grant.task_id)
        woken = len(running.items) > 1
        if not woken and running.stop is not Stop.RETRY:
            return  # reclaimed once it has been idle
        with contextlib.suppress(Unavailable):  # likewise
            if woken:
                await self._work.hint(running.grant.task_id)
            await self._work.done(*running.items)

    async def _hand_over(self, running: Running) -> None:
        # If it fails, the lease runs out, and the hint is reclaimed.
        with contextlib.suppress(Unavailable, Fenced):
            await running.writer.drain()  # a finished step's result may be on its way
            await self._manager.log.release(running.grant)
            await self._work.hint(running.grant.task_id)
            await self._work.done(*running.items)
