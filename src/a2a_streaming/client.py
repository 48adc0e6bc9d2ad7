"""A client for Python programs that resumes: it follows a task's stream over cuts, in the first dialect.

    async with Client("http://127.0.0.1:8000") as client:
        async with aclosing(client.send_subscribe("task-123", "What's my balance?")) as events:
            async for event in events:
                print(event.kind, event.data)

It raises, beside what its arguments' types raise, three errors of its own, all A2AStreamingError:

- `RemoteError`: the agent answered with a JSON-RPC error; trying again won't help.
- `StreamLost`: a stream was cut and couldn't be taken up again in time.
- `AgentUnreachable`: a plain call (`get`, `send`, `cancel`, `card`) got no usable answer.

A stream that is cut is taken up by `tasks/resubscribe` with `Last-Event-ID`, so nothing is missed and
nothing comes twice. If it is cut before its first event, the first message of a task is sent again,
for that is idempotent; a follow-up is not ("yes" twice is two messages), so unless the connection
never stood, the client looks for what it brought about, after the position known before.
"""

from __future__ import annotations

import asyncio
import logging
import random
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Any, Self, cast

import httpx2
import orjson

from a2a_streaming.errors import A2AStreamingError
from a2a_streaming.sse import Decoder, Message
from a2a_streaming.task import Json

_log = logging.getLogger(__name__)

_TIMEOUT = httpx2.Timeout(45.0, connect=5.0)  # a server sends a heartbeat each 15 s
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
_LINGER = 2.0
"""Seconds in which a server closes a stream after `final: true`; it may also go on with another turn."""
_NEVER_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)
_COME_BACK = frozenset({502, 503, 504})


class RemoteError(A2AStreamingError):
    """The agent answered with a JSON-RPC error.

    Args:
        code: The JSON-RPC error code.
        message: The error's message.
        detail: What the agent says about it in `data.detail`; empty if nothing.
    """

    def __init__(self, code: int, message: str, detail: str = "") -> None:
        super().__init__(f"The agent answered with error {code}: {detail or message}")
        self.code = code
        self.message = message
        self.detail = detail


class StreamLost(A2AStreamingError):
    """A stream was cut and couldn't be taken up again in time.

    Args:
        task_id: The task.
        position: The last position received, with which `resubscribe` can try again; empty if none.
        reason: What happened last.
    """

    def __init__(self, task_id: str, position: str, reason: str) -> None:
        super().__init__(
            f"Lost the stream of task {task_id!r} after position {position or 'none'}: {reason}. "
            "The task itself may go on; resubscribe later."
        )
        self.task_id = task_id
        self.position = position
        self.reason = reason


class AgentUnreachable(A2AStreamingError):
    """A call got no usable answer.

    Args:
        url: What was asked.
        reason: What came instead of an answer.
    """

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"No usable answer from {url}: {reason}.")
        self.url = url
        self.reason = reason


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One event of a task's stream.

    Args:
        kind: `status`, `artifact`, or another that the server names.
        data: The event (first dialect).
        position: Where it stands in the task's log; empty if the server doesn't say.
        final: Whether the stream ends with it: the task has ended, or waits for its customer.
    """

    kind: str
    data: Json
    position: str
    final: bool

    @property
    def state(self) -> str | None:
        """The state that a status event reports; None in another event."""
        return self.data["status"]["state"] if self.kind == "status" else None


class _ComeBack(Exception):
    """The server can't serve this now.

    Args:
        reason: Why.
        after: Seconds after which to try again.
    """

    def __init__(self, reason: str, after: float) -> None:
        super().__init__(reason)
        self.after = after


class Client:
    """A client of one agent. Use it as an async context manager, or call `aclose`.

    Args:
        base_url: The agent's address, for example `http://127.0.0.1:8000/agents/billing`.
        token: Sent as bearer token.
        http: An HTTP client to share; it stays open.
        patience: Seconds without any progress after which a cut stream is given up.
    """

    def __init__(
        self,
        base_url: str,
        *,
        token: str | None = None,
        http: httpx2.AsyncClient | None = None,
        patience: float = 60.0,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._headers = {"authorization": f"Bearer {token}"} if token else {}
        self._own = http is None
        self._http = http if http is not None else http_client()
        self._patience = patience

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections, unless the HTTP client is shared."""
        if self._own:
            await self._http.aclose()

    async def card(self) -> Json:
        """Return the agent's card (first dialect).

        Raises:
            AgentUnreachable: There is none, or no answer.
        """
        url = f"{self.base_url}/.well-known/agent.json"
        try:
            response = await self._http.get(url, headers=self._headers, timeout=_TIMEOUT)
        except httpx2.HTTPError as error:
            raise AgentUnreachable(url, _reason(error)) from error
        if response.status_code != 200:
            raise AgentUnreachable(url, f"HTTP {response.status_code}")
        return _object(url, response.content)

    async def get(self, task_id: str, *, history_length: int | None = None) -> Json:
        """Return a task as it is now.

        Args:
            task_id: The task.
            history_length: The most messages of its history to return; the server's default if None.

        Raises:
            RemoteError: The agent refuses, for example because there is no such task.
            AgentUnreachable: No answer.
        """
        params: Json = {"id": task_id}
        if history_length is not None:
            params["historyLength"] = history_length
        return await self._call("tasks/get", params)

    async def cancel(self, task_id: str) -> Json:
        """Cancel a task, and return it.

        Raises:
            RemoteError: The agent refuses, for example because the task has ended.
            AgentUnreachable: No answer.
        """
        return await self._call("tasks/cancel", {"id": task_id})

    async def send(
        self,
        task_id: str,
        message: str | Json,
        *,
        session_id: str | None = None,
        metadata: Json | None = None,
    ) -> Json:
        """Send a message, and return the task when its turn has ended or the server stops waiting.

        Args:
            task_id: The task, new or waiting.
            message: The text, or a message in the first dialect.
            session_id: The conversation that a new task belongs to.
            metadata: Metadata for a new task.

        Raises:
            RemoteError: The agent refuses.
            AgentUnreachable: No answer; the message may have been accepted all the same.
        """
        return await self._call("tasks/send", _params(task_id, message, session_id, metadata))

    def send_subscribe(
        self,
        task_id: str,
        message: str | Json,
        *,
        session_id: str | None = None,
        metadata: Json | None = None,
        after: str | None = None,
    ) -> AsyncGenerator[StreamEvent]:
        """Send a message, and follow the task until its turn has ended.

        Args:
            task_id: The task, new or waiting.
            message: The text, or a message in the first dialect.
            session_id: The conversation that a new task belongs to.
            metadata: Metadata for a new task.
            after: For a follow-up: the position of the last event known before it.

        Raises:
            RemoteError: The agent refuses.
            StreamLost: The stream was cut and couldn't be taken up in time.
        """
        params = _params(task_id, message, session_id, metadata)
        return self._follow(task_id, params, after)

    def resubscribe(self, task_id: str, after: str | None = None) -> AsyncGenerator[StreamEvent]:
        """Follow a task: what came after a position, or its whole story, and then live.

        Args:
            task_id: The task.
            after: The position of the last event that is known; None for the story from its start.

        Raises:
            RemoteError: The agent refuses, for example because there is no such task.
            StreamLost: The stream was cut and couldn't be taken up in time.
        """
        return self._follow(task_id, None, after)

    async def _call(self, method: str, params: Json) -> Json:
        url = f"{self.base_url}/"
        try:
            response = await self._http.post(
                url, content=_request(method, params), headers=self._head(), timeout=_TIMEOUT
            )
            answer = _answer(url, response)
        except (httpx2.HTTPError, _ComeBack) as error:
            raise AgentUnreachable(url, _reason(error)) from error
        return answer

    async def _follow(
        self, task_id: str, message: Json | None, after: str | None
    ) -> AsyncGenerator[StreamEvent]:
        """Yield a task's events over any number of connections."""
        pause = _Pause(self._patience)
        position = after or ""
        follow_up = message is not None and after is not None
        last: StreamEvent | None = None
        while True:
            retry_after = 0.0
            try:
                unanswered = follow_up and last is None
                stream = self._open(task_id, message, position)
                try:
                    async for got in self._read(stream, pause, last, unanswered=unanswered):
                        if got.position:
                            position = got.position
                        message, last = None, got
                        yield got
                finally:
                    await stream.aclose()
                if last is not None and last.final:
                    return
                reason = "the server ended the stream early"
            except _ComeBack as error:
                reason, retry_after = _reason(error), error.after
            except (httpx2.TransportError, TimeoutError) as error:
                reason = _reason(error)
                if isinstance(error, _NEVER_SENT):
                    unanswered = False
            if last is not None and last.final:
                return
            if unanswered:
                message = None  # it may have arrived: look for what it brought about
            await pause.wait(task_id, position, reason, retry_after)

    async def _open(
        self, task_id: str, message: Json | None, position: str
    ) -> AsyncGenerator[bytes]:
        """Open one connection, and yield its bytes."""
        head = {**self._head(), "accept": "text/event-stream, application/json"}
        if message is not None:
            body = _request("tasks/sendSubscribe", message)
        else:
            body = _request("tasks/resubscribe", {"id": task_id})
            if position:
                head["last-event-id"] = position
        url = f"{self.base_url}/"
        async with self._http.stream(
            "POST", url, content=body, headers=head, timeout=_TIMEOUT
        ) as response:
            kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            if response.status_code != 200 or kind != "text/event-stream":
                await response.aread()
                _answer(url, response)
                raise _ComeBack(f"HTTP {response.status_code} with {kind or 'no type'}", 0.0)
            async for chunk in response.aiter_bytes():
                yield chunk

    async def _read(
        self,
        stream: AsyncIterator[bytes],
        pause: _Pause,
        last: StreamEvent | None,
        *,
        unanswered: bool,
    ) -> AsyncGenerator[StreamEvent]:
        """Read one connection's events, and count what shows that the other side is alive."""
        decoder = Decoder()
        while True:
            limit = None
            if last is not None and last.final:
                limit = _LINGER
            elif unanswered:
                limit = pause.left
            async with asyncio.timeout(limit):
                chunk = await anext(stream, b"")
            if not chunk:
                return
            if not unanswered:
                pause.progress()
            for message in decoder.feed(chunk):
                last, unanswered = _event(message), False
                pause.progress()
                yield last

    def _head(self) -> dict[str, str]:
        return {**self._headers, "content-type": "application/json"}


class _Pause:
    """Pauses between connections: they grow, at random, and end when the patience does.

    Args:
        patience: Seconds without any progress after which to give up.
    """

    def __init__(self, patience: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._patience = patience
        self._since = self._loop.time()
        self._next = _FIRST_PAUSE

    @property
    def left(self) -> float:
        """Seconds of patience that are left."""
        return max(0.0, self._since + self._patience - self._loop.time())

    def progress(self) -> None:
        """Begin anew: something came."""
        self._since = self._loop.time()
        self._next = _FIRST_PAUSE

    async def wait(self, task_id: str, position: str, reason: str, at_least: float) -> None:
        """Wait before the next connection.

        Raises:
            StreamLost: The patience is over.
        """
        seconds = max(at_least, self._next * random.uniform(0.5, 1.0))
        self._next = min(self._next * 2, _LONGEST_PAUSE)
        if seconds >= self.left:
            raise StreamLost(task_id, position, reason)
        _log.info("stream of task %s cut (%s); again in %.1f s", task_id, reason, seconds)
        await asyncio.sleep(seconds)


def http_client() -> httpx2.AsyncClient:
    """Return an HTTP client fit for many streams at once; proxies don't apply to this machine."""
    here = ("all://127.0.0.1", "all://localhost", "all://[::1]")
    return httpx2.AsyncClient(
        timeout=_TIMEOUT,
        limits=httpx2.Limits(max_connections=None, max_keepalive_connections=20),
        mounts=dict.fromkeys(here),
    )


def _params(
    task_id: str, message: str | Json, session_id: str | None, metadata: Json | None
) -> Json:
    if isinstance(message, str):
        message = {"role": "user", "parts": [{"type": "text", "text": message}]}
    params: Json = {"id": task_id, "message": message}
    if session_id is not None:
        params["sessionId"] = session_id
    if metadata:
        params["metadata"] = metadata
    return params


def _request(method: str, params: Json) -> bytes:
    return orjson.dumps(
        {"jsonrpc": "2.0", "id": uuid.uuid4().hex, "method": method, "params": params}
    )


def _answer(url: str, response: httpx2.Response) -> Json:
    """Return a JSON-RPC response's result.

    Raises:
        RemoteError: It is an error.
        AgentUnreachable: It is no JSON-RPC response.
        _ComeBack: The server can't serve this now.
    """
    if response.status_code in _COME_BACK:
        raise _ComeBack(
            f"HTTP {response.status_code}", _seconds(response.headers.get("retry-after"))
        )
    try:
        answer = _object(url, response.content)
    except AgentUnreachable as error:
        raise AgentUnreachable(url, f"HTTP {response.status_code}, {error.reason}") from error
    if "error" in answer:
        _raise(answer["error"])
    result = answer.get("result")
    if not isinstance(result, dict):
        raise AgentUnreachable(url, f"HTTP {response.status_code} without a result")
    return cast("Json", result)


def _raise(error: Any) -> None:
    """Raise what a JSON-RPC error says."""
    if not isinstance(error, dict):
        raise RemoteError(-32603, "Internal error", "an error of unknown form")
    told = cast("Json", error)
    data: Any = told.get("data")
    details = cast("Json", data) if isinstance(data, dict) else {}
    detail = str(details.get("detail", "" if isinstance(data, dict) else data or ""))
    if "retryAfterSeconds" in details:
        raise _ComeBack(detail, _seconds(details["retryAfterSeconds"]))
    code = told.get("code")
    raise RemoteError(
        code if isinstance(code, int) else -32603, str(told.get("message", "")), detail
    )


def _event(message: Message) -> StreamEvent:
    """Read an event; in a JSON-RPC envelope too, as servers of the first days send it."""
    data = _object("the stream", message.data)
    if "jsonrpc" in data:
        if "error" in data:
            _raise(data["error"])
        result = data.get("result")
        data = cast("Json", result) if isinstance(result, dict) else {}
    kind = message.event
    if kind == "message":
        kind = "artifact" if "artifact" in data else "status" if "status" in data else kind
    return StreamEvent(kind, data, message.id, data.get("final") is True)


def _object(url: str, body: bytes | str) -> Json:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise AgentUnreachable(url, "the answer is no JSON") from error
    if not isinstance(value, dict):
        raise AgentUnreachable(url, "the answer is no JSON object")
    return cast("Json", value)


def _seconds(text: Any) -> float:
    """Read `Retry-After` in seconds; a date counts as soon."""
    try:
        return min(max(float(text), 0.0), 30.0)
    except (TypeError, ValueError):
        return 0.0


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
