"""What a change of a booking's date costs, and when it isn't possible; pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from a2a_streaming.customer_service.records.models import Booking
from a2a_streaming.errors import A2AStreamingError

_BOOKABLE_DAYS = 330
_DEAR_DAYS = frozenset({4, 6})
"""Fridays and Sundays, when a flight costs more."""
_DEAR_PERCENT = 15


class RecordsError(A2AStreamingError):
    """The systems of record can't do what was asked; the text is fit for the customer."""


class BookingNotFound(RecordsError):
    """The customer has no such booking.

    Args:
        ref: Its reference.
    """

    def __init__(self, ref: str) -> None:
        super().__init__(f"I can't find a booking {ref} of yours.")


class ChangeRefused(RecordsError):
    """The booking can't be moved to that date.

    Args:
        reason: Why, in words for the customer.
        retry: Whether another date may do.
    """

    def __init__(self, reason: str, *, retry: bool) -> None:
        super().__init__(reason)
        self.retry = retry


class QuoteChanged(RecordsError):
    """The change costs something else than what the customer agreed to.

    Args:
        quote: What it costs now.
    """

    def __init__(self, quote: Quote) -> None:
        super().__init__("The price of this change isn't what it was any more.")
        self.quote = quote


@dataclass(frozen=True, slots=True)
class Quote:
    """What a change of a booking's date costs.

    Args:
        ref: The booking's reference.
        old: Its date now.
        new: The date that it would have.
        fee_cents: The fee for the change.
        fare_cents: What the service itself costs more on that date.
    """

    ref: str
    old: date
    new: date
    fee_cents: int
    fare_cents: int

    @property
    def total_cents(self) -> int:
        """What the customer pays."""
        return self.fee_cents + self.fare_cents

    def to_json(self) -> dict[str, Any]:
        """Return it as agents tell it."""
        return {
            "booking": self.ref,
            "from": self.old.isoformat(),
            "to": self.new.isoformat(),
            "feeCents": self.fee_cents,
            "fareDifferenceCents": self.fare_cents,
            "totalCents": self.total_cents,
        }


def check_changeable(booking: Booking, today: date) -> None:
    """Check that a booking's date can be changed at all.

    Args:
        booking: The booking.
        today: The day it is.

    Raises:
        ChangeRefused: It can't.
    """
    if booking.status != "confirmed":
        reason = f"Booking {booking.ref} has been {booking.status}, so its date can't be changed."
    elif booking.starts_on <= today:
        reason = f"Booking {booking.ref} has already begun, so its date can't be changed any more."
    elif booking.change_fee_cents is None:
        reason = f"The fare of booking {booking.ref} ({booking.title}) doesn't allow changes."
    else:
        return
    raise ChangeRefused(reason, retry=False)


def quote(booking: Booking, new: date, today: date) -> Quote:
    """Return what it costs to move a booking to another date.

    Args:
        booking: The booking.
        new: The date.
        today: The day it is.

    Raises:
        ChangeRefused: That isn't possible.
    """
    check_changeable(booking, today)
    if new == booking.starts_on:
        raise ChangeRefused(f"Booking {booking.ref} is already on that date.", retry=True)
    if new <= today:
        raise ChangeRefused("That date isn't in the future.", retry=True)
    if new > today + timedelta(_BOOKABLE_DAYS):
        raise ChangeRefused(
            f"That date is too far away: we book {_BOOKABLE_DAYS} days ahead.", retry=True
        )
    dear = booking.kind == "flight" and new.weekday() in _DEAR_DAYS
    fare = booking.price_cents * _DEAR_PERCENT // 100 if dear else 0
    return Quote(booking.ref, booking.starts_on, new, booking.change_fee_cents or 0, fare)
