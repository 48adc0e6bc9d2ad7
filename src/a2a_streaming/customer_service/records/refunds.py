"""The rules of refunds: what of an invoice may be paid back without a person; pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from a2a_streaming.customer_service.records.entities import Booking
from a2a_streaming.customer_service.records.invoices import Invoice, InvoiceLine

_WITHIN_DAYS = 60
"""For how many days after an invoice its extras can be paid back."""


@dataclass(frozen=True, slots=True)
class RefundQuote:
    """What would be paid back.

    Args:
        invoice: The invoice's number.
        line: The number of its line; 0 where too much was paid for the whole.
        description: What it is for.
        amount_cents: How much.
    """

    invoice: str
    line: int
    description: str
    amount_cents: int

    def to_json(self) -> dict[str, Any]:
        """Return it as agents tell it."""
        return {
            "invoice": self.invoice,
            "line": self.line or None,
            "description": self.description,
            "amountCents": self.amount_cents,
        }


def refundable(
    invoice: Invoice, bookings: dict[str, Booking], today: date
) -> tuple[list[RefundQuote], dict[int, str]]:
    """Return what of an invoice may be paid back, and why the rest may not.

    Args:
        invoice: The invoice.
        bookings: The customer's bookings, by reference.
        today: The day it is.

    Returns:
        What may be, the overpaid amount first; and by the other lines' numbers why they may not, in words
        for the customer.
    """
    quotes: list[RefundQuote] = []
    refused: dict[int, str] = {}
    if invoice.open_cents < 0:
        quotes.append(RefundQuote(invoice.number, 0, "what you paid too much", -invoice.open_cents))
    for line in invoice.lines:
        reason = _why_not(invoice, line, bookings.get(line.booking), today)
        if reason is None:
            amount = line.amount_cents - line.refunded_cents
            quotes.append(RefundQuote(invoice.number, line.number, line.description, amount))
        elif line.amount_cents > 0:
            refused[line.number] = reason
    return quotes, refused


def _why_not(
    invoice: Invoice, line: InvoiceLine, booking: Booking | None, today: date
) -> str | None:
    """Return why a line isn't paid back; None if it is."""
    name = line.description
    if line.refunded_cents >= line.amount_cents:
        return f"{name} has been refunded already."
    if line.kind == "fare":
        return f"{name} is paid back, as far as its fare allows, when you cancel the booking."
    if line.kind != "extra":
        return f"{name} isn't refundable; if you don't think that it is right, you can dispute it."
    if invoice.open_cents > 0:
        return f"Invoice {invoice.number} isn't paid yet, so there is nothing to pay back."
    if (today - invoice.issued_on).days > _WITHIN_DAYS:
        return (
            f"{name} was billed more than {_WITHIN_DAYS} days ago, which is too long for a refund."
        )
    if booking is not None and booking.status == "confirmed" and booking.starts_on <= today:
        return f"{name} has been used: its trip has begun."
    return None
