"""Bookings in SQL."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from a2a_streaming.customer_service.records import fares
from a2a_streaming.customer_service.records.entities import Booking, Offer
from a2a_streaming.customer_service.records.errors import (
    BookingNotFound,
    OfferNotFound,
    QuoteChanged,
    Refused,
)
from a2a_streaming.customer_service.records.invoices import Refund
from a2a_streaming.customer_service.records.outcomes import Booked, Cancelled, Changed
from a2a_streaming.customer_service.records.sql import rows
from a2a_streaming.customer_service.records.sql.database import Database, reference
from a2a_streaming.customer_service.records.sql.entries import add_refund, bill
from a2a_streaming.customer_service.records.sql.tables import (
    BookingRow,
    InvoiceLineRow,
    InvoiceRow,
    ServiceRow,
    columns,
)

_BOOKINGS = (
    select(*columns(BookingRow))
    .where(BookingRow.customer_id == bindparam("customer_id"))
    .order_by(BookingRow.starts_on, BookingRow.id)
)
_CITIES = select(ServiceRow.city).union(select(ServiceRow.origin))


class SqlBookings:
    """What customers have booked, in an SQL database; see `Bookings` for what is promised.

    Args:
        database: The database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, customer_id: int) -> list[Booking]:
        """Return a customer's bookings, by date."""

        def look(session: Session) -> list[Booking]:
            found = session.execute(_BOOKINGS, {"customer_id": customer_id})
            return [rows.booking(row) for row in found]

        return await self._database.read(look)

    async def quote_change(self, customer_id: int, ref: str, new: date) -> fares.Quote:
        """Return what it costs to move a booking to another date."""

        def look(session: Session) -> fares.Quote:
            row = _booking(session, customer_id, ref)
            return fares.quote_change(rows.booking(row), new, self._database.today())

        return await self._database.read(look)

    async def change(
        self, customer_id: int, ref: str, new: date, total_cents: int, *, idempotency_key: str
    ) -> Changed:
        """Move a booking to another date, and bill what that costs."""

        def effect(session: Session) -> Changed:
            row = _booking(session, customer_id, ref, lock=True)
            today = self._database.today()
            quote = fares.quote_change(rows.booking(row), new, today)
            if quote.total_cents != total_cents:
                raise QuoteChanged(quote)
            row.starts_on = quote.new
            lines = [
                (f"Change fee, {row.title}, {row.ref}", quote.fee_cents, "fee"),
                (f"Fare difference, {row.ref}", quote.fare_cents, "fee"),
            ]
            number = reference("CHG", idempotency_key)
            billed = bill(session, customer_id, number, today, lines, booking=row.ref)
            return Changed(rows.booking(row), quote, billed)

        return await self._database.once(idempotency_key, "change booking", Changed, effect)

    async def quote_cancellation(self, customer_id: int, ref: str) -> fares.CancellationQuote:
        """Return what is given back if a booking is cancelled."""

        def look(session: Session) -> fares.CancellationQuote:
            row = _booking(session, customer_id, ref)
            return fares.quote_cancellation(rows.booking(row), self._database.today())

        return await self._database.read(look)

    async def cancel(
        self, customer_id: int, ref: str, back_cents: int, *, idempotency_key: str
    ) -> Cancelled:
        """Cancel a booking, and give back what its fare allows."""

        def effect(session: Session) -> Cancelled:
            row = _booking(session, customer_id, ref, lock=True)
            quote = fares.quote_cancellation(rows.booking(row), self._database.today())
            if quote.back_cents != back_cents:
                raise QuoteChanged(quote)
            row.status = "cancelled"
            refund = None
            if back_cents:
                refund = self._give_back(session, row, back_cents, idempotency_key)
            return Cancelled(rows.booking(row), quote, refund)

        return await self._database.once(idempotency_key, "cancel booking", Cancelled, effect)

    def _give_back(self, session: Session, booking: BookingRow, cents: int, key: str) -> Refund:
        """Take an amount off the booking's invoice, and pay back what isn't owed for it any more."""
        line = session.scalar(
            select(InvoiceLineRow)
            .join(InvoiceRow)
            .where(
                InvoiceRow.customer_id == booking.customer_id,
                InvoiceLineRow.booking == booking.ref,
                InvoiceLineRow.kind == "fare",
            )
        )
        invoice = None
        if line is not None:
            invoice = session.scalar(
                select(InvoiceRow).where(InvoiceRow.id == line.invoice_id).with_for_update()
            )
        owed = max(0, rows.invoice(invoice).open_cents) if invoice is not None else 0
        refund = Refund(
            id=reference("RF", key),
            invoice=invoice.number if invoice is not None else "",
            line=line.number if line is not None else 0,
            amount_cents=max(0, cents - owed),
            credit_cents=cents,
            paid_on=self._database.today(),
            reason=f"Cancellation of {booking.title}, {booking.ref}",
        )
        add_refund(session, booking.customer_id, invoice, refund)
        return refund

    async def cities(self) -> list[str]:
        """Return the names of the cities that offers are from or to."""

        def look(session: Session) -> list[str]:
            return sorted(city for city in session.scalars(_CITIES) if city)

        return await self._database.read(look)

    async def offers(
        self, kind: str, city: str, day: date, *, origin: str = "", nights: int = 1
    ) -> Sequence[Offer]:
        """Return what can be booked, the cheapest first."""
        wanted = select(ServiceRow).where(ServiceRow.kind == kind, ServiceRow.city == city)
        if origin:
            wanted = wanted.where(ServiceRow.origin == origin)
        today = self._database.today()

        def look(session: Session) -> list[Offer]:
            found = session.scalars(wanted)
            return [fares.offered_on(_service(row, day), day, nights, today) for row in found]

        offers = await self._database.read(look)
        return sorted(offers, key=lambda offer: (offer.price_cents, offer.id))

    async def book(
        self, customer_id: int, offer: str, price_cents: int, *, idempotency_key: str
    ) -> Booked:
        """Book an offer, and bill it."""

        def effect(session: Session) -> Booked:
            today = self._database.today()
            chosen = _offer(session, offer, today)
            if chosen.price_cents != price_cents:
                raise QuoteChanged(chosen)
            booking = Booking(
                ref=_free_ref(session, idempotency_key),
                kind=chosen.kind,
                title=chosen.title,
                details=chosen.details,
                starts_on=chosen.starts_on,
                nights=chosen.nights,
                price_cents=chosen.price_cents,
                change_fee_cents=chosen.change_fee_cents,
                fare=chosen.fare,
                status="confirmed",
            )
            session.add(booking_row(customer_id, booking))
            named = "Flight " if booking.kind == "flight" else ""
            lines = [(f"{named}{booking.title}, {booking.ref}", booking.price_cents, "fare")]
            number = reference("INV", idempotency_key)
            bill(session, customer_id, number, today, lines, booking=booking.ref)
            return Booked(booking, number)

        return await self._database.once(idempotency_key, "book", Booked, effect)


def booking_row(customer_id: int, booking: Booking) -> BookingRow:
    """Return the row of a booking."""
    return BookingRow(
        customer_id=customer_id,
        ref=booking.ref,
        kind=booking.kind,
        title=booking.title,
        details=booking.details,
        starts_on=booking.starts_on,
        nights=booking.nights,
        price_cents=booking.price_cents,
        change_fee_cents=booking.change_fee_cents,
        fare=booking.fare,
        status=booking.status,
    )


def _booking(session: Session, customer_id: int, ref: str, *, lock: bool = False) -> BookingRow:
    wanted = select(BookingRow).where(
        BookingRow.customer_id == customer_id, BookingRow.ref == ref.upper()
    )
    row = session.scalar(wanted.with_for_update() if lock else wanted)
    if row is None:
        raise BookingNotFound(ref)
    return row


def _service(row: ServiceRow, day: date) -> Offer:
    return Offer(
        id=row.code,
        kind=row.kind,
        title=row.title,
        details=row.details,
        starts_on=day,
        nights=0,
        price_cents=row.price_cents,
        change_fee_cents=row.change_fee_cents,
        fare=row.fare,
    )


def _offer(session: Session, offer: str, today: date) -> Offer:
    """Return an offer by its id, at its price of today."""
    code, day, nights = (*offer.split("-"), "", "")[:3]
    row = session.get(ServiceRow, code)
    try:
        on = datetime.strptime(day, "%Y%m%d").date()
        made = fares.offered_on(_service(row, on), on, int(nights), today) if row else None
    except (ValueError, Refused) as error:
        raise OfferNotFound(offer) from error
    if made is None or made.id != offer:
        raise OfferNotFound(offer)
    return replace(made)


def _free_ref(session: Session, key: str) -> str:
    """Return a reference that no booking has yet, for as long as there are any."""
    for attempt in range(1000):
        digest = hashlib.blake2b(f"{key}\n{attempt}".encode(), digest_size=8).digest()
        ref = f"MT{int.from_bytes(digest) % 900_000 + 100_000}"
        if session.scalar(select(BookingRow.id).where(BookingRow.ref == ref)) is None:
            return ref
    raise Refused("I can't give out a reference for this booking right now.")
