"""What the systems of record know: plain values, whatever system they come from.

Money is in cents of the customer's currency, dates are local dates of where the service is used. Each
tells itself as agents do (`to_json`); how amounts and dates are written for people is the agents' affair.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal

Kind = Literal["flight", "hotel"]


@dataclass(frozen=True, slots=True)
class Customer:
    """A customer.

    Args:
        id: Their number in the systems of record.
        subject: Who they are in a task's owner.
        name: Their name.
        email: Their address.
        currency: ISO 4217; all their amounts are in it.
    """

    id: int
    subject: str
    name: str
    email: str
    currency: str

    @property
    def first_name(self) -> str:
        """How agents address them."""
        return self.name.split()[0]


@dataclass(frozen=True, slots=True)
class Booking:
    """A flight or a hotel stay.

    Args:
        ref: Its reference: `MT4821`.
        kind: `flight` or `hotel`.
        title: The route of a flight, or the hotel and its city.
        details: What else a traveller wants to know: flight number, time and seat, or the room.
        starts_on: The day of the flight or of the arrival.
        nights: Nights of a hotel stay; 0 for a flight.
        price_cents: What was paid for the service itself.
        change_fee_cents: What a change costs beside the fare; None where the fare allows no change.
        fare: The fare's name: `saver`, `standard` or `flex`; its rules are in `fares`.
        status: `confirmed` or `cancelled`.
    """

    ref: str
    kind: str
    title: str
    details: str
    starts_on: date
    nights: int
    price_cents: int
    change_fee_cents: int | None
    fare: str
    status: str

    @property
    def ends_on(self) -> date:
        """The day of departure of a stay, the day itself of a flight."""
        return self.starts_on + timedelta(self.nights)

    def to_json(self) -> dict[str, Any]:
        """Return it as agents tell it."""
        return {
            "booking": self.ref,
            "kind": self.kind,
            "title": self.title,
            "details": self.details,
            "from": self.starts_on.isoformat(),
            "to": self.ends_on.isoformat(),
            "priceCents": self.price_cents,
            "changeFeeCents": self.change_fee_cents,
            "fare": self.fare,
            "status": self.status,
        }


@dataclass(frozen=True, slots=True)
class Offer:
    """Something that can be booked, at a price of today.

    Args:
        id: Its id; booking it names it.
        kind: `flight` or `hotel`.
        title: The route of a flight, or the hotel and its city.
        details: Flight number and time, or the room.
        starts_on: The day of the flight or of the arrival.
        nights: Nights of a hotel stay; 0 for a flight.
        price_cents: What it costs in all.
        change_fee_cents: What a change will cost; None where the fare allows none.
        fare: The fare's name.
    """

    id: str
    kind: str
    title: str
    details: str
    starts_on: date
    nights: int
    price_cents: int
    change_fee_cents: int | None
    fare: str

    def to_json(self) -> dict[str, Any]:
        """Return it as agents tell it."""
        return {
            "offer": self.id,
            "kind": self.kind,
            "title": self.title,
            "details": self.details,
            "from": self.starts_on.isoformat(),
            "to": (self.starts_on + timedelta(self.nights)).isoformat(),
            "priceCents": self.price_cents,
            "fare": self.fare,
        }


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """One line of an invoice; a discount is a negative amount.

    Args:
        number: Its place on the invoice, from 1.
        description: What it is for.
        quantity: How many.
        amount_cents: Of the whole line, not of one piece.
        kind: `fare`, `extra` (bags, seats, …), `fee`, `tax`, `subscription` or `discount`.
        booking: The reference of the booking that it is for; empty without one.
        refunded_cents: What of it was refunded.
    """

    number: int
    description: str
    quantity: int
    amount_cents: int
    kind: str = "fare"
    booking: str = ""
    refunded_cents: int = 0


@dataclass(frozen=True, slots=True)
class Payment:
    """Money that a customer paid for an invoice, or tried to.

    Args:
        paid_on: The day.
        amount_cents: How much.
        method: By which means, as a customer knows it: `card ending in 4242`.
        status: `paid` or `failed`.
        failure: Why it failed, a word: `insufficient_funds`, `expired_card`, …; empty if it didn't.
    """

    paid_on: date
    amount_cents: int
    method: str
    status: str = "paid"
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Refund:
    """Money that was paid back.

    Args:
        id: Its reference: `RF-…`.
        invoice: The number of the invoice that it is about; empty where there is none.
        line: The number of the invoice's line; 0 where it is about the whole.
        amount_cents: How much was paid back.
        credit_cents: By how much the invoice became less; differs where something was still to be paid.
        paid_on: The day.
        reason: What for, in a few words.
    """

    id: str
    invoice: str
    line: int
    amount_cents: int
    credit_cents: int
    paid_on: date
    reason: str

    def to_json(self) -> dict[str, Any]:
        """Return it as agents tell it."""
        return {
            "refund": self.id,
            "invoice": self.invoice or None,
            "line": self.line or None,
            "amountCents": self.amount_cents,
            "creditCents": self.credit_cents,
            "paidOn": self.paid_on.isoformat(),
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class Invoice:
    """An invoice; its total is the sum of its lines.

    Args:
        number: Its number: `INV-20417`.
        issued_on: The day it was issued.
        due_on: The day by which it is to be paid.
        lines: Its lines.
        payments: What was paid for it, and what was tried, the earliest first.
        refunds: What was paid back of it, the earliest first.
    """

    number: str
    issued_on: date
    due_on: date
    lines: tuple[InvoiceLine, ...]
    payments: tuple[Payment, ...] = ()
    refunds: tuple[Refund, ...] = ()

    @property
    def total_cents(self) -> int:
        """The sum of its lines."""
        return sum(line.amount_cents for line in self.lines)

    @property
    def paid_cents(self) -> int:
        """What was paid for it, less what was paid back."""
        paid = sum(p.amount_cents for p in self.payments if p.status == "paid")
        return paid - sum(refund.amount_cents for refund in self.refunds)

    @property
    def open_cents(self) -> int:
        """What is still to be paid; negative where too much was paid."""
        credited = sum(refund.credit_cents for refund in self.refunds)
        return self.total_cents - credited - self.paid_cents

    @property
    def failed(self) -> Payment | None:
        """The payment that failed last, if the invoice is still open; None otherwise."""
        last = self.payments[-1] if self.payments else None
        return (
            last if last is not None and last.status == "failed" and self.open_cents > 0 else None
        )

    def to_json(self) -> dict[str, Any]:
        """Return it as agents tell it."""
        return {
            "invoice": self.number,
            "issued": self.issued_on.isoformat(),
            "due": self.due_on.isoformat(),
            "totalCents": self.total_cents,
            "openCents": self.open_cents,
            "lines": [
                {
                    "line": line.number,
                    "description": line.description,
                    "quantity": line.quantity,
                    "amountCents": line.amount_cents,
                    "refundedCents": line.refunded_cents,
                }
                for line in self.lines
            ],
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """A subscription that can be had.

    Args:
        id: Its id: `plus`.
        name: Its name: `Meridian Plus`.
        price_cents: What a month costs.
        benefits: What it brings, in a sentence.
    """

    id: str
    name: str
    price_cents: int
    benefits: str

    def to_json(self) -> dict[str, Any]:
        """Return it as agents tell it."""
        return {
            "plan": self.id,
            "name": self.name,
            "priceCents": self.price_cents,
            "benefits": self.benefits,
        }


@dataclass(frozen=True, slots=True)
class Subscription:
    """A customer's subscription.

    Args:
        plan: What they have.
        since: The day on which it began.
        renews_on: The day on which the month that was paid for ends.
        next_plan: What they have from then on; None where it ends then.
    """

    plan: Plan
    since: date
    renews_on: date
    next_plan: Plan | None

    def to_json(self) -> dict[str, Any]:
        """Return it as agents tell it."""
        return {
            **self.plan.to_json(),
            "since": self.since.isoformat(),
            "renewsOn": self.renews_on.isoformat() if self.next_plan else None,
            "endsOn": None if self.next_plan else self.renews_on.isoformat(),
            "nextPlan": self.next_plan.id if self.next_plan else None,
        }


@dataclass(frozen=True, slots=True)
class Dispute:
    """A charge that a customer doesn't accept; a person decides on it.

    Args:
        id: Its reference: `DS-…`.
        invoice: The number of the invoice.
        line: The number of the invoice's line; 0 where it is about the whole.
        amount_cents: What is disputed.
        reason: What the customer says about it.
        opened_on: The day.
        status: `open`, `accepted` or `rejected`.
    """

    id: str
    invoice: str
    line: int
    amount_cents: int
    reason: str
    opened_on: date
    status: str = "open"

    def to_json(self) -> dict[str, Any]:
        """Return it as agents tell it."""
        return {
            "dispute": self.id,
            "invoice": self.invoice,
            "line": self.line or None,
            "amountCents": self.amount_cents,
            "openedOn": self.opened_on.isoformat(),
            "status": self.status,
        }
