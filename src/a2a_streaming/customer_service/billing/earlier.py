"""Which charge or invoice a customer means, by what came of their other wishes in the same message; pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from a2a_streaming.customer_service.billing.knowledge import Account
from a2a_streaming.customer_service.dialogue import AMONG, Earlier, Wish

_INVOICE = re.compile(
    r"\b(?:invoice|bill|receipt|pdf)\b(?!\s+(?:for|of|about|from)\s+(?!it\b|this\b|that\b))", re.IGNORECASE
)  # fmt: skip
"""One invoice, of nothing else than what was spoken of."""


def resolve(wish: Wish, text: str, earlier: Sequence[Earlier], known: Account) -> Wish:
    """Return a wish with the charge or the invoice that the ones before it make clear.

    "Cancel my Tuesday flight and refund the baggage fee": of several such fees it is that flight's. "Book me a
    hotel and send me the invoice": it is that booking's.

    Args:
        wish: What the customer wants.
        text: What they say.
        earlier: What came of the wishes before.
        known: Their account.
    """
    if any(wish.slots.get(key) for key in ("charge", "invoice", "latest", "status")):
        return wish
    for one in reversed(earlier):
        match wish.flow:
            case "refund_request" | "disputes":
                found = _charge(wish, one, known)
            case "invoices":
                found = _invoice(wish, text, one, known)
            case "payments":
                failed = known.find(one.about.get("invoice", ""))
                is_it = failed is not None and failed.failed is not None
                found = _with(wish, "invoice", failed.number) if failed and is_it else None
            case _:
                return wish
        if found is not None:
            return found
    return wish


def _charge(wish: Wish, one: Earlier, known: Account) -> Wish | None:
    billed = known.billed_for(one.about.get("booking", ""))
    charges = [f"{invoice.number}/{line.number}" for invoice, line in billed]
    among = wish.slots.get(AMONG)
    if among:
        charges = [charge for charge in charges if charge in among]
    if len(charges) == 1:
        return _with(wish, "charge", charges[0])
    return Wish(wish.flow, {**wish.slots, AMONG: charges}) if charges else None


def _invoice(wish: Wish, text: str, one: Earlier, known: Account) -> Wish | None:
    number = one.about.get("invoice") or one.about.get("charge", "").partition("/")[0]
    invoice = known.find(number)
    if not wish.slots.get("fees"):
        if not _INVOICE.search(text):
            return None
        billed = known.billed_for(one.about.get("booking", ""))
        invoice = invoice or next((bill for bill, _ in billed), None)
    return _with(wish, "invoice", invoice.number) if invoice is not None else None


def _with(wish: Wish, slot: str, value: str) -> Wish:
    slots = {key: known for key, known in wish.slots.items() if key not in (AMONG, "fees")}
    return Wish(wish.flow, {**slots, slot: value})
