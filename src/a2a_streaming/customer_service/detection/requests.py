"""Several requests in one message: where one may end, and what is told only as a background; pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise

from a2a_streaming.customer_service.detection import words

_BACKGROUND = re.compile(
    r"^\W*(?:but\s+|so\s+|and\s+|well\s+)*(?:if|when(?!\s+(?:will|is|are|do|does|did|can|could|should|would|was|have|has))|after|before|because|since|as|once|while|although|"
    r"wenn|falls|weil|nachdem|si|cuando|porque|quand|parce|se|quando)\b",
    re.IGNORECASE,
)
_NARRATIVE = re.compile(
    r"\b(?:i|we|you|they|he|she|it|which|that)(?:'ve|'d|'s|\s+(?:have|had|has|was|were))?"
    r"(?:\s+(?:already|just|once|never|only|recently|been))*\s+"
    r"(?:(?!need)\w{2,}ed|bought|made|paid|took|got|flew)\b|\b(?:have|has|had|was|were|been)\s+(?!need)\w{2,}ed\b",
    re.IGNORECASE,
)
_NOT = re.compile(
    r"^\W*(?:please\s+)?(?:but\s+)?(?:do\s+not|don['\u2019]?t|never)\s+(?!you\b|i\b|we\b)", re.IGNORECASE
)  # fmt: skip
_ACTIONS = ("cancel", "change", "new", "pay", "book", "check", "upgrade", "rebook")
"""Intents of doing something: who tells that it was done doesn't ask for it. A fee that was charged twice,
on the other hand, is told to have it put right."""
_MOST_CLAUSES = 24
"""More of a message isn't read clause by clause."""
_PROBLEMS = frozenset({"disputes", "report_fraud", "payments", "fees"})
"""Intents that are views of one thing: a charge that I don't know, I think it's fraud."""


def split(text: str) -> list[str]:
    """Split a message where one request may end and another begin.

    Args:
        text: The message.
    """
    return [text[start:end] for start, end in words.clauses(text)[:_MOST_CLAUSES]]


def listed(text: str) -> list[bool]:
    """Say of each clause, as `split` returns them, whether it goes on with a list: "…, this one and that one".

    A comma alone does so only before an "and" of the same sentence; else what follows it explains.

    Args:
        text: The message.
    """
    clauses = words.clauses(text)[:_MOST_CLAUSES]
    between = [""] + [text[before:start] for (_, before), (start, _) in pairwise(clauses)]
    goes_on: list[bool] = []
    ahead = False
    for sign in reversed(between):
        joined = any(char.isalpha() or char == "&" for char in sign)
        ahead = joined or (ahead and sign.strip() == ",")
        goes_on.append(ahead)
    return goes_on[::-1]


def portions(text: str, owners: Sequence[int]) -> list[str]:
    """Return what of a message belongs to each of its requests, in its own words.

    Args:
        text: The message.
        owners: For each clause, as `split` returns them, the number of its request.
    """
    spans: dict[int, list[tuple[int, int]]] = {}
    clauses = words.clauses(text)[:_MOST_CLAUSES]
    before = -1
    for number, ((start, end), owner) in enumerate(zip(clauses, owners, strict=True), start=1):
        end += text[end : end + 1] in (".", "?", "!")  # noqa: PLW2901 - the clause's own end
        if number == len(clauses):
            end = len(text)  # noqa: PLW2901 - what wasn't read belongs to the last one
        of_request = spans.setdefault(owner, [])
        if owner == before:
            start, _ = of_request.pop()  # noqa: PLW2901 - it goes on
        of_request.append((start, end))
        before = owner
    return [
        " ".join(text[start:end].strip() for start, end in spans[owner]) for owner in sorted(spans)
    ]


def is_background(clause: str, intent: str) -> bool:
    """Say whether a clause tells how things came about, and asks for nothing.

    Args:
        clause: The clause.
        intent: What it is about.
    """
    if _BACKGROUND.match(clause):
        return True
    if intent.startswith(_ACTIONS) and _NOT.match(clause):
        return True
    return intent.startswith(_ACTIONS) and _NARRATIVE.search(clause) is not None


def is_reference(clause: str) -> bool:
    """Say whether a clause only names something, as in "refund my flight, INV-20455": it asks for nothing.

    Args:
        clause: The clause.
    """
    return all(any(sign.isdigit() for sign in word) for word in clause.split())


def is_same(intent: str, others: Iterable[str]) -> bool:
    """Say whether an intent adds nothing to others of the same route.

    Args:
        intent: The intent.
        others: Those that were read before it.
    """
    said = frozenset(others)
    return intent in said or (intent in _PROBLEMS and not said.isdisjoint(_PROBLEMS))
