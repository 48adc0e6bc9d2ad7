"""Connections of clients: raw, for a run has hundreds of them, and what they carry is cut anywhere."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import orjson

from chaos.responses import Response

Door = tuple[str, int]


class Line(asyncio.Protocol):
    """One connection with one request.

    Args:
        request: The request.
        heard: Is told each piece of the response's body.
        ended: Is told when the response, or the connection, has ended.
    """

    def __init__(
        self, request: bytes, heard: Callable[[bytes], None], ended: Callable[[Line], None]
    ) -> None:
        self.response = Response()
        self.whole = False
        """Whether the response has come to its end."""
        self.heard_at = 0.0
        self._request = request
        self._heard = heard
        self._ended: Callable[[Line], None] | None = ended
        self._transport: asyncio.Transport | None = None
        self._fuse = -1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.heard_at = asyncio.get_running_loop().time()
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self.heard_at = asyncio.get_running_loop().time()
        if self._fuse >= 0:
            data = data[: self._fuse]
            self._fuse -= len(data)
        body = self.response.feed(data)
        if body:
            self._heard(body)
        if self.response.ended:
            self.whole = True
            self.cut()
        elif self._fuse == 0:
            self.cut()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's name
        ended, self._ended = self._ended, None
        if ended is not None:
            ended(self)

    def cut(self, after: int = 0) -> None:
        """Break it, after so many more bytes."""
        if after:
            self._fuse = after
        elif self._transport is not None:
            self._transport.abort()

    def stall(self) -> None:
        """Read nothing more for now."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def go_on(self) -> None:
        """Read again."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()


class Answer:
    """What a request was answered.

    Args:
        status: The HTTP status; 0 if there was no answer.
        body: The body.
    """

    def __init__(self, status: int, body: bytes) -> None:
        self.status = status
        self.body = body

    @property
    def told(self) -> Any:
        """The body's JSON; empty if it is none."""
        try:
            return orjson.loads(self.body)
        except ValueError:
            return {}

    @property
    def code(self) -> int:
        """The error's code, of JSON-RPC or of HTTP; 0 if it is none."""
        told = self.told
        if isinstance(told, dict) and isinstance(told.get("error"), dict):
            return int(told["error"].get("code", 0))
        return self.status if self.status >= 400 else 0

    @property
    def says_missing(self) -> bool:
        """Whether there is no such task, for who asks."""
        return self.code in (-32001, 404)

    @property
    def says_later(self) -> bool:
        """Whether the client is to come back."""
        return self.status in (0, 429, 502, 503, 504)


async def ask(door: Door, request: bytes, seconds: float = 10.0) -> Answer:
    """Send one request and read its answer; an empty one if there is none in time."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()
    pieces: list[bytes] = []

    def ended(_: Line) -> None:
        if not done.done():
            done.set_result(None)

    line = Line(request, pieces.append, ended)
    try:
        async with asyncio.timeout(seconds):
            await loop.create_connection(lambda: line, *door)
            await done
    except (OSError, TimeoutError):
        line.cut()
        return Answer(0, b"")
    return Answer(line.response.status if line.whole else 0, b"".join(pieces))
