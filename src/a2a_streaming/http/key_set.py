"""The public keys by which receivers verify what is pushed."""

from __future__ import annotations

from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from a2a_streaming.errors import RequestError
from a2a_streaming.http.bodies import rest_error
from a2a_streaming.node import Node

_MAX_AGE = 300
"""Seconds that they may be kept: far less than a new one is published before it signs."""


class KeySetEndpoint:
    """Serves them as a JSON Web Key Set (RFC 7517, section 5).

    Args:
        node: The process's node.
    """

    def __init__(self, node: Node) -> None:
        self._node = node

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the keys."""
        response: Response
        try:
            await self._node.ready()
            told = await self._node.keyring.published()
            response = JSONResponse(told, headers={"cache-control": f"public, max-age={_MAX_AGE}"})
        except RequestError as error:
            response = rest_error(error)
        await response(scope, receive, send)
