"""The systems of record: customers, what they booked, what they were billed, what they paid.

Money is in cents of the customer's currency, dates are local dates of where the service is used.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import JSON, DateTime, ForeignKey, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    """Base of the tables."""


class Customer(Base):
    """A customer; `subject` is who they are in a task's owner."""

    __tablename__ = "customers"

    id: Mapped[int] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(String(255), unique=True)
    name: Mapped[str] = mapped_column(String(255))
    email: Mapped[str] = mapped_column(String(255))
    currency: Mapped[str] = mapped_column(String(3), default="EUR")
    bookings: Mapped[list[Booking]] = relationship(lazy="raise")
    invoices: Mapped[list[Invoice]] = relationship(lazy="raise")


class Booking(Base):
    """A flight or a hotel stay."""

    __tablename__ = "bookings"

    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"), index=True)
    ref: Mapped[str] = mapped_column(String(16), unique=True)
    kind: Mapped[str] = mapped_column(String(16))
    """`flight` or `hotel`."""
    title: Mapped[str] = mapped_column(String(255))
    """The route of a flight, or the hotel and its city."""
    details: Mapped[str] = mapped_column(String(255), default="")
    starts_on: Mapped[date]
    nights: Mapped[int] = mapped_column(default=0)
    """Nights of a hotel stay; 0 for a flight."""
    price_cents: Mapped[int]
    change_fee_cents: Mapped[int | None]
    """What a change costs beside the fare; None where the fare allows no change."""
    status: Mapped[str] = mapped_column(String(16), default="confirmed")
    """`confirmed` or `cancelled`."""

    @property
    def ends_on(self) -> date:
        """The day of departure of a stay, the day itself of a flight."""
        return self.starts_on + timedelta(self.nights)

    def to_json(self) -> dict[str, Any]:
        """Return it as agents tell it."""
        return {
            "booking": self.ref,
            "kind": self.kind,
            "title": self.title,
            "details": self.details,
            "from": self.starts_on.isoformat(),
            "to": self.ends_on.isoformat(),
            "priceCents": self.price_cents,
            "changeFeeCents": self.change_fee_cents,
            "status": self.status,
        }


class Invoice(Base):
    """An invoice; its total is the sum of its lines."""

    __tablename__ = "invoices"

    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"), index=True)
    number: Mapped[str] = mapped_column(String(32), unique=True)
    issued_on: Mapped[date]
    due_on: Mapped[date]
    lines: Mapped[list[InvoiceLine]] = relationship(
        lazy="selectin", order_by="InvoiceLine.id", cascade="all, delete-orphan"
    )
    payments: Mapped[list[Payment]] = relationship(lazy="selectin", order_by="Payment.id")

    @property
    def total_cents(self) -> int:
        """The sum of its lines."""
        return sum(line.amount_cents for line in self.lines)

    @property
    def open_cents(self) -> int:
        """What is still to be paid; negative where too much was paid."""
        return self.total_cents - sum(payment.amount_cents for payment in self.payments)

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
                    "description": line.description,
                    "quantity": line.quantity,
                    "amountCents": line.amount_cents,
                }
                for line in self.lines
            ],
        }


class InvoiceLine(Base):
    """One line of an invoice; a discount is a negative amount."""

    __tablename__ = "invoice_lines"

    id: Mapped[int] = mapped_column(primary_key=True)
    invoice_id: Mapped[int] = mapped_column(ForeignKey("invoices.id"), index=True)
    description: Mapped[str] = mapped_column(String(255))
    quantity: Mapped[int] = mapped_column(default=1)
    amount_cents: Mapped[int]
    """Of the whole line, not of one piece."""


class Payment(Base):
    """Money that a customer paid for an invoice."""

    __tablename__ = "payments"

    id: Mapped[int] = mapped_column(primary_key=True)
    invoice_id: Mapped[int] = mapped_column(ForeignKey("invoices.id"), index=True)
    paid_on: Mapped[date]
    amount_cents: Mapped[int]


class Effect(Base):
    """What an idempotency key has brought about: its row is written with the effect, or not at all."""

    __tablename__ = "effects"

    key: Mapped[str] = mapped_column(String(512), primary_key=True)
    done_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    result: Mapped[dict[str, Any]] = mapped_column(JSON)
