"""Invoices, payments, refunds and disputes in SQL."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from a2a_streaming.customer_service.records import refunds
from a2a_streaming.customer_service.records.errors import InvoiceNotFound, QuoteChanged, Refused
from a2a_streaming.customer_service.records.invoices import Dispute, Invoice, Payment, Refund
from a2a_streaming.customer_service.records.sql import rows
from a2a_streaming.customer_service.records.sql.database import Database, reference
from a2a_streaming.customer_service.records.sql.entries import add_refund
from a2a_streaming.customer_service.records.sql.tables import (
    BookingRow,
    DisputeRow,
    InvoiceRow,
    PaymentRow,
)

_HOPELESS = frozenset({"expired_card"})
"""Failures that come again, however often a payment is tried."""


class SqlBilling:
    """What customers were billed, in an SQL database; see `Billing` for what is promised.

    The demo company has no bank: a payment that is tried again goes through, unless its card has expired.

    Args:
        database: The database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def invoices(self, customer_id: int) -> list[Invoice]:
        """Return a customer's invoices, the newest first."""
        wanted = select(InvoiceRow).where(InvoiceRow.customer_id == customer_id)
        async with self._database.reading() as session:
            found = await session.scalars(
                wanted.order_by(InvoiceRow.issued_on.desc(), InvoiceRow.id.desc())
            )
            return [rows.invoice(row) for row in found]

    async def refundable(
        self, customer_id: int, number: str
    ) -> tuple[list[refunds.RefundQuote], dict[int, str]]:
        """Return what of an invoice may be paid back, and why the rest may not."""
        async with self._database.reading() as session:
            row = await _invoice(session, customer_id, number)
            return await self._refundable(session, row)

    async def _refundable(
        self, session: AsyncSession, row: InvoiceRow
    ) -> tuple[list[refunds.RefundQuote], dict[int, str]]:
        refs = {line.booking for line in row.lines if line.booking}
        found = await session.scalars(select(BookingRow).where(BookingRow.ref.in_(refs)))
        bookings = {booking.ref: rows.booking(booking) for booking in found}
        return refunds.refundable(rows.invoice(row), bookings, self._database.today())

    async def refund(
        self, customer_id: int, number: str, line: int, amount_cents: int, *, idempotency_key: str
    ) -> Refund:
        """Pay back a line of an invoice, or what was paid too much for it."""

        async def effect(session: AsyncSession) -> Refund:
            row = await _invoice(session, customer_id, number, lock=True)
            quotes, refused = await self._refundable(session, row)
            quote = next((quote for quote in quotes if quote.line == line), None)
            if quote is None:
                raise Refused(refused.get(line, f"Nothing of invoice {number} is to be paid back."))
            if quote.amount_cents != amount_cents:
                raise QuoteChanged(quote)
            refund = Refund(
                id=reference("RF", idempotency_key),
                invoice=row.number,
                line=line,
                amount_cents=amount_cents,
                credit_cents=amount_cents if line else 0,
                paid_on=self._database.today(),
                reason=quote.description,
            )
            add_refund(session, customer_id, row, refund)
            return refund

        return await self._database.once(idempotency_key, "refund", Refund, effect)

    async def pay(
        self, customer_id: int, number: str, amount_cents: int, *, idempotency_key: str
    ) -> Payment:
        """Try again to collect what is open on an invoice."""

        async def effect(session: AsyncSession) -> Payment:
            row = await _invoice(session, customer_id, number, lock=True)
            invoice = rows.invoice(row)
            failed = invoice.failed
            if failed is None:
                raise Refused(
                    f"No payment for invoice {number} has failed, so there is none to repeat."
                )
            if invoice.open_cents != amount_cents:
                raise QuoteChanged(invoice)
            failure = failed.failure if failed.failure in _HOPELESS else ""
            payment = Payment(
                self._database.today(),
                amount_cents,
                failed.method,
                "failed" if failure else "paid",
                failure,
            )
            session.add(
                PaymentRow(
                    invoice_id=row.id,
                    paid_on=payment.paid_on,
                    amount_cents=payment.amount_cents,
                    method=payment.method,
                    status=payment.status,
                    failure=payment.failure,
                )
            )
            return payment

        return await self._database.once(idempotency_key, "pay", Payment, effect)

    async def dispute(
        self, customer_id: int, number: str, line: int, reason: str, *, idempotency_key: str
    ) -> Dispute:
        """Note that a customer doesn't accept a charge."""

        async def effect(session: AsyncSession) -> Dispute:
            row = await _invoice(session, customer_id, number, lock=True)
            amounts = {one.number: one.amount_cents for one in row.lines}
            amounts[0] = sum(amounts.values())
            if line not in amounts:
                raise InvoiceNotFound(f"{number} with a line {line}")
            dispute = Dispute(
                id=reference("DS", idempotency_key),
                invoice=row.number,
                line=line,
                amount_cents=amounts[line],
                reason=reason,
                opened_on=self._database.today(),
            )
            session.add(
                DisputeRow(
                    ref=dispute.id,
                    invoice_id=row.id,
                    line=line,
                    amount_cents=dispute.amount_cents,
                    reason=reason,
                    opened_on=dispute.opened_on,
                    status=dispute.status,
                )
            )
            return dispute

        return await self._database.once(idempotency_key, "dispute", Dispute, effect)


async def _invoice(
    session: AsyncSession, customer_id: int, number: str, *, lock: bool = False
) -> InvoiceRow:
    wanted = select(InvoiceRow).where(
        InvoiceRow.customer_id == customer_id, InvoiceRow.number == number.upper()
    )
    row = await session.scalar(wanted.with_for_update() if lock else wanted)
    if row is None:
        raise InvoiceNotFound(number)
    return row
