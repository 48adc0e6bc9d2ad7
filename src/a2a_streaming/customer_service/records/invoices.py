"""What the systems of record know of invoices, and of what was paid for them and paid back: plain values.

Money is in cents of the customer's currency, and days are days of where the customer is billed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """One line of an invoice; a discount is a negative amount.

    Args:
        number: Its place on the invoice, from 1.
        description: What it is for.
        quantity: How many.
        amount_cents: Of the whole line, not of one piece.
        kind: `fare`, `extra` (bags, seats, …), `fee`, `tax`, `subscription` or `discount`.
        booking: The reference of the booking that it is for; empty without one.
        refunded_cents: What of it was refunded.
    """

    number: int
    description: str
    quantity: int
    amount_cents: int
    kind: str = "fare"
    booking: str = ""
    refunded_cents: int = 0


@dataclass(frozen=True, slots=True)
class Payment:
    """Money that a customer paid for an invoice, or tried to.

    Args:
        paid_on: The day.
        amount_cents: How much.
        method: By which means, as a customer knows it: `card ending in 4242`.
        status: `paid` or `failed`.
        failure: Why it failed, a word: `insufficient_funds`, `expired_card`, …; empty if it didn't.
    """

    paid_on: date
    amount_cents: int
    method: str
    status: str = "paid"
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Refund:
    """Money that was paid back.

    Args:
        id: Its reference: `RF-…`.
        invoice: The number of the invoice that it is about; empty where there is none.
        line: The number of the invoice's line; 0 where it is about the whole.
        amount_cents: How much was paid back.
        credit_cents: By how much the invoice became less; differs where something was still to be paid.
        paid_on: The day.
        reason: What for, in a few words.
    """

    id: str
    invoice: str
    line: int
    amount_cents: int
    credit_cents: int
    paid_on: date
    reason: str

    def to_json(self) -> dict[str, Any]:
        """Return it as agents tell it."""
        return {
            "refund": self.id,
            "invoice": self.invoice or None,
            "line": self.line or None,
            "amountCents": self.amount_cents,
            "creditCents": self.credit_cents,
            "paidOn": self.paid_on.isoformat(),
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class Invoice:
    """An invoice; its total is the sum of its lines.

    Args:
        number: Its number: `INV-20417`.
        issued_on: The day it was issued.
        due_on: The day by which it is to be paid.
        lines: Its lines.
        payments: What was paid for it, and what was tried, the earliest first.
        refunds: What was paid back of it, the earliest first.
    """

    number: str
    issued_on: date
    due_on: date
    lines: tuple[InvoiceLine, ...]
    payments: tuple[Payment, ...] = ()
    refunds: tuple[Refund, ...] = ()

    @property
    def total_cents(self) -> int:
        """The sum of its lines."""
        return sum(line.amount_cents for line in self.lines)

    @property
    def paid_cents(self) -> int:
        """What was paid for it, less what was paid back."""
        paid = sum(p.amount_cents for p in self.payments if p.status == "paid")
        return paid - sum(refund.amount_cents for refund in self.refunds)

    @property
    def open_cents(self) -> int:
        """What is still to be paid; negative where too much was paid."""
        credited = sum(refund.credit_cents for refund in self.refunds)
        return self.total_cents - credited - self.paid_cents

    @property
    def failed(self) -> Payment | None:
        """The payment that failed last, if the invoice is still open; None otherwise."""
        last = self.payments[-1] if self.payments else None
        return (
            last if last is not None and last.status == "failed" and self.open_cents > 0 else None
        )

    def to_json(self) -> dict[str, Any]:
        """Return it as agents tell it."""
        return {
            "invoice": self.number,
            "issued": self.issued_on.isoformat(),
            "due": self.due_on.isoformat(),
            "totalCents": self.total_cents,
            "openCents": self.open_cents,
            "lines": [
                {
                    "line": line.number,
                    "description": line.description,
                    "quantity": line.quantity,
                    "amountCents": line.amount_cents,
                    "refundedCents": line.refunded_cents,
                }
                for line in self.lines
            ],
        }


@dataclass(frozen=True, slots=True)
class Dispute:
    """A charge that a customer doesn't accept; a person decides on it.

    Args:
        id: Its reference: `DS-…`.
        invoice: The number of the invoice.
        line: The number of the invoice's line; 0 where it is about the whole.
        amount_cents: What is disputed.
        reason: What the customer says about it.
        opened_on: The day.
        status: `open`, `accepted` or `rejected`.
    """

    id: str
    invoice: str
    line: int
    amount_cents: int
    reason: str
    opened_on: date
    status: str = "open"

    def to_json(self) -> dict[str, Any]:
        """Return it as agents tell it."""
        return {
            "dispute": self.id,
            "invoice": self.invoice,
            "line": self.line or None,
            "amountCents": self.amount_cents,
            "openedOn": self.opened_on.isoformat(),
            "status": self.status,
        }
