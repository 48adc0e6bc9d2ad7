"""The systems of record, on real SQLite files."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import AsyncIterator
from datetime import date
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from a2a_streaming.customer_service.records import (
    BookingNotFound,
    ChangeRefused,
    QuoteChanged,
    Records,
)
from a2a_streaming.errors import InvalidSetting, SetupError

TODAY = date(2027, 3, 1)  # a Monday
DEMO_FLIGHT = "MT4821"


def url_of(path: Path) -> str:
    return f"sqlite+aiosqlite:///{path / 'records.db'}"


@pytest.fixture
async def records(tmp_path: Path) -> AsyncIterator[Records]:
    records = Records(url_of(tmp_path), today=lambda: TODAY)
    yield records
    await records.aclose()


async def demo(records: Records) -> int:
    customer = await records.customer("demo")
    assert customer is not None
    return customer.id


async def test_a_new_database_has_several_customers_with_trips_ahead_of_them(
    records: Records,
) -> None:
    for subject in ("demo", "mia", "priya"):
        customer = await records.customer(subject)
        assert customer is not None
        assert any(b.starts_on > TODAY for b in await records.bookings(customer.id))
    assert await records.customer("nobody") is None


async def test_the_balance_is_what_the_invoices_leave_open(records: Records) -> None:
    customer = await demo(records)
    invoices = await records.invoices(customer)
    assert await records.balance(customer) == sum(i.total_cents for i in invoices) - sum(
        p.amount_cents for i in invoices for p in i.payments
    )
    assert [i.issued_on for i in invoices] == sorted((i.issued_on for i in invoices), reverse=True)
    found = await records.invoice(customer, "inv-20417")
    assert found is not None
    assert found.total_cents == sum(line.amount_cents for line in found.lines)


async def test_a_customer_sees_nothing_of_another(records: Records) -> None:
    mia = await records.customer("mia")
    assert mia is not None
    assert await records.invoice(mia.id, "INV-20417") is None
    with pytest.raises(BookingNotFound):
        await records.quote(mia.id, DEMO_FLIGHT, date(2027, 4, 1))
    with pytest.raises(BookingNotFound):
        await records.change_booking(mia.id, DEMO_FLIGHT, "2027-04-01", 3500, idempotency_key="k")


async def test_a_quote_says_what_a_change_costs(records: Records) -> None:
    customer = await demo(records)
    thursday = await records.quote(customer, DEMO_FLIGHT, date(2027, 4, 1))
    assert (thursday.fee_cents, thursday.fare_cents) == (3500, 0)
    friday = await records.quote(customer, DEMO_FLIGHT, date(2027, 4, 2))
    assert friday.total_cents == 3500 + 18900 * 15 // 100


@pytest.mark.parametrize(
    ("ref", "new", "retry"),
    [
        (DEMO_FLIGHT, date(2027, 3, 25), True),  # where it is already
        (DEMO_FLIGHT, date(2027, 2, 1), True),
        (DEMO_FLIGHT, date(2029, 1, 1), True),
        ("MT5107", date(2027, 4, 1), False),  # the fare allows no change
        ("MT3390", date(2027, 4, 1), False),  # flown
    ],
)
async def test_a_change_that_is_not_possible_is_refused_with_a_reason(
    records: Records, ref: str, new: date, retry: bool
) -> None:
    customer = await demo(records)
    with pytest.raises(ChangeRefused) as refused:
        await records.quote(customer, ref, new)
    assert refused.value.retry is retry
    assert str(refused.value).endswith(".")


async def test_a_change_moves_the_booking_and_bills_it(records: Records) -> None:
    customer = await demo(records)
    owed = await records.balance(customer)
    done = await records.change_booking(
        customer, DEMO_FLIGHT, "2027-04-01", 3500, idempotency_key="task:message:change"
    )
    (booking,) = [b for b in await records.bookings(customer) if b.ref == DEMO_FLIGHT]
    assert booking.starts_on == date(2027, 4, 1)
    assert await records.balance(customer) == owed + 3500
    invoice = await records.invoice(customer, done["invoice"])
    assert invoice is not None
    assert invoice.total_cents == 3500


async def test_a_change_that_costs_nothing_is_not_billed(records: Records) -> None:
    mia = await records.customer("mia")
    assert mia is not None
    done = await records.change_booking(mia.id, "MT4411", "2027-03-20", 0, idempotency_key="k")
    assert done["invoice"] is None


async def test_a_key_brings_about_its_effect_once_even_when_calls_race(tmp_path: Path) -> None:
    stores = [Records(url_of(tmp_path), today=lambda: TODAY) for _ in range(4)]
    customer = await demo(stores[0])
    owed = await stores[0].balance(customer)
    results = await asyncio.gather(
        *(
            store.change_booking(customer, DEMO_FLIGHT, "2027-04-01", 3500, idempotency_key="same")
            for store in stores
            for _ in range(3)
        )
    )
    assert all(result == results[0] for result in results)
    assert await stores[0].balance(customer) == owed + 3500
    # A key is remembered whatever became of the booking since.
    await stores[1].change_booking(
        customer, DEMO_FLIGHT, "2027-04-06", 3500, idempotency_key="other"
    )
    again = await stores[2].change_booking(
        customer, DEMO_FLIGHT, "2027-04-01", 3500, idempotency_key="same"
    )
    assert again == results[0]
    (booking,) = [b for b in await stores[0].bookings(customer) if b.ref == DEMO_FLIGHT]
    assert booking.starts_on == date(2027, 4, 6)
    for store in stores:
        await store.aclose()


async def test_nobody_pays_a_price_that_they_did_not_agree_to(records: Records) -> None:
    customer = await demo(records)
    owed = await records.balance(customer)
    with pytest.raises(QuoteChanged) as changed:
        await records.change_booking(customer, DEMO_FLIGHT, "2027-04-01", 0, idempotency_key="k")
    assert changed.value.quote.total_cents == 3500
    assert await records.balance(customer) == owed
    # The refusal left nothing behind: the same key may still do it at the right price.
    await records.change_booking(customer, DEMO_FLIGHT, "2027-04-01", 3500, idempotency_key="k")
    assert await records.balance(customer) == owed + 3500


def _open_in_a_process(url: str, barrier: Barrier) -> None:
    async def run() -> None:
        records = Records(url, today=lambda: TODAY)
        barrier.wait(30)
        await records.open()
        assert await records.customer("demo") is not None
        await records.aclose()

    asyncio.run(run())


def test_processes_that_fill_the_tables_at_once_do_not_fail_or_double_anything(
    tmp_path: Path,
) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(2)
    processes = [
        context.Process(target=_open_in_a_process, args=(url_of(tmp_path), barrier))
        for _ in range(2)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(50)
        assert process.exitcode == 0

    async def count() -> int:
        records = Records(url_of(tmp_path), today=lambda: TODAY)
        found = len(await records.bookings(await demo(records)))
        await records.aclose()
        return found

    assert asyncio.run(count()) == 4


async def test_stores_that_open_at_once_in_one_process_agree(tmp_path: Path) -> None:
    stores = [Records(url_of(tmp_path), today=lambda: TODAY) for _ in range(6)]
    await asyncio.gather(*(store.open() for store in stores))
    counts = {len(await store.bookings(await demo(store))) for store in stores}
    assert counts == {4}
    for store in stores:
        await store.aclose()


async def test_a_database_url_that_is_none_is_a_wrong_setting() -> None:
    with pytest.raises(InvalidSetting, match="A2A_DATABASE_URL"):
        Records("not a url")
    with pytest.raises(InvalidSetting, match="driver"):
        await Records("nosuch+driver://here/records").open()


async def test_a_database_that_cannot_be_opened_is_told_of_without_its_password(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").touch()
    records = Records(f"sqlite+aiosqlite://me:secret@/{tmp_path}/file/records.db")
    with pytest.raises(SetupError, match="can't be used") as told:
        await records.open()
    assert "secret" not in str(told.value)
    await records.aclose()
