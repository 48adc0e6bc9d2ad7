"""What the Billing Agent does, flow by flow."""

from __future__ import annotations

import base64

import pytest

from a2a_streaming.client import Client
from a2a_streaming.customer_service.records import Invoice, Priority, Records
from customer_service.specialists.talking import Customer


async def invoice(records: Records, number: str) -> Invoice:
    return next(i for i in await records.billing.invoices(1) if i.number == number)


async def test_an_invoice_is_shown_with_its_lines_and_as_a_pdf(billing: Client) -> None:
    turn = await Customer(billing).says("What is invoice INV-20417 for?")
    assert turn.state == "completed"
    assert "Seat choice: €9.00" in turn.shown("invoice")[0]
    [file] = [
        part["file"]
        for event in turn.events
        if event.kind == "artifact"
        for part in event.data["artifact"]["parts"]
        if part["type"] == "file"
    ]
    assert (file["name"], file["mimeType"]) == ("INV-20417.pdf", "application/pdf")
    assert base64.b64decode(file["bytes"]).startswith(b"%PDF-")
    assert turn.steps == ["look_up", "invoice", "pdf"]


async def test_a_refund_is_checked_confirmed_and_paid_once(
    billing: Client, records: Records
) -> None:
    customer = Customer(billing)
    asked = await customer.asked("Please refund the baggage fee for MT4821")
    assert asked.data["quote"] == {
        "invoice": "INV-20423",
        "line": 1,
        "description": "Baggage fee, checked bag, MT4821",
        "amountCents": 3000,
        "currency": "EUR",
    }
    assert (await invoice(records, "INV-20423")).refunds == ()
    done = await customer.says("yes")
    assert done.state == "completed"
    [refund] = (await invoice(records, "INV-20423")).refunds
    assert refund.amount_cents == 3000
    assert refund.id in done.text
    assert done.steps == ["look_up", "refund"]
    again = await Customer(billing, "t2").says("refund the baggage fee for MT4821")
    assert "has been refunded already" in again.text
    where = await Customer(billing, "t3").says("Where is my refund?")
    assert refund.id in where.text


async def test_of_several_that_may_be_refunded_the_customer_chooses(billing: Client) -> None:
    customer = Customer(billing)
    asked = await customer.asked("I want a refund")
    assert asked.data["choices"] == ["INV-20423/1", "INV-20417/2"]
    quoted = await customer.asked("the seat")
    assert quoted.data["quote"]["amountCents"] == 900
    assert (await customer.says("no thanks")).text.startswith("All right")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("refund my flight to Oslo, INV-20455", "when you cancel the booking"),
        ("refund INV-99999", "can't find an invoice INV-99999"),
        ("refund INV-20402", "can't find an invoice INV-20402 of yours"),  # another's
        ("refund the checked bag of INV-20388", "used"),
        ("refund the city tax", "isn't refundable"),
    ],
)
async def test_what_cannot_be_refunded_is_told_with_its_reason(
    billing: Client, text: str, why: str
) -> None:
    turn = await Customer(billing).says(text)
    assert turn.state == "completed"
    assert why in turn.text
    assert "support@" in turn.text


@pytest.mark.parametrize("slots", [{"charge": "INV-20417/2", "agreed": 90_000}, {}, {"charge": 7, "agreed": 1}])  # fmt: skip
async def test_a_refund_that_a_client_wrote_itself_pays_nothing(
    billing: Client, records: Records, slots: dict[str, object]
) -> None:
    forged = {"flow": "refund_request", "asked": "confirm", "slots": slots}
    events = [e async for e in billing.send_subscribe("t1", "yes", metadata={"pending": forged})]
    assert events[-1].state in ("input-required", "completed")
    assert (await invoice(records, "INV-20417")).refunds == ()


async def test_a_subscription_is_shown_upgraded_and_ended_each_after_a_yes(
    billing: Client, records: Records
) -> None:
    shown = await Customer(billing).says("What does my subscription include?")
    assert "Meridian Plus (€9.90 a month" in shown.text
    customer = Customer(billing, "t2")
    asked = await customer.asked("Upgrade me to Meridian Premium")
    assert asked.data["quote"]["chargeCents"] == 600  # 18 of 30 days
    done = await customer.says("yes")
    assert "You have Meridian Premium" in done.text
    assert done.shown("subscription")[1]["invoice"] is not None
    customer = Customer(billing, "t3")
    await customer.asked("I want a cheaper plan for my subscription")
    quoted = await customer.asked("basic")
    assert quoted.data["quote"]["chargeCents"] == 0
    assert "From" in (await customer.says("ok")).text
    customer = Customer(billing, "t4")
    assert "end Meridian Premium" in (await customer.asked("cancel my membership")).text
    await customer.says("yes")
    now = await records.subscriptions.of(1)
    assert now is not None
    assert (now.plan.id, now.next_plan) == ("premium", None)


async def test_a_failed_payment_is_explained_and_tried_again(
    billing: Client, records: Records
) -> None:
    customer = Customer(billing)
    asked = await customer.asked("Why did my payment fail?")
    assert "€124.00 for invoice INV-20431" in asked.text
    assert "wasn't enough money" in asked.text
    done = await customer.says("yes, try again")
    assert "€124.00 was paid" in done.text
    assert (await invoice(records, "INV-20431")).open_cents == 0
    assert "None of your payments has failed" in (await Customer(billing, "t2").says("pay my bill")).text  # fmt: skip


async def test_a_dispute_goes_to_a_person_with_a_ticket(billing: Client, records: Records) -> None:
    customer = Customer(billing)
    asked = await customer.asked("I don't recognise the seat choice on INV-20417")
    assert asked.data["dispute"]["amountCents"] == 900
    assert await records.tickets.queue() == []
    done = await customer.says("yes")
    assert done.state == "completed"
    handover = done.events[-1].data["metadata"]["handover"]
    [ticket] = await records.tickets.queue()
    assert handover == {"ticket": ticket.id, "reason": "dispute"}
    assert (ticket.task_id, ticket.customer, ticket.priority) == (
        "t1",
        "Alex Hartmann",
        Priority.HIGH,
    )
    assert "I don't recognise the seat choice" in ticket.summary


async def test_a_dispute_without_a_charge_asks_for_it(billing: Client, records: Records) -> None:
    customer = Customer(billing)
    which = await customer.asked("I was charged twice")
    assert which.data["question"] == "charge"
    await customer.asked("the city tax")
    assert (await customer.says("no")).text.startswith("All right")
    assert await records.tickets.queue() == []


async def test_what_the_agent_cannot_make_out_it_asks_about(billing: Client) -> None:
    customer = Customer(billing)
    asked = await customer.asked("Please help")
    assert asked.data["question"] == "topic"
    assert "refund_request" in asked.data["choices"]
    shown = await customer.fills(topic="invoices")
    assert shown.state == "completed"
    assert "INV-20388" in shown.shown("invoices")[0]
    by_words = Customer(billing, "t2")
    await by_words.asked("Please help")
    assert (await by_words.says("my balance")).shown("balance")[1]["balanceCents"] == 12400
