"""Our uvicorn: it ends open streams before it waits for them, and can drop a client that doesn't read."""

from __future__ import annotations

import os
import socket
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, cast

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from a2a_streaming.node import Node

LINE = "a2a_streaming.line"
"""Extension of the ASGI scope: the connection itself, as a `Line`."""
_REST = "a2a_streaming.rest"
"""Extension of the ASGI scope: what is left to be done when the application has returned."""

Rest = Callable[[Send], Awaitable[None]]


class Line(Protocol):
    """A request's connection, once its response is under way."""

    def write(self, chunk: bytes) -> bool:
        """Write a part of the response's body at once, already in HTTP's chunks (see `chunked`).

        Args:
            chunk: The part.

        Returns:
            Whether it can take more at once.
        """
        ...

    @property
    def full(self) -> bool:
        """Whether it can't take more for now."""
        ...

    def on_lost(self, callback: Callable[[], None]) -> None:
        """Call back when the connection is lost; at once if it is already."""

    def abort(self) -> None:
        """Drop the connection at once, with all that waits to be sent on it."""


class StreamProtocol(HttpToolsProtocol):
    """HTTP/1.1, with the connection in the scope's extensions."""

    _lost: Callable[[], None] | None = None

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        shown: dict[str, Any] = {LINE: self}
        self.scope["extensions"] = shown

    def write(self, chunk: bytes) -> bool:
        """Write a part of a response's body; see `Line`."""
        if self.transport.is_closing():
            return False
        self.transport.write(chunk)
        return not self.flow.write_paused

    @property
    def full(self) -> bool:
        """Whether the connection can't take more for now; see `Line`."""
        return self.flow.write_paused

    def on_lost(self, callback: Callable[[], None]) -> None:
        """Call back when the connection is lost; see `Line`."""
        self._lost = callback
        if self.transport.is_closing():
            callback()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the connection."""
        super().connection_lost(exc)
        if self._lost is not None:
            self._lost()

    def abort(self) -> None:
        """Drop the connection; see `Line`."""
        self.transport.abort()


class _Finishing:
    """Does what an application has left to be done, once the application itself has returned.

    What lasts as long as a stream is then held in memory by the stream alone, not by all the layers that its
    request came through.

    Args:
        app: The application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)
        rest: Rest | None = scope.get("extensions", {}).pop(_REST, None)
        if rest is not None:
            method = scope["method"]
            scope.clear()  # from here on uvicorn asks for the method alone
            scope["method"] = method
            await rest(send)


def finish_later(scope: Scope, rest: Rest) -> None:
    """Leave something of a response to be done when the application has returned; only on our own server.

    Args:
        scope: The request's scope, which shows its `Line`.
        rest: Does it, with the server's own `send`.
    """
    scope["extensions"][_REST] = rest


def line_of(scope: Scope) -> Line | None:
    """Return a request's connection; None under a server that doesn't show it.

    Args:
        scope: The request's scope.
    """
    extensions: dict[str, Any] = scope.get("extensions") or {}
    return extensions.get(LINE)


def chunked(body: bytes) -> bytes:
    """Return a part of a body as HTTP/1.1 has it without a length (RFC 9112, section 7.1).

    Args:
        body: The part, not empty.
    """
    return b"%x\r\n%b\r\n" % (len(body), body)


def chunked_pieces(pieces: Sequence[bytes], mark: int) -> Sequence[bytes]:
    """Return the same of a part in pieces.

    Args:
        pieces: The part's pieces.
        mark: How many bytes will stand between them.
    """
    size = sum(map(len, pieces)) + mark * (len(pieces) - 1)
    *most, last = pieces
    last += b"\r\n"
    first, *others = *most, last
    return b"%x\r\n%b" % (size, first), *others


def config(app: ASGIApp, *, backlog: int = 2048) -> uvicorn.Config:
    """Return uvicorn's configuration for an application of ours.

    Args:
        app: The application.
        backlog: Connections that may wait to be accepted.
    """
    proxied: Any = ProxyHeadersMiddleware(cast("Any", app), trusted_hosts=_proxies())
    return uvicorn.Config(
        _Finishing(proxied),
        proxy_headers=False,  # they are read inside, so that nothing of it lasts as long as a stream
        http=StreamProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=5,
        backlog=backlog,
    )


def _proxies() -> str:
    """Return whose `X-Forwarded-*` are believed, as uvicorn has it."""
    return os.environ.get("FORWARDED_ALLOW_IPS", "127.0.0.1")


class StreamServer(uvicorn.Server):
    """uvicorn waits for open streams at its end, so the node ends them first.

    It leaves signals alone; whoever runs it calls `stop`.

    Args:
        config: uvicorn's configuration.
        node: The node whose streams it serves.
    """

    def __init__(self, config: uvicorn.Config, node: Node) -> None:
        super().__init__(config)
        self._node = node

    @property
    def stopping(self) -> bool:
        """Whether it was asked to end."""
        return self.should_exit

    def stop(self) -> None:
        """Ask for a clean end, once it serves. May be called by a signal's handler."""
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Hand running work over, end the streams, then the server."""
        await self._node.drain()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Take no signal: uvicorn would, from here to the server's end, and raise it again afterwards."""
        yield
