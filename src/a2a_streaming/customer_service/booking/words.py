"""Which booking, date or place a customer's words mean; pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date

from a2a_streaming.customer_service.dates import find_dates, find_shift
from a2a_streaming.customer_service.records import Booking

_REF = re.compile(r"\b[A-Z]{2}\d{3,6}\b", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_]{3,}")
KINDS = {
    "flight": frozenset({"flight", "flights", "fly", "flying", "plane"}),
    "hotel": frozenset({"hotel", "hotels", "stay", "room", "night", "nights"}),
}
"""Words by which customers name what they booked."""
_COMMON = frozenset({"hotel", "flight", "and", "the", "for", "room", "rooms", "house"})


def named(text: str) -> str | None:
    """Return the reference that a text names; None without one."""
    match = _REF.search(text)
    return match[0].upper() if match else None


def meant(text: str, bookings: Sequence[Booking], today: date) -> list[Booking]:
    """Return the bookings that a text may mean, by reference, place, kind or date.

    Args:
        text: What the customer says.
        bookings: The bookings to choose from.
        today: The day it is.

    Returns:
        Those that fit best; none if nothing in the text speaks of any of them.
    """
    if (ref := named(text)) is not None:
        number = f"{ref[:2]} {ref[2:]}"
        return [b for b in bookings if b.ref == ref or b.details.upper().startswith(f"{number},")]
    said = {word.lower() for word in _WORD.findall(text)}
    days = find_dates(text, today)
    scores: dict[str, int] = {}
    for booking in bookings:
        places = {word.lower() for word in _WORD.findall(booking.title)} - _COMMON
        score = 2 * len(said & places) + 2 * bool(said & KINDS.get(booking.kind, frozenset()))
        scores[booking.ref] = score + 2 * (booking.starts_on in days)
    best = max(scores.values(), default=0)
    return [booking for booking in bookings if best and scores[booking.ref] == best]


def wanted_date(text: str, booking: Booking, today: date) -> date | None:
    """Return the date to which a text asks to move a booking; None if it doesn't say.

    Of several dates it is the last, as in "from 4 March to 6 March"; the booking's own date only says
    which booking is meant.
    """
    days = [day for day in find_dates(text, today) if day != booking.starts_on]
    if days:
        return days[-1]
    shift = find_shift(text)
    return booking.starts_on + shift if shift is not None else None


def ahead_of(bookings: Sequence[Booking], today: date) -> list[Booking]:
    """Return the bookings that can still be changed in some way: confirmed, and not begun."""
    return [b for b in bookings if b.status == "confirmed" and b.starts_on > today]
