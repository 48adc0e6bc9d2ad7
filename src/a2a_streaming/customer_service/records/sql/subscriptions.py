"""Subscriptions in SQL."""

from __future__ import annotations

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

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
    columns,
)

_PLANS = select(*columns(PlanRow)).order_by(PlanRow.price_cents)
_OF = select(*columns(SubscriptionRow)).where(
    SubscriptionRow.customer_id == bindparam("customer_id")
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
        return await self._database.read(_plans)

    async def of(self, customer_id: int) -> Subscription | None:
        """Return a customer's subscription."""
        return await self._database.read(lambda session: _subscription(session, customer_id))

    async def quote(self, customer_id: int, plan: str | None) -> PlanQuote:
        """Return what it comes to, to change to another plan, or to end the subscription."""

        def look(session: Session) -> PlanQuote:
            new = _plan(session, plan) if plan is not None else None
            current = _subscription(session, customer_id)
            return quote_plan(current, new, self._database.today())

        return await self._database.read(look)

    async def change(
        self, customer_id: int, plan: str | None, charge_cents: int, *, idempotency_key: str
    ) -> PlanChanged:
        """Change to another plan, or end the subscription; bill what that costs."""

        def effect(session: Session) -> PlanChanged:
            # The customer's row is locked, because there may be no subscription yet.
            locked = select(CustomerRow.id).where(CustomerRow.id == customer_id)
            session.scalar(locked.with_for_update())
            today = self._database.today()
            current = _subscription(session, customer_id)
            new = _plan(session, plan) if plan is not None else None
            quote = quote_plan(current, new, today)
            if quote.charge_cents != charge_cents:
                raise QuoteChanged(quote)
            row = session.get(SubscriptionRow, customer_id)
            if row is None:
                row = SubscriptionRow(customer_id=customer_id)
                session.add(row)
            if not quote.old:
                row.since = today
            if quote.effective_on == today and new is not None:
                row.plan_id = new.id
            row.renews_on = quote.renews_on
            row.next_plan_id = new.id if new is not None else None
            session.flush()
            now = _subscription(session, customer_id)
            assert now is not None  # noqa: S101 - it has just been written
            lines = [
                (f"{now.plan.name}, until {quote.renews_on}", quote.charge_cents, "subscription")
            ]
            billed = bill(session, customer_id, reference("INV", idempotency_key), today, lines)
            return PlanChanged(now, quote, billed)

        return await self._database.once(
            idempotency_key, "change subscription", PlanChanged, effect
        )


def _plan(session: Session, plan: str) -> Plan:
    row = session.get(PlanRow, plan)
    if row is None:
        raise PlanNotFound(plan)
    return rows.plan(row)


def _plans(session: Session) -> list[Plan]:
    return [rows.plan(row) for row in session.execute(_PLANS)]


def _subscription(session: Session, customer_id: int) -> Subscription | None:
    row = session.execute(_OF, {"customer_id": customer_id}).one_or_none()
    if row is None:
        return None
    plans = {plan.id: plan for plan in _plans(session)}
    return Subscription(plans[row.plan_id], row.since, row.renews_on, plans.get(row.next_plan_id))
