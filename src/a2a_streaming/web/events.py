"""The one stream of a browser: any tasks, whosever agents they are, and topics, on one connection.

    POST /web/events  {"tasks": {"<task>": "<last position>" or null}, "topics": {"<topic>": "<version>" or null}}

A page changes what it follows by asking anew, with what it has seen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from a2a_streaming.auth.tokens import Ticket
from a2a_streaming.caller import Caller
from a2a_streaming.errors import (
    Forbidden,
    InternalError,
    InvalidParams,
    RequestError,
    TaskNotFound,
    Unauthenticated,
)
from a2a_streaming.following import FollowReader, TopicReader
from a2a_streaming.http.access import Access, counted
from a2a_streaming.http.bodies import check_json, load_json, read_body, rest_error
from a2a_streaming.http.stream import EventStream
from a2a_streaming.node import Node
from a2a_streaming.reading import Reader, TaskReader, read_position
from a2a_streaming.telemetry import get_logger
from a2a_streaming.topic import Topic
from a2a_streaming.web import frames
from a2a_streaming.web.rights import Rights

_log = get_logger(__name__)
_MOST = 200
"""Tasks on one stream."""
_NOW = "now"
"""In the place of a position: begin with the task as it is, without its story."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a page wants to follow.

    Args:
        tasks: The last position that it has seen of each task; None if none.
        topics: The version that it has of each topic, likewise.
    """

    tasks: Mapping[str, str | None]
    topics: Mapping[str, str | None]


class EventsEndpoint:
    """ASGI endpoint of the stream.

    Args:
        node: The process's node.
        topics: What pages may follow beside tasks.
    """

    def __init__(self, node: Node, topics: Sequence[Topic]) -> None:
        self._node = node
        self._topics = {topic.name: topic for topic in topics}
        self._access = Access(node)
        self._rights = Rights(node)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await (await self._answer(Request(scope, receive)))(scope, receive, send)

    async def _answer(self, request: Request) -> ASGIApp:
        try:
            return await self._serve(request)
        except RequestError as error:
            return rest_error(error)
        except ClientDisconnect:
            return Response(status_code=400)
        except Exception:  # whatever fails, the page gets an answer and the server lives
            _log.exception("a request failed")
            return rest_error(InternalError())

    async def _serve(self, request: Request) -> ASGIApp:
        body = await read_body(request, self._node.settings.max_body_bytes, self._node.quotas)
        await self._node.ready()
        caller, ticket = await self._identify(request)
        check_json(request)
        wanted = read_wanted(load_json(body))
        if ticket is not None and not ticket.is_for(wanted.tasks, wanted.topics):
            raise Unauthenticated("The ticket isn't for all of these. Get a new one.")
        app = await counted(self._node, caller, partial(self._open, caller, wanted))
        if isinstance(app, EventStream):
            self._rights.watch(app, caller)
        return app

    async def _identify(self, request: Request) -> tuple[Caller, Ticket | None]:
        """Return who asks, and the ticket that they came by; raises as `Access.of_page` does."""
        if self._node.settings.authenticates and (text := request.query_params.get("ticket")):
            ticket = await self._access.of_ticket(request, text)
            return ticket.caller, ticket
        return await self._access.of_page(request), None

    async def _open(self, caller: Caller, wanted: Wanted) -> ASGIApp:
        """Open the stream.

        Raises:
            InvalidParams: There is no such topic.
            Forbidden: A topic isn't for the caller.
            Unavailable: Redis is away.
        """
        topics = [(self._topic(name, caller), seen) for name, seen in wanted.topics.items()]
        readers: dict[Reader, str] = {}
        missing: list[bytes] = []

        async def open_task(task: str, seen: str | None) -> None:
            try:
                readers[await self._task(task, caller, seen)] = task
            except (TaskNotFound, InvalidParams):  # what is no id, is no task's
                missing.append(frames.gone(task))

        try:
            await _all(open_task(task, seen) for task, seen in wanted.tasks.items())
        except BaseException:
            await asyncio.gather(*(reader.aclose() for reader in readers))
            raise
        followed = [
            TopicReader(topic, caller, seen, partial(frames.topic, topic.name))
            for topic, seen in topics
        ]
        reader = FollowReader(
            [*readers, *followed],
            first=missing,
            gone=lambda reader: frames.gone(readers[reader]),
        )
        return EventStream(self._node, reader)

    def _topic(self, name: str, caller: Caller) -> Topic:
        topic = self._topics.get(name)
        if topic is None:
            known = ", ".join(self._topics) or "none"
            raise InvalidParams(f"There is no topic {name[:40]!r} here; there are: {known}.")
        if caller.task:
            raise Forbidden("A link, or a ticket, for one task opens nothing else.")
        topic.admit(caller)
        return topic

    async def _task(self, task: str, caller: Caller, seen: str | None) -> TaskReader:
        """Open one task.

        Raises:
            InvalidParams: Its id can't be one.
            TaskNotFound: It isn't there for the caller.
            Unavailable: Redis is away.
        """
        after, malformed = (None, False) if seen == _NOW else read_position(seen)
        session = await self._node.watch(
            task, caller=caller, after=after, malformed=malformed, from_snapshot=seen == _NOW
        )
        await session.__aenter__()
        return TaskReader(session, frames=frames.PageFrames(task), to_the_end=True)


def read_wanted(told: Any) -> Wanted:
    """Read what a page wants to follow.

    Args:
        told: The request's body.

    Raises:
        InvalidParams: It says something else, nothing, or too much.
    """
    match told:
        case {**said} if told.keys() <= {"tasks", "topics"}:
            tasks, topics = _seen(said.get("tasks", {})), _seen(said.get("topics", {}))
        case _:
            tasks = topics = None
    if tasks is None or topics is None:
        raise InvalidParams(
            'Send {"tasks": {"<task>": "<last position>" or null, …}, "topics": {"<topic>": "<version>" or null, …}}.'
        )
    if not tasks and not topics:
        raise InvalidParams("Name a task or a topic to follow.")
    if len(tasks) > _MOST:
        raise InvalidParams(f"Follow {_MOST} tasks at most on one stream, not {len(tasks)}.")
    return Wanted(tasks, topics)


def _seen(told: Any) -> dict[str, str | None] | None:
    """Return what a page has seen, by name; None if it doesn't say that."""
    if not isinstance(told, dict):
        return None
    said = cast("dict[str, Any]", told)
    return said if all(isinstance(seen, str | None) for seen in said.values()) else None


async def _all(coroutines: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run all of them to their ends, then raise what the first of them raised that failed."""
    done = await asyncio.gather(*coroutines, return_exceptions=True)
    for failure in done:
        if failure is not None:
            raise failure
