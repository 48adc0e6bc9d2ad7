"""The systems of record: what agents ask of them (`Records`), and one that stands on an SQL database."""

from __future__ import annotations

from a2a_streaming.customer_service.records.entities import (
    Booking,
    Customer,
    Offer,
    Plan,
    Subscription,
)
from a2a_streaming.customer_service.records.errors import (
    BookingNotFound,
    ChangeRefused,
    InvoiceNotFound,
    KeyReused,
    NotFound,
    OfferNotFound,
    PlanNotFound,
    QuoteChanged,
    RecordsError,
    Refused,
    TicketNotFound,
    TicketTaken,
)
from a2a_streaming.customer_service.records.fares import CancellationQuote, Quote
from a2a_streaming.customer_service.records.invoices import (
    Dispute,
    Invoice,
    InvoiceLine,
    Payment,
    Refund,
)
from a2a_streaming.customer_service.records.outcomes import Booked, Cancelled, Changed, PlanChanged
from a2a_streaming.customer_service.records.plans import PlanQuote
from a2a_streaming.customer_service.records.refunds import RefundQuote
from a2a_streaming.customer_service.records.sql import SqlRecords
from a2a_streaming.customer_service.records.systems import (
    Billing,
    Bookings,
    Customers,
    DemoCustomers,
    PersonalData,
    Records,
    Subscriptions,
)
from a2a_streaming.customer_service.records.tickets import (
    Note,
    Priority,
    Ticket,
    Tickets,
    TicketState,
)

__all__ = [
    "Billing",
    "Booked",
    "Booking",
    "BookingNotFound",
    "Bookings",
    "CancellationQuote",
    "Cancelled",
    "ChangeRefused",
    "Changed",
    "Customer",
    "Customers",
    "DemoCustomers",
    "Dispute",
    "Invoice",
    "InvoiceLine",
    "InvoiceNotFound",
    "KeyReused",
    "NotFound",
    "Note",
    "Offer",
    "OfferNotFound",
    "Payment",
    "PersonalData",
    "Plan",
    "PlanChanged",
    "PlanNotFound",
    "PlanQuote",
    "Priority",
    "Quote",
    "QuoteChanged",
    "Records",
    "RecordsError",
    "Refund",
    "RefundQuote",
    "Refused",
    "SqlRecords",
    "Subscription",
    "Subscriptions",
    "Ticket",
    "TicketNotFound",
    "TicketState",
    "TicketTaken",
    "Tickets",
]
