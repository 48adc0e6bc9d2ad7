"""The demo company's customers: small, always the same, with dates around the day it is seeded.

People, prices and references are made up. Subjects, references and invoice numbers are unique, so two
processes that seed at once collide, and one of them gives way.
"""

from __future__ import annotations

from datetime import date, timedelta

from a2a_streaming.customer_service.records.models import (
    Booking,
    Customer,
    Invoice,
    InvoiceLine,
    Payment,
)

DEMO = "demo"
"""Subject of the customer who stands for everybody while authentication is off."""

_CUSTOMERS = (
    (1, DEMO, "Alex Hartmann", "alex@meridian.example"),
    (2, "mia", "Mia Sørensen", "mia@meridian.example"),
    (3, "jonas", "Jonas Okafor", "jonas@meridian.example"),
    (4, "priya", "Priya Raman", "priya@meridian.example"),
)

# customer, reference, kind, title, details, days from today, nights, price, change fee, status
_BOOKINGS: tuple[tuple[int, str, str, str, str, int, int, int, int | None, str], ...] = (
    (1, "MT4821", "flight", "Berlin to Lisbon", "MD 218, departs 09:40, seat 14C", 24, 0, 18900, 3500, "confirmed"),
    (1, "MT4822", "hotel", "Hotel Miradouro, Lisbon", "double room, breakfast", 24, 4, 51600, 2000, "confirmed"),
    (1, "MT5107", "flight", "Berlin to Oslo", "MD 603, departs 17:15, seat 7A", 66, 0, 12450, None, "confirmed"),
    (1, "MT3390", "flight", "Berlin to Vienna", "MD 411, departs 07:05, seat 22F", -38, 0, 9900, 3500, "confirmed"),
    (2, "MT4410", "flight", "Copenhagen to Athens", "MD 877, departs 11:20, seat 3D", 12, 0, 23100, 3500, "confirmed"),
    (2, "MT4411", "hotel", "Plaka Rooms, Athens", "single room", 12, 6, 43200, 0, "confirmed"),
    (3, "MT4977", "flight", "London to Nairobi", "MD 052, departs 20:30, seat 31K", 47, 0, 61800, 7500, "confirmed"),
    (3, "MT2816", "hotel", "Canal House, Amsterdam", "double room", 9, 2, 28400, 2000, "cancelled"),
    (4, "MT5230", "flight", "Munich to Mumbai", "MD 760, departs 14:50, seat 18B", 80, 0, 57300, 7500, "confirmed"),
)  # fmt: skip

# customer, number, issued days from today, lines (description, quantity, amount), paid amount
_INVOICES: tuple[tuple[int, str, int, tuple[tuple[str, int, int], ...], int], ...] = (
    (1, "INV-20388", -52, (("Flight Berlin to Vienna, MT3390", 1, 9900), ("Checked bag", 1, 2500)), 12400),
    (1, "INV-20417", -20, (("Flight Berlin to Lisbon, MT4821", 1, 18900), ("Seat choice", 1, 900), ("Spring offer", 1, -1500)), 18300),
    (1, "INV-20431", -9, (("Hotel Miradouro, Lisbon, 4 nights, MT4822", 4, 51600), ("City tax", 4, 800)), 40000),
    (1, "INV-20455", -3, (("Flight Berlin to Oslo, MT5107", 1, 12450),), 12450),
    (2, "INV-20402", -30, (("Flight Copenhagen to Athens, MT4410", 1, 23100),), 23100),
    (2, "INV-20403", -30, (("Plaka Rooms, Athens, 6 nights, MT4411", 6, 43200),), 43200),
    (3, "INV-20440", -6, (("Flight London to Nairobi, MT4977", 1, 61800), ("Extra legroom", 1, 4900)), 0),
    (4, "INV-20449", -4, (("Flight Munich to Mumbai, MT5230", 1, 57300),), 60000),
)  # fmt: skip


def customers(today: date) -> list[Customer]:
    """Return the demo's customers, with all that belongs to them.

    Args:
        today: The day around which the dates lie.
    """
    made = {
        number: Customer(subject=subject, name=name, email=email, currency="EUR")
        for number, subject, name, email in _CUSTOMERS
    }
    for number, ref, kind, title, details, days, nights, price, fee, status in _BOOKINGS:
        booking = Booking(
            ref=ref,
            kind=kind,
            title=title,
            details=details,
            starts_on=today + timedelta(days),
            nights=nights,
            price_cents=price,
            change_fee_cents=fee,
            status=status,
        )
        made[number].bookings.append(booking)
    for number, name, days, lines, paid in _INVOICES:
        issued = today + timedelta(days)
        invoice = Invoice(
            number=name,
            issued_on=issued,
            due_on=issued + timedelta(14),
            lines=[
                InvoiceLine(description=text, quantity=quantity, amount_cents=amount)
                for text, quantity, amount in lines
            ],
        )
        if paid:
            paid_on = min(issued + timedelta(2), today)
            invoice.payments.append(Payment(paid_on=paid_on, amount_cents=paid))
        made[number].invoices.append(invoice)
    return list(made.values())
