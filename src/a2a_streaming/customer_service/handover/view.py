"""What a person is shown of a ticket: the customer and their record, what they wanted before, who else is there."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast

from a2a_streaming.caller import Caller, Role
from a2a_streaming.customer_service.handover.door import Door
from a2a_streaming.customer_service.records import Customer, Note, Records, Ticket
from a2a_streaming.errors import TaskNotFound
from a2a_streaming.task import Json, state_of

_EARLIER = 10
"""The most earlier tasks that are shown."""
_WORDS = 160
"""The most characters of a task's first words."""


def told(ticket: Ticket) -> Json:
    """Return a ticket as lists tell it: so that it is the same as long as nothing happens to it."""
    return {**ticket.to_json(), "overdue": ticket.is_overdue}


def told_now(ticket: Ticket) -> Json:
    """Return a ticket with the time it has waited, in seconds."""
    until = ticket.claimed_at or ticket.closed_at or datetime.now(UTC)
    waited = max(0, round((until - ticket.waiting_since).total_seconds()))
    return {**told(ticket), "waitedSeconds": waited}


def noted(note: Note) -> Json:
    """Return a note as pages tell it."""
    return {"who": note.who, "text": note.text, "writtenAt": note.written_at.isoformat()}


async def shown(ticket: Ticket, records: Records, door: Door, caller: Caller) -> Json:
    """Return all that helps a person with a ticket.

    What is the customer's is shown as long as the ticket is open; to operators, always.

    Args:
        ticket: The ticket.
        records: The systems of record.
        door: The way to the task.
        caller: The person.

    Raises:
        Unavailable: Redis is away.
    """
    notes = await records.tickets.notes(ticket.id)
    view: Json = {
        **told_now(ticket),
        "notes": [noted(note) for note in notes],
        "customer": {"name": ticket.customer} if ticket.customer else None,
        "earlier": [],
        "intents": [],
        "watchers": [],
    }
    if not ticket.is_open and caller.role is not Role.OPERATOR:
        return view
    view["customer"] = await _record(ticket, records) or view["customer"]
    try:
        task_id, owner, task = await door.find(caller, ticket.task_id)
    except TaskNotFound:  # it isn't handed over yet, or is gone
        return view
    before, watchers = await asyncio.gather(
        door.earlier(caller, owner, but=task_id, size=_EARLIER), door.watchers(task_id)
    )
    view["earlier"] = [_brief(one) for one in before]
    view["watchers"] = list(watchers)
    view["intents"] = _intents(task)
    return view


async def earlier(ticket: Ticket, task_id: str, door: Door, caller: Caller) -> Json:
    """Return a task of a ticket's customer, A2A 1.0 JSON, to whoever sees the ticket's own; as long as it is open.

    Args:
        ticket: The ticket.
        task_id: The task, by its stored id.
        door: The way to the tasks.
        caller: The person.

    Raises:
        InvalidParams: The id can't be one.
        TaskNotFound: It isn't the customer's, or isn't there for the person.
        Unavailable: Redis is away.
    """
    if not ticket.is_open and caller.role is not Role.OPERATOR:
        raise TaskNotFound(task_id)
    _, owner, _ = await door.find(caller, ticket.task_id)
    return await door.owned(caller, owner, task_id)


async def _record(ticket: Ticket, records: Records) -> Json | None:
    """Return what the systems of record know of a ticket's customer; None if they know nobody."""
    if ticket.customer_id is None:
        return None
    customer: Customer | None = await records.customers.get(ticket.customer_id)
    if customer is None:
        return None
    bookings, invoices, subscription = await asyncio.gather(
        records.bookings.of(customer.id),
        records.billing.invoices(customer.id),
        records.subscriptions.of(customer.id),
    )
    return {
        **customer.to_json(),
        "bookings": [booking.to_json() for booking in bookings],
        "invoices": [invoice.to_json() for invoice in invoices],
        "subscriptions": [subscription.to_json()] if subscription is not None else [],
    }


def first_words(task: Json) -> str:
    """Return what a customer began a task with; empty if that were no words."""
    said: Sequence[Json] = [*task.get("history", ()), task["status"].get("message") or {}]
    for message in said:
        if message.get("role") == "ROLE_USER":
            text = " ".join(part["text"] for part in message["parts"] if "text" in part)
            if text:
                return text[:_WORDS]
    return ""


def _brief(task: Json) -> Json:
    return {
        "task": task["id"],
        "context": task["contextId"],
        "state": state_of(task).label,
        "changed": task["status"].get("timestamp"),
        "text": first_words(task),
    }


def _intents(task: Json) -> list[Json]:
    """Return what the Intent Agent understood, the latest reading first."""
    readings: list[Json] = []
    for artifact in reversed(task.get("artifacts", ())):
        if artifact.get("name") != "intent":
            continue
        for part in artifact["parts"]:
            data: Any = part.get("data")
            if isinstance(data, dict) and "intents" in data:
                readings.append(cast("Json", data))
    return readings
