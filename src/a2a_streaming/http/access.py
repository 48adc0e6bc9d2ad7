"""Who asks over HTTP: by their credential or, without authentication, by where they are."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from starlette.authentication import BaseUser
from starlette.requests import Request
from starlette.types import ASGIApp

from a2a_streaming.auth.tokens import Ticket
from a2a_streaming.caller import (
    ANYBODY,
    DEMO_HEADER,
    Caller,
    Role,
    demo_customer,
    owner_of,
    read_demo_token,
)
from a2a_streaming.cards import KEY_HEADER
from a2a_streaming.errors import Forbidden, Unauthenticated
from a2a_streaming.http.bodies import body_size
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
            InvalidParams: There is no authentication, and the name of a demo customer can't be one.
            TooManyRequests: They ask too much, or too many sign-ins from there have failed.
            Unavailable: It can't be checked now, or all together ask too much.
        """
        caller = await self._caller(request, by_ticket=by_ticket)
        self._node.quotas.count_request(caller, body_size(request))
        return caller

    async def of_page(self, request: Request) -> Caller:
        """Return who uses a page of ours: no page of elsewhere may ask, with authentication neither.

        Without authentication it is a demo customer or, if none is named, whoever sits at this machine: as an
        operator, who sees all.

        Args:
            request: The HTTP request.

        Raises:
            RequestError: As `identify` raises.
        """
        self._check_origin(request)
        caller = await self.identify(request)
        return caller if caller.owner else _AT_THE_MACHINE

    async def of_ticket(self, request: Request, ticket: str) -> Ticket:
        """Return what a ticket opens that a page of ours sends.

        Args:
            request: The HTTP request.
            ticket: The ticket.

        Raises:
            Unauthenticated: It isn't accepted.
            Forbidden: A page from elsewhere asks.
            TooManyRequests: Its owner asks too much.
            Unavailable: Redis is away.
        """
        self._check_origin(request)
        with self._signing_in(request, ticket):
            opened = await self._node.authenticator.open_ticket(ticket)
        self._node.quotas.count_request(opened.caller)
        return opened

    async def _caller(self, request: Request, *, by_ticket: bool) -> Caller:
        # An application that mounts ours may have its own authentication, as Starlette's middleware.
        user = request.scope.get("user")
        if user is not None and user.is_authenticated:
            return _named(user)
        if not self._node.settings.authenticates:
            self._check_here(request)
            return _demo(request)
        authenticator = self._node.authenticator
        if by_ticket and (ticket := request.query_params.get("ticket")):
            with self._signing_in(request, ticket):
                return await authenticator.by_ticket(ticket)
        credential = _credential(request)
        with self._signing_in(request, credential):
            return await authenticator.identify(credential)

    @contextmanager
    def _signing_in(self, request: Request, credential: str) -> Generator[None]:
        """Count a sign-in that fails.

        Raises:
            TooManyRequests: Too many have failed from there.
        """
        sign_ins = self._node.quotas.sign_ins
        address = request.client.host if request.client is not None else ""
        sign_ins.check(address, credential)
        try:
            yield
        except Unauthenticated:
            sign_ins.failed(address)
            raise
        sign_ins.succeeded(credential)

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
        if self._is_foreign(request):
            raise Forbidden(
                "A page of another origin asks, and there is no authentication. The operator can allow it by"
                " A2A_CORS_ORIGINS."
            )

    def _check_origin(self, request: Request) -> None:
        """Check that no page of elsewhere asks for what is for our own.

        Where callers sign in, a browser's word that a page is ours is enough: a proxy may have changed the Host,
        and nobody could ride on a name of ours.
        """
        ours = request.headers.get("sec-fetch-site") == "same-origin"
        if self._is_foreign(request) and not (ours and self._node.settings.authenticates):
            raise Forbidden(
                "A page of another origin asks. The operator can allow it by A2A_CORS_ORIGINS."
            )

    def _is_foreign(self, request: Request) -> bool:
        """Say whether a page of another origin asks, which the settings don't allow."""
        allowed = self._node.settings.cors_origins
        origin = request.headers.get("origin")
        if origin in allowed or "*" in allowed:
            return False
        if origin is None:  # no browser, or one that reads without asking, as for <script>
            return request.headers.get("sec-fetch-site") in ("cross-site", "same-site")
        asking = origin.partition("://")[2]  # nothing for "null", which is any sandboxed page
        return not asking or asking not in (request.headers.get("host", ""), self._public)

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


_AT_THE_MACHINE = Caller(role=Role.OPERATOR)
"""Who uses the pages where there is no authentication, and is no demo customer."""


def _demo(request: Request) -> Caller:
    """Return the demo customer for whom a page, or an agent, asks without authentication; else anybody."""
    if (name := request.headers.get(DEMO_HEADER)) is not None:
        return demo_customer(name)
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    found = read_demo_token(token.strip()) if scheme.lower() == "bearer" else None
    return found or ANYBODY


def _hostname(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


@lru_cache(maxsize=1024)
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
