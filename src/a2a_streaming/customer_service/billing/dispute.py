"""Charges that a customer doesn't accept: noted after a yes, and handed to a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from a2a_streaming.customer_service import company
from a2a_streaming.customer_service.billing.knowledge import CHARGE, INVOICE, Account, read_charge
from a2a_streaming.customer_service.dialogue import AMONG, Choice, Flow, Slots, Talk
from a2a_streaming.customer_service.records import Billing, Dispute, NotFound, Priority, Tickets
from a2a_streaming.task import Json

HANDOVER = "handover"
"""In the metadata of the task's end: the ticket that waits for a person, and why."""
_SHOWN = 8
_LONGEST = 1000
"""Characters of a reason that are kept."""


class Disputes(Flow[Account]):
    """Notes a dispute, and hands it to a person.

    Args:
        billing: What customers were billed.
        tickets: What waits for a person.
    """

    name = "disputes"
    label = "a charge that isn't right"
    slots: ClassVar[Mapping[str, Json]] = {
        "charge": {**CHARGE, "description": f"What is disputed. {CHARGE['description']}"},
        "invoice": INVOICE,
        "reason": {
            "type": "string",
            "title": "Reason",
            "description": "What is wrong, in the customer's words.",
        },
    }

    def __init__(self, billing: Billing, tickets: Tickets) -> None:
        self._billing = billing
        self._tickets = tickets

    async def go_on(self, talk: Talk, known: Account, slots: Slots, *, confirmed: bool) -> None:
        """Find out which charge and why, and hand it to a person after a yes."""
        charge = slots.text("charge")
        if confirmed and charge and slots.text("reason"):
            await self._dispute(talk, known, slots)
            return
        await talk.progress("charge", "Looking for that charge")
        about = known.charge(charge) if charge else None
        if about is None:
            await _ask_which(talk, known, slots)
            return
        if not slots.text("reason"):
            await talk.ask("reason", "What is wrong with it?", slots)
            return
        invoice, line = about
        name, cents = _named(known, charge)
        kept = {key: value for key, value in slots.items() if key != AMONG}
        await talk.confirm(
            f"I can open a dispute about {name} ({talk.money(cents)}, invoice {invoice.number}), and hand it to "
            "a colleague, who looks into it and answers you here. Shall I?",
            kept,
            {
                "dispute": {
                    "invoice": invoice.number,
                    "line": line or None,
                    "amountCents": cents,
                    "currency": talk.customer.currency,
                }
            },
        )

    async def _dispute(self, talk: Talk, known: Account, slots: Slots) -> None:
        number, line = read_charge(slots.text("charge"))
        reason = slots.text("reason")[:_LONGEST]
        await talk.progress("dispute", "Opening the dispute")
        try:
            done = await talk.effect(
                "dispute",
                Dispute,
                self._billing.dispute,
                talk.customer.id,
                number,
                line,
                reason,
            )
        except NotFound as refused:
            await talk.unable(f"{refused} No dispute has been opened.")
            return
        name, _ = _named(known, slots.text("charge"))
        summary = f"Dispute {done.id}: {name}, {talk.money(done.amount_cents)}, invoice {number}. They say: {reason}"
        ticket = await talk.effect("ticket", str, self._open, talk, summary)
        said = (
            f"I have opened dispute {done.id} about {name}, and handed it to a colleague (ticket {ticket}). "
            "You needn't pay the disputed amount until it is decided."
        )
        await talk.show("dispute", f"Dispute {done.id}", said, {**done.to_json(), "ticket": ticket})
        await talk.done(said, metadata={HANDOVER: {"ticket": ticket, "reason": "dispute"}})

    async def _open(self, talk: Talk, summary: str, *, idempotency_key: str) -> str:
        ticket = await self._tickets.open(
            task_id=talk.run.task_id,
            context_id=talk.run.context_id,
            customer_id=talk.customer.id,
            reason="dispute",
            summary=summary,
            priority=Priority.HIGH,
            idempotency_key=idempotency_key,
        )
        return ticket.id


def _named(known: Account, charge: str) -> tuple[str, int]:
    """Return how a charge is called, and its amount."""
    about = known.charge(charge)
    if about is None:
        return charge, 0
    invoice, line = about
    if not line:
        return f"the whole of invoice {invoice.number}", invoice.total_cents
    one = invoice.lines[line - 1]
    return one.description, one.amount_cents


async def _ask_which(talk: Talk, known: Account, slots: Slots) -> None:
    invoice = known.find(slots.text("invoice")) if slots.text("invoice") else None
    among = slots.texts(AMONG)
    choices = known.charges([invoice] if invoice is not None else None)
    choices = [choice for choice in choices if choice.value in among] or choices
    if invoice is not None:
        whole = f"the whole of invoice {invoice.number}"
        choices = [*choices[: _SHOWN - 1], Choice(f"{invoice.number}/0", whole)]
    if not choices:
        await talk.done(f"I see no charge on your account. If you do, please {company.CONTACT}.")
        return
    await talk.ask("charge", "Which charge do you mean?", slots, choices=choices[:_SHOWN])
