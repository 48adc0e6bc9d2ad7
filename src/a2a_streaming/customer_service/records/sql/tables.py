"""The tables, as SQLAlchemy maps them. A change here needs a migration: see `migrations`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import JSON, Column, DateTime, Dialect, ForeignKey, Index, MetaData, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlalchemy.types import TypeDecorator

_NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_name)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
"""So that a migration can name what it changes, on every database alike."""


class Moment(TypeDecorator[datetime]):
    """A point in time, in UTC; SQLite would forget the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - the interface's
        """Return it with its zone."""
        if value is None or value.tzinfo is not None:
            return value
        return value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    """Base of the tables."""

    metadata = MetaData(naming_convention=_NAMES)


def columns(table: type[Base]) -> Sequence[Column[Any]]:
    """Return a table's columns: selected one by one, they come as bare rows, which aren't tracked for changes."""
    return tuple(table.__table__.columns)  # pyright: ignore[reportReturnType] - a table's are columns


class CustomerRow(Base):
    """A customer."""

    __tablename__ = "customers"

    id: Mapped[int] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(String(255), unique=True)
    name: Mapped[str] = mapped_column(String(255))
    email: Mapped[str] = mapped_column(String(255))
    currency: Mapped[str] = mapped_column(String(3))


class BookingRow(Base):
    """A flight or a hotel stay."""

    __tablename__ = "bookings"

    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"), index=True)
    ref: Mapped[str] = mapped_column(String(16), unique=True)
    kind: Mapped[str] = mapped_column(String(16))
    title: Mapped[str] = mapped_column(String(255))
    details: Mapped[str] = mapped_column(String(255))
    starts_on: Mapped[date]
    nights: Mapped[int]
    price_cents: Mapped[int]
    change_fee_cents: Mapped[int | None]
    fare: Mapped[str] = mapped_column(String(16))
    status: Mapped[str] = mapped_column(String(16))


class ServiceRow(Base):
    """What is for sale every day: a flight, or a hotel's room; offers are made from it."""

    __tablename__ = "services"

    code: Mapped[str] = mapped_column(String(16), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    origin: Mapped[str] = mapped_column(String(64))
    """Where a flight begins; empty for a hotel."""
    city: Mapped[str] = mapped_column(String(64), index=True)
    """Where a flight goes to, or the hotel is."""
    title: Mapped[str] = mapped_column(String(255))
    details: Mapped[str] = mapped_column(String(255))
    price_cents: Mapped[int]
    """Of the flight, or of a night."""
    change_fee_cents: Mapped[int | None]
    fare: Mapped[str] = mapped_column(String(16))


class InvoiceRow(Base):
    """An invoice."""

    __tablename__ = "invoices"

    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"), index=True)
    number: Mapped[str] = mapped_column(String(32), unique=True)
    issued_on: Mapped[date]
    due_on: Mapped[date]
    lines: Mapped[list[InvoiceLineRow]] = relationship(
        lazy="selectin", order_by="InvoiceLineRow.number"
    )
    payments: Mapped[list[PaymentRow]] = relationship(lazy="selectin", order_by="PaymentRow.id")
    refunds: Mapped[list[RefundRow]] = relationship(lazy="selectin", order_by="RefundRow.id")


class InvoiceLineRow(Base):
    """One line of an invoice."""

    __tablename__ = "invoice_lines"

    invoice_id: Mapped[int] = mapped_column(ForeignKey("invoices.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    description: Mapped[str] = mapped_column(String(255))
    quantity: Mapped[int]
    amount_cents: Mapped[int]
    kind: Mapped[str] = mapped_column(String(16))
    booking: Mapped[str] = mapped_column(String(16), index=True)


class PaymentRow(Base):
    """Money that was paid, or that failed to be."""

    __tablename__ = "payments"

    id: Mapped[int] = mapped_column(primary_key=True)
    invoice_id: Mapped[int] = mapped_column(ForeignKey("invoices.id"), index=True)
    paid_on: Mapped[date]
    amount_cents: Mapped[int]
    method: Mapped[str] = mapped_column(String(64))
    status: Mapped[str] = mapped_column(String(16))
    failure: Mapped[str] = mapped_column(String(32))


class RefundRow(Base):
    """Money that was paid back; by a booking's cancellation also without an invoice."""

    __tablename__ = "refunds"

    id: Mapped[int] = mapped_column(primary_key=True)
    ref: Mapped[str] = mapped_column(String(16), unique=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"), index=True)
    invoice_id: Mapped[int | None] = mapped_column(ForeignKey("invoices.id"), index=True)
    line: Mapped[int]
    amount_cents: Mapped[int]
    credit_cents: Mapped[int]
    paid_on: Mapped[date]
    reason: Mapped[str] = mapped_column(String(255))


class PlanRow(Base):
    """A subscription that can be had."""

    __tablename__ = "plans"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(64))
    price_cents: Mapped[int]
    benefits: Mapped[str] = mapped_column(String(255))


class SubscriptionRow(Base):
    """A customer's subscription; they have one at most."""

    __tablename__ = "subscriptions"

    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"), primary_key=True)
    plan_id: Mapped[str] = mapped_column(ForeignKey("plans.id"))
    since: Mapped[date]
    renews_on: Mapped[date]
    next_plan_id: Mapped[str | None] = mapped_column(ForeignKey("plans.id"))


class DisputeRow(Base):
    """A charge that a customer doesn't accept."""

    __tablename__ = "disputes"

    id: Mapped[int] = mapped_column(primary_key=True)
    ref: Mapped[str] = mapped_column(String(16), unique=True)
    invoice_id: Mapped[int] = mapped_column(ForeignKey("invoices.id"), index=True)
    line: Mapped[int]
    amount_cents: Mapped[int]
    reason: Mapped[str] = mapped_column(Text)
    opened_on: Mapped[date]
    status: Mapped[str] = mapped_column(String(16))


class TicketRow(Base):
    """A hand-over ticket."""

    __tablename__ = "tickets"
    __table_args__ = (
        Index("ix_tickets_queue", "state", "due_at"),
        Index("ix_tickets_overdue", "state", "raised_at", "due_at"),
    )

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    task_id: Mapped[str] = mapped_column(String(255), index=True)
    context_id: Mapped[str] = mapped_column(String(255))
    customer_id: Mapped[int | None] = mapped_column(ForeignKey("customers.id"))
    reason: Mapped[str] = mapped_column(String(32))
    summary: Mapped[str] = mapped_column(Text)
    priority: Mapped[str] = mapped_column(String(16))
    rank: Mapped[int]
    """The priority's place, for the queue's order."""
    state: Mapped[str] = mapped_column(String(16))
    opened_at: Mapped[datetime] = mapped_column(Moment)
    waiting_since: Mapped[datetime] = mapped_column(Moment)
    due_at: Mapped[datetime | None] = mapped_column(Moment)
    """Never null: that can't be said of a column that is added, on every database alike."""
    raised_at: Mapped[datetime | None] = mapped_column(Moment)
    """When it was first found to wait beyond its time."""
    claimed_by: Mapped[str | None] = mapped_column(String(255), index=True)
    claimed_at: Mapped[datetime | None] = mapped_column(Moment)
    closed_at: Mapped[datetime | None] = mapped_column(Moment)
    customer: Mapped[CustomerRow | None] = relationship(lazy="joined")


class NoteRow(Base):
    """A person's private note on a ticket."""

    __tablename__ = "ticket_notes"

    id: Mapped[int] = mapped_column(primary_key=True)
    ticket_id: Mapped[str] = mapped_column(ForeignKey("tickets.id"), index=True)
    who: Mapped[str] = mapped_column(String(255))
    text: Mapped[str] = mapped_column(Text)
    written_at: Mapped[datetime] = mapped_column(Moment)


class EffectRow(Base):
    """What an idempotency key has brought about: written with the effect, or not at all."""

    __tablename__ = "effects"

    key: Mapped[str] = mapped_column(String(512), primary_key=True)
    operation: Mapped[str] = mapped_column(String(32))
    done_at: Mapped[datetime] = mapped_column(Moment)
    result: Mapped[Any] = mapped_column(JSON)
