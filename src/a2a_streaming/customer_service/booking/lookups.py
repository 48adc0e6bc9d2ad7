"""What Claude may look up of a customer's trips, before it says what they want. Nothing here changes anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from a2a_streaming.customer_service.booking.knowledge import Trips
from a2a_streaming.customer_service.claude.reading import Lookup
from a2a_streaming.customer_service.records import Bookings, Customer, Refused

_BOOKING = "The booking's reference."
_DATE = "The day, YYYY-MM-DD."
_OFFERS = 10


def lookups(bookings: Bookings, customer: Customer, known: Trips) -> Sequence[Lookup]:
    """Return what may be looked up, as one customer.

    Args:
        bookings: What customers have booked, and what can be.
        customer: As whom.
        known: What they have.
    """

    async def all_bookings(_: Mapping[str, str]) -> Any:
        return [booking.to_json() for booking in known.bookings]

    async def change(given: Mapping[str, str]) -> Any:
        new = _date(given["date"])
        return (await bookings.quote_change(customer.id, given["booking"], new)).to_json()

    async def cancellation(given: Mapping[str, str]) -> Any:
        return (await bookings.quote_cancellation(customer.id, given["booking"])).to_json()

    async def offers(given: Mapping[str, str]) -> Any:
        found = await bookings.offers(given["kind"], given["city"], _date(given["date"]))
        return [offer.to_json() for offer in found[:_OFFERS]]

    return (
        Lookup("list_bookings", "Lists all of the customer's bookings.", all_bookings),
        Lookup(
            "quote_new_date",
            "Tells what it would cost to move a booking to another date.",
            change,
            {"booking": _BOOKING, "date": _DATE},
        ),
        Lookup(
            "quote_cancelling",
            "Tells what would be given back if a booking were cancelled.",
            cancellation,
            {"booking": _BOOKING},
        ),
        Lookup(
            "list_offers",
            "Lists what can be booked.",
            offers,
            {"kind": "`flight` or `hotel`.", "city": "Where to.", "date": _DATE},
        ),
    )


def _date(told: str) -> date:
    try:
        return date.fromisoformat(told)
    except ValueError as error:
        raise Refused(f"{told[:20]!r} is no date as YYYY-MM-DD.") from error
