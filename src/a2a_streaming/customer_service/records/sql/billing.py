"""Invoices, payments, refunds and disputes in SQL."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Result, Row, Select, bindparam, select
from sqlalchemy.orm import Session

from a2a_streaming.customer_service.records import refunds
from a2a_streaming.customer_service.records.errors import InvoiceNotFound, QuoteChanged, Refused
from a2a_streaming.customer_service.records.invoices import Dispute, Invoice, Payment, Refund
from a2a_streaming.customer_service.records.sql import rows
from a2a_streaming.customer_service.records.sql.database import Database, reference
from a2a_streaming.customer_service.records.sql.entries import add_refund
from a2a_streaming.customer_service.records.sql.tables import (
    BookingRow,
    DisputeRow,
    InvoiceLineRow,
    InvoiceRow,
    PaymentRow,
    RefundRow,
    columns,
)

_HOPELESS = frozenset({"expired_card"})
"""Failures that come again, however often a payment is tried."""
_THEIRS = InvoiceRow.customer_id == bindparam("customer_id")
_INVOICES = (
    select(*columns(InvoiceRow))
    .where(_THEIRS)
    .order_by(InvoiceRow.issued_on.desc(), InvoiceRow.id.desc())
)
_LINES = (
    select(*columns(InvoiceLineRow)).join(InvoiceRow).where(_THEIRS).order_by(InvoiceLineRow.number)
)
_PAYMENTS = select(*columns(PaymentRow)).join(InvoiceRow).where(_THEIRS).order_by(PaymentRow.id)
_REFUNDS = select(*columns(RefundRow)).join(InvoiceRow).where(_THEIRS).order_by(RefundRow.id)


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

        def look(session: Session) -> list[Invoice]:
            def theirs(wanted: Select[Any]) -> Result[Any]:
                return session.execute(wanted, {"customer_id": customer_id})

            lines = _by_invoice(theirs(_LINES))
            payments = _by_invoice(theirs(_PAYMENTS))
            refunded = _by_invoice(theirs(_REFUNDS))
            return [
                rows.whole_invoice(row, lines[row.id], payments[row.id], refunded[row.id])
                for row in theirs(_INVOICES)
            ]

        return await self._database.read(look)

    async def refundable(
        self, customer_id: int, number: str
    ) -> tuple[list[refunds.RefundQuote], dict[int, str]]:
        """Return what of an invoice may be paid back, and why the rest may not."""

        def look(session: Session) -> tuple[list[refunds.RefundQuote], dict[int, str]]:
            return self._refundable(session, _invoice(session, customer_id, number))

        return await self._database.read(look)

    def _refundable(
        self, session: Session, row: InvoiceRow
    ) -> tuple[list[refunds.RefundQuote], dict[int, str]]:
        refs = {line.booking for line in row.lines if line.booking}
        found = session.scalars(select(BookingRow).where(BookingRow.ref.in_(refs)))
        bookings = {booking.ref: rows.booking(booking) for booking in found}
        return refunds.refundable(rows.invoice(row), bookings, self._database.today())

    async def refund(
        self, customer_id: int, number: str, line: int, amount_cents: int, *, idempotency_key: str
    ) -> Refund:
        """Pay back a line of an invoice, or what was paid too much for it."""

        def effect(session: Session) -> Refund:
            row = _invoice(session, customer_id, number, lock=True)
            quotes, refused = self._refundable(session, row)
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

        def effect(session: Session) -> Payment:
            row = _invoice(session, customer_id, number, lock=True)
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

        def effect(session: Session) -> Dispute:
            row = _invoice(session, customer_id, number, lock=True)
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


def _by_invoice(found: Iterable[Row[Any]]) -> defaultdict[int, list[Row[Any]]]:
    sorted_: defaultdict[int, list[Row[Any]]] = defaultdict(list)
    for row in found:
        sorted_[row.invoice_id].append(row)
    return sorted_


def _invoice(session: Session, customer_id: int, number: str, *, lock: bool = False) -> InvoiceRow:
    wanted = select(InvoiceRow).where(
        InvoiceRow.customer_id == customer_id, InvoiceRow.number == number.upper()
    )
    row = session.scalar(wanted.with_for_update() if lock else wanted)
    if row is None:
        raise InvoiceNotFound(number)
    return row
