"""What is entered into the books in SQL by more than one system: invoices, and refunds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from sqlalchemy.orm import Session

from a2a_streaming.customer_service.records.invoices import Refund
from a2a_streaming.customer_service.records.sql.tables import InvoiceLineRow, InvoiceRow, RefundRow

_DAYS_TO_PAY = 14


def bill(
    session: Session,
    customer_id: int,
    number: str,
    today: date,
    lines: Sequence[tuple[str, int, str]],
    *,
    booking: str = "",
) -> str | None:
    """Add an invoice to a session.

    Args:
        session: The session.
        customer_id: Who is to pay.
        number: The invoice's number.
        today: The day it is.
        lines: For each its description, amount in cents and kind; those of nothing are left out.
        booking: The reference of the booking that it is for.

    Returns:
        The invoice's number; None if there is nothing to pay, and so no invoice.
    """
    billed = [line for line in lines if line[1]]
    if not billed:
        return None
    session.add(
        InvoiceRow(
            customer_id=customer_id,
            number=number,
            issued_on=today,
            due_on=today + timedelta(_DAYS_TO_PAY),
            lines=[
                InvoiceLineRow(
                    number=place,
                    description=description,
                    quantity=1,
                    amount_cents=cents,
                    kind=kind,
                    booking=booking,
                )
                for place, (description, cents, kind) in enumerate(billed, 1)
            ],
        )
    )
    return number


def add_refund(
    session: Session, customer_id: int, invoice: InvoiceRow | None, refund: Refund
) -> None:
    """Add a refund to a session."""
    session.add(
        RefundRow(
            ref=refund.id,
            customer_id=customer_id,
            invoice_id=invoice.id if invoice is not None else None,
            line=refund.line,
            amount_cents=refund.amount_cents,
            credit_cents=refund.credit_cents,
            paid_on=refund.paid_on,
            reason=refund.reason,
        )
    )
