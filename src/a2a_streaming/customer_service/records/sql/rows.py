"""From rows to values: from mapped ones, and from bare ones of the same columns, which cost a fifth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Row

from a2a_streaming.customer_service.records.entities import Booking, Customer, Plan
from a2a_streaming.customer_service.records.invoices import Invoice, InvoiceLine, Payment, Refund
from a2a_streaming.customer_service.records.sql.tables import (
    BookingRow,
    CustomerRow,
    InvoiceLineRow,
    InvoiceRow,
    PaymentRow,
    PlanRow,
    RefundRow,
)


def customer(row: CustomerRow | Row[Any]) -> Customer:
    """Return a customer."""
    return Customer(row.id, row.subject, row.name, row.email, row.currency)


def booking(row: BookingRow | Row[Any]) -> Booking:
    """Return a booking."""
    return Booking(
        ref=row.ref,
        kind=row.kind,
        title=row.title,
        details=row.details,
        starts_on=row.starts_on,
        nights=row.nights,
        price_cents=row.price_cents,
        change_fee_cents=row.change_fee_cents,
        fare=row.fare,
        status=row.status,
    )


def invoice(row: InvoiceRow) -> Invoice:
    """Return an invoice with all that belongs to it."""
    return whole_invoice(row, row.lines, row.payments, row.refunds)


def whole_invoice(
    row: InvoiceRow | Row[Any],
    lines: Iterable[InvoiceLineRow | Row[Any]],
    payments: Iterable[PaymentRow | Row[Any]],
    refunds: Sequence[RefundRow | Row[Any]],
) -> Invoice:
    """Return an invoice, with what belongs to it in order."""
    credited = Counter[int]()
    for refund in refunds:
        credited[refund.line] += refund.credit_cents
    return Invoice(
        number=row.number,
        issued_on=row.issued_on,
        due_on=row.due_on,
        lines=tuple(
            InvoiceLine(
                number=line.number,
                description=line.description,
                quantity=line.quantity,
                amount_cents=line.amount_cents,
                kind=line.kind,
                booking=line.booking,
                refunded_cents=credited[line.number],
            )
            for line in lines
        ),
        payments=tuple(
            Payment(p.paid_on, p.amount_cents, p.method, p.status, p.failure) for p in payments
        ),
        refunds=tuple(
            Refund(
                id=refund.ref,
                invoice=row.number,
                line=refund.line,
                amount_cents=refund.amount_cents,
                credit_cents=refund.credit_cents,
                paid_on=refund.paid_on,
                reason=refund.reason,
            )
            for refund in refunds
        ),
    )


def plan(row: PlanRow | Row[Any]) -> Plan:
    """Return a plan."""
    return Plan(row.id, row.name, row.price_cents, row.benefits)
