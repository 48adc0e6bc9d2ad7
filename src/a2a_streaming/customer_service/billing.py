"""The Billing Agent: the account's balance, and invoices."""

from __future__ import annotations

import re
from collections.abc import Sequence

from a2a_streaming import Agent, Run
from a2a_streaming.customer_service import cards, company
from a2a_streaming.customer_service.dates import say
from a2a_streaming.customer_service.records import Customer, Invoice, Records
from a2a_streaming.customer_service.replies import money
from a2a_streaming.event import data_part

_NUMBER = re.compile(r"\b((?:INV|CHG)-[0-9A-F]{3,12})\b", re.IGNORECASE)
_DIGITS = re.compile(r"\b(\d{5})\b")
_NOT_YET = {
    "pay out refunds": r"\brefund|\breimburs|\bmoney back\b|\bcompensat",
    "look into charges that you dispute": r"\bdisput|\bfraud|\bunauthori[sz]ed|\bnot recogni[sz]e"
    r"|\bdon'?t recogni[sz]e|\bunrecogni[sz]ed|\bsuspicious|\btwice\b",
    "change subscriptions": r"\bsubscription|\bmembership",
    "take payments": r"\bpay (?:my|the|this|that|it|an?)\b|\bmake a payment|\bpayment (?:method|option)",
}
_FEES = re.compile(r"\bfees?\b|\bcharge[ds]?\b|\bsurcharge", re.IGNORECASE)
_INVOICES = re.compile(
    r"\binvoices?\b|\bbills?\b|\bbilled\b|\bstatements?\b|\breceipts?\b", re.IGNORECASE
)
_LATEST = re.compile(r"\b(?:last|latest|newest|most recent)\b", re.IGNORECASE)
_BALANCE = re.compile(r"\bbalance\b|\bowe\b|\bowed\b|\bdue\b|\boutstanding\b|\bpay\b|\baccount\b", re.IGNORECASE)  # fmt: skip
_ABLE = "I can tell you your balance, list your invoices, and show each with its lines."


class BillingAgent(Agent):
    """Answers questions about what a customer owes, and for what.

    Args:
        records: The systems of record.
    """

    card = cards.BILLING

    def __init__(self, records: Records) -> None:
        self._records = records

    async def run(self, run: Run) -> None:
        """Handle one message."""
        await run.working("Looking up your account")
        customer = await self._records.customers.by_subject(run.owner)
        if customer is None:
            await run.complete(
                f"I can't find an account that belongs to you. Please {company.CONTACT}."
            )
            return
        text = run.text
        if (number := _NUMBER.search(text)) is not None:
            await self._invoice(run, customer, number[1])
        elif (digits := _DIGITS.search(text)) is not None:
            await self._invoice(run, customer, f"INV-{digits[1]}")
        elif (task := _not_yet(text)) is not None:
            await run.complete(f"I can't {task} myself yet. For that, {company.CONTACT}. {_ABLE}")
        elif _FEES.search(text):
            await self._fees(run, customer)
        elif _INVOICES.search(text):
            await self._invoices(run, customer, latest=_LATEST.search(text) is not None)
        elif _BALANCE.search(text):
            await self._balance(run, customer)
        else:
            choices = ["my balance", "my invoices"]
            await run.input_required(
                f"{_ABLE} Which would you like?",
                data_part({"question": "topic", "choices": choices}),
            )

    async def _balance(self, run: Run, customer: Customer) -> None:
        await run.working("Adding up your open invoices")
        invoices = await self._records.billing.invoices(customer.id)
        still_open = [invoice for invoice in invoices if invoice.open_cents > 0]
        owed = sum(invoice.open_cents for invoice in invoices)
        said = _say_balance(owed, customer.currency)
        async with run.artifact("balance", description="Your account balance") as balance:
            await balance.write(f"{said}\n")
            for invoice in reversed(still_open):
                await balance.write(f"{_line(invoice, customer.currency)}\n")
            await balance.write(
                data_part(
                    {
                        "balanceCents": owed,
                        "currency": customer.currency,
                        "openInvoices": [invoice.to_json() for invoice in still_open],
                    }
                )
            )
        await run.complete(f"{customer.name.split()[0]}, {said[0].lower()}{said[1:]}")

    async def _invoices(self, run: Run, customer: Customer, *, latest: bool) -> None:
        await run.working("Fetching your invoices")
        invoices = await self._records.billing.invoices(customer.id)
        if not invoices:
            await run.complete("You have no invoices.")
        elif latest:
            await self._show(run, customer, invoices[0])
        else:
            await self._list(run, customer, invoices, "invoices", "Your invoices")
            count = "your only invoice" if len(invoices) == 1 else f"your {len(invoices)} invoices"
            await run.complete(f"Here is {count}. Ask for one by its number to see its lines.")

    async def _fees(self, run: Run, customer: Customer) -> None:
        """Show the invoices that bill a fee."""
        await run.working("Looking for fees on your invoices")
        billed = [
            invoice
            for invoice in await self._records.billing.invoices(customer.id)
            if any(_FEES.search(line.description) for line in invoice.lines)
        ]
        if not billed:
            await run.complete(
                "None of your invoices has a fee on it. If a charge puzzles you, tell me the "
                f"invoice's number, or {company.CONTACT}."
            )
        elif len(billed) == 1:
            await self._show(run, customer, billed[0])
        else:
            await self._list(run, customer, billed, "fees", "Invoices with fees")
            await run.complete(f"These {len(billed)} invoices have fees on them.")

    async def _invoice(self, run: Run, customer: Customer, number: str) -> None:
        await run.working(f"Fetching invoice {number.upper()}")
        invoices = await self._records.billing.invoices(customer.id)
        invoice = next((one for one in invoices if one.number == number.upper()), None)
        if invoice is None:
            await run.input_required(
                f"I can't find an invoice {number.upper()} of yours. Which one do you mean?",
                data_part({"question": "invoice", "choices": [i.number for i in invoices]}),
            )
        else:
            await self._show(run, customer, invoice)

    async def _show(self, run: Run, customer: Customer, invoice: Invoice) -> None:
        currency = customer.currency
        async with run.artifact("invoice", description=f"Invoice {invoice.number}") as shown:
            await shown.write(f"Invoice {invoice.number}, issued {say(invoice.issued_on)}\n")
            for line in invoice.lines:
                times = f"{line.quantity} x " if line.quantity > 1 else ""
                amount = money(line.amount_cents, currency)
                await shown.write(f"{times}{line.description}: {amount}\n")
            await shown.write(f"Total: {money(invoice.total_cents, currency)}\n")
            await shown.write(data_part({**invoice.to_json(), "currency": currency}))
        await run.complete(
            f"Invoice {invoice.number} is about {money(invoice.total_cents, currency)}, "
            f"{_state(invoice, currency)}."
        )

    async def _list(
        self, run: Run, customer: Customer, invoices: Sequence[Invoice], name: str, title: str
    ) -> None:
        async with run.artifact(name, description=title) as listed:
            for invoice in invoices:
                await listed.write(f"{_line(invoice, customer.currency)}\n")
            await listed.write(
                data_part(
                    {
                        "invoices": [invoice.to_json() for invoice in invoices],
                        "currency": customer.currency,
                    }
                )
            )


def _not_yet(text: str) -> str | None:
    """Return what the customer wants that this agent can't do yet; None if it is something else."""
    for task, pattern in _NOT_YET.items():
        if re.search(pattern, text, re.IGNORECASE):
            return task
    return None


def _say_balance(owed: int, currency: str) -> str:
    if owed > 0:
        return f"Your account balance is {money(owed, currency)} to pay."
    if owed < 0:
        return f"You have a credit of {money(-owed, currency)}."
    return "Everything is paid: your account balance is zero."


def _state(invoice: Invoice, currency: str) -> str:
    if invoice.open_cents > 0:
        return f"of which {money(invoice.open_cents, currency)} is due on {say(invoice.due_on)}"
    return "and it is paid"


def _line(invoice: Invoice, currency: str) -> str:
    total = money(invoice.total_cents, currency)
    return f"{invoice.number}, {say(invoice.issued_on)}: {total}, {_state(invoice, currency)}"
