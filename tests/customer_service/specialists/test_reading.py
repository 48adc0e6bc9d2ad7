"""How customers' words are read offline: pure, so by many sentences and by properties."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2a_streaming.customer_service.billing import earlier as billing_earlier
from a2a_streaming.customer_service.billing.knowledge import Account
from a2a_streaming.customer_service.billing.reading import OfflineBillingReader
from a2a_streaming.customer_service.booking import earlier as booking_earlier
from a2a_streaming.customer_service.booking.knowledge import Trips
from a2a_streaming.customer_service.booking.reading import OfflineBookingReader
from a2a_streaming.customer_service.dialogue import (
    AMONG,
    BEYOND,
    Choice,
    Earlier,
    Pending,
    Wish,
    choose,
)
from a2a_streaming.customer_service.dialogue.earlier import read_earlier
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


TWO_BAGS = Account(
    tuple(
        Invoice(number, TODAY, TODAY, (InvoiceLine(1, what, 1, 3000, "extra", booking),))
        for number, what, booking in (
            ("INV-20501", "Baggage fee", "MT5107"),
            ("INV-20502", "Baggage fee", "MT4821"),
            ("INV-20503", "Seat choice", "MT4821"),
        )
    ),
    PLANS,
    None,
    "EUR",
    TODAY,
)


def before(request: str, **data: str) -> tuple[Earlier, ...]:
    """What a specialist is told of a wish before its own."""
    told = {"outcome": {"request": request, "done": True, **data}}
    return read_earlier({"metadata": {"earlier": [{"agent": "x", "data": [told]}]}})


@pytest.mark.parametrize(
    ("text", "told", "slots"),
    [
        ("refund the baggage fee", {}, {AMONG: ["INV-20501/1", "INV-20502/1"]}),
        ("refund the baggage fee", {"booking": "MT4821"}, {"charge": "INV-20502/1"}),
        ("refund the baggage fee", {"booking": "MT5107"}, {"charge": "INV-20501/1"}),
        (
            "refund the baggage fee",
            {"booking": "MT9999"},
            {AMONG: ["INV-20501/1", "INV-20502/1"]},
        ),
        ("refund it", {"booking": "MT4821"}, {AMONG: ["INV-20502/1", "INV-20503/1"]}),
        ("refund the baggage fee on INV-20501", {"booking": "MT4821"}, {"invoice": "INV-20501", "charge": "INV-20501/1"}),
        ("send me the invoice", {"booking": "MT5107"}, {"invoice": "INV-20501"}),
        ("send me the invoice", {"booking": "MT5107", "invoice": "INV-20503"}, {"invoice": "INV-20503"}),
        ("send me the invoice", {"booking": "MT4821", "charge": "INV-20503/1"}, {"invoice": "INV-20503"}),
        ("send me the invoice for my hotel", {"booking": "MT5107"}, {}),
        ("send me my invoices", {"booking": "MT5107"}, {}),
        ("what's the change fee", {"booking": "MT5107"}, {"fees": True}),
        ("what's the change fee", {"invoice": "INV-20503"}, {"invoice": "INV-20503"}),
        ("what's the change fee", {"invoice": "INV-20402"}, {"fees": True}),
    ],
)  # fmt: skip
async def test_what_came_of_another_wish_says_which_charge_or_invoice_is_meant(
    text: str, told: dict[str, str], slots: dict[str, object]
) -> None:
    wish = await OfflineBillingReader().read(text, None, TWO_BAGS)
    found = billing_earlier.resolve(wish, text, before("cancel_booking", **told), TWO_BAGS)
    assert found == Wish(wish.flow, slots)


@pytest.mark.parametrize(
    ("text", "request_", "booking"),
    [
        ("cancel the flight", "refund_request", "MT4821"),
        ("cancel my flight", "cancel_booking", None),
        ("when can I check in", "change_booking", "MT4821"),
        ("show me the booking", "new_booking", "MT4821"),
        ("show me my bookings", "cancel_booking", None),
        ("cancel the trip to Oslo", "refund_request", "MT5107"),
    ],
)
async def test_what_came_of_another_wish_says_which_booking_is_meant(
    text: str, request_: str, booking: str | None
) -> None:
    wish = await books(text)
    found = booking_earlier.resolve(wish, text, before(request_, booking="MT4821"), TRIPS)
    assert found.slots.get("booking") == booking
    other = booking_earlier.resolve(wish, text, before(request_, booking="MT4410"), TRIPS)
    assert other == wish  # what isn't theirs is never meant


@given(st.recursive(st.none() | st.booleans() | st.text(max_size=9), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["earlier", "data", "outcome", "booking", "intents", "agent", "text", "done"]), inner, max_size=4)))  # fmt: skip
async def test_whatever_is_told_of_other_wishes_is_read(told: object) -> None:
    earlier = read_earlier({"metadata": {"earlier": [told, {"data": told}, {"data": [told]}]}})
    wish = Wish("refund_request", {})
    assert billing_earlier.resolve(wish, "refund it", earlier, TWO_BAGS).flow == wish.flow
    assert json.loads(json.dumps([one.to_json() for one in earlier]))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("add a bag to MT4821", "bags"),
        ("can I bring my dog", "pets"),
        ("extend my stay in Rome", "length"),
        ("book a rental car", "others"),
        ("change the time of my flight", "times"),
        ("Book me a hotel for three nights with breakfast", None),
        ("what seat do I have on MT4821", None),
        ("cancel my flight and my bag", None),
        ("move my flight to Oslo to 4 March, I only have a small bag", None),
    ],
)
async def test_what_the_booking_agent_cannot_do_is_read_as_that(
    text: str, what: str | None
) -> None:
    wish = await books(text)
    assert (wish.slots.get("what") if wish.flow == BEYOND else None) == what


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("change the address on my invoice", "address"),
        ("I want to pay in instalments", "instalments"),
        ("give me a discount", "discounts"),
        ("my card was declined", None),
        ("why did I get no discount", None),
    ],
)
async def test_what_the_billing_agent_cannot_do_is_read_as_that(
    text: str, what: str | None
) -> None:
    wish = await bills(text)
    assert (wish.slots.get("what") if wish.flow == BEYOND else None) == what


async def test_a_booking_is_also_named_by_its_flights_number() -> None:
    trips = Trips((replace(TRIPS.bookings[1], details="MD 218, departs 09:40"),), (), TODAY)
    assert (await OfflineBookingReader().read("cancel MD218", None, trips)).slots == {
        "booking": "MT4821"
    }
    assert (await books("cancel LX123")).slots == {"booking": "LX123"}  # and isn't found


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
