"""Several things in one message, from the Intent Agent to the systems of record: each is seen to, and knows of those before."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, timedelta

import pytest

from a2a_streaming.client import Client
from a2a_streaming.customer_service.records import Records
from a2a_streaming.settings import Settings
from customer_service.platforms import intent_agent, said
from customer_service.specialists.talking import Customer, Turn


@pytest.fixture
async def customer(url: str, settings: Settings) -> AsyncIterator[Customer]:
    """A customer of the Intent Agent, with the specialists behind it."""
    urls = [f"{url}/agents/{name}" for name in ("booking", "billing")]
    async with intent_agent(urls, settings) as client:
        yield Customer(client)


async def states(records: Records) -> dict[str, str]:
    return {booking.ref: booking.status for booking in await records.bookings.of(1)}


def outcome(turn: Turn) -> dict[str, object]:
    return turn.data["outcome"]


async def test_one_verb_for_two_bookings_cancels_both_each_after_a_yes(
    customer: Customer, records: Records
) -> None:
    first = await customer.asked("Cancel my flight to Lisbon and my hotel in Lisbon, please")
    _, read = first.shown("intent")
    assert [intent["intent"] for intent in read["intents"]] == ["cancel_booking"] * 2
    assert first.data["quote"]["booking"] == "MT4821"
    second = await customer.says("yes")
    assert second.data["quote"]["booking"] == "MT4822"
    assert "is cancelled" in "\n".join(said(second.events))
    done = await customer.says("yes")
    assert done.state == "completed"
    now = await states(records)
    assert (now["MT4821"], now["MT4822"], now["MT5107"]) == ("cancelled", "cancelled", "confirmed")
    assert outcome(done) == {"request": "cancel_booking", "done": True, "booking": "MT4822"}


async def test_a_no_to_the_first_of_two_is_none_to_the_second(
    customer: Customer, records: Records
) -> None:
    await customer.asked("cancel MT5107, and please cancel MT4822")
    second = await customer.says("no")
    assert second.data["quote"]["booking"] == "MT4822"
    await customer.says("yes")
    now = await states(records)
    assert (now["MT5107"], now["MT4822"]) == ("confirmed", "cancelled")


async def test_two_fees_are_refunded_one_after_the_other(
    customer: Customer, records: Records
) -> None:
    first = await customer.asked("please refund the baggage fee and the seat choice")
    assert first.data["quote"]["amountCents"] == 3000
    second = await customer.says("yes")
    assert second.data["quote"]["amountCents"] == 900
    await customer.says("yes")
    refunds = [one for bill in await records.billing.invoices(1) for one in bill.refunds]
    assert sorted(one.amount_cents for one in refunds) == [900, 3000]


async def test_the_invoice_that_is_asked_for_with_a_booking_is_that_bookings(
    customer: Customer, records: Records
) -> None:
    day = date.today() + timedelta(60)
    await customer.asked(f"Book me a flight from Berlin to Rome on {day} and send me the invoice")
    await customer.asked("the cheapest one please")
    done = await customer.says("yes")
    assert done.state == "completed", done.text
    newest = (await records.billing.invoices(1))[0]
    text, shown = done.shown("invoice")
    assert "Berlin to Rome" in text
    assert shown["invoice"] == newest.number
    assert outcome(done)["invoice"] == newest.number


async def test_a_balance_after_a_cancellation_counts_what_was_given_back(
    customer: Customer,
) -> None:
    await customer.asked("Cancel my hotel in Lisbon and tell me my balance")
    done = await customer.says("yes")
    assert done.text == "Alex, everything is paid: your account balance is zero."


async def test_what_the_fee_was_refunded_for_is_what_is_cancelled(customer: Customer) -> None:
    await customer.asked("Refund the baggage fee for MT4821 and cancel the flight")
    asked = await customer.says("yes")
    assert asked.data["quote"]["booking"] == "MT4821"


async def test_what_one_specialist_cannot_do_is_said_and_the_rest_is_done(
    customer: Customer,
) -> None:
    asked = await customer.asked(
        "Change my seat on the flight to Lisbon and refund the seat choice"
    )
    told = "\n".join(said(asked.events))
    assert "I can't choose or change seats here" in told
    assert asked.data["quote"]["amountCents"] == 900


@pytest.mark.parametrize(
    ("text", "cannot"),
    [
        ("add a bag to MT4821", "I can't add or change baggage here."),
        ("change the name on my ticket", "I can't change names or travellers here."),
        ("upgrade my seat", "I can't upgrade a booking to another class here."),
    ],
)
async def test_what_the_booking_agent_cannot_do_it_says_and_what_it_can_and_who_else(
    booking: Client, text: str, cannot: str
) -> None:
    turn = await Customer(booking).says(text)
    assert turn.state == "completed"
    assert turn.text.startswith(cannot)
    assert "cancel a booking" in turn.text
    assert "ask for a person" in turn.text
    assert turn.steps == ["look_up"]


async def test_what_no_rule_reads_is_asked_about_and_a_person_is_one_of_the_answers(
    booking: Client, billing: Client
) -> None:
    for task, client in enumerate((booking, billing)):
        customer = Customer(client, f"laundry-{task}")
        asked = await customer.asked("do my laundry")
        assert asked.data["question"] == "topic"
        assert asked.data["choices"][-1] == "human"
        done = await customer.fills(topic="human")
        assert done.state == "completed"
        assert done.events[-1].data["metadata"]["handover"] == {"reason": "requested"}
    turn = await Customer(billing, "t2").says("please change my credit card")
    assert turn.text.startswith("I can't take or change card and bank details here.")
