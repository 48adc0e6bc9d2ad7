"""The way in from outside, for what is served over HTTP beside A2A: it knows callers and bodies as the server does."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from a2a_streaming.caller import Caller
from a2a_streaming.errors import RequestError
from a2a_streaming.http.access import Access
from a2a_streaming.http.bodies import load_json, read_body, rest_error
from a2a_streaming.node import Node


class HttpDoor:
    """Lets an HTTP API ask a node who asks, and what they send.

    Args:
        node: The process's node.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
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
        body = await read_body(request, self._node.settings.max_body_bytes, self._node.quotas)
        return load_json(body) if body else {}

    def refuse(self, error: RequestError) -> Response:
        """Return the answer to a request that can't be served."""
        return rest_error(error)
