"""Moving a booking to another date, after a quote and a yes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import ClassVar

from a2a_streaming.customer_service.booking.knowledge import BOOKING, DATE, Trips, name, one_of
from a2a_streaming.customer_service.dates import say
from a2a_streaming.customer_service.dialogue import Flow, Slots, Talk
from a2a_streaming.customer_service.records import (
    Booking,
    Bookings,
    Changed,
    ChangeRefused,
    NotFound,
    Quote,
    QuoteChanged,
)
from a2a_streaming.customer_service.records.fares import check_changeable
from a2a_streaming.task import Json


class ChangeBooking(Flow[Trips]):
    """Changes a booking's date.

    Args:
        bookings: What customers have booked.
    """

    name = "change_booking"
    label = "change the date of a booking"
    slots: ClassVar[Mapping[str, Json]] = {
        "booking": BOOKING,
        "date": {**DATE, "description": "The new date, ISO 8601."},
    }

    def __init__(self, bookings: Bookings) -> None:
        self._bookings = bookings

    async def go_on(self, talk: Talk, known: Trips, slots: Slots, *, confirmed: bool) -> None:
        """Find out which booking and which date, quote, and make the change after a yes."""
        wanted, agreed = slots.day("date"), slots.number("agreed")
        if confirmed and wanted is not None and agreed is not None:
            await self._change(talk, slots, wanted, agreed)
            return
        nothing = "You have no trips ahead that could be changed."
        booking = await one_of(talk, known, slots, known.ahead, nothing)
        if booking is None:
            return
        slots["booking"] = booking.ref
        try:
            check_changeable(booking, known.today)
        except ChangeRefused as refused:
            await talk.unable(str(refused))
            return
        if wanted is None:
            await _ask_when(talk, booking, slots, f"To which date shall I move {name(booking)}?")
            return
        await talk.progress("quote", f"Checking what {say(wanted)} costs")
        try:
            quote = await self._bookings.quote_change(talk.customer.id, booking.ref, wanted)
        except ChangeRefused as refused:
            await _ask_when(talk, booking, slots, f"{refused} Which other date would suit you?")
            return
        await _ask_yes(talk, name(booking), slots, quote)

    async def _change(self, talk: Talk, slots: Slots, wanted: date, agreed: int) -> None:
        ref = slots.text("booking")
        await talk.progress("change", "Changing your booking")
        try:
            done = await talk.effect(
                "change", Changed, self._bookings.change, talk.customer.id, ref, wanted, agreed
            )
        except QuoteChanged as changed:
            await _ask_yes(talk, f"booking {ref}", slots, changed.quote, f"{changed} ")
            return
        except (NotFound, ChangeRefused) as refused:
            await talk.unable(f"{refused} Nothing has been changed.")
            return
        if done.invoice:
            slots["invoice"] = done.invoice
        said = f"{done.booking.title} ({ref}) is now on {say(done.booking.starts_on)}."
        if done.invoice:
            said += f" {talk.money(done.quote.total_cents)} is on invoice {done.invoice}."
        facts = {
            "booking": done.booking.to_json(),
            "quote": done.quote.to_json(),
            "invoice": done.invoice,
        }
        await talk.show("change", f"Change of booking {ref}", said, facts)
        await talk.done(f"Done! {said}")


async def _ask_when(talk: Talk, booking: Booking, slots: Slots, question: str) -> None:
    await talk.ask("date", question, slots, schema=DATE, facts={"booking": booking.to_json()})


async def _ask_yes(talk: Talk, named: str, slots: Slots, quote: Quote, before: str = "") -> None:
    parts = [
        f"{talk.money(cents)} {what}"
        for cents, what in ((quote.fee_cents, "change fee"), (quote.fare_cents, "fare difference"))
        if cents
    ]
    cost = (
        f"That costs {talk.money(quote.total_cents)} ({' and '.join(parts)})."
        if parts
        else "That costs you nothing."
    )
    await talk.confirm(
        f"{before}I can move {named} from {say(quote.old)} to {say(quote.new)}. "
        f"{cost} Shall I make the change?",
        {**slots, "agreed": quote.total_cents},
        {"quote": {**quote.to_json(), "currency": talk.customer.currency}},
    )
