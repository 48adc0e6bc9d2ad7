"""The hand-over over HTTP: the queue, and what people do with its tickets.

GET  /handover/queue                  what waits, and what the caller has
GET  /handover/replies                canned replies, with names filled in: ?ticket=…&name=…
GET  /handover/{ticket}               one ticket: notes, the customer's record and earlier tasks, intents, watchers
GET  /handover/{ticket}/earlier/{task}   one of the customer's earlier tasks
POST /handover/{ticket}/claim         {"name": …}: take it; of several one wins
POST /handover/{ticket}/assign        {"to": …}: let somebody else have it
POST /handover/{ticket}/take          take it over, from whoever has it; or a task that has none, by its stored id
POST /handover/{ticket}/reply         {"text": …}: say something to the customer
POST /handover/{ticket}/note          {"text": …}: for colleagues; the customer never sees it
POST /handover/{ticket}/release       put it back into the queue
POST /handover/{ticket}/back          {"text": …}: hand the task back to the agent
POST /handover/{ticket}/reroute       {"to": agent}: hand it to a specialist, with the customer's last request
POST /handover/{ticket}/resolve       {"text": …}: end the task well
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from a2a_streaming.caller import Caller, Role
from a2a_streaming.customer_service.handover.actions import BY_PEOPLE, Does
from a2a_streaming.customer_service.handover.canned import Reply
from a2a_streaming.customer_service.handover.deeds import Deed, Deeds, Specialists
from a2a_streaming.customer_service.handover.door import Door
from a2a_streaming.customer_service.handover.queue import QueueTopic, check_person
from a2a_streaming.customer_service.handover.view import earlier, noted, shown, told_now
from a2a_streaming.customer_service.records import (
    Customer,
    Records,
    RecordsError,
    TicketNotFound,
    TicketTaken,
)
from a2a_streaming.errors import InvalidParams, RequestError
from a2a_streaming.task import Json

_LOCAL = "desk"
"""Who has a ticket where nobody signs in, and they don't say their name."""
_LONGEST = 20_000
"""The most characters of what a person says or notes."""
_KEY = "idempotency-key"
_KEYS = re.compile(r"[A-Za-z0-9._~@:+=-]{1,80}")
"""What such a key may be: it becomes part of a message's id."""


class HandoverApi:
    """Serves people who answer customers.

    Args:
        records: The systems of record, with the queue's book.
        door: The way in from outside.
        topic: Told of what is changed here.
        specialists: Tells whom a task can be passed to.
        replies: Canned replies.
        authenticates: Whether callers sign in; else whoever may ask at all, may do all of this.
        within: Seconds within which a person is wanted who has come by themselves.
    """

    def __init__(
        self,
        records: Records,
        door: Door,
        *,
        topic: QueueTopic,
        specialists: Specialists,
        replies: Sequence[Reply],
        authenticates: bool,
        within: float,
    ) -> None:
        self._records = records
        self._tickets = records.tickets
        self._door = door
        self._topic = topic
        self._specialists = specialists
        self._replies = replies
        self._authenticates = authenticates
        self._deeds = Deeds(records, door, specialists, within=within)

    def routes(self) -> list[Route]:
        """Return the routes, to be put into an application."""
        return [
            Route("/handover/queue", self._served(self._queue), methods=["GET"]),
            Route("/handover/replies", self._served(self._canned), methods=["GET"]),
            Route("/handover/{ticket}", self._served(self._show), methods=["GET"]),
            Route(
                "/handover/{ticket}/earlier/{task}", self._served(self._earlier), methods=["GET"]
            ),
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
        check_person(caller, authenticates=self._authenticates)
        return caller if self._authenticates else Caller("", Role.OPERATOR)  # whoever's page it is

    async def _queue(self, request: Request, caller: Caller) -> Json:
        who = _who(caller, request.query_params.get("name", ""))
        mine = await self._tickets.claimed(who)
        return {
            "waiting": [told_now(ticket) for ticket in await self._tickets.queue()],
            "mine": [told_now(ticket) for ticket in mine],
        }

    async def _canned(self, request: Request, caller: Caller) -> Json:
        name = request.query_params.get("name", "") or caller.owner
        customer: Customer | None = None
        if wanted := request.query_params.get("ticket"):
            ticket = await self._tickets.get(wanted)
            if ticket.customer_id is not None:
                customer = await self._records.customers.get(ticket.customer_id)
        first = customer.first_name if customer is not None else ""
        return {"replies": [reply.filled(customer=first, name=name) for reply in self._replies]}

    async def _show(self, request: Request, caller: Caller) -> Json:
        ticket = await self._tickets.get(request.path_params["ticket"])
        view = await shown(ticket, self._records, self._door, caller)
        known = await self._specialists()
        return {**view, "agents": [{"agent": s.name, "about": s.description} for s in known]}

    async def _earlier(self, request: Request, caller: Caller) -> Json:
        ticket = await self._tickets.get(request.path_params["ticket"])
        return await earlier(ticket, request.path_params["task"], self._door, caller)

    async def _note(self, request: Request, caller: Caller) -> Json:
        body = await self._body(request)
        key = _key(request, body)
        note = await self._tickets.note(
            request.path_params["ticket"],
            _who(caller, _text(body, "name")),
            _text(body, "text", needed=True),
            idempotency_key=f"note {request.path_params['ticket']} {key}" if key else None,
        )
        return noted(note)

    async def _act(self, request: Request, caller: Caller) -> Json:
        wanted = request.path_params["does"]
        if wanted not in BY_PEOPLE:
            raise InvalidParams(
                f"{wanted!r} is nothing to do with a ticket: choose {', '.join([*BY_PEOPLE, 'note'])}."
            )
        does, body = Does(wanted), await self._body(request)
        name = _text(body, "name")
        to = _text(body, "to", needed=True) if does in (Does.ASSIGN, Does.REROUTE) else ""
        deed = Deed(
            does,
            caller,
            _who(caller, name),
            name or caller.owner or "A colleague",
            text=_text(body, "text", needed=does is Does.REPLY),
            to=to,
            to_name=_text(body, "toName") or to,
            key=_key(request, body),
        )
        try:
            return told_now(await self._deeds.do(request.path_params["ticket"], deed))
        finally:
            self._topic.changed()  # also where the task couldn't be told: the book may be changed

    async def _body(self, request: Request) -> Json:
        body = await self._door.body(request)
        if not isinstance(body, dict):
            raise InvalidParams("Send a JSON object, or nothing.")
        return cast("Json", body)


def _who(caller: Caller, name: str) -> str:
    """Return who has tickets: whoever signed in or, where nobody does, who they say they are."""
    return caller.owner or name or _LOCAL


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
