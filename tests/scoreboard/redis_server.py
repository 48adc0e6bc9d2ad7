"""a2a-redis, on the last a2a-sdk whose queues its own are like: `python redis_server.py PORT URL streams|pubsub`.

From a2a-sdk 0.3.3 on, queues are closed with an argument that a2a-redis 0.2.1 doesn't take. Runs in an environment of its
own, and speaks A2A 0.3.
"""

# pyright: reportMissingImports=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportAttributeAccessIssue=false, reportCallIssue=false, reportArgumentType=false
from __future__ import annotations

import asyncio
import sys

import redis.asyncio
import uvicorn
from a2a.server.agent_execution import AgentExecutor, RequestContext
from a2a.server.apps import A2AStarletteApplication
from a2a.server.events import EventQueue
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.tasks import TaskUpdater
from a2a.types import (
    AgentCapabilities,
    AgentCard,
    Part,
    Task,
    TaskState,
    TaskStatus,
    TextPart,
)
from a2a_redis import RedisPubSubQueueManager, RedisStreamsQueueManager, RedisTaskStore


class TickingExecutor(AgentExecutor):
    """Ticks, as the one in examples/ticking.py does."""

    async def execute(self, context: RequestContext, event_queue: EventQueue) -> None:
        _, count, pause, size = context.get_user_input().split()
        task, conversation = str(context.task_id), str(context.context_id)
        submitted = TaskStatus(state=TaskState.submitted)
        await event_queue.enqueue_event(
            Task(id=task, context_id=conversation, status=submitted, history=[])
        )
        updater = TaskUpdater(event_queue, task, conversation)
        await updater.start_work()
        for number in range(1, int(count) + 1):
            await asyncio.sleep(float(pause))
            await updater.add_artifact(
                [Part(root=TextPart(text=f"tick {number};".ljust(int(size), "-")))],
                artifact_id="ticks",
                append=number > 1,
                last_chunk=number == int(count),
            )
        await updater.complete()

    async def cancel(self, context: RequestContext, event_queue: EventQueue) -> None:
        await TaskUpdater(event_queue, str(context.task_id), str(context.context_id)).cancel()


def main(port: int, url: str, kind: str) -> None:
    """Serve."""
    link = redis.asyncio.from_url(url)
    managers = {"streams": RedisStreamsQueueManager, "pubsub": RedisPubSubQueueManager}
    card = AgentCard(
        name="Ticking Agent",
        description="Ticks.",
        version="1.0.0",
        url=f"http://127.0.0.1:{port}/",
        skills=[],
        default_input_modes=["text/plain"],
        default_output_modes=["text/plain"],
        capabilities=AgentCapabilities(streaming=True),
    )
    handler = DefaultRequestHandler(
        agent_executor=TickingExecutor(),
        task_store=RedisTaskStore(link),
        queue_manager=managers[kind](link),
    )
    app = A2AStarletteApplication(agent_card=card, http_handler=handler).build()
    uvicorn.run(app, port=port, log_level="error")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
