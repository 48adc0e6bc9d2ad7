"""What people do with tickets: first the book is changed, which decides; then the task is told.

Whoever comes second, or may not, fails at the book, and nothing happens to the task. Both are done once for each deed, so
a call whose answer was lost is made again.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from a2a_streaming.caller import Caller, Role
from a2a_streaming.customer_service.detection import Specialist
from a2a_streaming.customer_service.handover.actions import Action, Does
from a2a_streaming.customer_service.handover.door import Door
from a2a_streaming.customer_service.handover.view import first_words
from a2a_streaming.customer_service.records import (
    Priority,
    Records,
    Ticket,
    TicketNotFound,
    TicketState,
    TicketTaken,
)
from a2a_streaming.errors import InvalidParams, TaskNotFound, Unavailable, UnsupportedOperation
from a2a_streaming.task import state_of

Specialists = Callable[[], Awaitable[Sequence[Specialist]]]
"""Tells which specialists can be reached."""

_TAKEN_OVER = "taken over"
"""Why a task has a ticket that a person has made for it."""


@dataclass(frozen=True, slots=True)
class Deed:
    """What a person wants to do.

    Args:
        does: What.
        caller: The person.
        who: Whom the book knows them as.
        name: Their name, for the customer.
        text: What they say; empty for nothing.
        to: Who is to have it: a person, or a specialist.
        to_name: That person's name, for the customer.
        key: What it is known by when it is done again.
    """

    does: Does
    caller: Caller
    who: str
    name: str
    text: str = ""
    to: str = ""
    to_name: str = ""
    key: str = ""


class Deeds:
    """Does what people want to do.

    Args:
        records: The systems of record.
        door: The way to the tasks.
        specialists: Tells whom a task can be passed to.
        within: Seconds within which a person is wanted who has come by themselves.
    """

    def __init__(
        self, records: Records, door: Door, specialists: Specialists, *, within: float
    ) -> None:
        self._tickets = records.tickets
        self._customers = records.customers
        self._door = door
        self._specialists = specialists
        self._within = within

    async def do(self, ticket_id: str, deed: Deed) -> Ticket:
        """Do something with a ticket; to take over, a task's stored id is enough.

        Raises:
            TicketNotFound: There is none of that id.
            TicketTaken: Somebody else has it, or it is closed.
            InvalidParams: There is no such specialist.
            UnsupportedOperation: The task has ended.
            Unavailable: The task can't be told now.
        """
        if deed.does is Does.REROUTE:
            await self._check_specialist(deed.to)
        try:
            before = await self._tickets.get(ticket_id)
        except TicketNotFound:
            if deed.does is not Does.TAKE:
                raise
            before = await self._ticket_for(ticket_id, deed)
        ticket = await self._change(deed, before)
        await self._tell(deed, ticket)
        return ticket

    async def _change(self, deed: Deed, ticket: Ticket) -> Ticket:
        """Change the book; whoever may not, fails here."""
        who, tickets = deed.who, self._tickets
        match deed.does:
            case Does.CLAIM:
                return await tickets.claim(ticket.id, who)
            case Does.TAKE:
                return await tickets.assign(ticket.id, who, taken_from=_holder(ticket))
            case Does.ASSIGN:
                holder = _holder(ticket)
                may = holder in (None, who, deed.to) or deed.caller.role is Role.OPERATOR
                if not may:
                    raise TicketTaken(ticket.id, ticket.state.value, ticket.claimed_by)
                return await tickets.assign(ticket.id, deed.to, taken_from=holder)
            case Does.RELEASE:
                return await tickets.release(ticket.id, who)
            case Does.BACK | Does.REROUTE:
                return await tickets.hand_back(ticket.id, who)
            case Does.RESOLVE:
                return await tickets.resolve(ticket.id, who)
            case _:
                if ticket.state is not TicketState.CLAIMED or ticket.claimed_by != who:
                    raise TicketTaken(ticket.id, ticket.state.value, ticket.claimed_by)
                return ticket

    async def _tell(self, deed: Deed, ticket: Ticket) -> None:
        name = deed.to_name if deed.does is Does.ASSIGN else deed.name
        # Customers needn't know who people are in the book.
        to = deed.to if deed.does is Does.REROUTE else ""
        part = Action(deed.does, ticket.id, name, deed.text, to).part()
        try:
            await self._door.send(deed.caller, ticket.task_id, _message_id(deed, ticket), part)
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

    async def _ticket_for(self, task_id: str, deed: Deed) -> Ticket:
        """Return the open ticket of a task that a person takes over; one is made if it has none.

        Raises:
            TicketNotFound: There is neither such a ticket nor such a task for them.
            UnsupportedOperation: The task has ended.
        """
        try:
            stored, owner, task = await self._door.find(deed.caller, task_id)
        except (TaskNotFound, InvalidParams) as error:
            raise TicketNotFound(task_id) from error
        last = await self._tickets.by_task(stored)
        if last is not None and last.is_open:
            return last
        if state_of(task).terminal:
            raise UnsupportedOperation("The task has ended: there is nothing to take over.")
        customer = await self._customers.by_subject(owner)
        opened = await self._tickets.open(
            task_id=stored,
            context_id=task["contextId"],
            customer_id=customer.id if customer is not None else None,
            reason=_TAKEN_OVER,
            summary=first_words(task),
            priority=Priority.NORMAL,
            within=self._within,
            claimed_by=deed.who,  # in one piece: nobody else could tell the task of it
            idempotency_key=f"take {stored} after {last.id if last else 'none'}",
        )
        if not state_of(task).interrupted:
            await self._door.interrupt(stored)
        return opened

    async def _check_specialist(self, name: str) -> None:
        known = [specialist.name for specialist in await self._specialists()]
        if name not in known:
            raise InvalidParams(
                f"There is no specialist {name!r} who can be reached: choose {', '.join(known) or 'none'}."
            )


def _holder(ticket: Ticket) -> str | None:
    """Return who has an open ticket; None for nobody.

    Raises:
        TicketTaken: It is closed.
    """
    if not ticket.is_open:
        raise TicketTaken(ticket.id, ticket.state.value, ticket.claimed_by)
    return ticket.claimed_by if ticket.state is TicketState.CLAIMED else None


def _message_id(deed: Deed, ticket: Ticket) -> str:
    """Return the id of the message that tells the task: the same for the same deed.

    A claim is known by its time, for a ticket may be claimed again; a ticket is closed once.
    """
    match deed.does:
        case Does.CLAIM | Does.RELEASE | Does.TAKE | Does.ASSIGN:
            at = ticket.claimed_at.isoformat() if ticket.claimed_at else ""
            return f"{deed.does}-{ticket.id}-{at}"
        case Does.REPLY:
            return f"{deed.does}-{ticket.id}-{deed.key or uuid.uuid4().hex}"
        case _:
            return f"{deed.does}-{ticket.id}"
