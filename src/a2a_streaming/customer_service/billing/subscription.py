"""Subscriptions: shown, begun, changed and ended, each after a yes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from a2a_streaming.customer_service.billing.knowledge import Account
from a2a_streaming.customer_service.dates import say
from a2a_streaming.customer_service.dialogue import Choice, Flow, Slots, Talk
from a2a_streaming.customer_service.records import (
    NotFound,
    Plan,
    PlanChanged,
    PlanQuote,
    QuoteChanged,
    Refused,
    Subscription,
    Subscriptions,
)
from a2a_streaming.task import Json

_ACTIONS = ("show", "upgrade", "downgrade", "change", "cancel")


class SubscriptionPlans(Flow[Account]):
    """Shows a customer's subscription, and changes it.

    Args:
        subscriptions: What customers have subscribed to.
    """

    name = "subscriptions"
    label = "my subscription"
    slots: ClassVar[Mapping[str, Json]] = {
        "action": {
            "type": "string",
            "enum": list(_ACTIONS),
            "description": "What is to be done: cancel ends it, change is to a named plan.",
        },
        "plan": {"type": "string", "title": "Plan", "description": "The id of the wanted plan."},
    }

    def __init__(self, subscriptions: Subscriptions) -> None:
        self._subscriptions = subscriptions

    async def go_on(self, talk: Talk, known: Account, slots: Slots, *, confirmed: bool) -> None:
        """Show it, or find out what it is to become, quote, and change it after a yes."""
        agreed, action = slots.number("agreed"), slots.text("action")
        if confirmed and agreed is not None:
            await self._change(talk, known, slots, agreed)
            return
        if action in ("", "show"):
            await _show(talk, known)
            return
        plan: Plan | None = None
        if action != "cancel":
            plan = await _wanted(talk, known, slots)
            if plan is None:
                return
        await talk.progress("quote", "Checking what that comes to")
        try:
            quote = await self._subscriptions.quote(talk.customer.id, plan.id if plan else None)
        except (NotFound, Refused) as refused:
            await talk.unable(str(refused))
            return
        await _ask_yes(talk, known, {**slots, "plan": plan.id if plan else ""}, quote)

    async def _change(self, talk: Talk, known: Account, slots: Slots, agreed: int) -> None:
        await talk.progress("change", "Changing your subscription")
        plan = slots.text("plan") or None
        try:
            done = await talk.effect(
                "subscription",
                PlanChanged,
                self._subscriptions.change,
                talk.customer.id,
                plan,
                agreed,
            )
        except QuoteChanged as changed:
            await _ask_yes(talk, known, slots, changed.quote, f"{changed} ")
            return
        except (NotFound, Refused) as refused:
            await talk.unable(f"{refused} Nothing has been changed.")
            return
        said = _say(talk, done.subscription)
        if done.invoice:
            said += f" {talk.money(done.quote.charge_cents)} is on invoice {done.invoice}."
        facts = {**done.subscription.to_json(), "invoice": done.invoice}
        await talk.show("subscription", "Your subscription", said, facts)
        await talk.done(f"Done! {said}")


async def _show(talk: Talk, known: Account) -> None:
    await talk.progress("subscription", "Looking up your subscription")
    now = known.subscription
    if now is None:
        plans = "; ".join(_plan(talk, plan) for plan in known.plans)
        await talk.done(f"You have no subscription. There are these: {plans}.")
        return
    said = _say(talk, now)
    await talk.show("subscription", "Your subscription", said, now.to_json())
    await talk.done(said)


async def _wanted(talk: Talk, known: Account, slots: Slots) -> Plan | None:
    """Return the plan that is wanted; ask which, and end the turn, if that isn't clear."""
    if name := slots.text("plan"):
        plan = known.plan(name)
        if plan is not None:
            return plan
    price = known.subscription.plan.price_cents if known.subscription else -1
    match slots.text("action"):
        case "upgrade":
            fitting = [plan for plan in known.plans if plan.price_cents > price]
        case "downgrade":
            fitting = [plan for plan in known.plans if plan.price_cents < price]
        case _:
            fitting = [plan for plan in known.plans if plan.price_cents != price]
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        now = f"You have {known.subscription.plan.name}." if known.subscription else ""
        await talk.done(f"{now} There is no other plan of that kind.".strip())
        return None
    choices = [Choice(plan.id, _plan(talk, plan)) for plan in fitting]
    await talk.ask("plan", "Which plan would you like?", slots, choices=choices)
    return None


async def _ask_yes(
    talk: Talk, known: Account, slots: Mapping[str, object], quote: PlanQuote, before: str = ""
) -> None:
    new, old = known.plan(quote.new), known.plan(quote.old)
    if new is None:
        what = f"I can end {old.name if old else 'your subscription'} on {say(quote.effective_on)}; until then you keep it."
    else:
        when = "now" if quote.effective_on == known.today else f"from {say(quote.effective_on)}"
        what = f"I can change you to {_plan(talk, new)}, {when}."
        what += f" {talk.money(quote.charge_cents)} is due now." if quote.charge_cents else ""
    await talk.confirm(
        f"{before}{what} Shall I do that?",
        {**slots, "agreed": quote.charge_cents},
        {"quote": {**quote.to_json(), "currency": talk.customer.currency}},
    )


def _say(talk: Talk, now: Subscription) -> str:
    told = f"You have {_plan(talk, now.plan)}."
    if now.next_plan is None:
        return f"{told} It ends on {say(now.renews_on)}."
    if now.next_plan != now.plan:
        return f"{told} From {say(now.renews_on)} you have {_plan(talk, now.next_plan)}."
    return f"{told} It renews on {say(now.renews_on)}."


def _plan(talk: Talk, plan: Plan) -> str:
    benefits = f"{plan.benefits[0].lower()}{plan.benefits[1:].rstrip('.')}"
    return f"{plan.name} ({talk.money(plan.price_cents)} a month: {benefits})"
