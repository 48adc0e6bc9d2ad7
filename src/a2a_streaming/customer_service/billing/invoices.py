"""Showing invoices: a list, or one with its lines and as a PDF."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Mapping, Sequence
from typing import ClassVar

from a2a_streaming.customer_service.billing.knowledge import (
    INVOICE,
    Account,
    invoice_line,
    state_of,
)
from a2a_streaming.customer_service.dates import say
from a2a_streaming.customer_service.dialogue import Choice, Flow, Slots, Talk
from a2a_streaming.customer_service.records import Customer, Invoice
from a2a_streaming.event import data_part
from a2a_streaming.task import Json

_FEE = re.compile(r"\bfees?\b|\bcharge[ds]?\b|\bsurcharge", re.IGNORECASE)


class Invoices(Flow[Account]):
    """Lists invoices, or shows one."""

    name = "invoices"
    label = "my invoices"
    slots: ClassVar[Mapping[str, Json]] = {
        "invoice": INVOICE,
        "latest": {
            "type": "boolean",
            "description": "Whether the customer asks for the newest one.",
        },
        "fees": {
            "type": "boolean",
            "description": "Whether they ask about fees on their invoices.",
        },
    }

    async def go_on(self, talk: Talk, known: Account, slots: Slots, *, confirmed: bool) -> None:  # noqa: ARG002 - nothing to confirm
        """Show what is asked for; without a word about which, all."""
        number = slots.text("invoice")
        if number:
            await talk.progress("invoice", f"Fetching invoice {number.upper()}")
            invoice = known.find(number)
            if invoice is None:
                choices = [
                    Choice(i.number, invoice_line(i, known.currency)) for i in known.invoices
                ]
                question = (
                    f"I can't find an invoice {number.upper()} of yours. Which one do you mean?"
                )
                await talk.ask("invoice", question, {}, choices=choices[:10])
            else:
                await _show(talk, slots, invoice)
            return
        await talk.progress("invoices", "Fetching your invoices")
        if not known.invoices:
            await talk.done("You have no invoices.")
        elif slots.flag("latest"):
            await _show(talk, slots, known.invoices[0])
        elif slots.flag("fees"):
            await _show_fees(talk, slots, known)
        else:
            await _list(talk, known.invoices, "invoices", "Your invoices")
            count = len(known.invoices)
            many = "is your only invoice" if count == 1 else f"are your {count} invoices"
            await talk.done(f"Here {many}. Ask for one by its number to see its lines.")


async def _show_fees(talk: Talk, slots: Slots, known: Account) -> None:
    """Show the invoices that bill a fee."""
    billed = [
        invoice
        for invoice in known.invoices
        if any(line.kind == "fee" or _FEE.search(line.description) for line in invoice.lines)
    ]
    if not billed:
        await talk.unable("None of your invoices has a fee on it.")
    elif len(billed) == 1:
        await _show(talk, slots, billed[0])
    else:
        await _list(talk, billed, "fees", "Invoices with fees")
        await talk.done(f"These {len(billed)} invoices have fees on them.")


async def _show(talk: Talk, slots: Slots, invoice: Invoice) -> None:
    slots["invoice"] = invoice.number
    async with talk.artifact("invoice", f"Invoice {invoice.number}") as shown:
        await shown.write(f"Invoice {invoice.number}, issued {say(invoice.issued_on)}\n")
        for line in invoice.lines:
            times = f"{line.quantity} x " if line.quantity > 1 else ""
            back = f" ({talk.money(line.refunded_cents)} refunded)" if line.refunded_cents else ""
            await shown.write(f"{times}{line.description}: {talk.money(line.amount_cents)}{back}\n")
        await shown.write(f"Total: {talk.money(invoice.total_cents)}\n")
        await shown.write(data_part({**invoice.to_json(), "currency": talk.customer.currency}))
    await talk.progress("pdf", "Writing it as a PDF")
    pdf = await asyncio.to_thread(_render, invoice, talk.customer)
    name = f"{invoice.number}.pdf"
    part = {
        "raw": base64.b64encode(pdf).decode(),
        "mediaType": "application/pdf",
        "filename": name,
    }
    await talk.run.attach(name, part, description=f"Invoice {invoice.number} as a PDF")
    currency = talk.customer.currency
    total = talk.money(invoice.total_cents)
    await talk.done(f"Invoice {invoice.number} is about {total}, {state_of(invoice, currency)}.")


def _render(invoice: Invoice, customer: Customer) -> bytes:
    """Write an invoice as a PDF; in a thread, because the library looks at the disk when it is loaded."""
    from a2a_streaming.customer_service.billing import invoice_pdf  # noqa: PLC0415 - see above

    return invoice_pdf.render(invoice, customer)


async def _list(talk: Talk, invoices: Sequence[Invoice], name: str, title: str) -> None:
    async with talk.artifact(name, title) as listed:
        for invoice in invoices:
            await listed.write(f"{invoice_line(invoice, talk.customer.currency)}\n")
        told = [invoice.to_json() for invoice in invoices]
        await listed.write(data_part({"invoices": told, "currency": talk.customer.currency}))
