"""Bookings in the systems of record: changed, cancelled and made anew, each once for its key."""

from __future__ import annotations

import asyncio
from datetime import date

import pytest

from a2a_streaming.customer_service.records import (
    BookingNotFound,
    ChangeRefused,
    KeyReused,
    OfferNotFound,
    QuoteChanged,
    Refused,
    SqlRecords,
)
from customer_service.records.conftest import TODAY, CustomerOf, Open

FLIGHT = "MT4821"


async def owed(records: SqlRecords, customer_id: int) -> int:
    return sum(invoice.open_cents for invoice in await records.billing.invoices(customer_id))


async def test_customers_have_trips_ahead_of_them(
    records: SqlRecords, customer: CustomerOf
) -> None:
    for subject in ("demo", "mia", "priya", "customer-1"):
        assert await records.bookings.of(await customer(subject))
    assert await records.customers.by_subject("nobody") is None
    demo = await records.customers.by_subject("")
    assert demo is not None
    assert (demo.subject, demo.first_name) == ("demo", "Alex")


async def test_a_customer_sees_nothing_of_another(
    records: SqlRecords, customer: CustomerOf
) -> None:
    mia = await customer("mia")
    with pytest.raises(BookingNotFound):
        await records.bookings.quote_change(mia, FLIGHT, date(2027, 4, 1))
    with pytest.raises(BookingNotFound):
        await records.bookings.change(mia, FLIGHT, date(2027, 4, 1), 3500, idempotency_key="k")
    with pytest.raises(BookingNotFound):
        await records.bookings.cancel(mia, FLIGHT, 13230, idempotency_key="k")


async def test_a_change_moves_the_booking_and_bills_it(
    records: SqlRecords, customer: CustomerOf
) -> None:
    demo = await customer("demo")
    before = await owed(records, demo)
    done = await records.bookings.change(
        demo, FLIGHT, date(2027, 4, 1), 3500, idempotency_key="task:message:change"
    )
    [booking] = [b for b in await records.bookings.of(demo) if b.ref == FLIGHT]
    assert booking == done.booking
    assert booking.starts_on == date(2027, 4, 1)
    assert await owed(records, demo) == before + 3500
    [invoice] = [i for i in await records.billing.invoices(demo) if i.number == done.invoice]
    assert invoice.total_cents == 3500
    mia = await customer("mia")
    free = await records.bookings.change(
        mia, "MT4411", date(2027, 3, 20), 0, idempotency_key="free"
    )
    assert free.invoice is None


async def test_a_key_brings_about_its_effect_once_even_when_calls_race(
    opened: Open, customer: CustomerOf
) -> None:
    stores = [opened() for _ in range(4)]
    demo = await customer("demo")
    before = await owed(stores[0], demo)
    day = date(2027, 4, 1)
    results = await asyncio.gather(
        *(
            store.bookings.change(demo, FLIGHT, day, 3500, idempotency_key="same")
            for store in stores
            for _ in range(3)
        )
    )
    assert all(result == results[0] for result in results)
    assert await owed(stores[0], demo) == before + 3500
    # A key is remembered whatever became of the booking since.
    await stores[1].bookings.change(demo, FLIGHT, date(2027, 4, 6), 3500, idempotency_key="other")
    again = await stores[2].bookings.change(demo, FLIGHT, day, 3500, idempotency_key="same")
    assert again == results[0]
    [booking] = [b for b in await stores[0].bookings.of(demo) if b.ref == FLIGHT]
    assert booking.starts_on == date(2027, 4, 6)
    with pytest.raises(KeyReused):
        await stores[0].bookings.cancel(demo, FLIGHT, 0, idempotency_key="same")


async def test_nobody_pays_a_price_that_they_did_not_agree_to(
    records: SqlRecords, customer: CustomerOf
) -> None:
    demo = await customer("demo")
    before = await owed(records, demo)
    day = date(2027, 4, 1)
    with pytest.raises(QuoteChanged) as changed:
        await records.bookings.change(demo, FLIGHT, day, 0, idempotency_key="k")
    assert changed.value.quote.total_cents == 3500
    assert await owed(records, demo) == before
    # The refusal left nothing behind: the same key may still do it at the right price.
    await records.bookings.change(demo, FLIGHT, day, 3500, idempotency_key="k")
    assert await owed(records, demo) == before + 3500


async def test_a_cancelled_booking_is_paid_back_by_its_fare(
    records: SqlRecords, customer: CustomerOf
) -> None:
    demo = await customer("demo")
    quote = await records.bookings.quote_cancellation(demo, FLIGHT)
    assert (quote.percent, quote.back_cents) == (70, 13230)
    done = await records.bookings.cancel(demo, FLIGHT, 13230, idempotency_key="k")
    assert done.booking.status == "cancelled"
    assert done.refund is not None
    assert (done.refund.invoice, done.refund.amount_cents) == ("INV-20417", 13230)
    assert await records.bookings.cancel(demo, FLIGHT, 13230, idempotency_key="k") == done
    with pytest.raises(Refused, match="cancelled already"):
        await records.bookings.quote_cancellation(demo, FLIGHT)
    with pytest.raises(ChangeRefused):
        await records.bookings.quote_change(demo, FLIGHT, date(2027, 4, 1))


async def test_what_is_still_owed_for_a_cancelled_booking_is_taken_off_first(
    records: SqlRecords, customer: CustomerOf
) -> None:
    demo = await customer("demo")
    before = {i.number: i.open_cents for i in await records.billing.invoices(demo)}
    assert before["INV-20431"] == 12400
    quote = await records.bookings.quote_cancellation(demo, "MT4822")
    done = await records.bookings.cancel(demo, "MT4822", quote.back_cents, idempotency_key="k")
    assert done.refund is not None
    assert done.refund.credit_cents == quote.back_cents
    assert done.refund.amount_cents == quote.back_cents - 12400
    after = {i.number: i.open_cents for i in await records.billing.invoices(demo)}
    assert after == before | {"INV-20431": 0}


async def test_an_offer_is_booked_at_its_price_and_billed(
    records: SqlRecords, customer: CustomerOf
) -> None:
    demo = await customer("demo")
    assert {"Berlin", "Lisbon", "Rome"} <= set(await records.bookings.cities())
    offers = await records.bookings.offers("flight", "Rome", date(2027, 4, 1), origin="Berlin")
    assert [o.price_cents for o in offers] == sorted(o.price_cents for o in offers)
    offer = offers[0]
    before = await owed(records, demo)
    with pytest.raises(QuoteChanged):
        await records.bookings.book(demo, offer.id, 1, idempotency_key="k")
    done = [
        await records.bookings.book(demo, offer.id, offer.price_cents, idempotency_key="k")
        for _ in range(2)
    ]
    assert done[0] == done[1]
    assert done[0].booking in await records.bookings.of(demo)
    assert await owed(records, demo) == before + offer.price_cents
    for wrong in ("nothing", "MD201S-20270401-7", "MD201S-20260401-0", "MD201S-2027-x"):
        with pytest.raises(OfferNotFound):
            await records.bookings.book(demo, wrong, 1, idempotency_key="w")
    with pytest.raises(Refused, match="future"):
        await records.bookings.offers("hotel", "Rome", TODAY)
