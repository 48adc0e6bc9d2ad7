"""Invoices, payments, refunds, subscriptions and disputes in the systems of record."""

from __future__ import annotations

import asyncio

import pytest

from a2a_streaming.customer_service.records import (
    InvoiceNotFound,
    PlanNotFound,
    QuoteChanged,
    Refused,
    SqlRecords,
)
from customer_service.records.conftest import CustomerOf, Open


async def test_the_balance_is_what_the_invoices_leave_open(
    records: SqlRecords, customer: CustomerOf
) -> None:
    invoices = await records.billing.invoices(await customer("demo"))
    assert sum(invoice.open_cents for invoice in invoices) == 12400
    assert [i.issued_on for i in invoices] == sorted((i.issued_on for i in invoices), reverse=True)
    mias = await records.billing.invoices(await customer("mia"))
    assert not {i.number for i in invoices} & {i.number for i in mias}
    with pytest.raises(InvoiceNotFound):
        await records.billing.refundable(await customer("mia"), "INV-20417")


async def test_a_line_is_paid_back_once_however_many_ask_for_it(
    opened: Open, customer: CustomerOf
) -> None:
    demo = await customer("demo")
    stores = [opened() for _ in range(3)]
    same = await asyncio.gather(
        *(
            store.billing.refund(demo, "INV-20417", 2, 900, idempotency_key="same")
            for store in stores
            for _ in range(2)
        )
    )
    assert all(refund == same[0] for refund in same)
    with pytest.raises(Refused, match="already"):
        await stores[0].billing.refund(demo, "INV-20417", 2, 900, idempotency_key="other")
    [invoice] = [i for i in await stores[0].billing.invoices(demo) if i.number == "INV-20417"]
    assert invoice.refunds == (same[0],)
    assert invoice.open_cents == 0


async def test_of_two_tasks_that_race_for_one_refund_one_gets_it(
    opened: Open, customer: CustomerOf
) -> None:
    demo = await customer("demo")
    tried = await asyncio.gather(
        *(
            opened().billing.refund(demo, "INV-20417", 2, 900, idempotency_key=key)
            for key in ("one", "two", "three")
        ),
        return_exceptions=True,
    )
    assert sorted(type(got).__name__ for got in tried) == ["Refund", "Refused", "Refused"]


async def test_what_was_paid_too_much_is_paid_back(
    records: SqlRecords, customer: CustomerOf
) -> None:
    priya = await customer("priya")
    [quote], _ = await records.billing.refundable(priya, "INV-20449")
    assert (quote.line, quote.amount_cents) == (0, 2700)
    with pytest.raises(QuoteChanged):
        await records.billing.refund(priya, "INV-20449", 0, 2701, idempotency_key="k")
    await records.billing.refund(priya, "INV-20449", 0, 2700, idempotency_key="k")
    [invoice] = await records.billing.invoices(priya)
    assert invoice.open_cents == 0


async def test_a_failed_payment_is_tried_again_for_what_is_open(
    records: SqlRecords, customer: CustomerOf
) -> None:
    demo = await customer("demo")
    with pytest.raises(QuoteChanged):
        await records.billing.pay(demo, "INV-20431", 1, idempotency_key="k")
    paid = await records.billing.pay(demo, "INV-20431", 12400, idempotency_key="k")
    assert (paid.status, paid.amount_cents) == ("paid", 12400)
    assert await records.billing.pay(demo, "INV-20431", 12400, idempotency_key="k") == paid
    assert sum(i.open_cents for i in await records.billing.invoices(demo)) == 0
    with pytest.raises(Refused, match="has failed"):
        await records.billing.pay(demo, "INV-20431", 0, idempotency_key="again")
    jonas = await customer("jonas")
    expired = await records.billing.pay(jonas, "INV-20440", 66700, idempotency_key="j")
    assert (expired.status, expired.failure) == ("failed", "expired_card")


async def test_a_plan_is_changed_and_billed_once(records: SqlRecords, customer: CustomerOf) -> None:
    demo = await customer("demo")
    assert [plan.id for plan in await records.subscriptions.plans()] == ["basic", "plus", "premium"]
    quote = await records.subscriptions.quote(demo, "premium")
    done = [
        await records.subscriptions.change(demo, "premium", quote.charge_cents, idempotency_key="k")
        for _ in range(2)
    ]
    assert done[0] == done[1]
    assert done[0].subscription.plan.id == "premium"
    assert done[0].invoice is not None
    assert await records.subscriptions.of(demo) == done[0].subscription
    ended = await records.subscriptions.change(demo, None, 0, idempotency_key="end")
    assert ended.subscription.next_plan is None
    with pytest.raises(PlanNotFound):
        await records.subscriptions.quote(demo, "gold")
    jonas = await customer("jonas")
    joined = await records.subscriptions.change(jonas, "basic", 490, idempotency_key="j")
    assert joined.subscription.plan.id == "basic"


async def test_a_dispute_is_noted_once(records: SqlRecords, customer: CustomerOf) -> None:
    demo = await customer("demo")
    noted = [
        await records.billing.dispute(demo, "INV-20417", 2, "I chose no seat", idempotency_key="k")
        for _ in range(2)
    ]
    assert noted[0] == noted[1]
    assert (noted[0].amount_cents, noted[0].status) == (900, "open")
    with pytest.raises(InvoiceNotFound):
        await records.billing.dispute(demo, "INV-20417", 9, "", idempotency_key="w")
