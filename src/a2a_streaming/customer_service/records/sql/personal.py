"""What the books say of one customer: all of it can be told, and deleted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, String, and_, cast, delete, or_, select
from sqlalchemy.orm import Session

from a2a_streaming.customer_service.records.sql.database import Database
from a2a_streaming.customer_service.records.sql.tables import (
    Base,
    BookingRow,
    CustomerRow,
    DisputeRow,
    EffectRow,
    InvoiceLineRow,
    InvoiceRow,
    NoteRow,
    PaymentRow,
    RefundRow,
    SubscriptionRow,
    TicketRow,
    columns,
)
from a2a_streaming.task import Json

T = TypeVar("T")
_AT_ONCE = 200
"""Conditions of one statement."""


class SqlPersonalData:
    """Tells and deletes it; see `PersonalData` for what is promised.

    Args:
        database: The database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def export(self, subject: str) -> Sequence[tuple[str, Json]]:
        """Return all that the books say of a customer."""

        def look(session: Session) -> list[tuple[str, Json]]:
            return [
                (table.__tablename__, _json(table, row))
                for table, condition in _conditions(session, subject, ())
                for row in session.execute(select(*columns(table)).where(condition))
            ]

        return await self._database.read(look)

    async def erase(self, subject: str, tasks: Sequence[str]) -> Mapping[str, int]:
        """Delete all that the books say of a customer."""

        def remove(session: Session) -> dict[str, int]:
            counts: dict[str, int] = {}
            # All conditions first: what they look for is then deleted.
            for table, condition in list(_conditions(session, subject, tasks)):
                done: Any = session.execute(
                    delete(table).where(condition).execution_options(synchronize_session=False)
                )
                if done.rowcount:
                    name = table.__tablename__
                    counts[name] = counts.get(name, 0) + done.rowcount
            return counts

        return await self._database.write(remove)


def _conditions(
    session: Session, subject: str, tasks: Sequence[str]
) -> Iterator[tuple[type[Base], ColumnElement[bool]]]:
    """Return each table's condition for a customer's rows, those that point to others first."""
    customer = session.scalar(select(CustomerRow.id).where(CustomerRow.subject == subject))
    tickets = _tickets(session, customer, tasks)
    refs = [*tickets, *([] if customer is None else _references(session, customer))]
    for some in _parts(refs):
        told = cast(EffectRow.result, String)
        yield EffectRow, or_(*(told.contains(f'"{ref}"', autoescape=True) for ref in some))
    for some in _parts(tasks):
        yield EffectRow, or_(*(EffectRow.key.startswith(f"{t}:", autoescape=True) for t in some))
    for some in _parts(tickets):
        yield NoteRow, NoteRow.ticket_id.in_(some)
        yield TicketRow, TicketRow.id.in_(some)
    if customer is None:
        return
    for some in _parts(_ids(session, InvoiceRow.id, InvoiceRow.customer_id == customer)):
        for table in (DisputeRow, RefundRow, PaymentRow, InvoiceLineRow):
            yield table, table.invoice_id.in_(some)
    # What was paid back without an invoice.
    yield RefundRow, and_(RefundRow.customer_id == customer, RefundRow.invoice_id.is_(None))
    for table in (InvoiceRow, BookingRow, SubscriptionRow):
        yield table, table.customer_id == customer
    yield CustomerRow, CustomerRow.id == customer


def _tickets(session: Session, customer: int | None, tasks: Sequence[str]) -> list[str]:
    """Return the ids of the tickets that are theirs, or their tasks'."""
    conditions: list[ColumnElement[bool]] = [TicketRow.task_id.in_(some) for some in _parts(tasks)]
    if customer is not None:
        conditions.append(TicketRow.customer_id == customer)
    found = (ticket for one in conditions for ticket in _ids(session, TicketRow.id, one))
    return list(dict.fromkeys(found))


def _references(session: Session, customer: int) -> list[str]:
    """Return what effects' results name a customer's things by."""
    return [
        ref
        for column, owner in (
            (BookingRow.ref, BookingRow.customer_id),
            (InvoiceRow.number, InvoiceRow.customer_id),
            (RefundRow.ref, RefundRow.customer_id),
        )
        for ref in _ids(session, column, owner == customer)
    ]


def _ids(session: Session, column: Any, condition: ColumnElement[bool]) -> list[Any]:
    return list(session.scalars(select(column).where(condition)))


def _parts(values: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(values), _AT_ONCE):
        yield values[start : start + _AT_ONCE]


def _json(table: type[Base], row: Any) -> Json:
    """Return a row as JSON."""
    told: Json = {}
    for column, value in zip(columns(table), row, strict=True):
        told[column.name] = value.isoformat() if isinstance(value, date) else value
    return told
