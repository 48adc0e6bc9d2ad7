"""The hand-over over HTTP: the queue, and what people do with its tickets.

    GET  /handover/queue                  what waits, and what the caller has
    GET  /handover/{ticket}               one ticket, with its notes
    POST /handover/{ticket}/claim         {"name": …}: take it; of several one wins
    POST /handover/{ticket}/reply         {"text": …}: say something to the customer
    POST /handover/{ticket}/note          {"text": …}: for colleagues; the customer never sees it
    POST /handover/{ticket}/release       put it back into the queue
    POST /handover/{ticket}/back          {"text": …}: hand the task back to the agent
    POST /handover/{ticket}/resolve       {"text": …}: end the task well

First the book is changed, which decides who has the ticket; then the task is told, by a message into its
inbox. Both are done once for each key, so a call whose answer was lost is made again.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Protocol, cast

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from a2a_streaming.caller import Caller, Role
from a2a_streaming.customer_service.handover.actions import BY_PEOPLE, Action, Does
from a2a_streaming.customer_service.records import (
    Note,
    RecordsError,
    Ticket,
    TicketNotFound,
    Tickets,
    TicketState,
    TicketTaken,
)
from a2a_streaming.errors import (
    Forbidden,
    InvalidParams,
    RequestError,
    TaskNotFound,
    Unavailable,
    UnsupportedOperation,
)
from a2a_streaming.task import Json

_LOCAL = "desk"
"""Who has a ticket where nobody signs in, and they don't say their name."""
_LONGEST = 20_000
"""The most characters of what a person says or notes."""
_KEY = "idempotency-key"
_KEYS = re.compile(r"[A-Za-z0-9._~@:+=-]{1,80}")
"""What such a key may be: it becomes part of a message's id."""


class Door(Protocol):
    """The way in from outside, as the server has it: who asks, and the Intent Agent's tasks."""

    async def identify(self, request: Request) -> Caller:
        """Return who asks.

        Raises:
            RequestError: Nobody knows, or they may not ask.
        """
        ...

    async def body(self, request: Request) -> Any:
        """Return a request's body, read as JSON; an empty object without one.

        Raises:
            RequestError: It is none, or too large.
        """
        ...

    async def send(self, caller: Caller, task: str, message_id: str, part: Json) -> None:
        """Put a message into a task's inbox.

        Args:
            caller: The person.
            task: The task, by its stored id.
            message_id: By which it is known when it is sent again.
            part: What it carries, an A2A part.

        Raises:
            RequestError: It isn't accepted.
        """
        ...

    def refuse(self, error: RequestError) -> Response:
        """Return the answer to a request that can't be served."""
        ...


class HandoverApi:
    """Serves people who answer customers.

    Args:
        tickets: The queue's book.
        door: The way in from outside.
        authenticates: Whether callers sign in; else whoever may ask at all, may do all of this.
    """

    def __init__(self, tickets: Tickets, door: Door, *, authenticates: bool) -> None:
        self._tickets = tickets
        self._door = door
        self._authenticates = authenticates

    def routes(self) -> list[Route]:
        """Return the routes, to be put into an application."""
        return [
            Route("/handover/queue", self._served(self._queue), methods=["GET"]),
            Route("/handover/{ticket}", self._served(self._show), methods=["GET"]),
            Route("/handover/{ticket}/note", self._served(self._note), methods=["POST"]),
            Route("/handover/{ticket}/{does}", self._served(self._act), methods=["POST"]),
        ]

    def _served(
        self, answer: Callable[[Request, Caller], Awaitable[Json]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            try:
                caller = await self._door.identify(request)
                return _json(await answer(request, self._person(caller)))
            except RequestError as error:
                return self._door.refuse(error)
            except TicketNotFound as error:
                return _error(404, "NOT_FOUND", error)
            except TicketTaken as error:
                return _error(409, "FAILED_PRECONDITION", error)
            except RecordsError as error:
                return _error(400, "INVALID_ARGUMENT", error)

        return endpoint

    def _person(self, caller: Caller) -> Caller:
        """Return the caller as a person who answers customers.

        Raises:
            Forbidden: They are none.
        """
        if self._authenticates and (
            caller.role not in (Role.AGENT, Role.OPERATOR) or caller.actor or caller.task
        ):
            raise Forbidden(
                "Only people who answer customers see the queue: sign in with the role agent or operator."
            )
        return Caller(caller.owner, Role.AGENT)

    async def _queue(self, request: Request, caller: Caller) -> Json:
        who = _who(caller, request.query_params.get("name", ""))
        mine = await self._tickets.claimed(who)
        return {
            "waiting": [_told(ticket) for ticket in await self._tickets.queue()],
            "mine": [_told(ticket) for ticket in mine],
        }

    async def _show(self, request: Request, _: Caller) -> Json:
        ticket = await self._tickets.get(request.path_params["ticket"])
        notes = await self._tickets.notes(ticket.id)
        return {**_told(ticket), "notes": [_noted(note) for note in notes]}

    async def _note(self, request: Request, caller: Caller) -> Json:
        body = await self._body(request)
        key = _key(request, body)
        note = await self._tickets.note(
            request.path_params["ticket"],
            _who(caller, _text(body, "name")),
            _text(body, "text", needed=True),
            idempotency_key=f"note {request.path_params['ticket']} {key}" if key else None,
        )
        return _noted(note)

    async def _act(self, request: Request, caller: Caller) -> Json:
        wanted = request.path_params["does"]
        if wanted not in BY_PEOPLE:
            raise InvalidParams(
                f"{wanted!r} is nothing to do with a ticket: choose {', '.join([*BY_PEOPLE, 'note'])}."
            )
        does, body = Does(wanted), await self._body(request)
        text, name = _text(body, "text", needed=does is Does.REPLY), _text(body, "name")
        key = _key(request, body)
        before = await self._tickets.get(request.path_params["ticket"])
        ticket = await self._change(does, before, _who(caller, name))
        try:
            await self._door.send(
                caller,
                ticket.task_id,
                _message_id(does, ticket, key),
                Action(does, ticket.id, name or caller.owner or "A colleague", text).part(),
            )
        except TaskNotFound as error:
            if ticket.is_open:
                raise Unavailable(
                    "The task isn't handed over yet, or is gone. Try again; resolve the ticket if that doesn't help."
                ) from error
            # It has been told already, and is no longer open to people.
        except UnsupportedOperation as error:
            if ticket.is_open:
                raise UnsupportedOperation(
                    "The task has ended meanwhile, so the customer isn't told. Resolve the ticket."
                ) from error
        return _told(ticket)

    async def _change(self, does: Does, ticket: Ticket, who: str) -> Ticket:
        """Change the book; whoever may not, fails here."""
        match does:
            case Does.CLAIM:
                return await self._tickets.claim(ticket.id, who)
            case Does.RELEASE:
                return await self._tickets.release(ticket.id, who)
            case Does.BACK:
                return await self._tickets.hand_back(ticket.id, who)
            case Does.RESOLVE:
                return await self._tickets.resolve(ticket.id, who)
            case _:
                if ticket.state is not TicketState.CLAIMED or ticket.claimed_by != who:
                    raise TicketTaken(ticket.id, ticket.state.value, ticket.claimed_by)
                return ticket

    async def _body(self, request: Request) -> Json:
        body = await self._door.body(request)
        if not isinstance(body, dict):
            raise InvalidParams("Send a JSON object, or nothing.")
        return cast("Json", body)


def _who(caller: Caller, name: str) -> str:
    """Return who has tickets: whoever signed in or, where nobody does, who they say they are."""
    return caller.owner or name or _LOCAL


def _message_id(does: Does, ticket: Ticket, key: str) -> str:
    """Return the id of the message that tells the task: the same for the same deed.

    A claim is known by its time, for a ticket may be claimed again; a ticket is closed once.
    """
    match does:
        case Does.CLAIM | Does.RELEASE:
            at = ticket.claimed_at.isoformat() if ticket.claimed_at else ""
            return f"{does}-{ticket.id}-{at}"
        case Does.REPLY:
            return f"{does}-{ticket.id}-{key or uuid.uuid4().hex}"
        case _:
            return f"{does}-{ticket.id}"


def _key(request: Request, body: Json) -> str:
    """Return what a call is known by when it is made again; empty if it names nothing.

    Raises:
        InvalidParams: It can't be one.
    """
    key = request.headers.get(_KEY) or _text(body, "id")
    if key and not _KEYS.fullmatch(key):
        raise InvalidParams(
            "Idempotency-Key must be 1 to 80 characters of A-Z, a-z, 0-9 and . _ ~ @ : + = - "
            f"(got {len(key)} characters: {key[:40]!r}). Send another one with each new call, a UUID "
            "for example, and the same one when you make a call again."
        )
    return key


def _text(body: Json, key: str, *, needed: bool = False) -> str:
    text: Any = body.get(key, "")
    if not isinstance(text, str) or len(text) > _LONGEST or (needed and not text.strip()):
        raise InvalidParams(f'Send {{"{key}": "…"}}, with 1 to {_LONGEST} characters.')
    return text


def _told(ticket: Ticket) -> Json:
    until = ticket.claimed_at or ticket.closed_at or datetime.now(UTC)
    waited = max(0, round((until - ticket.waiting_since).total_seconds()))
    return {**ticket.to_json(), "waitedSeconds": waited, "overdue": ticket.is_overdue}


def _noted(note: Note) -> Json:
    return {"who": note.who, "text": note.text, "writtenAt": note.written_at.isoformat()}


def _json(told: Json, status: int = 200) -> Response:
    return Response(
        orjson.dumps(told),
        status,
        headers={"cache-control": "no-store"},
        media_type="application/json",
    )


def _error(status: int, name: str, error: Exception) -> Response:
    """Answer as REST's errors are told: a `google.rpc.Status`."""
    return _json({"error": {"code": status, "status": name, "message": str(error)}}, status)
