"""Executors that note on disk that they run, and wait there for leave to go on."""

import asyncio
import os
from pathlib import Path

from a2a.helpers import new_task_from_user_message
from a2a.server.agent_execution import AgentExecutor, RequestContext
from a2a.server.events import EventQueue
from a2a.server.tasks import TaskUpdater
from a2a.types import AgentCapabilities, AgentCard, Part

NOTES = Path(os.environ.get("EXECUTING_NOTES", "notes"))


class GatedExecutor(AgentExecutor):
    """Sends half an artifact, waits, sends the rest; asked for silence, it waits before it emits."""

    card = AgentCard(
        name="Gated Agent",
        description="Waits for leave.",
        version="1.0.0",
        capabilities=AgentCapabilities(streaming=True),
    )

    async def execute(self, context: RequestContext, event_queue: EventQueue) -> None:
        await asyncio.to_thread(self._note, "execute")
        if context.get_user_input() == "silence":
            await self._leave()
        assert context.message is not None
        task = new_task_from_user_message(context.message)
        await event_queue.enqueue_event(task)
        updater = TaskUpdater(event_queue, task.id, task.context_id)
        await updater.add_artifact([Part(text="half ")], artifact_id="a1", name="words")
        await updater.start_work(updater.new_agent_message([Part(text="Waiting for leave")]))
        await self._leave()
        await updater.add_artifact([Part(text="whole")], artifact_id="a1", append=True)
        await updater.complete()

    async def cancel(self, context: RequestContext, event_queue: EventQueue) -> None:  # noqa: ARG002 - a2a-sdk's arguments
        await asyncio.to_thread(self._note, "cancel")

    async def _leave(self) -> None:
        while not await asyncio.to_thread(NOTES.with_suffix(".leave").exists):
            await asyncio.sleep(0.02)

    def _note(self, word: str) -> None:
        with NOTES.open("a") as notes:
            notes.write(f"{word}\n")


class ResumableExecutor(GatedExecutor):
    """May be run again."""

    resumable = True


executor = GatedExecutor()
