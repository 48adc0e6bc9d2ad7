"""How and when to check in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import ClassVar

from a2a_streaming.customer_service.booking.knowledge import BOOKING, Trips, name, one_of
from a2a_streaming.customer_service.dates import say
from a2a_streaming.customer_service.dialogue import Flow, Slots, Talk
from a2a_streaming.task import Json

_OPENS_DAYS = 2
"""So many days before a flight check-in opens."""


class CheckIn(Flow[Trips]):
    """Tells how and when to check in for a trip."""

    name = "check_in"
    label = "check-in details"
    slots: ClassVar[Mapping[str, Json]] = {"booking": BOOKING}

    async def go_on(self, talk: Talk, known: Trips, slots: Slots, *, confirmed: bool) -> None:  # noqa: ARG002 - nothing to confirm
        """Tell it of the trip that is meant."""
        nothing = "You have no trips ahead to check in for."
        booking = await one_of(talk, known, slots, known.ahead, nothing)
        if booking is None:
            return
        slots["booking"] = booking.ref
        await talk.progress("check_in", f"Looking up check-in for {booking.ref}")
        if booking.status != "confirmed" or booking.ends_on < known.today:
            over = "been cancelled" if booking.status != "confirmed" else "already taken place"
            await talk.done(f"Booking {booking.ref} has {over}, so there is no check-in for it.")
            return
        start = booking.starts_on
        if booking.kind == "flight":
            opens = start - timedelta(_OPENS_DAYS)
            state = "is open" if opens <= known.today else f"opens on {say(opens)}"
            said = (
                f"Online check-in for {name(booking)} {state}, and closes an hour before departure on "
                f"{say(start)}. {booking.details}. Bring the passport or identity card that you travel with, "
                "and be at the gate 40 minutes before departure."
            )
            facts = {"opensOn": opens.isoformat(), "open": opens <= known.today}
        else:
            said = (
                f"Check-in for {name(booking)} is from 15:00 on {say(start)}, check-out until 11:00 on "
                f"{say(booking.ends_on)}. {booking.details.capitalize()}. At the desk, show the reference "
                f"{booking.ref} and an identity card."
            )
            facts = {"from": f"{start.isoformat()}T15:00", "until": f"{booking.ends_on}T11:00"}
        told = {"booking": booking.to_json(), "checkIn": facts}
        await talk.show("check-in", f"Check-in for booking {booking.ref}", said, told)
        await talk.done(said)
