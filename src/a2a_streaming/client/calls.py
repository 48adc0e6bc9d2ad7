"""The client of one agent: its calls, and its requests on the wire."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator, Mapping
from typing import Self

import httpx2
import orjson

from a2a_streaming.client.answers import (
    AgentUnreachable,
    ComeBack,
    StreamEvent,
    object_of,
    result_of,
    state_of,
)
from a2a_streaming.client.several import follow_several
from a2a_streaming.client.stream import follow
from a2a_streaming.task import Json

_SILENCE = 45.0  # a server sends a heartbeat each 15 s
_NEVER_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)


class Client:
    """A client of one agent. Use it as an async context manager, or call `aclose`.

    Args:
        base_url: The agent's address, for example `http://127.0.0.1:8000/agents/billing`.
        token: Sent as bearer token.
        http: An HTTP client to share; it stays open.
        patience: Seconds without any progress after which a cut stream is given up.
        silence: Seconds without a single byte after which a connection counts as dead.
    """

    def __init__(
        self,
        base_url: str,
        *,
        token: str | None = None,
        http: httpx2.AsyncClient | None = None,
        patience: float = 60.0,
        silence: float = _SILENCE,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._url = f"{self.base_url}/"
        self._headers = {"authorization": f"Bearer {token}"} if token else {}
        self._own = http is None
        self._http = http if http is not None else http_client()
        self._patience = patience
        self._silence = silence
        self._timeout = _timeout(silence)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()

    def with_token(self, token: str | None) -> Client:
        """Return a client of the same agent that sends another token over the same connections.

        Args:
            token: Sent as bearer token; None for none.
        """
        return Client(
            self.base_url,
            token=token,
            http=self._http,
            patience=self._patience,
            silence=self._silence,
        )

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
            response = await self._http.get(url, headers=self._headers, timeout=self._timeout)
        except httpx2.RequestError as error:
            raise AgentUnreachable(url, _reason(error)) from error
        if response.status_code != 200:
            raise AgentUnreachable(url, f"HTTP {response.status_code}")
        return object_of(url, response.content)

    async def get(self, task_id: str, *, history_length: int | None = None) -> Json:
        """Return a task as it is now.

        Args:
            task_id: The task.
            history_length: The most messages of its history to return; None for the server's default.

        Raises:
            RemoteError: The agent refuses, for example because there is no such task.
            AgentUnreachable: No usable answer.
        """
        params: Json = {"id": task_id}
        if history_length is not None:
            params["historyLength"] = history_length
        return await self._call("tasks/get", params)

    async def cancel(self, task_id: str) -> Json:
        """Cancel a task, and return it.

        Args:
            task_id: The task.

        Raises:
            RemoteError: The agent refuses, for example because the task has ended.
            AgentUnreachable: No usable answer.
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
            message: The text, or a message (first dialect).
            session_id: The conversation that a new task belongs to.
            metadata: Metadata for a new task.

        Raises:
            RemoteError: The agent refuses.
            AgentUnreachable: No usable answer; the message may have been accepted all the same.
        """
        return await self._call("tasks/send", _message(task_id, message, session_id, metadata))

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

        An event of kind `reset` says that what was told before can't be continued: begin anew from the
        task in it. After a reset to a task that waits for its customer the stream stays open, for the
        message may not have been worked on yet.

        Args:
            task_id: The task, new or waiting.
            message: The text, or a message (first dialect).
            session_id: The conversation that a new task belongs to.
            metadata: Metadata for a new task.
            after: For a follow-up: the position of the last event known before it.

        Raises:
            RemoteError: The agent refuses.
            AgentUnreachable: Something other than an agent answers there.
            StreamLost: The stream was cut and couldn't be taken up in time.
        """
        params = _message(task_id, message, session_id, metadata)
        return self._follow(task_id, params, after)

    def resubscribe(self, task_id: str, after: str | None = None) -> AsyncGenerator[StreamEvent]:
        """Follow a task: what came after a position, or its whole story, and then live.

        It ends with the turn or the task; at once, without an event, if the task has ended and all was
        told before. An event of kind `reset` says that the position can't be continued: begin anew from
        the task in it.

        Args:
            task_id: The task.
            after: The position of the last event that is known; None for the story from its start.

        Raises:
            RemoteError: The agent refuses, for example because there is no such task.
            AgentUnreachable: Something other than an agent answers there.
            StreamLost: The stream was cut and couldn't be taken up in time.
        """
        return self._follow(task_id, None, after)

    def follow(self, tasks: Mapping[str, str | None]) -> AsyncGenerator[StreamEvent]:
        """Follow several tasks on one connection (`tasks/follow`), each to its end, over all its turns.

        An event's `task` says whose it is; a `reset` concerns that task alone. To go on later, call it
        again with each task's last position. A task that is forgotten while it is followed, because its
        time is over, is left out.

        Args:
            tasks: The tasks, at most 200, each with the position of the last event that is known; None
                for its story from its start.

        Raises:
            RemoteError: The agent refuses, for example because there is no such task.
            AgentUnreachable: Something other than an agent answers there.
            StreamLost: The stream was cut and couldn't be taken up in time.
        """

        def open_(positions: Mapping[str, str]) -> AsyncGenerator[bytes]:
            wanted = [{"id": i, "after": at} if at else {"id": i} for i, at in positions.items()]
            return self._stream(_request("tasks/follow", {"tasks": wanted}), {})

        return follow_several(open_, self._state, tasks, self._patience)

    def _follow(
        self, task_id: str, message: Json | None, after: str | None
    ) -> AsyncGenerator[StreamEvent]:
        def open_(message: Json | None, position: str) -> AsyncGenerator[bytes]:
            if message is not None:
                return self._stream(_request("tasks/sendSubscribe", message), {})
            last = {"last-event-id": position} if position else {}
            return self._stream(_request("tasks/resubscribe", {"id": task_id}), last)

        return follow(open_, self._state, task_id, message, after, self._patience)

    async def _call(self, method: str, params: Json) -> Json:
        try:
            return await self._ask(method, params)
        except ComeBack as error:
            raise AgentUnreachable(self._url, str(error)) from error

    async def _ask(self, method: str, params: Json) -> Json:
        headers = {**self._headers, "content-type": "application/json"}
        try:
            response = await self._http.post(
                self._url, content=_request(method, params), headers=headers, timeout=self._timeout
            )
        except httpx2.RequestError as error:
            raise _come_back(error) from error
        return self._result(response)

    async def _state(self, task_id: str) -> str:
        task = await self._ask("tasks/get", {"id": task_id})
        return state_of(self._url, task)

    async def _stream(self, body: bytes, headers: dict[str, str]) -> AsyncGenerator[bytes]:
        """Open one connection, and yield its bytes."""
        headers = {
            **self._headers,
            **headers,
            "content-type": "application/json",
            "accept": "text/event-stream, application/json",
        }
        try:
            async with self._http.stream(
                "POST", self._url, content=body, headers=headers, timeout=self._timeout
            ) as response:
                kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
                if response.status_code != 200 or kind != "text/event-stream":
                    await response.aread()
                    self._result(response)
                    raise AgentUnreachable(self._url, "it answers, but not with a stream")
                async for chunk in response.aiter_bytes():
                    yield chunk
        except httpx2.RequestError as error:
            raise _come_back(error) from error

    def _result(self, response: httpx2.Response) -> Json:
        retry_after: str | None = response.headers.get("retry-after")
        return result_of(self._url, response.status_code, response.content, retry_after)


def http_client() -> httpx2.AsyncClient:
    """Return an HTTP client fit for many streams at once; proxies don't apply to this machine."""
    here = ("all://127.0.0.1", "all://localhost", "all://[::1]")
    return httpx2.AsyncClient(
        timeout=_timeout(_SILENCE),
        limits=httpx2.Limits(max_connections=None, max_keepalive_connections=20),
        mounts=dict.fromkeys(here),
    )


def _timeout(silence: float) -> httpx2.Timeout:
    return httpx2.Timeout(silence, connect=5.0)


def _come_back(error: httpx2.RequestError) -> ComeBack:
    return ComeBack(_reason(error), sent=not isinstance(error, _NEVER_SENT))


def _reason(error: Exception) -> str:
    """Return what went wrong, in words: many network errors have none of their own."""
    return str(error) or type(error).__name__


def _message(
    task_id: str, message: str | Json, session_id: str | None, metadata: Json | None
) -> Json:
    """Return the parameters that send a message."""
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
