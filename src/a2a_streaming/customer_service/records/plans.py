"""The rules of subscriptions: what a change of plan costs, and when it holds; pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from a2a_streaming.customer_service.records.entities import Plan, Subscription
from a2a_streaming.customer_service.records.errors import Refused

MONTH_DAYS = 30
"""The days that are paid for at once."""


@dataclass(frozen=True, slots=True)
class PlanQuote:
    """What a change of plan comes to.

    Args:
        old: The plan's id now; empty without one.
        new: The id of the plan that they would have; empty where the subscription ends.
        charge_cents: What is charged now.
        effective_on: The day from which it holds.
        renews_on: The day on which the month that is paid for ends then.
    """

    old: str
    new: str
    charge_cents: int
    effective_on: date
    renews_on: date

    def to_json(self) -> dict[str, Any]:
        """Return it as agents tell it."""
        return {
            "from": self.old or None,
            "to": self.new or None,
            "chargeCents": self.charge_cents,
            "effectiveOn": self.effective_on.isoformat(),
        }


def quote_plan(current: Subscription | None, new: Plan | None, today: date) -> PlanQuote:
    """Return what a change of plan comes to.

    A dearer plan holds at once, and the rest of the month is charged; a cheaper one, or none, holds when
    the month that was paid for ends.

    Args:
        current: What the customer has; None without a subscription.
        new: What they would have; None to end it.
        today: The day it is.

    Raises:
        Refused: There is nothing to change.
    """
    if current is None or current.renews_on < today:
        if new is None:
            raise Refused("You have no subscription.")
        return PlanQuote("", new.id, new.price_cents, today, today + timedelta(MONTH_DAYS))
    old, ends = current.plan, current.renews_on
    if new is None:
        if current.next_plan is None:
            raise Refused(
                f"Your {old.name} has been cancelled already; it ends on {ends.day} {ends:%B %Y}."
            )
        return PlanQuote(old.id, "", 0, ends, ends)
    if new.id == old.id and current.next_plan == old:
        raise Refused(f"You have {old.name} already.")
    if new.price_cents > old.price_cents:
        left = min((ends - today).days, MONTH_DAYS)
        charge = (new.price_cents - old.price_cents) * left // MONTH_DAYS
        return PlanQuote(old.id, new.id, charge, today, ends)
    if current.next_plan is not None and current.next_plan.id == new.id:
        raise Refused(f"You will have {new.name} from {ends.day} {ends:%B %Y} already.")
    return PlanQuote(old.id, new.id, 0, today if new.id == old.id else ends, ends)
