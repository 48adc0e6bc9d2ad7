"""How customers' words are read offline: pure, so by many sentences and by properties."""

from __future__ import annotations

import json
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2a_streaming.customer_service.billing.knowledge import Account
from a2a_streaming.customer_service.billing.reading import OfflineBillingReader
from a2a_streaming.customer_service.booking.knowledge import Trips
from a2a_streaming.customer_service.booking.reading import OfflineBookingReader
from a2a_streaming.customer_service.dialogue import Choice, Pending, Wish, choose
from a2a_streaming.customer_service.records import Booking, Invoice, InvoiceLine, Plan, Subscription

TODAY = date(2027, 3, 1)  # a Monday


def flight(ref: str, title: str, days: int) -> Booking:
    start = TODAY + timedelta(days)
    return Booking(ref, "flight", title, "", start, 0, 18900, 3500, "standard", "confirmed")


TRIPS = Trips(
    (
        flight("MT3390", "Berlin to Vienna", -38),
        flight("MT4821", "Berlin to Lisbon", 24),
        flight("MT5107", "Berlin to Oslo", 66),
    ),
    ("Berlin", "Lisbon", "Oslo", "Rome", "Vienna"),
    TODAY,
)
LINES = (
    InvoiceLine(1, "Flight Berlin to Lisbon, MT4821", 1, 18900, "fare", "MT4821"),
    InvoiceLine(2, "Baggage fee, checked bag", 1, 3000, "extra", "MT4821"),
)
PLUS = Plan("plus", "Meridian Plus", 990, "")
PLANS = (PLUS, Plan("premium", "Meridian Premium", 1990, ""))
ACCOUNT = Account(
    (Invoice("INV-20417", TODAY, TODAY, LINES),),
    PLANS,
    Subscription(PLUS, TODAY, TODAY, PLUS),
    "EUR",
    TODAY,
)


async def books(text: str, pending: Pending | None = None) -> Wish:
    return await OfflineBookingReader().read(text, pending, TRIPS)


async def bills(text: str, pending: Pending | None = None) -> Wish:
    return await OfflineBillingReader().read(text, pending, ACCOUNT)


@pytest.mark.parametrize(
    ("text", "flow", "slots"),
    [
        ("Show me my bookings", "show_bookings", {}),
        ("Tell me about MT9999", "show_bookings", {"booking": "MT9999"}),
        ("Is my flight to Vienna cancelled?", "show_bookings", {"booking": "MT3390"}),
        ("Please cancel the trip to Oslo", "cancel_booking", {"booking": "MT5107"}),
        ("Don't cancel it, move the Lisbon flight", "change_booking", {"booking": "MT4821"}),
        (
            "Fly to Lisbon two days later",
            "change_booking",
            {"booking": "MT4821", "date": "2027-03-27"},
        ),
        ("When can I check in for Lisbon?", "check_in", {"booking": "MT4821"}),
        (
            "Book me a flight from Berlin to Rome on 12 May",
            "new_booking",
            {"kind": "flight", "origin": "Berlin", "city": "Rome", "date": "2027-05-12"},
        ),
        (
            "I need a hotel in Rome from 2 May to 5 May",
            "new_booking",
            {"kind": "hotel", "city": "Rome", "date": "2027-05-02", "nights": 3},
        ),
        (
            "reserve a room for two nights in Vienna",
            "new_booking",
            {"kind": "hotel", "city": "Vienna", "nights": 2},
        ),
    ],
)
async def test_what_is_wanted_of_bookings(text: str, flow: str, slots: dict[str, object]) -> None:
    assert await books(text) == Wish(flow, slots)


@pytest.mark.parametrize(
    ("text", "flow", "slots"),
    [
        ("What's my account balance?", "account_balance", {}),
        ("Show me my invoices", "invoices", {}),
        ("the last bill please", "invoices", {"latest": True}),
        ("What is 20417 for?", "invoices", {"invoice": "INV-20417"}),
        ("Why is there a fee?", "invoices", {"fees": True}),
        (
            "cancel my Tuesday flight and refund the baggage fee",
            "refund_request",
            {"charge": "INV-20417/2"},
        ),
        ("Where is my refund?", "refund_request", {"status": True}),
        ("upgrade me to premium", "subscriptions", {"action": "upgrade", "plan": "premium"}),
        ("end my Meridian Plus", "subscriptions", {"action": "cancel"}),
        ("why was my card declined", "payments", {}),
        ("something else entirely", "", {}),
    ],
)
async def test_what_is_wanted_of_billing(text: str, flow: str, slots: dict[str, object]) -> None:
    assert await bills(text) == Wish(flow, slots)


CHOICES = (Choice("a/1", "Seat choice, €9.00"), Choice("a/2", "Checked bag, €25.00"))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a/2", "a/2"),
        ("the first", "a/1"),
        ("2", "a/2"),
        ("the last one", "a/2"),
        ("cheapest", "a/1"),
        ("I mean the bag", "a/2"),
        ("hm", None),
        ("the seat or the bag", None),
    ],
)
def test_an_answer_chooses_among_what_was_offered(text: str, value: str | None) -> None:
    assert choose(text, CHOICES) == value


ANSWERS = st.one_of(
    st.text(max_size=60),
    st.lists(
        st.sampled_from(["cancel", "change", "refund", "plus", "MT4821", "INV-20417", "yes", "no", "12", "May", "the", "to", "from", "Rome", "hotel", "second", "last", "my", "3", "nights"]),
        max_size=8,
    ).map(" ".join),
)  # fmt: skip
ASKED = st.one_of(
    st.none(),
    st.builds(
        Pending,
        flow=st.sampled_from(
            ["change_booking", "new_booking", "refund_request", "disputes", "topic"]
        ),
        asked=st.sampled_from(["booking", "date", "confirm", "offer", "charge", "reason", "topic"]),
        slots=st.dictionaries(
            st.sampled_from(["booking", "charge", "date"]), st.one_of(st.text(), st.integers())
        ),
        choices=st.lists(st.sampled_from(CHOICES), max_size=2).map(tuple),
    ),
)


@given(text=ANSWERS, pending=ASKED)
async def test_whatever_is_said_is_read_as_json_and_never_as_a_yes(
    text: str, pending: Pending | None
) -> None:
    for wish in (await books(text, pending), await bills(text, pending)):
        assert json.loads(json.dumps(wish.to_json())) == wish.to_json()
        assert "confirm" not in wish.slots
        assert "agreed" not in wish.slots
        assert wish == (await books(text, pending)) or wish == (await bills(text, pending))


@given(pending=ASKED)
def test_what_was_asked_comes_back_from_the_metadata(pending: Pending | None) -> None:
    if pending is not None:
        assert Pending.from_json(json.loads(json.dumps(pending.to_json()))) == pending
    for wrong in (None, 7, [], {"flow": 1}, {"flow": "x", "asked": "y", "slots": []}):
        assert Pending.from_json(wrong) is None
