"""One server, over HTTP: its card, calls, and streams that are recorded as they come."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx2

from a2a_reliability.dialects import Dialect, Operation, chosen
from a2a_reliability.errors import KitError, NothingCame, Unreadable, Unusable
from a2a_reliability.events import (
    TERMINAL,
    Event,
    Json,
    MessageTold,
    Snapshot,
    StatusTold,
    read_event,
    read_task,
)
from a2a_reliability.sse import Decoder

_SLOW = [(socket.SOL_SOCKET, socket.SO_RCVBUF, 131_072)]
"""A slow reader's socket takes little that isn't read."""
_AWAY = frozenset({502, 503, 504})
"""What a proxy says of a server that is away."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One event of a stream.

    Args:
        event: What was told.
        id: The frame's id; empty where the server gives none.
    """

    event: Event
    id: str


class Stream:
    """One stream, recorded. `closed` says that the server has ended it, in order."""

    def __init__(self, patience: float) -> None:
        self.frames: list[Frame] = []
        self.closed = False
        self.comments = 0
        self.received = 0
        self.failure: KitError | None = None
        self.over = False
        self._patience = patience
        self._moved = asyncio.Event()

    @property
    def told(self) -> list[Event]:
        """The events so far."""
        return [frame.event for frame in self.frames]

    @property
    def task_id(self) -> str:
        """The id of the task that it tells of; empty if it has told of none."""
        return next((one.task_id for one in self.told if not isinstance(one, MessageTold)), "")

    async def until(self, number: int) -> None:
        """Wait until so many events were told, or no more come.

        Raises:
            NothingCame: The next one takes too long.
            KitError: What broke the stream.
        """
        await self._until(lambda: len(self.frames) >= number, f"event {number}")

    async def until_over(self, patience: float | None = None) -> None:
        """Wait until no more comes: it has ended, or it is silent too long after a terminal state.

        Args:
            patience: Seconds of silence that are borne; the kit's own without.

        Raises:
            NothingCame: It is silent too long, and its task hasn't ended.
            KitError: What broke the stream.
        """
        try:
            await self._until(lambda: False, "the stream's end", patience)
        except NothingCame:
            if not self._ended():
                raise

    def _ended(self) -> bool:
        return any(
            isinstance(one, Snapshot | StatusTold) and one.state in TERMINAL for one in self.told
        )

    async def _until(
        self, done: Callable[[], bool], what: str, patience: float | None = None
    ) -> None:
        bound = self._patience if patience is None else patience
        while not done() and not self.over:
            self._moved.clear()
            try:
                async with asyncio.timeout(bound):
                    await self._moved.wait()
            except TimeoutError:
                raise NothingCame(what, bound) from None
        if self.failure is not None:
            raise self.failure

    def take(self, frame: Frame) -> None:
        """Record an event."""
        self.frames.append(frame)
        self._moved.set()

    def end(self, *, closed: bool, failure: KitError | None = None) -> None:
        """Record that no more comes."""
        self.over, self.closed, self.failure = True, closed, failure
        self._moved.set()


class Server:
    """A server under test.

    Args:
        url: The interface's.
        dialect: How it is spoken to.
        headers: What is sent with each request, such as a credential.
        patience: Seconds to wait for anything.
    """

    def __init__(
        self, url: str, dialect: Dialect, headers: dict[str, str], patience: float
    ) -> None:
        self.url = url.rstrip("/") if dialect.ask("get", {}).path else url
        self.dialect = dialect
        self.patience = patience
        self._headers = {**headers, "A2A-Version": dialect.version}
        self._http = _client(patience)
        self._slow = _client(patience, _SLOW)

    def at(self, address: str) -> Server:
        """Return the same agent at another address: the interface's path there."""
        path, query = urlsplit(self.url)[2:4]
        scheme, host = urlsplit(address)[:2]
        url = urlunsplit((scheme, host, path, query, ""))
        return Server(url, self.dialect, self._headers, self.patience)

    async def aclose(self) -> None:
        """Close its connections."""
        await self._http.aclose()
        await self._slow.aclose()

    async def get(self, task_id: str) -> Snapshot:
        """Return a task as the server has it."""
        return read_task(await self._call("get", {"id": task_id}))

    async def cancel(self, task_id: str) -> Snapshot:
        """Cancel a task."""
        return read_task(await self._call("cancel", {"id": task_id}))

    async def until_up(self, bound: float) -> None:
        """Wait until it answers, whatever it says.

        Raises:
            NothingCame: It doesn't.
        """
        deadline = time.monotonic() + bound
        while time.monotonic() < deadline:
            asked = self._request("get", {"id": "nobody-knows-this-task"})
            with suppress(httpx2.HTTPError):
                if (await self._http.send(asked)).status_code not in _AWAY:
                    return
            await asyncio.sleep(0.05)
        raise NothingCame("the server's return", bound)

    @asynccontextmanager
    async def stream(
        self,
        operation: Operation,
        params: Json,
        *,
        after: str = "",
        cut: int | None = None,
        reading: asyncio.Event | None = None,
    ) -> AsyncGenerator[Stream]:
        """Open a stream and record it; it is closed at the end.

        Args:
            operation: `stream` or `subscribe`.
            params: The request's.
            after: An id that a frame had, for `Last-Event-ID`.
            cut: After how many bytes the connection is cut; None for never.
            reading: Nothing is read before it is set.

        Raises:
            Refused: The server answers with an error.
            Unreadable: It answers with no stream.
            NothingCame: It doesn't answer.
        """
        request = self._request(operation, params, after)
        http = self._http if reading is None else self._slow
        response = await _sent(http, request, self.patience)
        recorded = Stream(self.patience)
        reader: asyncio.Task[None] | None = None
        try:
            if not response.headers.get("content-type", "").startswith("text/event-stream"):
                self.dialect.result(response.status_code, _json(await response.aread()))
                raise Unreadable("no stream came", response.headers.get("content-type"))
            reader = asyncio.create_task(self._record(response, recorded, cut, reading))
            if reading is None and cut is None:
                await recorded.until(1)  # an error may come as the stream's first event
                if not recorded.frames:
                    raise Unreadable(
                        "the stream ended before it told anything", response.status_code
                    )
            yield recorded
        finally:
            if reader is not None:
                reader.cancel()
                await asyncio.gather(reader, return_exceptions=True)
            await response.aclose()

    async def _record(
        self,
        response: httpx2.Response,
        recorded: Stream,
        cut: int | None,
        reading: asyncio.Event | None,
    ) -> None:
        if reading is not None:
            await reading.wait()
        decoder = Decoder()
        try:
            async for chunk in _cut(response.aiter_raw(), cut):
                recorded.received += len(chunk)
                for message in decoder.feed(chunk):
                    result = self.dialect.result(response.status_code, _json(message.data))
                    recorded.take(Frame(read_event(result), message.id))
                recorded.comments = decoder.comments
        except httpx2.HTTPError:
            recorded.end(closed=False)
        except KitError as error:
            recorded.end(closed=False, failure=error)
        else:
            recorded.end(closed=cut is None or recorded.received < cut)

    async def _call(self, operation: Operation, params: Json) -> Json:
        request = self._request(operation, params)
        response = await _sent(self._http, request, self.patience)
        try:
            return self.dialect.result(response.status_code, _json(await response.aread()))
        except httpx2.HTTPError as error:
            raise Unreadable("the connection broke", repr(error)) from error
        finally:
            await response.aclose()

    def _request(self, operation: Operation, params: Json, after: str = "") -> httpx2.Request:
        asked = self.dialect.ask(operation, params)
        headers = {**self._headers, "Accept-Encoding": "identity"}
        if asked.body is not None:
            headers["Content-Type"] = asked.content_type
        if operation in {"stream", "subscribe"}:
            headers["Accept"] = "text/event-stream"
        if after:
            headers["Last-Event-ID"] = after
        body = None if asked.body is None else json.dumps(asked.body).encode()
        return self._http.build_request(
            asked.method, self.url + asked.path, content=body, headers=headers
        )


@asynccontextmanager
async def connected(
    url: str, *, version: str, binding: str, headers: dict[str, str], patience: float
) -> AsyncGenerator[Server]:
    """Find a server's card, and choose its interface (sections 8.2 and 8.3).

    Raises:
        Unusable: There is no card, no such interface, or no streaming.
    """
    async with _client(patience) as http:
        address = f"{url.rstrip('/')}/.well-known/agent-card.json"
        try:
            answer = await http.get(address, headers={**headers, "A2A-Version": version})
            card = answer.raise_for_status().json()
        except (httpx2.HTTPError, ValueError) as error:
            raise Unusable(f"There is no agent card at {address}: {error!r}.") from error
    if not card.get("capabilities", {}).get("streaming"):
        raise Unusable("The card says that the agent doesn't stream; there is nothing to test.")
    found, dialect = chosen(card, version, binding)
    server = Server(found, dialect, headers, patience)
    try:
        yield server
    finally:
        await server.aclose()


def _client(
    patience: float, options: list[tuple[int, int, int]] | None = None
) -> httpx2.AsyncClient:
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
    transport = httpx2.AsyncHTTPTransport(_trusted(), limits=limits, socket_options=options)
    return httpx2.AsyncClient(transport=transport, timeout=httpx2.Timeout(patience, read=None))


@cache
def _trusted() -> ssl.SSLContext:
    """Return whom to trust; to read their certificates costs as much as a hundred requests."""
    return ssl.create_default_context()


async def _sent(
    http: httpx2.AsyncClient, request: httpx2.Request, patience: float
) -> httpx2.Response:
    try:
        async with asyncio.timeout(patience):
            return await http.send(request, stream=True)
    except TimeoutError:
        raise NothingCame("an answer", patience) from None
    except httpx2.HTTPError as error:
        raise Unreadable("the server can't be reached", repr(error)) from error


async def _cut(
    chunks: AsyncGenerator[bytes] | AsyncIterator[bytes], after: int | None
) -> AsyncIterator[bytes]:
    left = after
    async for chunk in chunks:
        if left is None:
            yield chunk
            continue
        yield chunk[:left]
        left -= len(chunk)
        if left <= 0:
            return


def _json(read: bytes | str) -> Any:
    try:
        return json.loads(read)
    except ValueError as error:
        raise Unreadable("no JSON", read[:200]) from error
