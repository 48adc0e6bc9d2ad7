"""Interventions: what those who oversee tasks, people and automation, do to one.

    retry      a run that hangs is fenced off, and another attempt begins at once
    cancel     the task ends; see `canceling.py`
    escalate   its agent hands it over to a person

Each is safe to ask again, and done once for each id under which it is asked. What is asked is noted in Redis before anybody acts on it, so whoever dies, somebody
does it.
"""

from __future__ import annotations

from enum import StrEnum

from a2a_streaming.backbone.interventions import Escalation, Outcome
from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.backbone.snapshots import Meta
from a2a_streaming.canceling import Canceling
from a2a_streaming.errors import TaskNotCancelable, TaskNotFound, UnsupportedOperation
from a2a_streaming.feeds import Feeds
from a2a_streaming.task import State

EMITS = "emits"
"""The step with which an agent that isn't resumable marks that it has begun to emit in a turn."""


class Done(StrEnum):
    """What came of an intervention."""

    REVOKED = "revoked"
    """The run has lost its lease, and another attempt begins."""
    HINTED = "hinted"
    """Nobody worked on the task; a worker is woken."""
    ASKED = "asked"
    """The agent is asked, and does it within moments."""
    BEFORE = "done before"
    """It was asked under the same id, and done; should that have been lost, a worker is woken again."""
    CANCELED = "canceled"
    """The task has ended as canceled."""


class Interventions:
    """Does it, whichever agent's task it is, and whether that agent runs here or elsewhere.

    Args:
        manager: Redis.
        feeds: The process's feeds.
    """

    def __init__(self, manager: RedisManager, feeds: Feeds) -> None:
        self._manager = manager
        self._feeds = feeds

    async def retry(self, task_id: str, *, asked: str = "") -> Done:
        """Let a run that hangs be fenced off, and another attempt begin at once.

        What finished steps have come to is kept. The attempts so far count no more.

        Args:
            task_id: The task, by its stored id.
            asked: An id: asked again under the same, it is done once; empty if who asks again means it.

        Raises:
            TaskNotFound: There is no such task.
            UnsupportedOperation: There is nothing to try again, or it can't be run twice.
            Unavailable: Redis is away.
        """
        meta = await self._meta(task_id)
        # Noted first: should this process die before a worker is woken, the sweep finds the task.
        await self._manager.index.open(meta.agent, task_id)
        outcome = await self._manager.interventions.revoke(task_id, once=EMITS, asked=asked)
        match outcome:
            case Outcome("GONE"):
                raise TaskNotFound(task_id)
            case Outcome("TERMINAL", State() as state):
                await self._manager.index.settle(meta.agent, task_id)
                raise UnsupportedOperation(
                    f"Task {task_id!r} has ended as {state.label}; there is nothing to try again."
                )
            case Outcome("IDLE", State() as state):
                await self._manager.index.settle(meta.agent, task_id)
                raise UnsupportedOperation(
                    f"Task {task_id!r} is {state.label}, and no message waits: there is nothing to try again."
                )
            case Outcome("ONCE"):
                raise UnsupportedOperation(
                    f"The agent {meta.agent!r} has begun to answer, and can't be run twice: cancel the task instead."
                )
            case _:
                await self._manager.work(meta.agent).hint(task_id)
        if outcome.code == "DONE":
            return Done.BEFORE
        return Done.REVOKED if outcome.busy else Done.HINTED

    async def cancel(self, task_id: str) -> Done:
        """Cancel a task; returns when it has ended, or when its run had all the time that it may take.

        Args:
            task_id: The task, by its stored id.

        Raises:
            TaskNotFound: There is no such task.
            TaskNotCancelable: It has ended otherwise.
            Unavailable: Redis is away.
        """
        meta = await self._meta(task_id)
        await Canceling(self._manager, self._feeds, meta.agent).cancel(task_id, task_id)
        state = (await self._meta(task_id)).state
        if state.terminal and state is not State.CANCELED:
            raise TaskNotCancelable(task_id, state.label)
        return Done.CANCELED if state is State.CANCELED else Done.ASKED

    async def escalate(self, task_id: str, *, by: str, reason: str, asked: str = "") -> Done:
        """Have a task's agent hand it over to a person, whatever it is doing.

        A run that is under way is interrupted; one whose process is dead is waited for until its lease ends.

        Args:
            task_id: The task, by its stored id.
            by: Who wants it, as audits name them; told in the task's metadata.
            reason: Why; told there, and to the person.
            asked: An id: asked again under the same, it is done once; empty if who asks again means it.

        Raises:
            TaskNotFound: There is no such task.
            UnsupportedOperation: It has ended, or its agent hands nothing over to people.
            Unavailable: Redis is away, or too few of its replicas know of it.
        """
        meta = await self._meta(task_id)
        await self._check_escalates(meta.agent)
        await self._manager.index.open(meta.agent, task_id)
        wanted = Escalation.new(by, reason, id=asked)
        outcome = await self._manager.interventions.escalate(task_id, wanted)
        match outcome:
            case Outcome("GONE"):
                raise TaskNotFound(task_id)
            case Outcome("TERMINAL", State() as state):
                await self._manager.index.settle(meta.agent, task_id)
                raise UnsupportedOperation(
                    f"Task {task_id!r} has ended as {state.label}; there is nothing to escalate."
                )
            case _:  # a damaged one is ended by whoever is woken
                await self._manager.work(meta.agent).hint(task_id)
        if outcome.code != "DAMAGED":
            await self._manager.durability.confirm(
                self._manager.interventions.asked_under(task_id, wanted.id)
            )
        return Done.BEFORE if outcome.code == "DONE" else Done.ASKED

    async def _meta(self, task_id: str) -> Meta:
        meta = await self._manager.snapshots.meta(task_id)
        if meta is None:
            raise TaskNotFound(task_id)
        return meta

    async def _check_escalates(self, agent: str) -> None:
        """Check that a live process says of the agent that it can.

        Raises:
            UnsupportedOperation: None does.
        """
        nodes = await self._manager.nodes.alive()
        serving = [node for node in nodes if agent in node["agents"]]
        if not serving:
            raise UnsupportedOperation(
                f"No process serves the agent {agent!r} now, so nobody can hand its task over."
            )
        if not any(agent in node["escalates"] for node in serving):
            raise UnsupportedOperation(
                f"The agent {agent!r} hands nothing over to people. Cancel its task, or escalate the task for "
                "which it works."
            )
