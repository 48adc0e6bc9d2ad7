"""What the Billing Agent knows of a customer, and how it tells of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from a2a_streaming.customer_service.dates import say
from a2a_streaming.customer_service.dialogue import Choice
from a2a_streaming.customer_service.records import (
    Invoice,
    InvoiceLine,
    Payment,
    Plan,
    Subscription,
)
from a2a_streaming.customer_service.replies import money
from a2a_streaming.task import Json

INVOICE: Json = {
    "type": "string",
    "title": "Invoice",
    "description": "The number of the customer's invoice, for example INV-20417.",
}
"""The slot of an invoice."""
CHARGE: Json = {
    "type": "string",
    "title": "Charge",
    "description": "One line of an invoice, as <invoice>/<line>, for example INV-20417/2; line 0 is the whole invoice.",
}
"""The slot of a line of an invoice."""
FAILURES = {
    "insufficient_funds": "there wasn't enough money on the account",
    "card_declined": "the bank declined the card",
    "expired_card": "the card has expired",
    "processor_error": "the bank couldn't be reached",
}
"""Why payments fail, in words for customers."""


@dataclass(frozen=True, slots=True)
class Account:
    """What a customer was billed and has subscribed to, and when that is looked at.

    Args:
        invoices: Their invoices, the newest first.
        plans: The plans that there are, the cheapest first.
        subscription: What they have; None without a subscription.
        currency: Of all amounts.
        today: The day it is.
    """

    invoices: tuple[Invoice, ...]
    plans: tuple[Plan, ...]
    subscription: Subscription | None
    currency: str
    today: date

    def find(self, number: str) -> Invoice | None:
        """Return an invoice by its number; None if they have none of it."""
        return next((one for one in self.invoices if one.number == number.upper()), None)

    def charge(self, charge: str) -> tuple[Invoice, int] | None:
        """Return the invoice, and the number of the line, that a charge names; None if they have none such."""
        number, line = read_charge(charge)
        invoice = self.find(number)
        named = charge.partition("/")[2].isdigit()
        if invoice is None or not named or line > len(invoice.lines):
            return None
        return invoice, line

    def charges(self, invoices: Sequence[Invoice] | None = None) -> list[Choice]:
        """Return all lines that were billed, as choices."""
        return [
            Choice(f"{invoice.number}/{line.number}", self.line_label(invoice, line))
            for invoice in (self.invoices if invoices is None else invoices)
            for line in invoice.lines
            if line.amount_cents > 0
        ]

    def booking_of(self, charge: str) -> str:
        """Return the reference of the booking that a line was billed for; empty if it names none."""
        about = self.charge(charge)
        if about is None or not about[1]:
            return ""
        invoice, line = about
        return next((one.booking or "" for one in invoice.lines if one.number == line), "")

    def billed_for(self, booking: str) -> list[tuple[Invoice, InvoiceLine]]:
        """Return the lines that were billed for a booking, the newest invoice first.

        Args:
            booking: Its reference.
        """
        return [
            (invoice, line)
            for invoice in self.invoices
            for line in invoice.lines
            if line.booking == booking and line.amount_cents > 0
        ]

    def line_label(self, invoice: Invoice, line: InvoiceLine) -> str:
        """Return how a line is shown among others."""
        return f"{line.description}, {money(line.amount_cents, self.currency)}, {invoice.number}"

    def plan(self, plan: str) -> Plan | None:
        """Return a plan by its id; None if there is none of it."""
        return next((one for one in self.plans if one.id == plan), None)


def read_charge(charge: str) -> tuple[str, int]:
    """Return the number of the invoice, and of the line, that a charge names; 0 without a line."""
    number, _, line = charge.partition("/")
    return number, int(line) if line.isdigit() else 0


def state_of(invoice: Invoice, currency: str) -> str:
    """Return what of an invoice is still to be paid, to be put behind its total."""
    if invoice.open_cents > 0:
        return f"of which {money(invoice.open_cents, currency)} is due on {say(invoice.due_on)}"
    if invoice.open_cents < 0:
        return f"and you have paid {money(-invoice.open_cents, currency)} too much"
    return "and it is paid"


def invoice_line(invoice: Invoice, currency: str) -> str:
    """Return an invoice in a line."""
    total = money(invoice.total_cents, currency)
    return f"{invoice.number}, {say(invoice.issued_on)}: {total}, {state_of(invoice, currency)}"


def why_failed(payment: Payment) -> str:
    """Return why a payment failed, in words for the customer."""
    return FAILURES.get(payment.failure, "it was refused")
