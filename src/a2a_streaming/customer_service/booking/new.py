"""Booking anew: a search among offers, a choice, a yes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from a2a_streaming.customer_service.booking.knowledge import DATE, Trips
from a2a_streaming.customer_service.dates import say
from a2a_streaming.customer_service.dialogue import Choice, Flow, Slots, Talk
from a2a_streaming.customer_service.records import (
    Booked,
    Bookings,
    Offer,
    OfferNotFound,
    QuoteChanged,
    Refused,
)
from a2a_streaming.task import Json

_SHOWN = 6
"""Offers that are shown at once."""
_KINDS = (Choice("flight", "a flight"), Choice("hotel", "a hotel"))


class NewBooking(Flow[Trips]):
    """Books a flight or a hotel.

    Args:
        bookings: What can be booked.
    """

    name = "new_booking"
    label = "book a flight or a hotel"
    slots: ClassVar[Mapping[str, Json]] = {
        "kind": {
            "type": "string",
            "enum": ["flight", "hotel"],
            "description": "What is to be booked.",
        },
        "city": {"type": "string", "description": "Where to, or the hotel's city."},
        "origin": {"type": "string", "description": "Where a flight begins."},
        "date": {**DATE, "description": "The day of the flight or of the arrival, ISO 8601."},
        "nights": {"type": "integer", "minimum": 1, "description": "Nights of a hotel stay."},
        "offer": {"type": "string", "description": "The id of the offer that the customer chose."},
    }

    def __init__(self, bookings: Bookings) -> None:
        self._bookings = bookings

    async def go_on(self, talk: Talk, known: Trips, slots: Slots, *, confirmed: bool) -> None:
        """Find out what is wanted, show offers, and book the chosen one after a yes."""
        agreed = slots.number("agreed")
        if confirmed and agreed is not None:
            await self._book(talk, slots, agreed)
            return
        if not await _is_complete(talk, known, slots):
            return
        kind, city, day = slots.text("kind"), slots.text("city"), slots.day("date") or known.today
        await talk.progress("search", f"Looking for offers in {city} on {say(day)}")
        try:
            offers = await self._bookings.offers(
                kind,
                city,
                day,
                origin=slots.text("origin") if kind == "flight" else "",
                nights=min(slots.number("nights") or 1, 60),
            )
        except Refused as refused:
            await _ask_when(talk, slots, f"{refused} Which other day would suit you?")
            return
        chosen = next((offer for offer in offers if offer.id == slots.text("offer")), None)
        if chosen is not None:
            await _ask_yes(talk, slots, chosen)
        elif not offers:
            where = f"from {slots.text('origin')} to {city}" if kind == "flight" else f"in {city}"
            places = ", ".join(known.cities)
            await talk.unable(f"We have no {kind} {where}. We know these places: {places}.")
        else:
            await _ask_which(talk, slots, offers[:_SHOWN])

    async def _book(self, talk: Talk, slots: Slots, agreed: int) -> None:
        await talk.progress("book", "Booking it for you")
        offer = slots.text("offer")
        try:
            done = await talk.effect(
                "book", Booked, self._bookings.book, talk.customer.id, offer, agreed
            )
        except QuoteChanged as changed:
            await _ask_yes(talk, slots, changed.quote, f"{changed} ")
            return
        except (OfferNotFound, Refused) as refused:
            await talk.unable(f"{refused} Nothing has been booked.")
            return
        booking = done.booking
        slots["booking"], slots["invoice"] = booking.ref, done.invoice
        said = (
            f"{booking.title}, {say(booking.starts_on)}, is booked: your reference is {booking.ref}. "
            f"{talk.money(booking.price_cents)} is on invoice {done.invoice}."
        )
        facts = {**booking.to_json(), "invoice": done.invoice}
        await talk.show("booking", f"Booking {booking.ref}", said, facts)
        await talk.done(f"Done! {said}")


async def _is_complete(talk: Talk, known: Trips, slots: Slots) -> bool:
    """Say whether all is known that a search needs; ask for what is missing, and end the turn, if not."""
    kind = slots.text("kind")
    if kind not in ("flight", "hotel"):
        await talk.ask("kind", "What would you like to book?", slots, choices=_KINDS)
    elif not slots.text("city"):
        question = "Where would you like to fly to?" if kind == "flight" else "In which city?"
        await talk.ask("city", question, slots, choices=_cities(known, slots))
    elif kind == "flight" and not slots.text("origin"):
        await talk.ask("origin", "Where from?", slots, choices=_cities(known, slots))
    elif slots.day("date") is None:
        await _ask_when(talk, slots, "On which day?")
    elif kind == "hotel" and not slots.number("nights"):
        nights = {"type": "integer", "minimum": 1, "maximum": 60, "title": "Nights"}
        await talk.ask("nights", "For how many nights?", slots, schema=nights)
    else:
        return True
    return False


def _cities(known: Trips, slots: Slots) -> list[Choice]:
    taken = {slots.text("city"), slots.text("origin")}
    return [Choice(city, city) for city in known.cities if city not in taken]


async def _ask_when(talk: Talk, slots: Slots, question: str) -> None:
    await talk.ask("date", question, slots, schema=DATE)


async def _ask_which(talk: Talk, slots: Slots, offers: Sequence[Offer]) -> None:
    choices = [Choice(offer.id, _line(talk, offer)) for offer in offers]
    facts = {
        "offers": [offer.to_json() for offer in offers],
        "currency": talk.customer.currency,
    }
    await talk.ask("offer", "Which of these would you like?", slots, choices=choices, facts=facts)


async def _ask_yes(talk: Talk, slots: Slots, offer: Offer, before: str = "") -> None:
    await talk.confirm(
        f"{before}I can book {_line(talk, offer)}. Shall I book it?",
        {**slots, "offer": offer.id, "agreed": offer.price_cents},
        {"offer": {**offer.to_json(), "currency": talk.customer.currency}},
    )


def _line(talk: Talk, offer: Offer) -> str:
    nights = f", {offer.nights} night{'s' if offer.nights > 1 else ''}" if offer.nights else ""
    rule = {
        "saver": "no changes, nothing back",
        "standard": "changes for a fee",
        "flex": "changes free",
    }.get(offer.fare, "")
    return (
        f"{offer.title}, {say(offer.starts_on)}{nights}, {offer.details}, fare {offer.fare} "
        f"({rule}): {talk.money(offer.price_cents)}"
    )
