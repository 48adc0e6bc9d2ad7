"""What the systems of record hold, a line a thing, so that two states can be compared.

All tables are read, of all customers, as they stand in the database: what nobody was to change isn't changed, and
what was to happen once stands there once. References that are made on the way are left out (`…`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from a2a_streaming.customer_service.records import SqlRecords
from a2a_streaming.customer_service.records.sql import tables
from a2a_streaming.customer_service.replies import money
from conversations.company import TODAY

Books = Counter[str]
"""Lines, and how often each stands there."""

_REFERENCE = re.compile(r"\b(?:MT|INV-|CHG-|SUB-|RF-|DS-|T-)[0-9A-F]{4,}\b")


async def books(url: str) -> Books:
    """Read a database's books.

    Args:
        url: The database's URL.
    """
    records = SqlRecords(url, today=lambda: TODAY)
    try:
        return Counter(await records._database.read(lambda session: list(_lines(session))))
    finally:
        await records.aclose()


def changes(before: Books, after: Books) -> list[str]:
    """Return what is otherwise, in alphabetical order: `-` for what was there, `+` for what is there now."""
    known = set(_REFERENCE.findall("\n".join(before)))

    def named(line: str) -> str:
        return _REFERENCE.sub(lambda m: m[0] if m[0] in known else "…", line)

    gone, new = (before - after).elements(), (after - before).elements()
    return sorted([*(f"- {line}" for line in gone), *(f"+ {named(line)}" for line in new)])


def _lines(session: Session) -> Iterator[str]:
    def rows(table: type[tables.Base]) -> Sequence[Any]:
        return session.execute(select(*tables.columns(table))).all()

    customers = {row.id: row.subject for row in rows(tables.CustomerRow)}
    invoices = {row.id: row.number for row in rows(tables.InvoiceRow)}
    for table, line in _TABLES.items():
        for row in rows(table):
            yield line(row, customers, invoices)


Names = Mapping[int | None, str]
"""What customers and invoices are called, by id."""


def _booking(row: Any, who: Names, _: Names) -> str:
    nights = f"{row.nights} nights, " if row.nights else ""
    return (
        f"booking {row.ref} of {who[row.customer_id]}: {row.title}, {row.starts_on}, {nights}{row.fare}, "
        f"{_euros(row.price_cents)}, {row.status}"
    )


def _payment(row: Any, _: Names, number: Names) -> str:
    failure = f" ({row.failure})" if row.failure else ""
    return (
        f"payment for invoice {number[row.invoice_id]}: {_euros(row.amount_cents)}, {row.paid_on}, "
        f"{row.method}, {row.status}{failure}"
    )


def _refund(row: Any, who: Names, number: Names) -> str:
    about = f" for invoice {number[row.invoice_id]}/{row.line}" if row.invoice_id else ""
    return (
        f"refund to {who[row.customer_id]}{about}: {_euros(row.amount_cents)} paid, "
        f"{_euros(row.credit_cents)} off, {row.paid_on}, {row.reason}"
    )


def _ticket(row: Any, who: Names, _: Names) -> str:
    by = f" by {row.claimed_by}" if row.claimed_by else ""
    customer = who.get(row.customer_id, "nobody")
    return f"ticket of {customer}: {row.reason}, {row.priority}, {row.state}{by}: {row.summary}"


_TABLES: Mapping[type[tables.Base], Callable[[Any, Names, Names], str]] = {
    tables.CustomerRow: lambda row, _, __: f"customer {row.subject}: {row.name}, {row.email}",
    tables.BookingRow: _booking,
    tables.InvoiceRow: lambda row, who, _: (
        f"invoice {row.number} of {who[row.customer_id]}: {row.issued_on}, due {row.due_on}"
    ),
    tables.InvoiceLineRow: lambda row, _, number: (
        f"line {row.number} of invoice {number[row.invoice_id]}: {row.quantity} × {row.description}, "
        f"{_euros(row.amount_cents)}"
    ),
    tables.PaymentRow: _payment,
    tables.RefundRow: _refund,
    tables.SubscriptionRow: lambda row, who, _: (
        f"subscription of {who[row.customer_id]}: {row.plan_id} since {row.since}, "
        f"{row.next_plan_id or 'nothing'} from {row.renews_on}"
    ),
    tables.DisputeRow: lambda row, _, number: (
        f"dispute of invoice {number[row.invoice_id]}/{row.line}: {_euros(row.amount_cents)}, {row.opened_on}, "
        f"{row.status}: {row.reason}"
    ),
    tables.TicketRow: _ticket,
    tables.NoteRow: lambda row, _, __: f"note of {row.who}: {row.text}",
}
"""How a row of each table is told."""


def _euros(cents: int) -> str:
    return money(cents, "EUR")
