"""The platform's way in from outside: its pages and APIs know callers and tasks as the server does."""

from __future__ import annotations

from a2a_streaming.caller import Caller
from a2a_streaming.http.door import HttpDoor
from a2a_streaming.node import Node
from a2a_streaming.task import Json
from a2a_streaming.wire.dialects import Dialect


class NodeDoor(HttpDoor):
    """Lets the platform's HTTP API ask a node.

    Args:
        node: The process's node.
        agent: The agent whose tasks they are.
    """

    def __init__(self, node: Node, agent: str) -> None:
        super().__init__(node)
        self._agent = agent

    async def send(self, caller: Caller, task: str, message_id: str, part: Json) -> None:
        """Put a message into a task's inbox; raises as `TaskService.send` does."""
        await self._node.ready()
        await self._node.service(self._agent).send(
            [part],
            caller=caller,
            task_id=task,
            context=None,
            message_id=message_id,
            dialect=Dialect.V1.value,
        )
