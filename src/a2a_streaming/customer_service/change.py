"""What is known of a change of a booking while it is talked over, and which booking is meant; pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, cast

from a2a_streaming.customer_service.dates import find_dates, find_shift
from a2a_streaming.customer_service.records import Booking

KEY = "change"
"""Where it stands in the task's metadata."""

_REF = re.compile(r"\b[A-Z]{2}\d{4}\b", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_]{3,}")
_KINDS = {
    "flight": frozenset({"flight", "flights", "fly", "flying", "plane"}),
    "hotel": frozenset({"hotel", "hotels", "stay", "room", "night", "nights"}),
}
_COMMON = frozenset({"hotel", "flight", "and", "the", "for", "room", "rooms", "house"})
_ORDINALS = ("first", "second", "third", "fourth", "fifth")


@dataclass(frozen=True, slots=True)
class Change:
    """A change that is talked over. The customer's next message goes on with it.

    It comes back from the task's metadata, which a client may have written: so whoever acts on it
    checks it against the records again.

    Args:
        asked: What the customer was asked: `booking`, `date` or `confirm`.
        ref: The booking's reference; empty while it isn't known.
        new: The new date; None while it isn't known.
        total_cents: What the quote said that it costs.
        choices: The references among which the customer was to choose.
    """

    asked: str
    ref: str = ""
    new: date | None = None
    total_cents: int = 0
    choices: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it as the task's metadata keep it."""
        return {
            "asked": self.asked,
            "booking": self.ref,
            "date": self.new.isoformat() if self.new else None,
            "totalCents": self.total_cents,
            "choices": list(self.choices),
        }

    @classmethod
    def from_json(cls, value: Any) -> Change | None:
        """Read it back; None if it is none."""
        if not isinstance(value, dict):
            return None
        kept = cast("dict[str, Any]", value)
        asked, ref, total = kept.get("asked"), kept.get("booking"), kept.get("totalCents")
        if asked not in ("booking", "date", "confirm") or not isinstance(ref, str):
            return None
        choices: Any = kept.get("choices")
        return cls(
            asked,
            ref,
            read_date(kept.get("date")),
            total if isinstance(total, int) else -1,
            tuple(str(choice) for choice in choices) if isinstance(choices, list) else (),  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - JSON
        )


def read_date(value: Any) -> date | None:
    """Read an ISO date from a form or from metadata; None if it is none."""
    try:
        return date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


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
        return [booking for booking in bookings if booking.ref == ref]
    said = {word.lower() for word in _WORD.findall(text)}
    days = find_dates(text, today)
    scores: dict[str, int] = {}
    for booking in bookings:
        places = {word.lower() for word in _WORD.findall(booking.title)} - _COMMON
        score = 2 * len(said & places) + 2 * bool(said & _KINDS.get(booking.kind, frozenset()))
        scores[booking.ref] = score + 2 * (booking.starts_on in days)
    best = max(scores.values(), default=0)
    return [booking for booking in bookings if best and scores[booking.ref] == best]


def chosen(text: str, bookings: Sequence[Booking]) -> list[Booking]:
    """Return the booking that an answer names by its place in a list, as in "the second one"."""
    said = set(re.findall(r"\w+", text.lower()))
    for place, booking in enumerate(bookings[: len(_ORDINALS)]):
        if _ORDINALS[place] in said or said == {str(place + 1)}:
            return [booking]
    return list(bookings[-1:]) if "last" in said else []


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
