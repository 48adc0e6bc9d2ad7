"""What customers want of the Billing Agent, read by rules; pure."""

from __future__ import annotations

import re
from typing import Any

from a2a_streaming.customer_service.billing.knowledge import Account
from a2a_streaming.customer_service.billing.limits import beyond
from a2a_streaming.customer_service.dialogue import (
    AMONG,
    BEYOND,
    CONFIRM,
    Choice,
    Pending,
    Wish,
    choose,
    likeliest,
)

_NUMBER = re.compile(r"\b((?:INV|CHG)-[0-9A-F]{3,12})\b", re.IGNORECASE)
_DIGITS = re.compile(r"\b(\d{5})\b")


def _pattern(words: str) -> re.Pattern[str]:
    return re.compile(words, re.IGNORECASE)


_FLOWS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("refund_request", _pattern(r"\brefund|\breimburs|\bmoney back\b|\bcompensat|\bpaid too much\b")),
    (
        "disputes",
        _pattern(
            r"\bdisput|\bfraud|\bunauthori[sz]ed|\bnot recogni[sz]e|\bdon'?t recogni[sz]e|\bunrecogni[sz]ed|"
            r"\bsuspicious|\btwice\b|\b(?:is|was|were) wrong(?:ly)?\b|\bdidn'?t (?:order|book|choose|make)\b|"
            r"\bnever (?:ordered|booked|chose|made)\b|\bwrong (?:charge|amount|invoice)|\bincorrect"
        ),
    ),
    ("subscriptions", _pattern(r"\bsubscri|\bmembership|\bupgrade|\bdowngrade|\bmeridian (?:basic|plus|premium)\b|\b(?:my|the|a|another|which) plans?\b")),
    (
        "payments",
        _pattern(
            r"\bpayments?\b.*\b(?:fail|declin|reject|bounc|problem|issue|not go|didn'?t|error|refus)|"
            r"\b(?:fail|declin|reject|bounc)\w*\b.*\b(?:payment|card|charge)|\bcard\b.*\b(?:declin|reject|expired|refus)|"
            r"\bpay (?:my|the|this|that|it|an?)\b|\bmake a payment|\b(?:retry|try)\b.*\bpay|"
            r"\bpayment (?:method|option)|\bunpaid\b"
        ),
    ),
)  # fmt: skip
_FEES = _pattern(r"\bfees?\b|\bcharge[ds]?\b|\bsurcharge")
_INVOICES = _pattern(r"\binvoices?\b|\bbills?\b|\bbilled\b|\bstatements?\b|\breceipts?\b|\bpdf\b")
_LATEST = _pattern(r"\b(?:last|latest|newest|most recent)\b")
_BALANCE = _pattern(r"\bbalance\b|\bowe\b|\bowed\b|\bdue\b|\boutstanding\b|\bpay\b|\baccount\b")
_STATUS = _pattern(r"\b(?:where|when|status|track|arriv|yet|receive)")
_ACTIONS = (
    ("cancel", _pattern(r"\bcancel|\bend\b|\bstop\b|\bquit\b|\bget rid|\bterminat|\bunsubscrib")),
    ("downgrade", _pattern(r"\bdowngrad|\bcheaper\b|\bsmaller\b|\blower\b")),
    ("upgrade", _pattern(r"\bupgrad|\bbetter\b|\bbigger\b|\bhigher\b")),
    ("change", _pattern(r"\bchang|\bswitch|\bmove\b|\bjoin\b|\bsign up|\bsubscribe\b|\bget\b|\bbuy\b")),
)  # fmt: skip


class OfflineBillingReader:
    """Reads what customers want of the Billing Agent by rules."""

    async def read(self, text: str, pending: Pending | None, known: Account) -> Wish:
        """Read a message."""
        flow = _flow(text)
        if pending is None and (what := beyond(text)) is not None:
            return Wish(BEYOND, {"what": what})
        if pending is not None and (not flow or _is_answer(text, pending)):
            flow = pending.flow
        match flow:
            case "refund_request" | "disputes":
                slots = _read_charge(text, flow, pending, known)
            case "subscriptions":
                slots = _read_plan(text, pending, known)
            case "payments" | "invoices":
                slots = _read_invoice(text, flow, pending, known)
            case _:
                slots = {}
        return Wish(flow, slots)


def _flow(text: str) -> str:
    """Return the flow that a text asks for; empty if it asks for none."""
    for name, pattern in _FLOWS:
        if pattern.search(text):
            return name
    if _number(text) or _FEES.search(text) or _INVOICES.search(text):
        return "invoices"
    return "account_balance" if _BALANCE.search(text) else ""


def _is_answer(text: str, pending: Pending) -> bool:
    """Say whether a text answers the question, whatever else its words could mean."""
    if pending.asked == "reason":
        return True
    return pending.asked not in ("topic", CONFIRM) and choose(text, pending.choices) is not None


def _number(text: str) -> str | None:
    """Return the number of the invoice that a text names; None without one."""
    if (number := _NUMBER.search(text)) is not None:
        return number[1].upper()
    digits = _DIGITS.search(text)
    return f"INV-{digits[1]}" if digits else None


def _read_invoice(text: str, flow: str, pending: Pending | None, known: Account) -> dict[str, Any]:
    slots: dict[str, Any] = {}
    if number := _number(text):
        slots["invoice"] = number
    elif pending is not None and pending.asked == "invoice" and pending.flow == flow:
        if chosen := choose(text, pending.choices):
            slots["invoice"] = chosen
    elif flow == "invoices":
        if _LATEST.search(text) and known.invoices:
            slots["latest"] = True
        elif _FEES.search(text):
            slots["fees"] = True
    return slots


def _read_charge(text: str, flow: str, pending: Pending | None, known: Account) -> dict[str, Any]:
    """Read which charge is meant: by the question's choices, or by the words of an invoice's line."""
    slots: dict[str, Any] = {}
    asked = pending.asked if pending is not None and pending.flow == flow else ""
    if flow == "disputes" and asked in ("", "reason"):
        slots["reason"] = text.strip()
    if flow == "refund_request" and not asked and _STATUS.search(text):
        slots["status"] = True
    if asked == "reason":
        return slots
    if pending is not None and asked == "charge":
        if chosen := choose(text, pending.choices):
            slots["charge"] = chosen
        return slots
    invoice = known.find(number) if (number := _number(text)) else None
    if number:
        slots["invoice"] = number
    found = _charges(text, known.charges([invoice] if invoice is not None else None))
    if len(found) == 1:
        slots["charge"] = found[0].value
    elif found and invoice is None:
        slots[AMONG] = [choice.value for choice in found]
    return slots


_GENERAL = re.compile(
    r"\b(?:INV|CHG)-\w+|\b(?:refund\w*|charge[ds]?|flights?|hotels?|invoices?|money|back|cancel\w*|bookings?)\b",
    re.IGNORECASE,
)


def _charges(text: str, choices: list[Choice]) -> list[Choice]:
    """Return the charges whose lines share the most words with a text, beside those that say nothing."""
    return likeliest(_GENERAL.sub(" ", text), choices)


def _read_plan(text: str, pending: Pending | None, known: Account) -> dict[str, Any]:
    slots: dict[str, Any] = {}
    if pending is not None and pending.asked == "plan" and (c := choose(text, pending.choices)):
        return {"plan": c}
    named = [plan.id for plan in known.plans if re.search(rf"\b{plan.id}\b", text, re.IGNORECASE)]
    for action, pattern in _ACTIONS:
        if pattern.search(text):
            slots["action"] = action
            break
    now = known.subscription.plan.id if known.subscription else ""
    wanted = [plan for plan in named if plan != now] or named
    if wanted and slots.get("action") not in (None, "cancel"):
        slots["plan"] = wanted[-1]
    return slots
