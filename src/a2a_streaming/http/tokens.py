"""Where callers get tokens: tickets for EventSources, links to other devices, and tokens of services that act for customers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlencode

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from a2a_streaming.auth.authenticator import check_service
from a2a_streaming.backbone.keys import check_id
from a2a_streaming.caller import Caller, owner_of
from a2a_streaming.errors import (
    Forbidden,
    InvalidParams,
    InvalidRequest,
    RequestError,
    TaskNotFound,
    UnsupportedOperation,
)
from a2a_streaming.http.access import Access
from a2a_streaming.http.bodies import json_response, load_json, read_body, rest_error
from a2a_streaming.node import Node

_MOST = 64 * 1024
_MOST_NAMES = 200


class TokenEndpoint:
    """ASGI endpoint that gives out one kind of token.

    Args:
        node: The process's node.
        give: Makes the answer for a caller and what they sent.
    """

    def __init__(self, node: Node, give: Callable[[Node, Caller, Any], Awaitable[Any]]) -> None:
        self._node = node
        self._give = give
        self._access = Access(node)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await (await self._answer(Request(scope, receive)))(scope, receive, send)

    async def _answer(self, request: Request) -> ASGIApp:
        try:
            body = await read_body(request, _MOST, self._node.quotas)
            await self._node.ready()
            caller = await self._access.identify(request)
            if not self._node.settings.authenticates:
                raise UnsupportedOperation(
                    "There is no authentication here, so no token is needed."
                )
            told = await self._give(self._node, caller, load_json(body))
        except RequestError as error:
            return rest_error(error)
        except ClientDisconnect:
            return Response(status_code=400)
        return json_response(orjson.dumps(told))


async def give_ticket(node: Node, caller: Caller, wanted: Any) -> Any:
    """Give a ticket by which the caller's browser reads one task or, on a page's stream, several and topics.

    Args:
        node: The process's node.
        caller: Who asks.
        wanted: `{"id": <task>}`, or `{"tasks": [<task>, …], "topics": [<topic>, …]}`.

    Raises:
        InvalidRequest: It says something else.
        InvalidParams: A task's id can't be one, or there are too many.
        TaskNotFound: The caller is here for another task alone.
    """
    match wanted:
        case {"tasks": _, **rest} | {"topics": _, **rest} if not rest.keys() - {"tasks", "topics"}:
            tasks, topics = _names(wanted.get("tasks", [])), _names(wanted.get("topics", []))
            for task in tasks:
                _check_task(caller, task)
            ticket = await node.authenticator.page_ticket(caller, tasks=tasks, topics=topics)
        case _:
            ticket = await node.authenticator.ticket(caller, _task(caller, wanted))
    return {"ticket": ticket, "expiresIn": int(node.settings.auth_ticket_seconds)}


async def give_link(node: Node, caller: Caller, wanted: Any) -> Any:
    """Give a link by which the caller goes on with one task on another device.

    Args:
        node: The process's node.
        caller: Who asks.
        wanted: `{"id": <task>}`.

    Raises:
        Forbidden: The caller came by a link: else one would be good for ever.
        InvalidRequest: It says no task.
        InvalidParams: The task's id can't be one.
    """
    if caller.task or caller.actor:
        raise Forbidden("A link is made by its customer, who signs in; not by another link.")
    task = _task(caller, wanted)
    token = await node.authenticator.link(caller.owner, task)
    return {
        # Behind the #, so that it stands in no server's log and in no Referer.
        "link": f"/#{urlencode({'task': task, 'token': token})}",
        "token": token,
        "expiresIn": int(node.settings.auth_link_seconds),
    }


def _task(caller: Caller, wanted: Any) -> str:
    """Return the task that a token is wanted for.

    Raises:
        InvalidRequest: It says no task.
        InvalidParams: The task's id can't be one.
        TaskNotFound: The caller is here for another one alone.
    """
    match wanted:
        case {"id": str(task)}:
            _check_task(caller, task)
            return task
        case _:
            raise InvalidRequest('Send {"id": "<the task\'s id>"}.')


def _check_task(caller: Caller, task: str) -> None:
    check_id(task, "The task's id")
    if caller.task not in ("", task):
        raise TaskNotFound(task)


def _names(told: Any) -> list[str]:
    """Return the names that a list holds.

    Raises:
        InvalidRequest: It is no list of names.
        InvalidParams: It is too long.
    """
    match told:
        case [*names] if all(isinstance(name, str) and len(name) <= 128 for name in names):
            if len(names) > _MOST_NAMES:
                raise InvalidParams(f"A ticket is for {_MOST_NAMES} tasks at most.")
            return names
        case _:
            raise InvalidRequest('Send {"tasks": ["<task>", …], "topics": ["<topic>", …]}.')


async def give_token(node: Node, caller: Caller, wanted: Any) -> Any:
    """Give a service a token by which it acts for a customer; that is audited.

    Args:
        node: The process's node.
        caller: The service.
        wanted: `{"customer": <subject>}`.

    Raises:
        Forbidden: The caller is no service.
        InvalidRequest: It says no customer.
    """
    check_service(caller)
    match wanted:
        case {"customer": str(subject)} if subject:
            owner = owner_of(subject)
        case _:
            raise InvalidRequest('Send {"customer": "<the customer\'s subject>"}.')
    await node.manager.audit.note(caller, "act for", "*", owner)
    token = await node.authenticator.acting_token(caller.owner, owner)
    return {"token": token, "expiresIn": int(node.settings.auth_service_seconds)}
