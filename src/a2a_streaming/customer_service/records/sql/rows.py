"""From rows to values."""

from __future__ import annotations

from collections import Counter

from a2a_streaming.customer_service.records.entities import Booking, Customer, Plan
from a2a_streaming.customer_service.records.invoices import Invoice, InvoiceLine, Payment, Refund
from a2a_streaming.customer_service.records.sql.tables import (
    BookingRow,
    CustomerRow,
    InvoiceRow,
    PlanRow,
)


def customer(row: CustomerRow) -> Customer:
    """Return a customer."""
    return Customer(row.id, row.subject, row.name, row.email, row.currency)


def booking(row: BookingRow) -> Booking:
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
    credited = Counter[int]()
    for refund in row.refunds:
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
            for line in row.lines
        ),
        payments=tuple(
            Payment(p.paid_on, p.amount_cents, p.method, p.status, p.failure) for p in row.payments
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
            for refund in row.refunds
        ),
    )


def plan(row: PlanRow) -> Plan:
    """Return a plan."""
    return Plan(row.id, row.name, row.price_cents, row.benefits)
