"""The platform's way in from outside: its pages and APIs know callers and tasks as the server does."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from a2a_streaming.caller import Caller
from a2a_streaming.errors import RequestError
from a2a_streaming.http.access import Access
from a2a_streaming.http.bodies import load_json, read_body, rest_error
from a2a_streaming.node import Node
from a2a_streaming.task import Json
from a2a_streaming.wire.dialects import Dialect


class NodeDoor:
    """Lets the platform's HTTP API ask a node.

    Args:
        node: The process's node.
        agent: The agent whose tasks they are.
    """

    def __init__(self, node: Node, agent: str) -> None:
        self._node = node
        self._agent = agent
        self._access = Access(node)

    async def identify(self, request: Request) -> Caller:
        """Return who asks; without authentication, and if no demo customer does, an operator without a name.

        Raises as `Access.of_page` does.
        """
        await self._node.ready()
        return await self._access.of_page(request)

    async def body(self, request: Request) -> Any:
        """Return a request's body, read as JSON; an empty object without one.

        Raises:
            BodyTooLarge: It is too large.
            InvalidRequest: It is no JSON.
        """
        body = await read_body(request, self._node.settings.max_body_bytes)
        return load_json(body) if body else {}

    async def send(self, caller: Caller, task: str, message_id: str, part: Json) -> None:
        """Put a message into a task's inbox; raises as `TaskService.send` does."""
        await self._node.service(self._agent).send(
            [part],
            caller=caller,
            task_id=task,
            context=None,
            message_id=message_id,
            dialect=Dialect.V1.value,
        )

    def refuse(self, error: RequestError) -> Response:
        """Return the answer to a request that can't be served."""
        return rest_error(error)
