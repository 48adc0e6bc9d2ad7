"""Payments that failed: what failed and why, and another try after a yes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from a2a_streaming.customer_service.billing.knowledge import INVOICE, Account, why_failed
from a2a_streaming.customer_service.dates import say
from a2a_streaming.customer_service.dialogue import Choice, Flow, Slots, Talk
from a2a_streaming.customer_service.records import (
    Billing,
    Invoice,
    NotFound,
    Payment,
    QuoteChanged,
    Refused,
)
from a2a_streaming.task import Json

_NEEDS_CARD = frozenset({"expired_card"})
"""Failures that another try won't mend."""
_NEW_CARD = (
    "I can't take card details here: please give us another card in your account on our site"
)


class Payments(Flow[Account]):
    """Tells why payments failed, and tries again.

    Args:
        billing: What customers were billed.
    """

    name = "payments"
    label = "a payment that failed"
    slots: ClassVar[Mapping[str, Json]] = {"invoice": INVOICE}

    def __init__(self, billing: Billing) -> None:
        self._billing = billing

    async def go_on(self, talk: Talk, known: Account, slots: Slots, *, confirmed: bool) -> None:
        """Find out which payment, say why it failed, and try again after a yes."""
        agreed = slots.number("agreed")
        if confirmed and agreed is not None:
            await self._pay(talk, slots, agreed)
            return
        await talk.progress("payments", "Looking at your payments")
        failed = {i.number: i for i in known.invoices if i.failed is not None}
        number = slots.text("invoice").upper()
        if number and number not in failed:
            invoice = known.find(number)
            if invoice is None:
                await talk.unable(f"I can't find an invoice {number} of yours.")
            elif invoice.open_cents > 0:
                await talk.unable(
                    f"No payment for invoice {number} has failed. {talk.money(invoice.open_cents)} of it is "
                    f"still to be paid, by {say(invoice.due_on)}. I can't take a payment here myself."
                )
            else:
                await talk.done(f"Invoice {number} is paid.")
        elif not failed:
            owed = sum(max(0, invoice.open_cents) for invoice in known.invoices)
            still = f" {talk.money(owed)} is still to be paid." if owed else ""
            await talk.unable(
                f"None of your payments has failed.{still} I can't take a payment here myself."
            )
        elif not number and len(failed) > 1:
            choices = [Choice(one.number, _line(talk, one)) for one in failed.values()]
            await talk.ask("invoice", "Which payment do you mean?", slots, choices=choices)
        else:
            await _tell(talk, slots, failed[number] if number else next(iter(failed.values())))

    async def _pay(self, talk: Talk, slots: Slots, agreed: int) -> None:
        number = slots.text("invoice")
        await talk.progress("pay", "Trying the payment again")
        try:
            done = await talk.effect(
                "pay", Payment, self._billing.pay, talk.customer.id, number, agreed
            )
        except QuoteChanged as changed:
            await _tell(talk, slots, changed.quote)
            return
        except (NotFound, Refused) as refused:
            await talk.unable(f"{refused} Nothing has been charged now.")
            return
        facts = {
            "invoice": number,
            "amountCents": done.amount_cents,
            "status": done.status,
            "failure": done.failure or None,
        }
        if done.status == "paid":
            said = f"{talk.money(done.amount_cents)} was paid with your {done.method} for invoice {number}."
            await talk.show("payment", f"Payment for {number}", said, facts)
            await talk.done(f"Done! {said}")
        else:
            said = f"The payment failed again: {why_failed(done)}. Nothing was charged."
            await talk.show("payment", f"Payment for {number}", said, facts)
            await talk.unable(f"{said} {_NEW_CARD}.")


async def _tell(talk: Talk, slots: Slots, invoice: Invoice) -> None:
    """Tell why an invoice's payment failed, and offer to try again if that may help."""
    failed = invoice.failed
    if failed is None:
        await talk.done(f"Invoice {invoice.number} needs no other payment.")
        return
    said = _line(talk, invoice)
    if failed.failure in _NEEDS_CARD:
        await talk.unable(f"{said} To try again won't help. {_NEW_CARD}.")
        return
    await talk.confirm(
        f"{said} I can try to collect {talk.money(invoice.open_cents)} again with your {failed.method}. Shall I?",
        {**slots, "invoice": invoice.number, "agreed": invoice.open_cents},
        {
            "payment": {
                "invoice": invoice.number,
                "amountCents": invoice.open_cents,
                "failure": failed.failure,
                "currency": talk.customer.currency,
            }
        },
    )


def _line(talk: Talk, invoice: Invoice) -> str:
    failed = invoice.failed
    if failed is None:
        return invoice.number
    return (
        f"Your payment of {talk.money(failed.amount_cents)} for invoice {invoice.number} on "
        f"{say(failed.paid_on)} failed: {why_failed(failed)}."
    )
