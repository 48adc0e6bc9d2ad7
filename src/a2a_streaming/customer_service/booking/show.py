"""Showing bookings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from a2a_streaming.customer_service.booking.knowledge import BOOKING, Trips, line
from a2a_streaming.customer_service.dialogue import AMONG, Flow, Slots, Talk
from a2a_streaming.customer_service.records import Booking
from a2a_streaming.task import Json


class ShowBookings(Flow[Trips]):
    """Lists a customer's trips, or tells about one."""

    name = "show_bookings"
    label = "show my bookings"
    slots: ClassVar[Mapping[str, Json]] = {"booking": BOOKING}

    async def go_on(self, talk: Talk, known: Trips, slots: Slots, *, confirmed: bool) -> None:  # noqa: ARG002 - nothing to confirm
        """Show what is asked for; without a word about which, what lies ahead."""
        await talk.progress("show", "Fetching your bookings")
        shown: list[Booking] = []
        if ref := slots.text("booking"):
            found = known.find(ref)
            if found is None:
                refs = ", ".join(booking.ref for booking in known.bookings)
                yours = f"Yours are {refs}." if refs else "You have no bookings."
                await talk.done(f"I can't find a booking {ref} of yours. {yours}")
                return
            shown = [found]
        elif among := slots.texts(AMONG):
            shown = [booking for booking in known.bookings if booking.ref in among]
        if not shown:
            ahead = [booking for booking in known.bookings if booking.ends_on >= known.today]
            shown = ahead or list(known.bookings)
        if not shown:
            await talk.done("You have no bookings.")
        elif len(shown) == 1:
            [one] = shown
            slots["booking"] = one.ref
            await talk.show("booking", f"Booking {one.ref}", f"{line(one)}\n", one.to_json())
            await talk.done(line(one))
        else:
            lines = "".join(f"{line(booking)}\n" for booking in shown)
            told = {"bookings": [booking.to_json() for booking in shown]}
            await talk.show("bookings", "Your bookings", lines, told)
            await talk.done(f"Here are your {len(shown)} bookings.")
