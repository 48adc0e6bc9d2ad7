"""What customers ask of the Billing Agent that it can't do; pure."""

from __future__ import annotations

import re

CANNOT = {
    "card": "take or change card and bank details",
    "address": "change what an invoice is made out to",
    "instalments": "split or put off a payment",
    "discounts": "give discounts or take vouchers",
}
"""What it can't do, as it says it."""

_DO = (
    r"\b(?:add|put|chang\w*|updat\w*|replac\w*|remov\w*|delet\w*|switch|use|giv\w*|get|want|need|have|apply|redeem|"
    r"correct|set up|register|save|pay in|pay by)\b(?:\W+[\w']+){0,4}?\W+"
)
_THINGS = {
    "card": r"(?:(?:credit |debit |new |other |another )?card(?! payment)|bank (?:account|details)|payment methods?|iban|paypal)",
    "address": r"(?:address|vat (?:number|id)|tax id|company name|name on)",
    "instalments": r"(?:instal?lments?|payment plan|rates)",
    "discounts": r"(?:discounts?|vouchers?|coupons?|promo\w*|gift cards?)",
}
_PATTERNS = {
    name: re.compile(rf"{_DO}{things}\b", re.IGNORECASE) for name, things in _THINGS.items()
}
_FREE = re.compile(
    r"\b(?:refund\w*|disput\w*|declin\w*|fail\w*|reject\w*|charged|why|when|what|which)\b",
    re.IGNORECASE,
)


def beyond(text: str) -> str | None:
    """Return which of the things that can't be done a text asks for; None if it asks for none.

    Args:
        text: What the customer says.
    """
    if _FREE.search(text):
        return None
    return next((name for name, pattern in _PATTERNS.items() if pattern.search(text)), None)
