"""Whether a sentence says only what the facts say: figures, references, addresses, deeds; pure.

It is a net, not a proof: what has no figure in it can still be wrong. So what a customer is to agree to, and
what was done, is always told in our own words.
"""

from __future__ import annotations

import re

_AMOUNT = r"\d[\d.,'\u00a0\u202f]*"
_CURRENCY = (
    r"[€$£¥]|\b(?:EUR|USD|GBP|CHF|JPY)\b|\b(?:euros?|dollars?|pounds?|francs?|cents?|pence)\b"
)
_MONEY = re.compile(
    rf"(?:{_CURRENCY})[ \u00a0\u202f]?({_AMOUNT})|({_AMOUNT})[ \u00a0\u202f]?(?:{_CURRENCY})",
    re.IGNORECASE,
)
_MONEY_WORD = re.compile(_CURRENCY, re.IGNORECASE)
_CODE = re.compile(r"\b(?=[A-Z0-9-]*\d)(?=[A-Z0-9-]*[A-Z])[A-Z0-9]+(?:-[A-Z0-9]+)*\b")
_DIGITS = re.compile(r"\d+")
_ADDRESS = re.compile(r"\S+@\S+|\bhttps?:\S+|\bwww\.\S+|\b[\w-]+\.(?:com|net|org|io|example)\b\S*", re.IGNORECASE)  # fmt: skip
_DEED = re.compile(
    r"\b(refund|reimburs|compensat|credited|cancel|chang|mov(?=ed)|re-?book|booked|paid|paying|charg|waiv|"
    r"discount|upgrad|downgrad|guarant|promis|free\b|voucher|confirm|dispute)",
    re.IGNORECASE,
)


def unfounded(sentence: str, facts: str) -> str:
    """Return what a sentence says that the facts don't; empty if there is nothing.

    Args:
        sentence: The sentence.
        facts: What the systems of record and our own words say.

    Returns:
        The kind of what is wrong: `money`, `reference`, `number`, `address` or `deed`.
    """
    if not set(_money(sentence)) <= set(_money(facts)) or not _bare(sentence) <= _bare(facts):
        return "money"
    if not set(_CODE.findall(sentence)) <= set(_CODE.findall(facts)):
        return "reference"
    if not _numbers(sentence) <= _numbers(facts):
        return "number"
    told = facts.lower()
    if any(address.rstrip(".,;:!?)").lower() not in told for address in _ADDRESS.findall(sentence)):
        return "address"
    if not _deeds(sentence) <= _deeds(facts):
        return "deed"
    return ""


def _bare(text: str) -> set[str]:
    """Return the currencies that a text names without a figure, as in "five hundred euros"."""
    return {word.lower() for word in _MONEY_WORD.findall(_MONEY.sub("", text))}


def _money(text: str) -> list[int]:
    """Return the amounts in a text, in hundredths."""
    return [_hundredths(before or after) for before, after in _MONEY.findall(text)]


def _hundredths(amount: str) -> int:
    """Read an amount, whichever way its thousands are parted: `1,234.50`, `1.234,50`, `1234.5`, `35`."""
    plain = amount.rstrip(".,'\u00a0\u202f")
    decimals = re.search(r"[.,](\d{1,2})$", plain)
    whole = plain[: decimals.start()] if decimals else plain
    cents = decimals[1].ljust(2, "0") if decimals else "00"
    return int("".join(_DIGITS.findall(whole)) + cents)


def _numbers(text: str) -> set[str]:
    """Return the runs of digits in a text, without zeros before them; amounts are looked at apart."""
    rest = _CODE.sub("", _MONEY.sub("", text))
    return {digits.lstrip("0") for digits in _DIGITS.findall(rest)}


def _deeds(text: str) -> set[str]:
    return {deed.lower().replace("-", "") for deed in _DEED.findall(text)}
