"""What a customer owes."""

from __future__ import annotations

from a2a_streaming.customer_service.billing.knowledge import Account, invoice_line
from a2a_streaming.customer_service.dialogue import Flow, Slots, Talk


class AccountBalance(Flow[Account]):
    """Tells how much a customer owes, or has to their credit."""

    name = "account_balance"
    label = "my balance"

    async def go_on(self, talk: Talk, known: Account, slots: Slots, *, confirmed: bool) -> None:  # noqa: ARG002 - nothing to confirm
        """Add up what is open."""
        await talk.progress("balance", "Adding up your open invoices")
        still_open = [invoice for invoice in known.invoices if invoice.open_cents > 0]
        owed = sum(invoice.open_cents for invoice in known.invoices)
        said = _say(talk, owed)
        lines = "".join(f"{invoice_line(invoice, known.currency)}\n" for invoice in still_open)
        facts = {
            "balanceCents": owed,
            "openInvoices": [invoice.to_json() for invoice in still_open],
        }
        await talk.show("balance", "Your account balance", f"{said}\n{lines}", facts)
        await talk.done(f"{talk.customer.first_name}, {said[0].lower()}{said[1:]}")


def _say(talk: Talk, owed: int) -> str:
    if owed > 0:
        return f"Your account balance is {talk.money(owed)} to pay."
    if owed < 0:
        return f"You have a credit of {talk.money(-owed)}."
    return "Everything is paid: your account balance is zero."
