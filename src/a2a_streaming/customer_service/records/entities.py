"""What the systems of record know of customers and what they have: plain values, whatever system they come from.

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
        language: The language they want to be addressed in, as BCP 47 has it; empty if that isn't known.
    """

    id: int
    subject: str
    name: str
    email: str
    currency: str
    language: str = ""

    @property
    def first_name(self) -> str:
        """How agents address them."""
        return self.name.split()[0]

    def to_json(self) -> dict[str, Any]:
        """Return it as the people who answer them are told it."""
        return {
            "customer": self.subject,
            "name": self.name,
            "email": self.email,
            "currency": self.currency,
            "language": self.language or None,
        }


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
