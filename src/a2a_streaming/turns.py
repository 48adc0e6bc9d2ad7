"""Turns: an agent is run on a task's messages, and whatever it does, each turn ends.

turn ──► the agent answers                     ──► its answer; the next message, if one waits
  ├────► it raises, hangs, or says nothing     ──► failed, with a reason that a customer may read
  ├────► a customer cancels                    ──► canceled, after the agent has cleaned up
  ├────► somebody has it escalated             ──► another turn at once, of the agent's `escalate`
  ├────► the lease is lost                     ──► nothing more; whoever holds it goes on
  └────► the process drains                    ──► nothing more; the lease is given back
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import partial

from a2a_streaming import metrics, tracing
from a2a_streaming.accepting import trace_of
from a2a_streaming.agent import Agent
from a2a_streaming.attempt import begin_again
from a2a_streaming.auth import Authenticator
from a2a_streaming.backbone.inbox import InboxEntry
from a2a_streaming.backbone.interventions import ESCALATED, Escalation
from a2a_streaming.backbone.log import Grant
from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.backbone.writer import LogWriter
from a2a_streaming.caller import demo_token
from a2a_streaming.errors import Fenced, Unavailable
from a2a_streaming.event import message, status_event, text_part
from a2a_streaming.failures import Failure
from a2a_streaming.intervening import EMITS
from a2a_streaming.position import Position
from a2a_streaming.run import Run
from a2a_streaming.task import Json, State, mentions, state_of
from a2a_streaming.telemetry import bind, get_logger
from a2a_streaming.watchdog import interruptible

_log = get_logger(__name__)

_CANCELED = "This request was canceled."

_DRAIN = 0.5
"""Seconds that an agent gets to stop when its process drains: then another goes on in its place."""


class Stop(Enum):
    """Why a run is stopped from outside."""

    ESCALATE = auto()
    CANCEL = auto()
    FENCED = auto()
    RETRY = auto()
    """Its lease was taken from it, so that another attempt begins."""
    DRAIN = auto()

    @property
    def rank(self) -> int:
        """How much it weighs: one that weighs more takes the place of one that weighs less."""
        return {Stop.ESCALATE: 0, Stop.CANCEL: 1}.get(self, 2)


_LOST = (Stop.FENCED, Stop.RETRY)


@dataclass(slots=True)
class Running:
    """A task that this process works on.

    Args:
        grant: Its lease.
        writer: Appends to its log.
        renewed: When the lease was last known to be ours, by the loop's clock.
        items: The hints to acknowledge when it is settled.
        watched: When somebody was last seen to watch it.
        run: The turn that is under way.
        cleaned: Whether nothing is left to clean up after the task's end.
        stop: Why it is to stop; None while it may go on.
        stopped: Set with `stop`.
        moved: Where its log ended when its lease was last renewed.
    """

    grant: Grant
    writer: LogWriter
    renewed: float
    items: list[str] = field(default_factory=list[str])
    watched: float = 0.0
    run: Run | None = None
    cleaned: bool = True
    stop: Stop | None = None
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    moved: Position | None = None

    def halt(self, why: Stop) -> None:
        """Stop it, once; for what weighs more, once more."""
        if why is Stop.ESCALATE:
            if self.writer.escalating:
                return  # that is what it is doing
            self.writer.escalated = True
        if self.stop is None or self.stop.rank < why.rank:
            self.stop = why
            self.stopped.set()

    def go_on(self) -> None:
        """Let the next turn begin, if this one was only stopped for that."""
        if self.stop is Stop.ESCALATE:
            self.stop = None
            self.stopped = asyncio.Event()


class Turns:
    """Runs one agent on messages.

    Args:
        manager: Redis.
        agent: The agent.
        authenticator: Signs what the agent acts for customers with.
    """

    def __init__(self, manager: RedisManager, agent: Agent, authenticator: Authenticator) -> None:
        self._manager = manager
        self._agent = agent
        self._authenticator = authenticator
        self._settings = manager.settings

    async def handle(self, running: Running) -> None:
        """Handle the waiting messages in order, until none waits or the run is stopped.

        Args:
            running: The task, under its lease.

        Raises:
            Fenced: The lease is lost: another process goes on.
            Unavailable: Redis is away: the task goes on when it is back.
        """
        grant, writer = running.grant, running.writer
        if grant.task_ended:  # ended while nobody worked on it, and the agent can't know yet
            run = self._run(running, _latest(grant.task), {})
            await self._clean_up(running, run, state_of(grant.task))
            return
        if grant.damaged:
            _log.error("Redis has lost parts of a task", task=grant.task_id)
            self._count(Failure.DAMAGED)
            await self._end(running, State.FAILED, Failure.DAMAGED.text)
            return
        attempt, steps = grant.attempt, grant.steps
        while True:
            entry = grant.entry
            if writer.canceled:
                running.halt(Stop.CANCEL)
            running.go_on()
            if not await self._go_on(running, attempt, steps):
                return
            if running.stop in (Stop.DRAIN, *_LOST) or writer.state.terminal:
                return
            if grant.entry is None and not writer.canceled and not writer.escalated:
                return
            if grant.entry is not entry:  # else the turn was only interrupted
                attempt, steps = 1, {}

    async def _go_on(self, running: Running, attempt: int, steps: dict[str, bytes]) -> bool:
        """Let the next turn take place, or end the task without.

        Returns:
            Whether there was one.
        """
        grant, writer, entry = running.grant, running.writer, running.grant.entry
        if running.stop is Stop.CANCEL:
            await self._abandon(running, attempt, steps)
            return False
        if attempt > self._settings.max_attempts:
            _log.error("gave up on a turn", task=grant.task_id, attempts=attempt - 1)
            self._count(Failure.EXHAUSTED)
            await self._abandon(running, attempt, steps, State.FAILED, Failure.EXHAUSTED.text)
            return False
        if writer.escalated and (asked := await self._asked(running)) is not None:
            await self._escalate(running, asked, attempt, steps)
            return True
        if entry is None:  # it was only to be escalated
            await self._manager.log.release(grant)
            return False
        if not self._agent.resumable and f"s {EMITS}" in steps:
            _log.error("not run twice: it isn't resumable, and had begun", task=grant.task_id)
            self._count(Failure.NOT_TWICE)
            await self._abandon(running, attempt, steps, State.FAILED, Failure.NOT_TWICE.text)
            return False
        run = running.run = self._run(running, entry, steps, attempt=attempt)
        run.found = await self._begin(running, entry, steps)
        await self._turn(running, run, partial(self._agent.run, run))
        return True

    async def _asked(self, running: Running) -> Escalation | None:
        """Return what the agent is asked to escalate; None if that is done, or it can't."""
        running.writer.escalated = False
        asked = await self._manager.interventions.asked(running.grant.task_id)
        if asked is None or self._agent.escalates:
            return asked
        _log.warning("the agent can't escalate", task=running.grant.task_id, agent=self._agent.name)
        await self._manager.interventions.forget(running.grant.task_id)
        return None

    async def _escalate(
        self, running: Running, asked: Escalation, attempt: int, steps: dict[str, bytes]
    ) -> None:
        """Let the agent hand the task over to a person, in the place of a turn."""
        grant, writer = running.grant, running.writer
        entry = grant.entry or _latest(writer.task)
        if not entry.message_id:  # nothing of it is left, and yet the turn has to be settled
            entry = InboxEntry(asked.id, entry.message)
        apart = f"escalate {asked.id} "
        run = running.run = self._run(running, entry, steps, attempt=attempt, apart=apart)
        run.found = writer.state
        writer.escalating = True
        try:
            if grant.entry is not None:
                run.found = await self._begin(running, entry, steps)
            if writer.task.get("metadata", {}).get(ESCALATED) != asked.told():
                said = status_event(
                    grant.told_id,
                    grant.context,
                    State.WORKING,
                    metadata={ESCALATED: asked.told()},
                )
                await writer.append(said)
            await self._turn(running, run, partial(self._agent.escalate, run, asked.reason))
        finally:
            writer.escalating = False

    async def _begin(self, running: Running, entry: InboxEntry, steps: dict[str, bytes]) -> State:
        """Write what a turn begins with: its message, or in a second attempt what is left of the first.

        Returns:
            The state in which the turn found the task.
        """
        grant, writer = running.grant, running.writer
        found = writer.state
        if not mentions(writer.task, entry.message_id):
            await writer.append(
                status_event(grant.told_id, grant.context, State.WORKING, entry.message)
            )
        elif writer.position.offset > 1:
            first = writer.task["history"][0]["messageId"] == entry.message_id
            found = State.SUBMITTED if first else State.INPUT_REQUIRED
            await writer.append(*begin_again(writer.task, entry.message_id, steps))
        return found

    def _run(
        self,
        running: Running,
        entry: InboxEntry,
        steps: dict[str, bytes],
        *,
        attempt: int = 1,
        apart: str = "",
    ) -> Run:
        return Run(
            running.grant,
            entry,
            attempt=attempt,
            writer=running.writer,
            steps=steps,
            subscriptions=self._manager.subscriptions,
            acting=partial(self._acting_token, running.grant.owner),
            apart=apart,
        )

    async def _acting_token(self, owner: str) -> str | None:
        if not self._settings.authenticates:
            return demo_token(owner)
        if not owner:
            return None
        return await self._authenticator.acting_token(self._agent.name, owner)

    async def _abandon(
        self,
        running: Running,
        attempt: int,
        steps: dict[str, bytes],
        state: State = State.CANCELED,
        text: str = _CANCELED,
    ) -> None:
        """End a task without a further turn; what earlier turns or attempts began is cleaned up first."""
        grant = running.grant
        # If that is what kills the process each time, it ends without.
        begun = grant.begun or running.writer.position.offset > 1
        if begun and attempt <= self._settings.max_attempts + 1:
            entry = grant.entry or _latest(running.writer.task)
            run = self._run(running, entry, steps, attempt=attempt)
            await self._clean_up(running, run, state)
        await self._end(running, state, text)

    async def _turn(self, running: Running, run: Run, act: Callable[[], Awaitable[None]]) -> None:
        """Let the agent act on one message, and see to it that the turn ends."""
        grant = running.grant
        with tracing.span(
            f"run {self._agent.name}",
            "consumer",
            parent=trace_of(run.message),
            agent=self._agent.name,
            task_id=grant.task_id,
            context_id=grant.context,
            message_id=run.message_id,
            run=grant.epoch,
            attempt=run.attempt,
        ) as span:
            bind(attempt=run.attempt, trace=tracing.trace_id())
            await self._act(running, run, act)
            span.note(state=running.writer.state.label)
            if running.stop is not None:
                span.note(stopped=running.stop.name.lower())
            elif running.writer.state is State.FAILED:
                span.fail("failed")

    async def _act(self, running: Running, run: Run, act: Callable[[], Awaitable[None]]) -> None:
        turn = asyncio.create_task(_run_agent(act), name=f"run {run.task_id}")
        if running.stop is not None:
            turn.cancel()
        finished = await self._finish(turn, running)
        answered = run.ended
        run.close()  # also for an agent that doesn't stop
        error = turn.exception() if turn.done() and not turn.cancelled() else None
        if answered:
            await running.writer.drain()  # a cancel may have cut the agent's waiting for it short
            if error is not None:
                _log.error("the agent raised after its answer", task=run.stored_id, exc_info=error)
            return
        if running.stop in _LOST:
            raise Fenced(run.task_id, running.grant.epoch)
        if isinstance(error, Fenced | Unavailable):
            raise error
        if running.stop in (Stop.DRAIN, Stop.ESCALATE):
            return
        if running.stop is Stop.CANCEL:
            await self._clean_up(running, run, State.CANCELED)
            await self._end(running, State.CANCELED, _CANCELED, run.farewell)
            return
        failure = Failure.of(error, finished=finished, canceled=turn.cancelled())
        self._count(failure)
        _log.error(
            f"the agent failed: {failure.why}",
            task=run.stored_id,
            agent=self._agent.name,
            exc_info=error,
        )
        await self._clean_up(running, run, State.FAILED)
        await self._end(running, State.FAILED, failure.text)

    def _count(self, failure: Failure) -> None:
        metrics.RUNS_FAILED.labels(self._agent.name, failure.label).inc()

    async def _finish(self, turn: asyncio.Task[None], running: Running) -> bool:
        """Wait for an agent to return. If it takes too long or is stopped, it gets a while to clean up.

        Returns:
            Whether it had its time, and returned in it or was stopped from outside.
        """
        settings = self._settings
        stopped = asyncio.create_task(running.stopped.wait())
        try:
            done, _ = await asyncio.wait(
                {turn, stopped}, timeout=settings.run_seconds, return_when=asyncio.FIRST_COMPLETED
            )
            drains = running.stop is Stop.DRAIN
            if turn not in done and drains and not self._agent.resumable:
                await asyncio.wait(
                    {turn}, timeout=settings.cancel_seconds
                )  # nobody else may finish it
            if not turn.done():
                turn.cancel()
                await asyncio.wait({turn}, timeout=_DRAIN if drains else settings.cancel_seconds)
            return bool(done)
        finally:
            stopped.cancel()

    async def _clean_up(self, running: Running, run: Run, state: State) -> None:
        """Let the agent clean up after a task that it doesn't end itself; failing that, again later."""
        run.close()
        run.ends_as = state
        act = partial(self._agent.cancel, run)
        job = asyncio.create_task(_run_agent(act), name=f"clean up {run.task_id}")
        done, _ = await asyncio.wait({job}, timeout=self._settings.cancel_seconds)
        running.cleaned = False
        if not done:
            job.cancel()
            _log.error("the agent's cancel is too slow", task=run.stored_id, agent=self._agent.name)
        elif not job.cancelled() and (error := job.exception()) is not None:
            # An agent's code may raise anything; the task ends all the same.
            _log.error(
                "the agent's cancel raised",
                task=run.stored_id,
                agent=self._agent.name,
                exc_info=error,
            )
        else:
            running.cleaned = True

    async def _end(
        self, running: Running, state: State, text: str, said: Json | None = None
    ) -> None:
        grant = running.grant
        if said is None:
            said = message(
                "agent", [text_part(text)], task_id=grant.told_id, context_id=grant.context
            )
        await running.writer.append(
            status_event(grant.told_id, grant.context, state, said), cleanup=not running.cleaned
        )


async def _run_agent(act: Callable[[], Awaitable[None]]) -> None:
    try:
        with interruptible():
            await act()
    except SystemExit as error:  # it would end this process, and every other run in it
        raise RuntimeError("the agent called sys.exit()") from error


def _latest(task: Json) -> InboxEntry:
    """Return a task's latest message of its customer, as it stood in the inbox."""
    said = [task["status"].get("message"), *reversed(task.get("history", ()))]
    for one in said:
        if one is not None and one["role"] == "ROLE_USER":
            return InboxEntry(one["messageId"], one)
    return InboxEntry("", {"messageId": "", "role": "ROLE_USER", "parts": []})
