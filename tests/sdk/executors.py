"""Executors of the shapes of a2a-sdk's own samples, written as for a2a-sdk alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from a2a.helpers import new_task_from_user_message, new_text_message
from a2a.server.agent_execution import AgentExecutor, RequestContext
from a2a.server.events import EventQueue
from a2a.server.tasks import TaskUpdater
from a2a.types import (
    AgentCapabilities,
    AgentCard,
    Artifact,
    Part,
    Role,
    Task,
    TaskState,
    TaskStatus,
)

Does: TypeAlias = Callable[[RequestContext, EventQueue], Awaitable[None]]

CARD = AgentCard(
    name="Shapes Agent",
    description="Answers in the shape that it is asked for.",
    version="1.0.0",
    capabilities=AgentCapabilities(streaming=True),
    default_input_modes=["text/plain"],
    default_output_modes=["text/plain"],
)


def text(words: str) -> list[Part]:
    """Parts of plain text."""
    return [Part(text=words)]


async def updating(context: RequestContext, queue: EventQueue) -> TaskUpdater:
    """Begin as the samples do: with a Task, if there is none yet."""
    task = context.current_task
    if task is None:
        assert context.message is not None
        task = new_task_from_user_message(context.message)
        await queue.enqueue_event(task)
    return TaskUpdater(queue, task.id, task.context_id)


class Scripted(AgentExecutor):
    """Does what a test says."""

    card = CARD

    def __init__(self, does: Does, canceling: Does | None = None) -> None:
        self._does = does
        self._canceling = canceling

    async def execute(self, context: RequestContext, event_queue: EventQueue) -> None:
        await self._does(context, event_queue)

    async def cancel(self, context: RequestContext, event_queue: EventQueue) -> None:
        if self._canceling is None:
            raise NotImplementedError("cancel not supported")
        await self._canceling(context, event_queue)


class Resumable(Scripted):
    """May be run again."""

    resumable = True


async def message(context: RequestContext, queue: EventQueue) -> None:
    """One message, no task: as the hello-world sample."""
    await queue.enqueue_event(new_text_message(f"Hello {context.get_user_input()}"))


async def streaming(context: RequestContext, queue: EventQueue) -> None:
    """A task whose artifact comes in chunks."""
    updater = await updating(context, queue)
    await updater.start_work(updater.new_agent_message(text("Thinking")))
    for number, word in enumerate(["one ", "two ", "three"]):
        await updater.add_artifact(
            text(word), artifact_id="a1", name="answer", append=number > 0, last_chunk=number == 2
        )
    await updater.complete(updater.new_agent_message(text("Bye")))


async def whole(context: RequestContext, queue: EventQueue) -> None:
    """One Task that holds everything."""
    task = Task(
        id=context.task_id,
        context_id=context.context_id,
        status=TaskStatus(
            state=TaskState.TASK_STATE_COMPLETED,
            message=new_text_message("All done", role=Role.ROLE_AGENT),
        ),
        artifacts=[Artifact(artifact_id="a1", name="answer", parts=text("one two three"))],
    )
    await queue.enqueue_event(task)


async def asking(context: RequestContext, queue: EventQueue) -> None:
    """Asks first; the answer comes to a task that is as it was left."""
    updater = await updating(context, queue)
    if context.current_task is None:
        await updater.requires_input(updater.new_agent_message(text("Which city?")))
        return
    assert context.current_task.status.state == TaskState.TASK_STATE_INPUT_REQUIRED
    assert context.current_task.status.message.parts[0].text == "Which city?"
    await updater.submit()
    await updater.start_work()
    await updater.complete(updater.new_agent_message(text(f"So {context.get_user_input()}")))


async def authorizing(context: RequestContext, queue: EventQueue) -> None:
    """Wants an authorization, and returns."""
    updater = await updating(context, queue)
    if context.current_task is None:
        await updater.requires_auth(updater.new_agent_message(text("Log in")))
    else:
        await updater.complete()


async def raising(context: RequestContext, queue: EventQueue) -> None:
    """Fails in mid-run."""
    updater = await updating(context, queue)
    await updater.start_work()
    raise LookupError("the secret password is 1234")


async def hanging(context: RequestContext, queue: EventQueue) -> None:
    """Works until it is stopped."""
    updater = await updating(context, queue)
    await updater.start_work(updater.new_agent_message(text("Working on it")))
    await asyncio.Event().wait()


async def says_canceled(context: RequestContext, queue: EventQueue) -> None:
    """Cancels as the samples do."""
    assert context.task_id is not None
    assert context.context_id is not None
    updater = TaskUpdater(queue, context.task_id, context.context_id)
    await updater.cancel(updater.new_agent_message(text("Stopped as you wish")))
