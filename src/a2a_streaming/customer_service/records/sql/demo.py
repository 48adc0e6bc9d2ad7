"""The demo company's books: some customers who are always the same, and many more around them.

The four whom documentation and tests know have fixed references and prices; dates lie around the day on
which the books are made. All people, prices and references are made up.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from a2a_streaming.customer_service.records.sql import catalogue

Row = dict[str, Any]
_DAYS_TO_PAY = 14
CARD = "card ending in 4242"

CUSTOMERS = (
    ("demo", "Alex Hartmann", "alex@meridian.example"),
    ("mia", "Mia Sørensen", "mia@meridian.example"),
    ("jonas", "Jonas Okafor", "jonas@meridian.example"),
    ("priya", "Priya Raman", "priya@meridian.example"),
)

# customer, reference, kind, title, details, days from today, nights, price, change fee, fare, status
_BOOKINGS: tuple[tuple[int, str, str, str, str, int, int, int, int | None, str, str], ...] = (
    (1, "MT4821", "flight", "Berlin to Lisbon", "MD 218, departs 09:40, seat 14C", 24, 0, 18900, 3500, "standard", "confirmed"),
    (1, "MT4822", "hotel", "Hotel Miradouro, Lisbon", "double room, breakfast", 24, 4, 51600, 2000, "standard", "confirmed"),
    (1, "MT5107", "flight", "Berlin to Oslo", "MD 603, departs 17:15, seat 7A", 66, 0, 12450, None, "saver", "confirmed"),
    (1, "MT3390", "flight", "Berlin to Vienna", "MD 411, departs 07:05, seat 22F", -38, 0, 9900, 3500, "standard", "confirmed"),
    (2, "MT4410", "flight", "Copenhagen to Athens", "MD 877, departs 11:20, seat 3D", 12, 0, 23100, 3500, "standard", "confirmed"),
    (2, "MT4411", "hotel", "Plaka Rooms, Athens", "single room", 12, 6, 43200, 0, "flex", "confirmed"),
    (3, "MT4977", "flight", "London to Nairobi", "MD 052, departs 20:30, seat 31K", 47, 0, 61800, 7500, "standard", "confirmed"),
    (3, "MT2816", "hotel", "Canal House, Amsterdam", "double room", 9, 2, 28400, 2000, "standard", "cancelled"),
    (4, "MT5230", "flight", "Munich to Mumbai", "MD 760, departs 14:50, seat 18B", 80, 0, 57300, 7500, "standard", "confirmed"),
)  # fmt: skip

# customer, number, issued days from today, lines (description, quantity, amount, kind, booking),
# payments (amount, why it failed)
_INVOICES: tuple[
    tuple[
        int, str, int, tuple[tuple[str, int, int, str, str], ...], tuple[tuple[int, str], ...]
    ],
    ...,
] = (
    (1, "INV-20388", -52, (("Flight Berlin to Vienna, MT3390", 1, 9900, "fare", "MT3390"), ("Checked bag", 1, 2500, "extra", "MT3390")), ((12400, ""),)),
    (1, "INV-20417", -20, (("Flight Berlin to Lisbon, MT4821", 1, 18900, "fare", "MT4821"), ("Seat choice", 1, 900, "extra", "MT4821"), ("Spring offer", 1, -1500, "discount", "")), ((18300, ""),)),
    (1, "INV-20423", -16, (("Baggage fee, checked bag, MT4821", 1, 3000, "extra", "MT4821"),), ((3000, ""),)),
    (1, "INV-20431", -9, (("Hotel Miradouro, Lisbon, 4 nights, MT4822", 4, 51600, "fare", "MT4822"), ("City tax", 4, 800, "tax", "MT4822")), ((40000, ""), (12400, "insufficient_funds"))),
    (1, "INV-20455", -3, (("Flight Berlin to Oslo, MT5107", 1, 12450, "fare", "MT5107"),), ((12450, ""),)),
    (2, "INV-20402", -30, (("Flight Copenhagen to Athens, MT4410", 1, 23100, "fare", "MT4410"),), ((23100, ""),)),
    (2, "INV-20403", -30, (("Plaka Rooms, Athens, 6 nights, MT4411", 6, 43200, "fare", "MT4411"),), ((43200, ""),)),
    (3, "INV-20440", -6, (("Flight London to Nairobi, MT4977", 1, 61800, "fare", "MT4977"), ("Extra legroom", 1, 4900, "extra", "MT4977")), ((66700, "expired_card"),)),
    (4, "INV-20449", -4, (("Flight Munich to Mumbai, MT5230", 1, 57300, "fare", "MT5230"),), ((60000, ""),)),
)  # fmt: skip

# customer, plan, days since, days until the renewal, next plan
_SUBSCRIPTIONS: tuple[tuple[int, str, int, int, str | None], ...] = (
    (1, "plus", -132, 18, "plus"),
    (2, "premium", -70, 20, "basic"),
    (4, "basic", -21, 9, None),
)


class Books:
    """Rows of all tables, gathered to be written at once.

    Args:
        today: The day around which the dates lie.
    """

    def __init__(self, today: date) -> None:
        self.today = today
        self.rows: defaultdict[str, list[Row]] = defaultdict(list)
        """Rows by table."""

    def add(self, table: str, **values: Any) -> int:
        """Add a row with an id of its own, and return the id."""
        rows = self.rows[table]
        rows.append({"id": len(rows) + 1, **values})
        return len(rows)

    def add_invoice(
        self,
        customer: int,
        number: str,
        issued: date,
        lines: Sequence[tuple[str, int, int, str, str]],
        payments: Sequence[tuple[int, str]],
        *,
        method: str = CARD,
    ) -> int:
        """Add an invoice, and return its id.

        Args:
            customer: The customer's id.
            number: Its number.
            issued: The day it was issued.
            lines: For each its description, quantity, amount in cents, kind, and booking.
            payments: For each its amount in cents, and why it failed; empty if it didn't.
            method: By which means they were made.
        """
        invoice = self.add(
            "invoices",
            customer_id=customer,
            number=number,
            issued_on=issued,
            due_on=issued + timedelta(_DAYS_TO_PAY),
        )
        self.rows["invoice_lines"] += [
            {
                "invoice_id": invoice,
                "number": place,
                "description": description,
                "quantity": quantity,
                "amount_cents": cents,
                "kind": kind,
                "booking": booking,
            }
            for place, (description, quantity, cents, kind, booking) in enumerate(lines, 1)
        ]
        for place, (cents, failure) in enumerate(payments):
            self.add(
                "payments",
                invoice_id=invoice,
                paid_on=min(issued + timedelta(2 + place), self.today),
                amount_cents=cents,
                method=method,
                status="failed" if failure else "paid",
                failure=failure,
            )
        return invoice


def make(today: date) -> Books:
    """Make the demo company's books.

    Args:
        today: The day around which the dates lie.
    """
    from a2a_streaming.customer_service.records.sql import crowd  # noqa: PLC0415 - only a new database needs Faker

    books = Books(today)
    books.rows["services"] += catalogue.services()
    books.rows["plans"] += catalogue.PLANS
    for subject, name, email in CUSTOMERS:
        books.add("customers", subject=subject, name=name, email=email, currency="EUR")
    for customer, ref, kind, title, details, days, nights, price, fee, fare, status in _BOOKINGS:
        books.add(
            "bookings",
            customer_id=customer,
            ref=ref,
            kind=kind,
            title=title,
            details=details,
            starts_on=today + timedelta(days),
            nights=nights,
            price_cents=price,
            change_fee_cents=fee,
            fare=fare,
            status=status,
        )
    for customer, number, days, lines, payments in _INVOICES:
        books.add_invoice(customer, number, today + timedelta(days), lines, payments)
    for customer, plan, since, renews, next_plan in _SUBSCRIPTIONS:
        books.rows["subscriptions"].append(
            {
                "customer_id": customer,
                "plan_id": plan,
                "since": today + timedelta(since),
                "renews_on": today + timedelta(renews),
                "next_plan_id": next_plan,
            }
        )
    crowd.join(books)
    return books
