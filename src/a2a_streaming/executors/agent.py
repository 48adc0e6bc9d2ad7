"""An `AgentExecutor` of a2a-sdk as an `Agent`."""

from __future__ import annotations

import inspect

from a2a.server.agent_execution import AgentExecutor
from a2a.types import AgentCard

from a2a_streaming.agent import Agent
from a2a_streaming.errors import SetupError
from a2a_streaming.executors.context import request_context
from a2a_streaming.executors.queue import CancelQueue, RunQueue
from a2a_streaming.run import Run
from a2a_streaming.task import State
from a2a_streaming.telemetry import get_logger

_log = get_logger(__name__)


class ExecutorAgent(Agent):
    """Runs an executor for each message.

    Once it has emitted in a turn whose process dies, it is run again only if it has a true attribute
    `resumable`; else the task ends as failed.

    Args:
        executor: The executor.
        card: What it can do.
    """

    may_answer_with_message = True

    def __init__(self, executor: AgentExecutor, card: AgentCard) -> None:
        self.executor = executor
        self.card = card
        self.resumable = bool(getattr(executor, "resumable", False))

    async def run(self, run: Run) -> None:
        """Let the executor handle one message.

        Args:
            run: The turn.

        Raises:
            ValueError: The executor emitted what doesn't belong to its task.
            InvalidTransition: The executor wanted a state that can't follow.
            Fenced: Another process has taken the task over.
        """
        queue = RunQueue(run)
        await self.executor.execute(request_context(run), queue)
        await queue.finish()

    async def cancel(self, run: Run) -> None:
        """Let the executor cancel a task, once, as a2a-sdk does; what it raises is logged.

        Args:
            run: The latest turn.
        """
        if run.ends_as is not State.CANCELED:
            return  # an executor's cancel is for cancels alone
        queue = CancelQueue(run)
        try:
            await self.executor.cancel(request_context(run), queue)
        except Exception as error:  # many executors raise here to say that there is nothing to do
            _log.warning("an executor's cancel raised", task=run.stored_id, reason=repr(error))


def as_agent(found: object, *, card: AgentCard | None = None, name: str = "this") -> Agent:
    """Return an agent as it is, and an executor as an agent.

    Args:
        found: An `Agent`, an `AgentExecutor` with an attribute `card`, or a class of either.
        card: The executor's card, in the place of its attribute.
        name: What to call it in errors.

    Raises:
        SetupError: It is none of these.
    """
    if inspect.isclass(found) and issubclass(found, Agent | AgentExecutor):
        found = found()
    if isinstance(found, Agent):
        return found
    if isinstance(found, AgentExecutor):
        card = card or getattr(found, "card", None)
        if not isinstance(card, AgentCard):
            raise SetupError(
                f"{name} is an AgentExecutor without a card. Give it an attribute `card`, an AgentCard of a2a-sdk."
            )
        return ExecutorAgent(found, card)
    raise SetupError(
        f"{name} is no Agent; derive it from a2a_streaming.Agent, or from a2a-sdk's AgentExecutor."
    )
