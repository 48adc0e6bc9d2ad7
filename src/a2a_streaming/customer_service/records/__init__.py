"""The systems of record: customers, bookings and invoices in an SQL database."""

from __future__ import annotations

from a2a_streaming.customer_service.records.models import Booking, Customer, Invoice, InvoiceLine
from a2a_streaming.customer_service.records.quote import (
    BookingNotFound,
    ChangeRefused,
    Quote,
    QuoteChanged,
    RecordsError,
    check_changeable,
)
from a2a_streaming.customer_service.records.store import Records

__all__ = [
    "Booking",
    "BookingNotFound",
    "ChangeRefused",
    "Customer",
    "Invoice",
    "InvoiceLine",
    "Quote",
    "QuoteChanged",
    "Records",
    "RecordsError",
    "check_changeable",
]
