"""What the Booking Agent knows of a customer, and how it tells of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from a2a_streaming.customer_service.booking.words import ahead_of
from a2a_streaming.customer_service.dates import say
from a2a_streaming.customer_service.dialogue import AMONG, Choice, Slots, Talk
from a2a_streaming.customer_service.records import Booking
from a2a_streaming.task import Json

BOOKING: Json = {
    "type": "string",
    "title": "Booking",
    "description": "The reference of the customer's booking, for example MT4821.",
}
"""The slot of a booking."""
DATE: Json = {
    "type": "string",
    "format": "date",
    "title": "Date",
    "description": "A day, ISO 8601.",
}
"""The slot of a date."""


@dataclass(frozen=True, slots=True)
class Trips:
    """What a customer has booked, and when that is looked at.

    Args:
        bookings: Their bookings, by date.
        cities: Where offers are from or to.
        today: The day it is.
    """

    bookings: tuple[Booking, ...]
    cities: tuple[str, ...]
    today: date

    @property
    def ahead(self) -> list[Booking]:
        """What can still be changed in some way."""
        return ahead_of(self.bookings, self.today)

    def find(self, ref: str) -> Booking | None:
        """Return a booking by its reference; None if they have none of it."""
        return next((booking for booking in self.bookings if booking.ref == ref.upper()), None)


async def one_of(
    talk: Talk, trips: Trips, slots: Slots, candidates: Sequence[Booking], nothing: str
) -> Booking | None:
    """Return the booking that is meant; ask which, and end the turn, if that isn't clear.

    Args:
        talk: The conversation.
        trips: What the customer has.
        slots: What is known.
        candidates: The bookings that it may be.
        nothing: What to say if there is none.

    Returns:
        The booking; None if the turn has ended.
    """
    if ref := slots.text("booking"):
        found = trips.find(ref)
        if found is not None:
            return found
        refs = ", ".join(booking.ref for booking in trips.bookings)
        yours = f"Yours are {refs}." if refs else "You have no bookings."
        await talk.done(f"I can't find a booking {ref} of yours. {yours}")
        return None
    wanted = slots.texts(AMONG)
    among = [booking for booking in candidates if booking.ref in wanted] or list(candidates)
    if not among:
        await talk.done(nothing)
        return None
    if len(among) == 1:
        return among[0]
    choices = [Choice(booking.ref, line(booking)) for booking in among]
    await talk.ask("booking", "Which booking do you mean?", slots, choices=choices)
    return None


def line(booking: Booking) -> str:
    """Return a booking in a line."""
    when = say(booking.starts_on)
    if booking.nights:
        when += f", {booking.nights} nights"
    details = f", {booking.details}" if booking.details else ""
    return f"{booking.ref}: {booking.title}, {when}{details} ({booking.status})"


def name(booking: Booking) -> str:
    """Return how a booking is called in a sentence."""
    kind = "flight" if booking.kind == "flight" else "stay at"
    return f"your {kind} {booking.title} ({booking.ref})"
