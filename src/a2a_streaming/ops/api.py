"""The operators' HTTP API. `docs/operations.md` says what each figure means.

    …    /ops/api/dead-letters                 see `letters`
    GET  /ops/api/summary                      how the installation is, with the last ten minutes
    GET  /ops/api/tasks?state=&agent=&owner=&context=&silent=&unchanged=&changed=&older=&newer=&q=&archived=&size=&token=
    GET  /ops/api/tasks/{id}                   all that is known of one
    GET  /ops/api/tasks/{id}/events?after=&size=
    GET  /ops/api/tasks/{id}/events.jsonl      its whole log
    POST /ops/api/tasks/{id}/retry|cancel|escalate   {"reason": …}
    GET  /ops/api/alerts?open=&size=&token=
    POST /ops/api/alerts/{id}/acknowledge      {"reason": …}

Ids are stored ids. What is done with another owner's task is audited, and each intervention. Pages look each second:
that somebody reads the same is noted once a minute, or what else was done would be pushed out of the audit.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from itertools import islice
from typing import Any, cast

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from a2a_streaming.archive import Story
from a2a_streaming.archived import ArchivedTasks
from a2a_streaming.caller import Caller
from a2a_streaming.errors import InvalidParams, InvalidPosition, RequestError, TaskNotFound
from a2a_streaming.http.bodies import json_response
from a2a_streaming.http.door import HttpDoor
from a2a_streaming.intervening import Done, Interventions
from a2a_streaming.node import Node
from a2a_streaming.ops.alerts import AlertBook
from a2a_streaming.ops.archived import ArchivedTable, story_told
from a2a_streaming.ops.asked import answered, read_size
from a2a_streaming.ops.letters import DeadLetters
from a2a_streaming.ops.operators import as_operator
from a2a_streaming.ops.overview import Overview
from a2a_streaming.ops.tasks import Tasks, Wanted
from a2a_streaming.position import Position
from a2a_streaming.task import Json, State

_PAGE, _MOST = 50, 200
_EVENTS, _MOST_EVENTS = 200, 1000
_EXPORT_PAGE = 500
_LONGEST = 2000
"""The most characters of a reason."""
_AGES = ("unchanged", "changed", "older", "newer")
_ANEW_SECONDS = 60.0
_MOST_LOOKS = 10_000
_LABELS = {state.label: state for state in State}


Answer = Callable[[Request, Caller], Awaitable[Response]]


class OperationsApi:
    """Serves operators.

    Args:
        node: The process's node.
        door: The way in from outside.
        overview: How the installation is.
    """

    def __init__(self, node: Node, door: HttpDoor, overview: Overview) -> None:
        self._node = node
        self._door = door
        self._overview = overview
        self._looks: dict[tuple[str, ...], float] = {}
        """When it was noted that somebody reads something, by who and what, the latest last."""

    def routes(self) -> list[BaseRoute]:
        """Return the routes, to be put into an application."""
        one = "/ops/api/tasks/{task}"
        return [
            *DeadLetters(self._node, self._door.body).routes(self._served),
            Route("/ops/api/summary", self._served(self._summary), methods=["GET"]),
            Route("/ops/api/tasks", self._served(self._table), methods=["GET"]),
            Route(one, self._served(self._one), methods=["GET"]),
            Route(f"{one}/events", self._served(self._events), methods=["GET"]),
            Route(f"{one}/events.jsonl", self._served(self._export), methods=["GET"]),
            *(
                Route(f"{one}/{does}", self._served(self._intervening(does)), methods=["POST"])
                for does in ("retry", "cancel", "escalate")
            ),
            Route("/ops/api/alerts", self._served(self._alerts), methods=["GET"]),
            Route(
                "/ops/api/alerts/{alert}/acknowledge",
                self._served(self._acknowledge),
                methods=["POST"],
            ),
        ]

    def _served(self, answer: Answer) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            try:
                caller = await self._door.identify(request)
                return await answer(request, as_operator(caller, self._node.settings))
            except RequestError as error:
                return self._door.refuse(error)

        return endpoint

    @property
    def _tasks(self) -> Tasks:
        return Tasks(self._node.manager)

    async def _summary(self, _request: Request, _caller: Caller) -> Response:
        return answered(await self._overview.with_series())

    async def _table(self, request: Request, caller: Caller) -> Response:
        asked = request.query_params
        wanted = Wanted(
            state=_state(asked.get("state", "")),
            agent=asked.get("agent", ""),
            owner=asked.get("owner") or None,
            context=asked.get("context", ""),
            silent=self._silent(asked.get("silent", "")),
            words=asked.get("q", ""),
            **{name: _seconds(name, asked.get(name, "")) for name in _AGES},
        )
        if self._node.settings.authenticates:
            await self._looked(caller, "list", "*", "*")
        size, token = read_size(asked.get("size", ""), _PAGE, _MOST), asked.get("token", "")
        if _yes("archived", asked.get("archived", "")):
            table = ArchivedTable(self._node.archive)
            return answered(await table.table(wanted, size=size, token=token))
        agents = await self._node.manager.nodes.agents()
        known = sorted({*agents, *self._node.cards})
        return answered(await self._tasks.table(wanted, agents=known, size=size, token=token))

    def _silent(self, told: str) -> float | None:
        if told in ("", "false"):
            return None
        return self._node.settings.silent_seconds if told == "true" else _seconds("silent", told)

    async def _one(self, request: Request, caller: Caller) -> Response:
        task = await self._found(request, caller, "get")
        if isinstance(task, Story):
            return answered(story_told(task))
        return answered(await self._tasks.one(task))

    async def _events(self, request: Request, caller: Caller) -> Response:
        task = await self._found(request, caller, "history")
        after = _position(request.query_params.get("after", ""))
        size = read_size(request.query_params.get("size", ""), _EVENTS, _MOST_EVENTS)
        events = await self._log(task, after, size + 1)
        more = len(events) > size
        told = b",".join(_line(*one) for one in events[:size])
        following = f'"{events[size - 1][0]}"' if more else "null"
        return json_response(b'{"events":[%b],"next":%b}' % (told, following.encode()))

    async def _export(self, request: Request, caller: Caller) -> Response:
        task = await self._found(request, caller, "export")
        name = task.id if isinstance(task, Story) else task
        return StreamingResponse(
            self._lines(task),
            media_type="application/jsonl",
            headers={
                "cache-control": "no-store",
                "content-disposition": f'attachment; filename="{name}.jsonl"',
            },
        )

    async def _log(
        self, task: str | Story, after: Position | None, count: int
    ) -> Sequence[tuple[Position, bytes]]:
        """Return a page of a task's log, or of an archived one's."""
        if not isinstance(task, Story):
            return await self._node.manager.census.events(task, after, count=count)
        seen = 0 if after is None else after.offset
        known = (one for one in task.events if one[0].offset > seen)
        return [*islice(known, count)]

    async def _lines(self, task: str | Story) -> AsyncIterator[bytes]:
        after: Position | None = None
        while events := await self._log(task, after, _EXPORT_PAGE):
            after = events[-1][0]
            yield b"".join(_line(*one) + b"\n" for one in events)

    def _intervening(self, does: str) -> Answer:
        async def intervene(request: Request, caller: Caller) -> Response:
            reason = await self._reason(request)
            task: str = request.path_params["task"]
            owner = await self._tasks.owner(task)
            await self._node.manager.audit.note(caller, does, task, owner, reason)
            outcome = await self._intervene(does, task, caller.owner, reason)
            return answered({"task": task, "does": does, "outcome": outcome})

        return intervene

    async def _reason(self, request: Request) -> str:
        """Return why somebody does something, as they say it."""
        body = await self._door.body(request)
        reason: Any = cast("Json", body).get("reason", "") if isinstance(body, dict) else None
        if not isinstance(reason, str) or len(reason) > _LONGEST:
            raise InvalidParams(
                f'Send {{"reason": "…"}}, with at most {_LONGEST} characters, or nothing.'
            )
        return reason

    async def _alerts(self, request: Request, _caller: Caller) -> Response:
        asked = request.query_params
        page = await AlertBook(self._node.manager).table(
            unseen=_yes("open", asked.get("open", "")),
            size=read_size(asked.get("size", ""), _PAGE, _MOST),
            token=asked.get("token", ""),
        )
        return answered(page)

    async def _acknowledge(self, request: Request, caller: Caller) -> Response:
        reason = await self._reason(request)
        book = AlertBook(self._node.manager)
        return answered(await book.acknowledge(request.path_params["alert"], caller, reason))

    async def _intervene(self, does: str, task: str, by: str, reason: str) -> Done:
        interventions = Interventions(self._node.manager, self._node.feeds)
        match does:
            case "retry":
                return await interventions.retry(task)
            case "cancel":
                return await interventions.cancel(task)
            case _:
                return await interventions.escalate(task, by=by, reason=reason)

    async def _found(self, request: Request, caller: Caller, does: str) -> str | Story:
        """Return a task by its stored id or, if the archive alone has it, its story."""
        task: str = request.path_params["task"]
        try:
            owner = await self._tasks.owner(task)
        except TaskNotFound:
            archived = ArchivedTasks(self._node.archive, self._node.manager.audit, agent=None)
            story = await archived.find(task, caller, does)
            if story is None:
                raise
            return story
        if owner == caller.owner:
            return task
        if does == "export":
            await self._node.manager.audit.note(caller, does, task, owner)
        else:
            await self._looked(caller, does, task, owner)
        return task

    async def _looked(self, caller: Caller, does: str, task: str, owner: str) -> None:
        """Note that somebody reads something, unless that was noted a moment ago.

        Raises:
            Unavailable: Redis is away: what can't be noted isn't granted.
        """
        look = (caller.actor or caller.owner, caller.role.value, does, task)
        now = time.monotonic()
        if now - self._looks.get(look, -_ANEW_SECONDS) < _ANEW_SECONDS:
            return
        await self._node.manager.audit.note(caller, does, task, owner)
        self._looks.pop(look, None)
        self._looks[look] = now
        while len(self._looks) > _MOST_LOOKS:
            del self._looks[next(iter(self._looks))]


def _state(told: str) -> State | None:
    if told and told not in _LABELS:
        raise InvalidParams(f"{told[:40]!r} is no state: choose {', '.join(_LABELS)}.")
    return _LABELS.get(told)


def _yes(name: str, told: str) -> bool:
    if told not in ("", "true", "false"):
        raise InvalidParams(f"{name} is true or false.")
    return told == "true"


def _seconds(name: str, told: str) -> float | None:
    if not told:
        return None
    try:
        seconds = float(told)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 1e9:
        raise InvalidParams(f"{name} is a number of seconds.")
    return seconds


def _position(told: str) -> Position | None:
    try:
        return Position.parse(told) if told else None
    except InvalidPosition as error:
        raise InvalidParams("after is a position, as an event's `position` tells it.") from error


def _line(position: Position, data: bytes) -> bytes:
    """Return an event as JSON: as it is stored, with its position, and its time if it tells one."""
    event: Json = orjson.loads(data)
    match event:
        case {"statusUpdate": {"status": {"timestamp": str(at)}}}:
            pass
        case {"task": {"status": {"timestamp": str(at)}}}:
            pass
        case _:
            at = None
    return b'{"position":"%b","at":%b,"event":%b}' % (
        str(position).encode(),
        orjson.dumps(at),
        data,
    )
