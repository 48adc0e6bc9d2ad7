"""Redaction: what nobody needs to read is taken out of texts, by policy; pure.

    cards     numbers of payment cards, checked by their last digit
    accounts  bank accounts (IBAN), checked by their check digits
    emails    addresses
    phones    telephone numbers, with a country's code, a leading zero, or as 555-010-9999

What is checked takes out no order's number. A number that this platform makes, such as a position, is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, Protocol, cast

# A position is digits, a hyphen and digits: no card's.
_CARD = re.compile(
    r"(?<![\w.-])[2-6]\d{12,18}(?![\w]|[.-]\d)|(?<![\w-])[2-6]\d{3}(?:[ -]\d{4}){2,3}(?:[ -]?\d{1,4})?(?!\w|-\d)"
    r"|(?<![\w-])3\d{3}[ -]\d{6}[ -]\d{5}(?!\w|-\d)"
)
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![\w-])")
_PHONE = re.compile(
    r"(?<![\w+.-])(?:"
    r"\+[1-9]\d{0,2}(?:[ ./-]?\(?\d{1,5}\)?){2,7}"
    r"|\(?0\d{1,4}\)?[ /-](?!\d{4}-\d\d-\d\d)\d{3,}(?:[ -]?\d{2,}){0,4}"
    r"|\(?\d{3}\)?[ .-]\d{3}[.-]\d{4}"
    r")(?![\w]|[.-]\d)"
)


def _luhn(number: str) -> bool:
    """Check a card number's last digit (ISO/IEC 7812-1)."""
    digits = [int(digit) for digit in number if digit.isdigit()]
    if not 13 <= len(digits) <= 19:
        return False
    doubled = [digit * 2 - 9 if digit > 4 else digit * 2 for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _mod97(number: str) -> bool:
    """Check a bank account's check digits (ISO 13616)."""
    plain = number.replace(" ", "")
    if not 15 <= len(plain) <= 34:
        return False
    return int("".join(str(int(char, 36)) for char in plain[4:] + plain[:4])) % 97 == 1


def _dialled(number: str) -> bool:
    """Say whether a number has as many digits as telephones have (E.164)."""
    return 8 <= sum(char.isdigit() for char in number) <= 15


_KINDS: dict[str, tuple[re.Pattern[str], Callable[[str], bool], str]] = {
    "cards": (_CARD, _luhn, "[card number]"),
    "accounts": (_IBAN, _mod97, "[bank account]"),
    "emails": (_EMAIL, lambda _: True, "[email]"),
    "phones": (_PHONE, _dialled, "[phone number]"),
}
KINDS = tuple(_KINDS)
"""The kinds of what can be taken out."""
_OWN = "[redacted]"


class Redactor:
    """Takes out what a policy names.

    Args:
        kinds: What: some of `KINDS`.
        pattern: A regular expression of what else; empty for nothing.
    """

    def __init__(self, kinds: Iterable[str], pattern: str = "") -> None:
        wanted = set(kinds)
        self._rules = [_KINDS[kind] for kind in KINDS if kind in wanted]
        if pattern:
            self._rules.append((re.compile(pattern), lambda _: True, _OWN))

    def __bool__(self) -> bool:
        """Whether it takes out anything."""
        return bool(self._rules)

    def text(self, text: str) -> str:
        """Return a text without it.

        Args:
            text: The text.
        """
        for pattern, is_one, instead in self._rules:
            text = pattern.sub(_replacing(is_one, instead), text)
        return text

    def value(self, value: Any) -> Any:
        """Return a JSON value without it: its texts are looked through, names and numbers left alone.

        Args:
            value: The value; it isn't changed.
        """
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {key: self.value(one) for key, one in cast("dict[str, Any]", value).items()}
        if isinstance(value, list | tuple):
            return [self.value(one) for one in cast("list[Any]", value)]
        return value


def _replacing(is_one: Callable[[str], bool], instead: str) -> Callable[[re.Match[str]], str]:
    return lambda match: instead if is_one(match[0]) else match[0]


class Policy(Protocol):
    """Where a policy stands: the settings."""

    @property
    def redact(self) -> list[str]:
        """The kinds of what is taken out."""
        ...

    @property
    def redact_pattern(self) -> str:
        """A regular expression of what else."""
        ...


def redacting(policy: Policy) -> Redactor:
    """Return what takes out what a policy says.

    Args:
        policy: The settings.
    """
    return _redactor(tuple(policy.redact), policy.redact_pattern)


@lru_cache(maxsize=16)
def _redactor(kinds: tuple[str, ...], pattern: str) -> Redactor:
    return Redactor(kinds, pattern)
