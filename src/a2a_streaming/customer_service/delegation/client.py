"""The way to one specialist: a2a-sdk's client, whose streams are taken up again when they are cut.

What the official client leaves to its callers, and is done here: a stream that was cut ends as one that is
over does, and nothing is tried again. So a stream that ends too early is opened again after the last
position. A message that nothing was heard of is sent again, under the same id: the specialist knows it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import cast

import httpx
import httpx2
from a2a.client import A2AClientError, Client
from a2a.client.client import ClientCallContext
from a2a.types import (
    CancelTaskRequest,
    GetTaskRequest,
    ListTasksRequest,
    Message,
    SendMessageRequest,
    StreamResponse,
    SubscribeToTaskRequest,
    Task,
)
from a2a.utils.errors import JSON_RPC_ERROR_CODE_MAP, A2AError, UnsupportedOperationError
from google.protobuf.json_format import ParseDict, ParseError

from a2a_streaming.client import AgentUnreachable, RemoteError, StreamLost
from a2a_streaming.customer_service.delegation.events import (
    RESUME,
    SAID,
    TOLD,
    ChildEvent,
    read_event,
    read_task,
)
from a2a_streaming.task import Json, State
from a2a_streaming.telemetry import get_logger

_log = get_logger(__name__)

Token = Callable[[], Awaitable[str | None]]
"""Gives a bearer token for one call; None without authentication."""

_NOT_SENT = (
    *(httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout),
    *(httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout),
)
_COME_BACK = frozenset({429, 502, 503, 504})
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
_ENDED_EARLY = "the stream ended early"


@dataclass(frozen=True, slots=True)
class SpecialistClient:
    """Asks one specialist, for one customer.

    Args:
        url: The specialist's address.
        client: a2a-sdk's client for it.
        token: By which it is asked for the customer.
        patience: Seconds without any progress after which a cut stream is given up.
        as_it_comes: Whether its streams come by `StreamTransport`.
        headers: What each call carries beside the token: the trace context.
    """

    url: str
    client: Client
    token: Token
    patience: float
    as_it_comes: bool = True
    headers: dict[str, str] = field(default_factory=dict[str, str])

    async def follow(
        self, message: Json | None, task: str = "", after: str = ""
    ) -> AsyncGenerator[ChildEvent]:
        """Send a message, unless it is None, and yield what follows; for ever: the caller knows when it ends.

        Args:
            message: The message (A2A 1.0 JSON), with an id that is the same whenever it is sent; None to go
                on with what a message that arrived has begun.
            task: The child; empty as long as nobody knows it.
            after: The position of the last event known; empty if none is.

        Raises:
            RemoteError: The specialist refuses.
            AgentUnreachable: Something other than an agent answers there.
            StreamLost: The stream was cut and couldn't be taken up in time.
        """
        patience = _Patience(self.patience)
        while True:
            patience.opened()
            silent = True
            try:
                async with aclosing(self._open(message, task, after)) as events:
                    async for event in events:
                        patience.progress()
                        silent, message = False, None
                        task = task or event.task_id
                        after = event.position or after
                        yield event
                if silent and message is None:  # perhaps it has ended, and all was told
                    known = read_task(await self.get(task))
                    if State(known.data["status"]["state"]) not in (State.WORKING, State.SUBMITTED):
                        yield known
                reason, pause = _ENDED_EARLY, 0.0
            except (A2AError, ParseError) as error:
                reason, pause = self._come_back(error, patience)
            await patience.wait(task, after, reason, pause)

    async def get(self, task: str) -> Task:
        """Return a task as it is now.

        Raises:
            A2AError: The specialist refuses, or doesn't answer.
        """
        return await self.client.get_task(GetTaskRequest(id=task), context=await self._context())

    async def tasks(self, context: str) -> list[Task]:
        """Return a conversation's latest tasks, with their histories.

        Args:
            context: The conversation.

        Raises:
            A2AError: The specialist refuses, has no lists (0.3), or doesn't answer.
        """
        asked = ListTasksRequest(context_id=context, page_size=20)
        try:
            listed = await self.client.list_tasks(asked, context=await self._context())
        except NotImplementedError as error:  # whose protocol has no lists
            raise UnsupportedOperationError(str(error)) from error
        return list(listed.tasks)

    async def cancel(self, task: str) -> None:
        """Cancel a task.

        Raises:
            RemoteError: The specialist refuses: it has ended, for example.
            AgentUnreachable: No usable answer.
        """
        request = CancelTaskRequest(id=task)
        try:
            await self.client.cancel_task(request, context=await self._context())
        except (A2AError, ParseError) as error:
            raise _told(self.url, error) from error

    async def _open(
        self, message: Json | None, task: str, after: str
    ) -> AsyncGenerator[ChildEvent]:
        """Open one connection, and yield its events."""
        context = await self._context(after)
        if message is not None:
            said = Message()
            if self.as_it_comes:
                context.state[SAID] = message
            else:
                ParseDict(message, said, ignore_unknown_fields=True)
            stream = self.client.send_message(SendMessageRequest(message=said), context=context)
        else:
            stream = self.client.subscribe(SubscribeToTaskRequest(id=task), context=context)
        # a2a-sdk says an iterator, and has a generator, which holds a connection.
        opened = cast("AsyncGenerator[StreamResponse]", stream)
        try:
            async with aclosing(opened) as responses:
                async for response in responses:
                    event = context.state.pop(TOLD, None) or read_event(response)
                    if event is None:
                        continue
                    if event.kind == "task" and message is None and not after:
                        event = replace(event, anew=True)  # it was asked for as it is now
                    yield event
        except UnsupportedOperationError:
            if message is not None or after:
                raise
            yield read_task(await self.get(task))  # it has ended: 1.0 streams no such task

    async def _context(self, after: str = "") -> ClientCallContext:
        headers = dict(self.headers)
        if not self.as_it_comes:
            headers["A2A-Extensions"] = RESUME  # SSE's ids don't come through
        if (token := await self.token()) is not None:
            headers["Authorization"] = f"Bearer {token}"
        if after:
            headers["Last-Event-ID"] = after
        return ClientCallContext(service_parameters=headers)

    def _come_back(self, error: Exception, patience: _Patience) -> tuple[str, float]:
        """Return why a connection is over and how long to wait; or raise, if trying again can't help."""
        match error.__cause__:
            case httpx.HTTPStatusError() | httpx2.HTTPStatusError() as cause if (
                cause.response.status_code in _COME_BACK
            ):
                wanted = cause.response.headers.get("retry-after")
                return f"HTTP {cause.response.status_code}", _seconds(wanted)
            case cause if isinstance(cause, _NOT_SENT):
                return str(error), 0.0
            case httpx.RequestError() | httpx2.RequestError():
                patience.was_cut()
                return str(error), 0.0
            case _:
                raise _told(self.url, error) from error


class _Patience:
    """Pauses between connections: they grow, at random, and end when the patience does.

    Args:
        seconds: Seconds without any progress after which to give up.
    """

    def __init__(self, seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._seconds = seconds
        self._since = self._opened = self._loop.time()
        self._next = _FIRST_PAUSE

    def opened(self) -> None:
        """Note that a connection is being opened."""
        self._opened = self._loop.time()

    def progress(self) -> None:
        """Begin anew: something came."""
        self._since = self._loop.time()
        self._next = _FIRST_PAUSE

    def was_cut(self) -> None:
        """Note a cut; a connection that stood for a while was alive, for servers send heartbeats."""
        if self._loop.time() - self._opened > _LONGEST_PAUSE:
            self.progress()

    async def wait(self, task: str, position: str, reason: str, at_least: float) -> None:
        """Wait before the next connection.

        Raises:
            StreamLost: The patience is over.
        """
        seconds = max(at_least, self._next * random.uniform(0.5, 1.0))
        self._next = min(self._next * 2, _LONGEST_PAUSE)
        if self._loop.time() + seconds >= self._since + self._seconds:
            raise StreamLost(task, position, reason)
        _log.info(
            "a specialist's stream is cut", child=task, reason=reason, pause=round(seconds, 1)
        )
        await asyncio.sleep(seconds)


def _told(url: str, error: Exception) -> RemoteError | AgentUnreachable:
    """Return an error of a2a-sdk's client as ours."""
    code = next((c for kind, c in JSON_RPC_ERROR_CODE_MAP.items() if type(error) is kind), None)
    if code is None or isinstance(error, A2AClientError):
        return AgentUnreachable(url, str(error))
    return RemoteError(code, str(error))


def _seconds(text: str | None) -> float:
    """Read `Retry-After` in seconds; a date counts as soon."""
    try:
        return min(max(float(text or 0), 0.0), 30.0)
    except ValueError:
        return 0.0
