"""What came of a change in the systems of record: what is so now, and what it cost."""

from __future__ import annotations

from dataclasses import dataclass

from a2a_streaming.customer_service.records.entities import Booking, Subscription
from a2a_streaming.customer_service.records.fares import CancellationQuote, Quote
from a2a_streaming.customer_service.records.invoices import Refund
from a2a_streaming.customer_service.records.plans import PlanQuote


@dataclass(frozen=True, slots=True)
class Changed:
    """A booking whose date was changed.

    Args:
        booking: As it is now.
        quote: What the change cost.
        invoice: The number of its invoice; None if it cost nothing.
    """

    booking: Booking
    quote: Quote
    invoice: str | None


@dataclass(frozen=True, slots=True)
class Cancelled:
    """A booking that was cancelled.

    Args:
        booking: As it is now.
        quote: What was given back.
        refund: How: what was paid back, and taken off an open invoice; None if nothing was.
    """

    booking: Booking
    quote: CancellationQuote
    refund: Refund | None


@dataclass(frozen=True, slots=True)
class Booked:
    """A new booking.

    Args:
        booking: The booking.
        invoice: The number of its invoice.
    """

    booking: Booking
    invoice: str


@dataclass(frozen=True, slots=True)
class PlanChanged:
    """A subscription that was changed.

    Args:
        subscription: As it is now.
        quote: What the change cost.
        invoice: The number of its invoice; None if it cost nothing.
    """

    subscription: Subscription
    quote: PlanQuote
    invoice: str | None
