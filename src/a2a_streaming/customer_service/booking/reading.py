"""What customers want of the Booking Agent, read by rules; pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from typing import Any

from a2a_streaming.customer_service.booking.knowledge import Trips
from a2a_streaming.customer_service.booking.limits import beyond
from a2a_streaming.customer_service.booking.words import KINDS, meant, named, wanted_date
from a2a_streaming.customer_service.dates import find_dates, find_shift
from a2a_streaming.customer_service.dialogue import AMONG, BEYOND, Pending, Wish, choose
from a2a_streaming.customer_service.records import Booking

_FLOWS = {
    "change_booking": re.compile(
        r"\bchang|\bmov(?:e|ing)\b|\bre-?schedul|\bpostpon|\bpush\b|\bbring\b.*\bforward\b|\brebook|"
        r"\bshift|\bswap|\bmodif|\bamend|\bedit|\bupdat|\bdelay my\b|\binstead\b|\banother (?:date|day)\b",
        re.IGNORECASE,
    ),
    "cancel_booking": re.compile(r"\bcancel(?!led)|\bcall off\b|\bscrap\b", re.IGNORECASE),
    "new_booking": re.compile(
        r"\b(?:book|reserve|buy|order|rent|hire)\b|\bnew (?:booking|reservation|flight|hotel|trip)\b|"
        r"\bplace an\b|\boffers?\b|\b(?:find|need|want|get) (?:me )?an? (?:flight|hotel|room)\b",
        re.IGNORECASE,
    ),
    "check_in": re.compile(r"\bcheck(?:ing)?[- ]?in\b|\bboarding pass", re.IGNORECASE),
}
_NOT_THAT = re.compile(
    r"\b(?:don'?t|do not|not|rather than|instead of)(?: (?:want|wish|like))?(?: to)? cancel\w*",
    re.IGNORECASE,
)
_NIGHTS = re.compile(r"\b(\d{1,2}|one|two|three|four|five|six|seven) nights?\b", re.IGNORECASE)
_NUMBERS = ("one", "two", "three", "four", "five", "six", "seven")
_CREATING = "new_booking"
_SHOWING = "show_bookings"
_LOOK = re.compile(
    r"\b(?:show|list|see|view|look|tell|display|find|give|send|check|pull|details?|info\w*|status|itinerar\w+|"
    r"confirm\w*|bookings?|reservations?|trips?|flights?|hotels?|stays?|what|when|where|which|who|how|is|are|"
    r"do i|did|does|have i|am i)\b",
    re.IGNORECASE,
)
"""Who wants to see something says so, asks, or names it."""
_DOING = re.compile(
    r"\b(?:add|put|remove|delete|include|exchange|replace|extend|correct|adjust|alter|transfer|sell|give away|upgrade)\b",
    re.IGNORECASE,
)
"""Whoever wants something done doesn't want to see a booking."""


class OfflineBookingReader:
    """Reads what customers want of the Booking Agent by rules."""

    async def read(self, text: str, pending: Pending | None, known: Trips) -> Wish:
        """Read a message."""
        flow = _flow(text, pending)
        if (what := _beyond(text, flow, pending, known)) is not None:
            return Wish(BEYOND, {"what": what})
        if flow == _SHOWING and pending is None and not _asks_to_see(text, known):
            return Wish("")
        if flow == _CREATING:
            return Wish(flow, _read_new(text, pending, known))
        return Wish(flow, _read_booking(text, flow, pending, known))


def _flow(text: str, pending: Pending | None) -> str:
    """Return the flow whose words come first; a question of ours goes on, unless its answer asks for another."""
    searched = _NOT_THAT.sub("", text)
    found = {
        match.start(): flow
        for flow, pattern in reversed(_FLOWS.items())
        if (match := pattern.search(searched)) is not None
    }
    if not found and find_shift(text) is not None:
        found[0] = "change_booking"
    if pending is None:
        return found[min(found)] if found else _SHOWING
    if pending.flow == _CREATING and found.get(min(found, default=0)) == "change_booking":
        return pending.flow  # "change it to Friday" speaks of what is being booked
    return found[min(found)] if found else pending.flow


def _beyond(text: str, flow: str, pending: Pending | None, known: Trips) -> str | None:
    """Return what a text asks for that can't be done; None if it asks for nothing such, or answers a question."""
    if pending is not None and (pending.asked == "booking" or not _DOING.search(text)):
        return None
    if flow == "change_booking" and (find_dates(text, known.today) or find_shift(text) is not None):
        return None  # something else beside a date is none of it
    return beyond(text)


def _asks_to_see(text: str, known: Trips) -> bool:
    if _DOING.search(text):
        return False
    return bool(_LOOK.search(text) or meant(text, known.bookings, known.today) or named(text))


def _read_booking(text: str, flow: str, pending: Pending | None, known: Trips) -> dict[str, Any]:
    """Read which booking is meant, and for a change its new date."""
    today = known.today
    among = _candidates(flow, pending, known)
    found = _bookings(text, pending, known, among)
    slots: dict[str, Any] = {}
    kept = known.find(str(pending.slots.get("booking", ""))) if pending is not None else None
    if named(text):  # by the reference, or by the flight's number
        slots["booking"] = found[0].ref if len(found) == 1 else named(text)
    elif len(found) == 1 and (kept is None or (pending and pending.asked == "booking")):
        slots["booking"] = found[0].ref
    elif found and kept is None and len(found) < len(known.bookings):
        slots[AMONG] = [booking.ref for booking in found]
    if flow == "change_booking":
        one = found if len(found) == 1 else []
        about = [kept] if kept is not None and not named(text) else one
        day = _new_date(text, about or found or among, today)
        if day is not None:
            slots["date"] = day.isoformat()
    return slots


def _candidates(flow: str, pending: Pending | None, known: Trips) -> Sequence[Booking]:
    if pending is not None and pending.asked == "booking":
        offered = {choice.value for choice in pending.choices}
        return [booking for booking in known.bookings if booking.ref in offered] or known.ahead
    return known.bookings if flow == _SHOWING else known.ahead


def _bookings(
    text: str, pending: Pending | None, known: Trips, among: Sequence[Booking]
) -> list[Booking]:
    if named(text):
        return meant(text, known.bookings, known.today)
    found = meant(text, among, known.today)
    if not found and pending is not None and pending.asked == "booking":
        chosen = choose(text, pending.choices)
        found = [booking for booking in among if booking.ref == chosen]
    return found


def _new_date(text: str, bookings: Sequence[Booking], today: date) -> date | None:
    """Return the date to which a text asks to move a booking, if it is the same for all that it may mean."""
    days = {wanted_date(text, booking, today) for booking in bookings}
    return days.pop() if len(days) == 1 else None


def _read_new(text: str, pending: Pending | None, known: Trips) -> dict[str, Any]:
    """Read what is to be booked."""
    slots: dict[str, Any] = {}
    asked = pending.asked if pending is not None and pending.flow == _CREATING else ""
    if pending is not None and asked == "offer":
        chosen = choose(text, pending.choices)
        if chosen is not None:
            return {"offer": chosen}
    said = set(re.findall(r"[a-z]+", text.lower()))
    kinds = [kind for kind, words in KINDS.items() if said & words]
    if len(kinds) == 1:
        slots["kind"] = kinds[0]
    slots |= _places(text, known.cities, asked)
    if "origin" in slots and "kind" not in slots and asked != "origin":
        slots["kind"] = "flight"
    days = [day for day in find_dates(text, known.today) if day > known.today]
    if days:
        slots["date"] = days[0].isoformat()
    if nights := _NIGHTS.search(text):
        slots["nights"] = _count(nights[1])
    elif asked == "nights" and (number := re.search(r"\b\d{1,2}\b", text)):
        slots["nights"] = int(number[0])
    elif len(days) > 1 and days[1] > days[0] and slots.get("kind") == "hotel":
        slots["nights"] = (days[1] - days[0]).days
    return slots


def _places(text: str, cities: Sequence[str], asked: str) -> dict[str, str]:
    """Read where from and where to."""
    places: dict[str, str] = {}
    for city in cities:
        match = re.search(rf"(?:\b(\w+)\s+)?\b{re.escape(city)}\b", text, re.IGNORECASE)
        if match is None:
            continue
        before = (match[1] or "").lower()
        slot = "origin" if before == "from" else "city"
        if before not in ("from", "to", "in") and asked in ("origin", "city"):
            slot = asked
        places.setdefault(slot, city)
    return places


def _count(text: str) -> int:
    return int(text) if text.isdigit() else _NUMBERS.index(text.lower()) + 1
