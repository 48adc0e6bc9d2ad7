"""Who asks over HTTP: by their credential or, without authentication, by where they are."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from starlette.authentication import BaseUser
from starlette.requests import Request
from starlette.types import ASGIApp

from a2a_streaming.caller import ANYBODY, Caller, owner_of
from a2a_streaming.cards import KEY_HEADER
from a2a_streaming.errors import Forbidden, Unauthenticated
from a2a_streaming.http.stream import EventStream
from a2a_streaming.node import Node


class Access:
    """Says who asks, and counts what they ask.

    Args:
        node: The process's node.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._public = node.settings.public_url.partition("://")[2].partition("/")[0]

    async def identify(self, request: Request, *, by_ticket: bool = False) -> Caller:
        """Return who asks.

        Args:
            request: The HTTP request.
            by_ticket: Whether a ticket in the query is enough: for an EventSource, which sends no headers.

        Raises:
            Unauthenticated: Nobody knows.
            Forbidden: A page from elsewhere asks, without authentication.
            TooManyRequests: They ask too much.
            Unavailable: It can't be checked now.
        """
        caller = await self._caller(request, by_ticket=by_ticket)
        self._node.quotas.count_request(caller)
        return caller

    async def _caller(self, request: Request, *, by_ticket: bool) -> Caller:
        # An application that mounts ours may have its own authentication, as Starlette's middleware.
        user = request.scope.get("user")
        if user is not None and user.is_authenticated:
            return _named(user)
        if not self._node.settings.authenticates:
            self._check_here(request)
            return ANYBODY
        authenticator = self._node.authenticator
        if by_ticket and (ticket := request.query_params.get("ticket")):
            return await authenticator.by_ticket(ticket)
        return await authenticator.identify(_credential(request))

    def _check_here(self, request: Request) -> None:
        """Check that a request comes from this machine, and from no page of elsewhere."""
        if request.client is not None and not _is_here(request.client.host):
            raise Unauthenticated(
                "Without authentication this server serves its own machine alone."
            )
        host = request.headers.get("host", "")
        if host and not self._is_ours(host):
            # Somebody else's DNS may lead a page's requests here. Where it isn't called by https, or by a
            # name of loopback's, a browser doesn't even say that it is one.
            raise Forbidden(
                "This server isn't known by the name in Host, and there is no authentication. The operator can"
                " set A2A_PUBLIC_URL to its address."
            )
        allowed = self._node.settings.cors_origins
        origin = request.headers.get("origin")
        if origin in allowed or "*" in allowed:
            return
        if origin is None:  # no browser, or one that reads without asking, as for <script>
            foreign = request.headers.get("sec-fetch-site") in ("cross-site", "same-site")
        else:
            asking = origin.partition("://")[2]  # nothing for "null", which is any sandboxed page
            foreign = not asking or asking not in (host, self._public)
        if foreign:
            raise Forbidden(
                "A page of another origin asks, and there is no authentication. The operator can allow it by"
                " A2A_CORS_ORIGINS."
            )

    def _is_ours(self, host: str) -> bool:
        """Say whether a request's Host names this server."""
        name = _hostname(host)
        return name is not None and (_is_here(name) or name == _hostname(self._public))


async def counted(node: Node, caller: Caller, answer: Callable[[], Awaitable[ASGIApp]]) -> ASGIApp:
    """Return an answer whose stream is counted: in before anything is done for it, out when it has ended.

    Args:
        node: The process's node.
        caller: Who opens the stream.
        answer: Makes the answer; what isn't a stream is over at once.

    Raises:
        TooManyRequests: The caller holds too many open.
    """
    close = node.quotas.open_stream(caller)
    try:
        app = await answer()
    except BaseException:
        close()
        raise
    if isinstance(app, EventStream):
        app.at_end(close)
    else:
        close()
    return app


def _credential(request: Request) -> str:
    if key := request.headers.get(KEY_HEADER):
        return key.strip()
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated(
            f"Send a token as Authorization: Bearer, or an API key as {KEY_HEADER}."
        )
    return token.strip()


def _hostname(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _is_here(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:  # a name: of this machine, or of a test's client or server
        return host in _HERE or host.endswith(".localhost")
    # What IPv4's loopback wears on a socket for both versions.
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


_HERE = ("localhost", "test", "testclient", "testserver")


def _named(user: BaseUser) -> Caller:
    """Return the caller that another authentication has found."""
    name: Any
    try:
        name = user.identity
    except NotImplementedError:
        name = user.display_name
    return Caller(owner_of("" if name is None else str(name)))
