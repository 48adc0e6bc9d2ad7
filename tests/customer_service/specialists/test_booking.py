"""What the Booking Agent does, flow by flow."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from a2a_streaming.client import Client
from a2a_streaming.customer_service.records import Booking, Records
from customer_service.specialists.talking import Customer


def thursday_in(days: int) -> date:
    day = date.today() + timedelta(days)
    return day + timedelta((3 - day.weekday()) % 7)


async def booked(records: Records, ref: str) -> Booking:
    return next(b for b in await records.bookings.of(1) if b.ref == ref)


async def test_a_booking_is_cancelled_by_its_fare_after_a_yes(
    booking: Client, records: Records
) -> None:
    customer = Customer(booking)
    asked = await customer.asked("Please cancel my flight to Lisbon")
    assert asked.data["quote"]["backCents"] == 13230
    assert "€132.30, 70 % of €189.00" in asked.text
    assert (await booked(records, "MT4821")).status == "confirmed"
    done = await customer.says("yes, do it")
    assert done.state == "completed"
    assert "€132.30 goes back" in done.text
    assert done.shown("cancellation")[1]["refund"]["amountCents"] == 13230
    assert done.steps == ["look_up", "cancel"]
    assert (await booked(records, "MT4821")).status == "cancelled"


async def test_a_cancelled_stay_is_first_taken_off_what_is_owed_for_it(booking: Client) -> None:
    customer = Customer(booking)
    await customer.asked("cancel MT4822")
    done = await customer.fills(confirm=True)
    assert "€124.00 is taken off invoice INV-20431, and €288.80 goes back" in done.text


async def test_a_fare_that_pays_nothing_back_says_so_before_anything_is_cancelled(
    booking: Client, records: Records
) -> None:
    customer = Customer(booking)
    asked = await customer.asked("I want to cancel the flight to Oslo")
    assert "nothing of the €124.50" in asked.text
    left = await customer.fills(confirm=False)
    assert "left everything as it is" in left.text
    assert (await booked(records, "MT5107")).status == "confirmed"


async def test_what_is_not_clear_is_asked_and_a_form_answers_as_well_as_words(
    booking: Client,
) -> None:
    customer = Customer(booking)
    which = await customer.asked("cancel my flight")
    assert which.data["question"] == "booking"
    assert which.data["choices"] == ["MT4821", "MT5107"]
    options = which.data["form"]["properties"]["booking"]["oneOf"]
    assert [option["const"] for option in options] == ["MT4821", "MT5107"]
    quoted = await customer.fills(booking="MT4821")
    assert quoted.data["quote"]["booking"] == "MT4821"
    other = await customer.says("no, MT5107")
    assert other.data["quote"]["booking"] == "MT5107"
    assert (await customer.says("never mind")).state == "completed"


async def test_a_customer_may_turn_to_something_else_about_the_same_booking(
    booking: Client, records: Records
) -> None:
    customer = Customer(booking)
    await customer.asked(f"move MT4821 to {thursday_in(100)}")
    asked = await customer.asked("Oh, rather cancel it")
    assert asked.data["quote"]["backCents"] == 13230
    await customer.says("yes")
    assert (await booked(records, "MT4821")).status == "cancelled"


async def test_a_yes_to_another_thing_than_what_was_quoted_is_no_yes(
    booking: Client, records: Records
) -> None:
    customer = Customer(booking)
    before = await booked(records, "MT4821")
    await customer.asked(f"move MT4821 to {thursday_in(100)}")
    again = await customer.asked(f"yes, but on {thursday_in(130)}")
    assert again.data["quote"]["to"] == thursday_in(130).isoformat()
    assert await booked(records, "MT4821") == before


async def test_a_flight_is_found_chosen_booked_and_billed(
    booking: Client, records: Records
) -> None:
    customer = Customer(booking)
    day = thursday_in(60)
    offers = await customer.asked(f"Book me a flight from Berlin to Rome on {day}")
    assert offers.data["question"] == "offer"
    assert len(offers.data["offers"]) == 3
    assert offers.steps == ["look_up", "search"]
    quoted = await customer.asked("the cheapest one please")
    price = quoted.data["offer"]["priceCents"]
    assert price == offers.data["offers"][0]["priceCents"]
    done = await customer.says("yes please")
    assert done.state == "completed"
    _, shown = done.shown("booking")
    made = await booked(records, shown["booking"])
    assert (made.starts_on, made.title, made.price_cents) == (day, "Berlin to Rome", price)
    billed = await records.billing.invoices(1)
    assert shown["invoice"] in [i.number for i in billed]


async def test_what_a_new_booking_lacks_is_asked_for_one_by_one(booking: Client) -> None:
    customer = Customer(booking)
    assert (await customer.asked("I'd like to book something")).data["question"] == "kind"
    assert (await customer.asked("a hotel")).data["question"] == "city"
    assert (await customer.asked("Vienna")).data["question"] == "date"
    assert (await customer.asked(str(thursday_in(40)))).data["question"] == "nights"
    offers = await customer.fills(nights=3)
    assert offers.data["question"] == "offer"
    assert {offer["title"] for offer in offers.data["offers"]} == {"Hotel Josefstadt, Vienna"}
    assert (await customer.says("nothing")).state == "completed"


async def test_a_place_that_is_not_served_is_told_of(booking: Client) -> None:
    customer = Customer(booking)
    turn = await customer.says(f"Book a flight from Nairobi to Oslo on {thursday_in(40)}")
    assert turn.state == "completed"
    assert "We have no flight from Nairobi to Oslo" in turn.text


async def test_check_in_is_told_of_the_trip_that_is_meant(booking: Client) -> None:
    told = await Customer(booking).says("When can I check in for my flight to Lisbon?")
    assert told.state == "completed"
    assert "check-in for your flight Berlin to Lisbon (MT4821) opens on" in told.text
    assert told.shown("check-in")[1]["checkIn"]["open"] is False
    stay = await Customer(booking, "t2").says("check-in time of MT4822")
    assert "from 15:00" in stay.text


@pytest.mark.parametrize("text", ["Cancel MT4410", "Show me booking MT4410", "Move MT4410"])
async def test_another_customers_booking_is_not_found(booking: Client, text: str) -> None:
    turn = await Customer(booking).says(text)
    assert turn.state == "completed"
    assert "can't find a booking MT4410 of yours" in turn.text
