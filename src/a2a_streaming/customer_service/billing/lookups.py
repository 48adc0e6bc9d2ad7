"""What Claude may look up of a customer's account, before it says what they want. Nothing here changes anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from a2a_streaming.customer_service.billing.knowledge import Account
from a2a_streaming.customer_service.claude.reading import Lookup
from a2a_streaming.customer_service.records import Billing, Customer, InvoiceNotFound

_INVOICE = {"invoice": "The invoice's number."}


def lookups(billing: Billing, customer: Customer, known: Account) -> Sequence[Lookup]:
    """Return what may be looked up, as one customer.

    Args:
        billing: What customers were billed.
        customer: As whom.
        known: What they have.
    """

    async def all_invoices(_: Mapping[str, str]) -> Any:
        return [
            {
                "invoice": one.number,
                "issued": one.issued_on.isoformat(),
                "totalCents": one.total_cents,
            }
            for one in known.invoices
        ]

    async def invoice(given: Mapping[str, str]) -> Any:
        found = known.find(given["invoice"])
        if found is None:
            raise InvoiceNotFound(given["invoice"])
        return found.to_json()

    async def refundable(given: Mapping[str, str]) -> Any:
        may, why_not = await billing.refundable(customer.id, given["invoice"])
        return {"refundable": [quote.to_json() for quote in may], "not": why_not}

    async def plans(_: Mapping[str, str]) -> Any:
        now = known.subscription.to_json() if known.subscription else None
        return {"now": now, "plans": [plan.to_json() for plan in known.plans]}

    return (
        Lookup("list_invoices", "Lists all of the customer's invoices.", all_invoices),
        Lookup("show_invoice", "Shows an invoice with its lines.", invoice, _INVOICE),
        Lookup(
            "list_refundable",
            "Tells which lines of an invoice may be refunded.",
            refundable,
            _INVOICE,
        ),
        Lookup("list_plans", "Shows the customer's subscription, and all plans.", plans),
    )
