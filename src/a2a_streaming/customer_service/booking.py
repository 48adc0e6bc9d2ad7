"""The Booking Agent: shows trips, and moves them to another date after a quote and a yes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from typing import Any

from a2a_streaming import Agent, Run
from a2a_streaming.customer_service import cards, company
from a2a_streaming.customer_service.change import (
    KEY,
    Change,
    chosen,
    meant,
    named,
    read_date,
    wanted_date,
)
from a2a_streaming.customer_service.dates import find_shift, say
from a2a_streaming.customer_service.records import (
    Booking,
    BookingNotFound,
    ChangeRefused,
    Customer,
    Quote,
    QuoteChanged,
    Records,
)
from a2a_streaming.customer_service.records.fares import check_changeable
from a2a_streaming.customer_service.replies import money, never_mind, yes_or_no
from a2a_streaming.event import data_part

_CANCEL = re.compile(r"\bcancel|\bcall off\b|\bscrap\b", re.IGNORECASE)
_CREATE = re.compile(r"\b(?:book|reserve|buy|order|rent|hire)\b|\bnew (?:booking|reservation|flight|hotel|trip)\b|\bplace an\b", re.IGNORECASE)  # fmt: skip
_CHANGE = re.compile(
    r"\bchang|\bmov(?:e|ing)\b|\bre-?schedul|\bpostpon|\bpush\b|\bbring\b.*\bforward\b|\brebook|"
    r"\bshift|\bswap|\bmodif|\bamend|\bedit|\bupdat|\bdelay my\b|\binstead\b|\banother (?:date|day)\b",
    re.IGNORECASE,
)
_ABLE = "I can show you your bookings and change the date of one."


class BookingAgent(Agent):
    """Shows a customer's trips, and changes their dates.

    Args:
        records: The systems of record.
    """

    card = cards.BOOKING

    def __init__(self, records: Records) -> None:
        self._records = records

    async def run(self, run: Run) -> None:
        """Handle one message."""
        await run.working("Looking up your bookings")
        customer = await self._records.customers.by_subject(run.owner)
        if customer is None:
            await run.complete(
                f"I can't find a customer record that belongs to you. Please {company.CONTACT}."
            )
            return
        text = run.text
        talked_over = Change.from_json(run.metadata.get(KEY))
        if talked_over is not None:
            await self._go_on(run, customer, talked_over)
        elif _CHANGE.search(text) or find_shift(text) is not None:
            await self._change(run, customer, Change("booking"))
        elif _CANCEL.search(text):
            await run.complete(f"I can't cancel bookings yet. For that, {company.CONTACT}. {_ABLE}")
        elif _CREATE.search(text):
            await run.complete(
                f"I can't make new bookings yet. For that, {company.CONTACT}. {_ABLE}"
            )
        else:
            await self._show(run, customer)

    async def _show(self, run: Run, customer: Customer) -> None:
        today = self._records.today()
        bookings = await self._records.bookings.of(customer.id)
        asked_for = meant(run.text, bookings, today)
        if (ref := named(run.text)) is not None and not asked_for:
            await run.complete(f"{BookingNotFound(ref)} {_list_refs(bookings)}")
            return
        if not asked_for:
            ahead = [booking for booking in bookings if booking.ends_on >= today]
            asked_for = ahead or bookings
        if not asked_for:
            await run.complete("You have no bookings.")
            return
        one = len(asked_for) == 1
        title = f"Booking {asked_for[0].ref}" if one else "Your bookings"
        async with run.artifact("booking" if one else "bookings", description=title) as shown:
            for booking in asked_for:
                await shown.write(f"{_line(booking)}\n")
            told = [booking.to_json() for booking in asked_for]
            currency = {"currency": customer.currency}
            await shown.write(
                data_part({**told[0], **currency} if one else {"bookings": told, **currency})
            )
        await run.complete(
            _line(asked_for[0]) if one else f"Here are your {len(asked_for)} bookings."
        )

    async def _go_on(self, run: Run, customer: Customer, change: Change) -> None:
        """Handle the answer to a question of ours."""
        text, form = run.text, run.data or {}
        if change.asked == "confirm":
            answer = form["confirm"] if isinstance(form.get("confirm"), bool) else yes_or_no(text)
            again = await self._asks_for_another_date(run, customer, change)
            if answer is True and not again:
                await self._do(run, customer, change)
                return
            if (answer is False or never_mind(text)) and not again:
                await _leave(run)
                return
        elif never_mind(text):
            await _leave(run)
            return
        await self._change(run, customer, change)

    async def _asks_for_another_date(self, run: Run, customer: Customer, change: Change) -> bool:
        """Say whether an answer names another date than that of the quote, as in "no, 5 May"."""
        if read_date((run.data or {}).get("date")) is not None:
            return True
        today = self._records.today()
        booking = await self._booking(customer, change.ref)
        wanted = wanted_date(run.text, booking, today) if booking else None
        return wanted is not None and wanted != change.new

    async def _booking(self, customer: Customer, ref: str) -> Booking | None:
        bookings = await self._records.bookings.of(customer.id)
        return next((booking for booking in bookings if booking.ref == ref), None)

    async def _change(self, run: Run, customer: Customer, change: Change) -> None:
        """Find out what is to be changed, as far as the message tells, and ask for what is missing."""
        today, form = self._records.today(), run.data or {}
        bookings = await self._records.bookings.of(customer.id)
        ahead = [b for b in bookings if b.status == "confirmed" and b.starts_on > today]
        if not ahead:
            await run.complete("You have no trips ahead that could be changed.")
            return
        ref = form.get("booking") or named(run.text) or change.ref
        if ref:
            found = [booking for booking in bookings if booking.ref == ref]
        else:
            among = [booking for booking in ahead if booking.ref in change.choices] or ahead
            found = meant(run.text, among, today)
            if not found:
                found = chosen(run.text, among) if change.choices else among
        if len(found) != 1:
            await _ask_which(run, found or ahead, change.new or _only_date(run, ahead, today))
            return
        booking = found[0]
        try:
            check_changeable(booking, today)
        except ChangeRefused as refused:
            await run.complete(f"{refused} If you need help with it, {company.CONTACT}.")
            return
        wanted = read_date(form.get("date")) or wanted_date(run.text, booking, today) or change.new
        if wanted is None:
            await _ask_when(run, booking, f"To which date shall I move {_name(booking)}?")
            return
        await self._offer(run, customer, booking, wanted)

    async def _offer(self, run: Run, customer: Customer, booking: Booking, wanted: date) -> None:
        await run.working(f"Checking what {say(wanted)} costs")
        try:
            quote = await self._records.bookings.quote_change(customer.id, booking.ref, wanted)
        except ChangeRefused as refused:
            await _ask_when(run, booking, f"{refused} Which other date would suit you?")
            return
        await _ask_yes(run, booking, quote, customer.currency)

    async def _change_booking(
        self, customer_id: int, ref: str, new: date, total_cents: int, *, idempotency_key: str
    ) -> dict[str, Any]:
        done = await self._records.bookings.change(
            customer_id, ref, new, total_cents, idempotency_key=idempotency_key
        )
        return {
            "booking": done.booking.to_json(),
            "quote": done.quote.to_json(),
            "invoice": done.invoice,
        }

    async def _do(self, run: Run, customer: Customer, change: Change) -> None:
        """Make the change that the customer has agreed to."""
        if change.new is None:
            await self._change(run, customer, change)
            return
        await run.working("Changing your booking")
        try:
            done = await run.step(
                "change",
                self._change_booking,
                customer.id,
                change.ref,
                change.new,
                change.total_cents,
            )
        except QuoteChanged as changed:
            booking = await self._booking(customer, change.ref)
            if booking is None:
                await run.complete(str(BookingNotFound(change.ref)))
            else:
                await _ask_yes(run, booking, changed.quote, customer.currency, f"{changed} ")
            return
        except (BookingNotFound, ChangeRefused) as refused:
            await run.complete(f"{refused} Nothing has been changed.")
            return
        paid = done["quote"]["totalCents"]
        day = say(date.fromisoformat(done["booking"]["from"]))
        said = f"{done['booking']['title']} ({change.ref}) is now on {day}."
        if paid:
            said += f" {money(paid, customer.currency)} is on invoice {done['invoice']}."
        await run.attach(
            "change",
            said,
            data_part({**done, "currency": customer.currency}),
            description=f"Change of booking {change.ref}",
        )
        await run.complete(f"Done! {said}")


def _only_date(run: Run, ahead: list[Booking], today: date) -> date | None:
    """Return the new date that a message names before it is clear of which booking."""
    days = {wanted_date(run.text, booking, today) for booking in ahead}
    return days.pop() if len(days) == 1 else None


async def _ask_which(run: Run, bookings: list[Booking], new: date | None) -> None:
    lines = "\n".join(f"- {_line(booking)}" for booking in bookings)
    refs = [booking.ref for booking in bookings]
    await run.input_required(
        f"Which booking do you mean?\n{lines}",
        data_part({"question": "booking", "choices": refs}),
        metadata={KEY: Change("booking", new=new, choices=tuple(refs)).to_json()},
    )


async def _ask_when(run: Run, booking: Booking, question: str) -> None:
    await run.input_required(
        question,
        data_part({"question": "date", "booking": booking.to_json()}),
        metadata={KEY: Change("date", booking.ref).to_json()},
    )


async def _ask_yes(
    run: Run, booking: Booking, quote: Quote, currency: str, before: str = ""
) -> None:
    cost = _say_cost(quote, currency)
    await run.input_required(
        f"{before}I can move {_name(booking)} from {say(quote.old)} to {say(quote.new)}. "
        f"{cost} Shall I make the change? (yes or no)",
        data_part(
            {
                "question": "confirm",
                "quote": {**quote.to_json(), "currency": currency},
                "choices": ["yes", "no"],
            }
        ),
        metadata={KEY: Change("confirm", quote.ref, quote.new, quote.total_cents).to_json()},
    )


async def _leave(run: Run) -> None:
    await run.complete("All right, I have left everything as it is.")


def _say_cost(quote: Quote, currency: str) -> str:
    parts = [
        f"{money(cents, currency)} {what}"
        for cents, what in ((quote.fee_cents, "change fee"), (quote.fare_cents, "fare difference"))
        if cents
    ]
    if not parts:
        return "That costs you nothing."
    return f"That costs {money(quote.total_cents, currency)} ({' and '.join(parts)})."


def _name(booking: Booking) -> str:
    kind = "flight" if booking.kind == "flight" else "stay at"
    return f"your {kind} {booking.title} ({booking.ref})"


def _line(booking: Booking) -> str:
    when = say(booking.starts_on)
    if booking.nights:
        when += f", {booking.nights} nights"
    details = f", {booking.details}" if booking.details else ""
    return f"{booking.ref}: {booking.title}, {when}{details} ({booking.status})"


def _list_refs(bookings: Sequence[Booking]) -> str:
    refs = ", ".join(booking.ref for booking in bookings)
    return f"Yours are {refs}." if refs else "You have no bookings."
