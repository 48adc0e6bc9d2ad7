"""An agent that ticks, for a2a-sdk: on `tick 20 0.1 64` it sends an artifact in 20 chunks, and completes.

It is what `a2a-reliability` asks of an agent by default. `python examples/ticking.py 8001` serves it by a2a-sdk's
own default server; put `TickingExecutor` into a server of yours to test that.
"""

from __future__ import annotations

import asyncio
import sys

import uvicorn
from a2a.server.agent_execution import AgentExecutor, RequestContext
from a2a.server.events import EventQueue
from a2a.server.request_handlers import DefaultRequestHandler, RequestHandler
from a2a.server.routes import create_agent_card_routes, create_jsonrpc_routes
from a2a.server.tasks import InMemoryTaskStore, TaskUpdater
from a2a.types import (
    AgentCapabilities,
    AgentCard,
    AgentInterface,
    AgentSkill,
    Part,
    Task,
    TaskState,
    TaskStatus,
)
from starlette.applications import Starlette


class TickingExecutor(AgentExecutor):
    """Ticks: so many chunks, so many seconds apart, each padded to so many bytes."""

    async def execute(self, context: RequestContext, event_queue: EventQueue) -> None:
        """Tick."""
        _, count, pause, size = context.get_user_input().split()
        task, conversation = str(context.task_id), str(context.context_id)
        submitted = TaskStatus(state=TaskState.TASK_STATE_SUBMITTED)
        await event_queue.enqueue_event(Task(id=task, context_id=conversation, status=submitted))
        updater = TaskUpdater(event_queue, task, conversation)
        await updater.start_work()
        for number in range(1, int(count) + 1):
            await asyncio.sleep(float(pause))
            await updater.add_artifact(
                [Part(text=f"tick {number};".ljust(int(size), "-"))],
                artifact_id="ticks",
                append=number > 1,
                last_chunk=number == int(count),
            )
        await updater.complete()

    async def cancel(self, context: RequestContext, event_queue: EventQueue) -> None:
        """Stop."""
        await TaskUpdater(event_queue, str(context.task_id), str(context.context_id)).cancel()


def card(port: int) -> AgentCard:
    """Return the agent's card."""
    url = f"http://127.0.0.1:{port}/"
    spoken = AgentInterface(url=url, protocol_binding="JSONRPC", protocol_version="1.0")
    skill = AgentSkill(id="tick", name="Tick", description="Ticks.", tags=["test"])
    return AgentCard(
        name="Ticking Agent",
        description="Ticks.",
        version="1.0.0",
        default_input_modes=["text/plain"],
        default_output_modes=["text/plain"],
        capabilities=AgentCapabilities(streaming=True),
        supported_interfaces=[spoken],
        skills=[skill],
    )


def app(handler: RequestHandler, of: AgentCard) -> Starlette:
    """Return a server around a request handler."""
    routes = [*create_agent_card_routes(of), *create_jsonrpc_routes(handler, "/")]
    return Starlette(routes=routes)


def main(port: int) -> None:
    """Serve by a2a-sdk's default server, with its store in memory."""
    handler = DefaultRequestHandler(
        agent_executor=TickingExecutor(), task_store=InMemoryTaskStore(), agent_card=card(port)
    )
    uvicorn.run(app(handler, card(port)), port=port, log_level="error")


if __name__ == "__main__":
    main(int(sys.argv[1]))
