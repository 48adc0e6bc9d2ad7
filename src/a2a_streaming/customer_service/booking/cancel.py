"""Cancelling a booking, by its fare's rules and after a yes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from a2a_streaming.customer_service.booking.knowledge import BOOKING, Trips, name, one_of
from a2a_streaming.customer_service.dates import say
from a2a_streaming.customer_service.dialogue import Flow, Slots, Talk
from a2a_streaming.customer_service.records import (
    Bookings,
    CancellationQuote,
    Cancelled,
    NotFound,
    QuoteChanged,
    Refused,
)
from a2a_streaming.task import Json


class CancelBooking(Flow[Trips]):
    """Cancels a booking.

    Args:
        bookings: What customers have booked.
    """

    name = "cancel_booking"
    label = "cancel a booking"
    slots: ClassVar[Mapping[str, Json]] = {"booking": BOOKING}

    def __init__(self, bookings: Bookings) -> None:
        self._bookings = bookings

    async def go_on(self, talk: Talk, known: Trips, slots: Slots, *, confirmed: bool) -> None:
        """Find out which booking, say what is given back, and cancel it after a yes."""
        agreed = slots.number("agreed")
        if confirmed and agreed is not None:
            await self._cancel(talk, slots, agreed)
            return
        nothing = "You have no trips ahead that could be cancelled."
        booking = await one_of(talk, known, slots, known.ahead, nothing)
        if booking is None:
            return
        slots["booking"] = booking.ref
        await talk.progress("quote", f"Checking what the fare of {booking.ref} gives back")
        try:
            quote = await self._bookings.quote_cancellation(talk.customer.id, booking.ref)
        except Refused as refused:
            await talk.unable(str(refused))
            return
        when = f"{name(booking)} on {say(booking.starts_on)}"
        await _ask_yes(talk, when, slots, quote)

    async def _cancel(self, talk: Talk, slots: Slots, agreed: int) -> None:
        ref = slots.text("booking")
        await talk.progress("cancel", "Cancelling your booking")
        try:
            done = await talk.effect(
                "cancel", Cancelled, self._bookings.cancel, talk.customer.id, ref, agreed
            )
        except QuoteChanged as changed:
            await _ask_yes(talk, f"booking {ref}", slots, changed.quote, f"{changed} ")
            return
        except (NotFound, Refused) as refused:
            await talk.unable(f"{refused} Nothing has been cancelled now.")
            return
        said = f"{done.booking.title} ({ref}) is cancelled. {_told(talk, done)}"
        refund = done.refund.to_json() if done.refund else None
        facts = {"booking": done.booking.to_json(), "quote": done.quote.to_json(), "refund": refund}
        await talk.show("cancellation", f"Cancellation of booking {ref}", said, facts)
        await talk.done(f"Done! {said}")


async def _ask_yes(
    talk: Talk, named: str, slots: Slots, quote: CancellationQuote, before: str = ""
) -> None:
    if quote.back_cents:
        back = (
            f"By its fare you get back {talk.money(quote.back_cents)}, "
            f"{quote.percent} % of {talk.money(quote.price_cents)}."
        )
    else:
        back = f"By its fare nothing of the {talk.money(quote.price_cents)} is paid back any more."
    await talk.confirm(
        f"{before}I can cancel {named}. {back} Shall I cancel it?",
        {**slots, "agreed": quote.back_cents},
        {"quote": {**quote.to_json(), "currency": talk.customer.currency}},
    )


def _told(talk: Talk, done: Cancelled) -> str:
    """Say what becomes of the money."""
    if done.refund is None:
        return "Nothing is paid back."
    paid, credit = done.refund.amount_cents, done.refund.credit_cents
    off = f"{talk.money(credit - paid)} is taken off invoice {done.refund.invoice}"
    back = f"{talk.money(paid)} goes back to where it was paid from (refund {done.refund.id})"
    if not paid:
        return f"{off}."
    return f"{back}." if paid == credit else f"{off}, and {back}."
