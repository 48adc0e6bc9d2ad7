"""Who uses a page: what it needs to know before it shows anything."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias
from urllib.parse import unquote

import orjson
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from a2a_streaming.caller import Caller
from a2a_streaming.errors import RequestError, Unauthenticated
from a2a_streaming.http.access import Access
from a2a_streaming.http.bodies import json_response, rest_error
from a2a_streaming.node import Node
from a2a_streaming.task import Json

Customers: TypeAlias = Callable[[], Awaitable[Sequence[Json]]]
"""Tells the demo customers between whom pages can switch: `subject`, empty for the one whom nobody names, and `name`."""


class SessionEndpoint:
    """ASGI endpoint that says how people sign in here, and who has.

    Args:
        node: The process's node.
        customers: The demo customers, asked without authentication alone.
    """

    def __init__(self, node: Node, customers: Customers) -> None:
        self._node = node
        self._customers = customers
        self._access = Access(node)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await (await self._answer(Request(scope)))(scope, receive, send)

    async def _answer(self, request: Request) -> ASGIApp:
        try:
            await self._node.ready()
            told = await self._session(request)
        except RequestError as error:
            return rest_error(error)
        return json_response(orjson.dumps(told))

    async def _session(self, request: Request) -> Json:
        signs_in = self._node.settings.authenticates
        caller: Caller | None = None
        try:
            caller = await self._access.of_page(request)
        except Unauthenticated:
            if not signs_in:  # they aren't at this machine
                raise
        return {
            "authentication": signs_in,
            "signedIn": signs_in and caller is not None,
            "name": unquote(caller.owner) if caller is not None else None,
            "owner": caller.owner if caller is not None else None,
            "role": caller.role.value if caller is not None else None,
            "task": (caller.task or None) if caller is not None else None,
            "issuer": self._node.settings.auth_issuer or None,
            "customers": [] if signs_in else list(await self._customers()),
        }


async def nobody() -> Sequence[Json]:
    """Tell no demo customer."""
    return ()
