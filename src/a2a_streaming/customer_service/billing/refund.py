"""Refunds: what may be paid back, after a yes and once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from a2a_streaming.customer_service.billing.knowledge import CHARGE, INVOICE, Account, read_charge
from a2a_streaming.customer_service.dates import say
from a2a_streaming.customer_service.dialogue import AMONG, Choice, Flow, Slots, Talk
from a2a_streaming.customer_service.records import (
    Billing,
    NotFound,
    QuoteChanged,
    Refund,
    RefundQuote,
    Refused,
)
from a2a_streaming.task import Json

_LOOKED_AT = 12
"""Of so many invoices, the newest, is looked what may be paid back, if the customer doesn't say of which."""


class Refunds(Flow[Account]):
    """Pays back what may be paid back.

    Args:
        billing: What customers were billed.
    """

    name = "refund_request"
    label = "a refund"
    slots: ClassVar[Mapping[str, Json]] = {
        "charge": {**CHARGE, "description": f"What is to be paid back. {CHARGE['description']}"},
        "invoice": INVOICE,
        "status": {
            "type": "boolean",
            "description": "Whether the customer asks where a refund is that they were promised.",
        },
    }

    def __init__(self, billing: Billing) -> None:
        self._billing = billing

    async def go_on(self, talk: Talk, known: Account, slots: Slots, *, confirmed: bool) -> None:
        """Find out what of, check it, and pay it back after a yes."""
        agreed = slots.number("agreed")
        if confirmed and agreed is not None:
            await self._refund(talk, known, slots, agreed)
            return
        if slots.flag("status"):
            await _show(talk, known)
            return
        await talk.progress("eligibility", "Checking what can be refunded")
        charge = slots.text("charge")
        about = known.charge(charge) if charge else None
        if charge and about is None:
            await talk.unable(f"I can't find a charge {charge} of yours.")
            return
        if about is not None:
            numbers = [about[0].number]
        elif number := slots.text("invoice"):
            if known.find(number) is None:
                await talk.unable(f"I can't find an invoice {number.upper()} of yours.")
                return
            numbers = [number.upper()]
        else:
            among = slots.texts(AMONG)
            named = [one.partition("/")[0] for one in among]
            numbers = list(dict.fromkeys(named)) or [i.number for i in known.invoices[:_LOOKED_AT]]
        quotes, refused = await self._look(talk, numbers)
        wanted = [charge] if charge else slots.texts(AMONG)
        if wanted:
            quotes = [quote for quote in quotes if _charge(quote) in wanted]
            refused = {one: why for one, why in refused.items() if one in wanted}
        await _offer(talk, slots, quotes, list(refused.values()))

    async def _look(
        self, talk: Talk, numbers: Sequence[str]
    ) -> tuple[list[RefundQuote], dict[str, str]]:
        """Return what of some invoices may be paid back, and by the other charges why they may not."""
        quotes: list[RefundQuote] = []
        refused: dict[str, str] = {}
        for number in numbers:
            may, why_not = await self._billing.refundable(talk.customer.id, number)
            quotes += may
            refused |= {f"{number}/{line}": reason for line, reason in why_not.items()}
        return quotes, refused

    async def _refund(self, talk: Talk, known: Account, slots: Slots, agreed: int) -> None:
        number, line = read_charge(slots.text("charge"))
        await talk.progress("refund", "Paying it back")
        try:
            done = await talk.effect(
                "refund",
                Refund,
                self._billing.refund,
                talk.customer.id,
                number,
                line,
                agreed,
            )
        except QuoteChanged as changed:
            await _ask_yes(talk, slots, changed.quote, f"{changed} ")
            return
        except (NotFound, Refused) as refused:
            await talk.unable(f"{refused} Nothing has been paid back now.")
            return
        slots["booking"] = known.booking_of(slots.text("charge"))
        said = (
            f"{talk.money(done.amount_cents)} for {done.reason} ({done.invoice}) goes back to where it was "
            f"paid from, within five working days. Your reference is {done.id}."
        )
        await talk.show("refund", f"Refund {done.id}", said, done.to_json())
        await talk.done(f"Done! {said}")


def _charge(quote: RefundQuote) -> str:
    return f"{quote.invoice}/{quote.line}"


async def _offer(
    talk: Talk, slots: Slots, quotes: Sequence[RefundQuote], refused: Sequence[str]
) -> None:
    """Offer what may be paid back, or say why nothing may."""
    if len(quotes) == 1:
        await _ask_yes(talk, slots, quotes[0])
    elif quotes:
        choices = [
            Choice(
                _charge(quote),
                f"{quote.description}, {talk.money(quote.amount_cents)}, {quote.invoice}",
            )
            for quote in quotes
        ]
        await talk.ask("charge", "Which of these shall I refund?", slots, choices=choices)
    elif 0 < len(refused) <= 3:
        await talk.unable(f"I can't refund this. {' '.join(refused)}")
    else:
        await talk.unable("There is nothing on your latest invoices that I can refund.")


async def _ask_yes(talk: Talk, slots: Slots, quote: RefundQuote, before: str = "") -> None:
    kept = {key: value for key, value in slots.items() if key != AMONG}
    await talk.confirm(
        f"{before}I can refund {talk.money(quote.amount_cents)} for {quote.description}, "
        f"invoice {quote.invoice}. Shall I?",
        {**kept, "charge": _charge(quote), "agreed": quote.amount_cents},
        {"quote": {**quote.to_json(), "currency": talk.customer.currency}},
    )


async def _show(talk: Talk, known: Account) -> None:
    """Show what was paid back."""
    refunds = [refund for invoice in known.invoices for refund in invoice.refunds]
    if not refunds:
        await talk.unable("I see no refund on your account.")
        return
    lines = [
        f"{one.id}, {say(one.paid_on)}: {talk.money(one.amount_cents)} for {one.reason}"
        for one in refunds
    ]
    told = {"refunds": [refund.to_json() for refund in refunds]}
    await talk.show("refunds", "Your refunds", "".join(f"{line}\n" for line in lines), told)
    await talk.done(
        f"Your latest refund: {lines[0]}. Banks take up to five working days to show it."
    )
