"""Some hundred more customers, by a seeded generator: what pages and lists are filled with.

Names are Faker's. The same day and version give the same books.
"""

from __future__ import annotations

import random
from datetime import date, timedelta

from faker import Faker

from a2a_streaming.customer_service.records.sql import catalogue
from a2a_streaming.customer_service.records.sql.demo import Books, Row

_SEED = 20_270_301
_CUSTOMERS = 320
_LOCALES = ("en_GB", "de_DE", "fr_FR", "es_ES", "da_DK")
_EXTRAS = (
    ("Checked bag", 2500),
    ("Seat choice", 900),
    ("Extra legroom", 4900),
    ("Priority boarding", 1200),
    ("Travel insurance", 1900),
)
_FAILURES = ("insufficient_funds", "card_declined", "expired_card", "processor_error")
_LETTERS = "ABCDEF"


def join(books: Books) -> None:
    """Add customers to the books, with what they booked, were billed, and paid.

    Args:
        books: The books, with what the company sells.
    """
    crowd = _Crowd(books)
    for number in range(_CUSTOMERS):
        crowd.add_customer(number)


class _Crowd:
    """The generator's state.

    Args:
        books: The books.
    """

    def __init__(self, books: Books) -> None:
        self._books = books
        self._rng = random.Random(_SEED)
        self._fakers = [Faker(locale) for locale in _LOCALES]
        for place, faker in enumerate(self._fakers):
            faker.seed_instance(_SEED + place)
        services = books.rows["services"]
        self._flights = [row for row in services if row["kind"] == "flight"]
        self._hotels: dict[str, list[Row]] = {}
        for row in services:
            if row["kind"] == "hotel":
                self._hotels.setdefault(row["city"], []).append(row)
        self._number = 10_000
        self._ref = 600_000

    def add_customer(self, number: int) -> None:
        rng, books = self._rng, self._books
        faker = self._fakers[number % len(self._fakers)]
        customer = books.add(
            "customers",
            subject=f"customer-{number + 1}",
            name=f"{faker.first_name()} {faker.last_name()}",
            email=f"customer-{number + 1}@meridian.example",
            currency="EUR",
        )
        card = f"card ending in {rng.randrange(10_000):04d}"
        for _ in range(rng.choice((1, 1, 2, 2, 3, 4, 5))):
            start = books.today + timedelta(rng.randint(-540, 220))
            flight = rng.choice(self._flights)
            self._book(customer, card, flight, start, 0)
            stays = self._hotels.get(flight["city"])
            if stays and rng.random() < 0.6:
                self._book(customer, card, rng.choice(stays), start, rng.randint(1, 9))
        if rng.random() < 0.45:
            self._subscribe(customer, card)

    def _book(self, customer: int, card: str, service: Row, start: date, nights: int) -> None:
        rng, books = self._rng, self._books
        self._ref += rng.randint(1, 9)
        ref = f"MT{self._ref}"
        price = service["price_cents"] * max(1, nights)
        details = service["details"]
        if not nights:
            details += f", seat {rng.randint(1, 32)}{rng.choice(_LETTERS)}"
        cancelled = rng.random() < 0.07
        books.add(
            "bookings",
            customer_id=customer,
            ref=ref,
            kind=service["kind"],
            title=service["title"],
            details=details,
            starts_on=start,
            nights=nights,
            price_cents=price,
            change_fee_cents=service["change_fee_cents"],
            fare=service["fare"],
            status="cancelled" if cancelled else "confirmed",
        )
        name = (
            f"{service['title']}, {nights} nights, {ref}"
            if nights
            else f"Flight {service['title']}, {ref}"
        )
        lines = [(name, max(1, nights), price, "fare", ref)]
        if nights:
            lines.append(("City tax", nights, 200 * nights, "tax", ref))
        else:
            extras = rng.sample(_EXTRAS, rng.choice((0, 0, 1, 1, 2)))
            lines += [(extra, 1, cents, "extra", ref) for extra, cents in extras]
        issued = min(start, books.today) - timedelta(rng.randint(1, 80))
        invoice = self._bill(customer, card, issued, lines)
        if cancelled and service["fare"] != "saver":
            back = price * (100 if service["fare"] == "flex" else 70) // 100
            books.add(
                "refunds",
                ref=f"RF-{invoice:010X}",
                customer_id=customer,
                invoice_id=invoice,
                line=1,
                amount_cents=back,
                credit_cents=back,
                paid_on=min(issued + timedelta(rng.randint(1, 20)), books.today),
                reason=f"Cancellation of {service['title']}, {ref}",
            )

    def _subscribe(self, customer: int, card: str) -> None:
        rng, books = self._rng, self._books
        plan = rng.choice(catalogue.PLANS)
        months, left = rng.randint(1, 14), rng.randint(1, 29)
        renews = books.today + timedelta(left)
        for month in range(months):
            ends = renews - timedelta(30 * month)
            line = (f"{plan['name']}, until {ends}", 1, plan["price_cents"], "subscription", "")
            self._bill(customer, card, ends - timedelta(30), [line])
        books.rows["subscriptions"].append(
            {
                "customer_id": customer,
                "plan_id": plan["id"],
                "since": renews - timedelta(30 * months),
                "renews_on": renews,
                "next_plan_id": None if rng.random() < 0.1 else plan["id"],
            }
        )

    def _bill(
        self, customer: int, card: str, issued: date, lines: list[tuple[str, int, int, str, str]]
    ) -> int:
        rng, books = self._rng, self._books
        total = sum(line[2] for line in lines)
        payments = [(total, "")]
        if rng.random() < 0.04:
            payments.insert(0, (total, rng.choice(_FAILURES)))
            if (books.today - issued).days < 60:
                payments.pop()
        self._number += rng.randint(1, 3)
        number = f"INV-{self._number}"
        return books.add_invoice(customer, number, issued, lines, payments, method=card)
