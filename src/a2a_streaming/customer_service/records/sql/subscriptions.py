"""Subscriptions in SQL."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from a2a_streaming.customer_service.records.entities import Plan, Subscription
from a2a_streaming.customer_service.records.errors import PlanNotFound, QuoteChanged
from a2a_streaming.customer_service.records.outcomes import PlanChanged
from a2a_streaming.customer_service.records.plans import PlanQuote, quote_plan
from a2a_streaming.customer_service.records.sql import rows
from a2a_streaming.customer_service.records.sql.database import Database, reference
from a2a_streaming.customer_service.records.sql.entries import bill
from a2a_streaming.customer_service.records.sql.tables import (
    CustomerRow,
    PlanRow,
    SubscriptionRow,
)


class SqlSubscriptions:
    """What customers have subscribed to, in an SQL database; see `Subscriptions` for what is promised.

    Args:
        database: The database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def plans(self) -> list[Plan]:
        """Return the plans that can be had, the cheapest first."""
        async with self._database.reading() as session:
            found = await session.scalars(select(PlanRow).order_by(PlanRow.price_cents))
            return [rows.plan(row) for row in found]

    async def of(self, customer_id: int) -> Subscription | None:
        """Return a customer's subscription."""
        async with self._database.reading() as session:
            return await _subscription(session, customer_id)

    async def quote(self, customer_id: int, plan: str | None) -> PlanQuote:
        """Return what it comes to, to change to another plan, or to end the subscription."""
        async with self._database.reading() as session:
            new = await _plan(session, plan) if plan is not None else None
            current = await _subscription(session, customer_id)
            return quote_plan(current, new, self._database.today())

    async def change(
        self, customer_id: int, plan: str | None, charge_cents: int, *, idempotency_key: str
    ) -> PlanChanged:
        """Change to another plan, or end the subscription; bill what that costs."""

        async def effect(session: AsyncSession) -> PlanChanged:
            # The customer's row is locked, because there may be no subscription yet.
            locked = select(CustomerRow.id).where(CustomerRow.id == customer_id)
            await session.scalar(locked.with_for_update())
            today = self._database.today()
            current = await _subscription(session, customer_id)
            new = await _plan(session, plan) if plan is not None else None
            quote = quote_plan(current, new, today)
            if quote.charge_cents != charge_cents:
                raise QuoteChanged(quote)
            row = await session.get(SubscriptionRow, customer_id)
            if row is None:
                row = SubscriptionRow(customer_id=customer_id)
                session.add(row)
            if not quote.old:
                row.since = today
            if quote.effective_on == today and new is not None:
                row.plan_id = new.id
            row.renews_on = quote.renews_on
            row.next_plan_id = new.id if new is not None else None
            await session.flush()
            now = await _subscription(session, customer_id)
            assert now is not None  # noqa: S101 - it has just been written
            lines = [
                (f"{now.plan.name}, until {quote.renews_on}", quote.charge_cents, "subscription")
            ]
            billed = bill(session, customer_id, reference("INV", idempotency_key), today, lines)
            return PlanChanged(now, quote, billed)

        return await self._database.once(
            idempotency_key, "change subscription", PlanChanged, effect
        )


async def _plan(session: AsyncSession, plan: str) -> Plan:
    row = await session.get(PlanRow, plan)
    if row is None:
        raise PlanNotFound(plan)
    return rows.plan(row)


async def _subscription(session: AsyncSession, customer_id: int) -> Subscription | None:
    row = await session.get(SubscriptionRow, customer_id)
    if row is None:
        return None
    next_plan = await _plan(session, row.next_plan_id) if row.next_plan_id else None
    return Subscription(await _plan(session, row.plan_id), row.since, row.renews_on, next_plan)
