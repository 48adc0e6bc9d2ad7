"""The fares' rules: what a change or a cancellation of a booking comes to, and what is for sale; pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from a2a_streaming.customer_service.records.entities import Booking, Offer
from a2a_streaming.customer_service.records.errors import ChangeRefused, Refused

BOOKABLE_DAYS = 330
"""How many days ahead something can be booked."""
_DEAR_DAYS = frozenset({4, 6})
"""Fridays and Sundays, when a flight costs more."""
_DEAR_PERCENT = 15


@dataclass(frozen=True, slots=True)
class Tier:
    """What is paid back of a cancelled booking.

    Args:
        days: It holds as long as the booking begins in so many days or more.
        percent: How much of the price is paid back.
    """

    days: int
    percent: int


CANCELLATION: dict[tuple[str, str], tuple[Tier, ...]] = {
    ("flight", "flex"): (Tier(1, 100),),
    ("flight", "standard"): (Tier(7, 70), Tier(1, 30)),
    ("flight", "saver"): (),
    ("hotel", "flex"): (Tier(2, 100), Tier(1, 50)),
    ("hotel", "standard"): (Tier(7, 80), Tier(2, 50)),
    ("hotel", "saver"): (),
}
"""What each fare pays back, the best first; nothing where none holds any more."""


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


@dataclass(frozen=True, slots=True)
class CancellationQuote:
    """What a cancellation comes to.

    Args:
        ref: The booking's reference.
        price_cents: What the booking cost.
        back_cents: What of it is given back; where something is still to be paid, off that first.
        percent: How much that is, of the price.
    """

    ref: str
    price_cents: int
    back_cents: int
    percent: int

    @property
    def kept_cents(self) -> int:
        """What isn't given back."""
        return self.price_cents - self.back_cents

    def to_json(self) -> dict[str, Any]:
        """Return it as agents tell it."""
        return {
            "booking": self.ref,
            "priceCents": self.price_cents,
            "backCents": self.back_cents,
            "percent": self.percent,
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


def quote_change(booking: Booking, new: date, today: date) -> Quote:
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
    if new > today + timedelta(BOOKABLE_DAYS):
        raise ChangeRefused(
            f"That date is too far away: we book {BOOKABLE_DAYS} days ahead.", retry=True
        )
    fare = _surcharge(booking.kind, booking.price_cents, new)
    return Quote(booking.ref, booking.starts_on, new, booking.change_fee_cents or 0, fare)


def quote_cancellation(booking: Booking, today: date) -> CancellationQuote:
    """Return what it comes to, to cancel a booking.

    Args:
        booking: The booking.
        today: The day it is.

    Raises:
        Refused: It can't be cancelled: it has been, or it has begun.
    """
    if booking.status != "confirmed":
        raise Refused(f"Booking {booking.ref} has been {booking.status} already.")
    if booking.starts_on <= today:
        raise Refused(
            f"Booking {booking.ref} has already begun, so it can't be cancelled any more."
        )
    days = (booking.starts_on - today).days
    tiers = CANCELLATION.get((booking.kind, booking.fare), ())
    percent = next((tier.percent for tier in tiers if days >= tier.days), 0)
    price = booking.price_cents
    return CancellationQuote(booking.ref, price, price * percent // 100, percent)


def offered_on(service: Offer, day: date, nights: int, today: date) -> Offer:
    """Return what is for sale every day as an offer for one.

    Args:
        service: What is for sale: its price is that of a flight, or of a night, on an ordinary day.
        day: The day of the flight or of the arrival.
        nights: Nights of a hotel stay.
        today: The day it is.

    Raises:
        Refused: There is nothing on that day.
    """
    if day <= today:
        raise Refused("That date isn't in the future.")
    if day > today + timedelta(BOOKABLE_DAYS):
        raise Refused(f"That date is too far away: we book {BOOKABLE_DAYS} days ahead.")
    stay = max(1, nights) if service.kind == "hotel" else 0
    price = service.price_cents * max(1, stay) + _surcharge(service.kind, service.price_cents, day)
    return replace(
        service,
        id=f"{service.id}-{day:%Y%m%d}-{stay}",
        starts_on=day,
        nights=stay,
        price_cents=price,
    )


def _surcharge(kind: str, price_cents: int, day: date) -> int:
    dear = kind == "flight" and day.weekday() in _DEAR_DAYS
    return price_cents * _DEAR_PERCENT // 100 if dear else 0
