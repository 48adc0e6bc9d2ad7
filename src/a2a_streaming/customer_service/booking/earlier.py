"""Which booking a customer means, by what came of their other wishes in the same message; pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from a2a_streaming.customer_service.booking.knowledge import Trips
from a2a_streaming.customer_service.dialogue import AMONG, Earlier, Wish

_ONE = re.compile(
    r"\bit\b|\b(?:the|this|that|my)\s+(?:new\s+)?(?:booking|reservation|trip)\b", re.IGNORECASE
)
_ACTING = frozenset({"new_booking", "change_booking", "cancel_booking"})


def resolve(wish: Wish, text: str, earlier: Sequence[Earlier], known: Trips) -> Wish:
    """Return a wish with the booking that the one before it was about, if that may be meant.

    What was just booked, changed or cancelled isn't changed or cancelled again: "cancel my flight to Lisbon and cancel my flight"
    speaks of another one.

    Args:
        wish: What the customer wants.
        text: What they say.
        earlier: What came of the wishes before.
        known: Their trips.
    """
    if wish.flow not in ("show_bookings", "check_in", "change_booking", "cancel_booking"):
        return wish
    if "booking" in wish.slots or (wish.flow == "show_bookings" and not _ONE.search(text)):
        return wish
    among = wish.slots.get(AMONG)
    for one in reversed(earlier):
        booking = known.find(one.about.get("booking", ""))
        if booking is None or (among and booking.ref not in among):
            continue
        if wish.flow in _ACTING and (one.request in _ACTING or booking not in known.ahead):
            continue
        if wish.flow == "check_in" and booking not in known.ahead:
            continue
        slots = {key: value for key, value in wish.slots.items() if key != AMONG}
        return Wish(wish.flow, {**slots, "booking": booking.ref})
    return wish
