"""The rules of fares, refunds and plans: pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2a_streaming.customer_service.records import (
    Booking,
    ChangeRefused,
    Invoice,
    InvoiceLine,
    Payment,
    Plan,
    Refund,
    Refused,
    Subscription,
)
from a2a_streaming.customer_service.records.fares import (
    CANCELLATION,
    quote_cancellation,
    quote_change,
)
from a2a_streaming.customer_service.records.plans import quote_plan
from a2a_streaming.customer_service.records.refunds import refundable

TODAY = date(2027, 3, 1)
FLIGHT = Booking(
    ref="MT4821",
    kind="flight",
    title="Berlin to Lisbon",
    details="",
    starts_on=date(2027, 3, 25),
    nights=0,
    price_cents=18900,
    change_fee_cents=3500,
    fare="standard",
    status="confirmed",
)


def test_a_quote_says_what_a_change_costs() -> None:
    thursday = quote_change(FLIGHT, date(2027, 4, 1), TODAY)
    assert (thursday.fee_cents, thursday.fare_cents) == (3500, 0)
    friday = quote_change(FLIGHT, date(2027, 4, 2), TODAY)
    assert friday.total_cents == 3500 + 18900 * 15 // 100


@pytest.mark.parametrize(
    ("booking", "new", "retry"),
    [
        (FLIGHT, FLIGHT.starts_on, True),
        (FLIGHT, date(2027, 2, 1), True),
        (FLIGHT, date(2029, 1, 1), True),
        (replace(FLIGHT, change_fee_cents=None), date(2027, 4, 1), False),
        (replace(FLIGHT, starts_on=TODAY), date(2027, 4, 1), False),
        (replace(FLIGHT, status="cancelled"), date(2027, 4, 1), False),
    ],
)
def test_a_change_that_is_not_possible_is_refused_with_a_reason(
    booking: Booking, new: date, retry: bool
) -> None:
    with pytest.raises(ChangeRefused) as refused:
        quote_change(booking, new, TODAY)
    assert refused.value.retry is retry
    assert str(refused.value).endswith(".")


@given(
    kind_fare=st.sampled_from(sorted(CANCELLATION)),
    days=st.integers(1, 400),
    price=st.integers(0, 10**6),
)
def test_a_cancellation_never_pays_back_more_for_being_later(
    kind_fare: tuple[str, str], days: int, price: int
) -> None:
    kind, fare = kind_fare
    booking = replace(FLIGHT, kind=kind, fare=fare, price_cents=price)
    quotes = [
        quote_cancellation(replace(booking, starts_on=TODAY + timedelta(d)), TODAY)
        for d in (days, days + 1)
    ]
    assert 0 <= quotes[0].back_cents <= quotes[1].back_cents <= price
    assert quotes[0].back_cents + quotes[0].kept_cents == price


def test_what_has_begun_is_not_cancelled() -> None:
    with pytest.raises(Refused, match="begun"):
        quote_cancellation(replace(FLIGHT, starts_on=TODAY), TODAY)


LINES = (
    InvoiceLine(1, "Flight", 1, 18900, "fare", "MT4821"),
    InvoiceLine(2, "Seat choice", 1, 900, "extra", "MT4821"),
    InvoiceLine(3, "Change fee", 1, 3500, "fee"),
    InvoiceLine(4, "Spring offer", 1, -1500, "discount"),
)
PAID = Invoice(
    "INV-1", TODAY, TODAY, LINES, (Payment(TODAY, sum(n.amount_cents for n in LINES), "card"),)
)
BOOKINGS = {"MT4821": FLIGHT}


def test_extras_that_are_paid_and_not_used_yet_are_refundable() -> None:
    quotes, refused = refundable(PAID, BOOKINGS, TODAY)
    assert [(quote.line, quote.amount_cents) for quote in quotes] == [(2, 900)]
    assert set(refused) == {1, 3}
    assert "cancel" in refused[1]
    assert "dispute" in refused[3]


@pytest.mark.parametrize(
    ("invoice", "booking", "reason"),
    [
        (replace(PAID, payments=()), FLIGHT, "isn't paid yet"),
        (replace(PAID, issued_on=TODAY - timedelta(100)), FLIGHT, "too long"),
        (PAID, replace(FLIGHT, starts_on=TODAY), "used"),
        (
            replace(PAID, lines=(replace(LINES[1], number=2, refunded_cents=900),), payments=()),
            FLIGHT,
            "already",
        ),
    ],
)
def test_an_extra_that_is_not_refundable_says_why(
    invoice: Invoice, booking: Booking, reason: str
) -> None:
    quotes, refused = refundable(invoice, {"MT4821": booking}, TODAY)
    assert [quote for quote in quotes if quote.line == 2] == []
    assert reason in refused[2]


@given(paid=st.integers(0, 60_000), back=st.integers(0, 10_000), credit=st.integers(0, 10_000))
def test_what_is_refundable_never_exceeds_what_was_paid(paid: int, back: int, credit: int) -> None:
    refund = Refund("RF-1", "INV-1", 0, back, credit, TODAY, "")
    invoice = replace(PAID, payments=(Payment(TODAY, paid, "card"),), refunds=(refund,))
    over = [q.amount_cents for q in refundable(invoice, BOOKINGS, TODAY)[0] if q.line == 0]
    assert sum(over) == max(0, -invoice.open_cents)


BASIC = Plan("basic", "Basic", 490, "")
PLUS = Plan("plus", "Plus", 990, "")


def test_a_dearer_plan_holds_at_once_and_a_cheaper_one_from_the_renewal() -> None:
    ends = TODAY + timedelta(15)
    has_basic = Subscription(BASIC, TODAY, ends, BASIC)
    up = quote_plan(has_basic, PLUS, TODAY)
    assert (up.charge_cents, up.effective_on) == (250, TODAY)
    has_plus = Subscription(PLUS, TODAY, ends, PLUS)
    down = quote_plan(has_plus, BASIC, TODAY)
    assert (down.charge_cents, down.effective_on) == (0, ends)
    off = quote_plan(has_plus, None, TODAY)
    assert (off.new, off.effective_on) == ("", ends)
    new = quote_plan(None, PLUS, TODAY)
    assert (new.charge_cents, new.effective_on) == (990, TODAY)
    kept = quote_plan(replace(has_plus, next_plan=None), PLUS, TODAY)
    assert (kept.charge_cents, kept.effective_on) == (0, TODAY)


@pytest.mark.parametrize(
    ("current", "new"),
    [
        (None, None),
        (Subscription(PLUS, TODAY, TODAY, PLUS), PLUS),
        (Subscription(PLUS, TODAY, TODAY, None), None),
        (Subscription(PLUS, TODAY, TODAY, BASIC), BASIC),
    ],
)
def test_a_change_of_plan_that_changes_nothing_is_refused(
    current: Subscription | None, new: Plan | None
) -> None:
    with pytest.raises(Refused):
        quote_plan(current, new, TODAY)
