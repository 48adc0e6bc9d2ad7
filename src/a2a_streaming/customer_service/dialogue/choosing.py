"""Which of the offered answers a customer means; pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from a2a_streaming.customer_service.dialogue.wish import Choice

_WORD = re.compile(r"[^\W\d_]{3,}|\d{1,2}:\d{2}|\d{3,}")
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth")
_CHEAP = frozenset({"cheap", "cheaper", "cheapest", "lowest"})
_COMMON = frozenset({"the", "and", "for", "one", "please", "that", "this", "with", "you", "your", "take", "want", "like", "from"})  # fmt: skip


def choose(text: str, choices: Sequence[Choice]) -> str | None:
    """Return the value of the choice that an answer means; None if that isn't clear.

    By its value, by its place ("the second one", "2"), by the lowest price where the cheapest stands first,
    or by the words of its label, if they fit one better than all others.

    Args:
        text: The answer.
        choices: The choices, in the order in which they were shown.
    """
    lowered = text.lower()
    for choice in choices:
        if re.search(rf"(?<!\w){re.escape(choice.value.lower())}(?!\w)", lowered):
            return choice.value
    said = set(re.findall(r"\w+", lowered))
    for place, choice in enumerate(choices[: len(_ORDINALS)]):
        if _ORDINALS[place] in said or said == {str(place + 1)}:
            return choice.value
    if choices and "last" in said:
        return choices[-1].value
    if choices and said & _CHEAP:
        return choices[0].value
    best = likeliest(text, choices)
    return best[0].value if len(best) == 1 else None


def likeliest(text: str, choices: Sequence[Choice]) -> list[Choice]:
    """Return the choices whose labels share the most words with a text; none if none shares any.

    Args:
        text: The text.
        choices: The choices.
    """
    said = _words(text)
    scores = [len(said & _words(choice.label)) for choice in choices]
    best = max(scores, default=0)
    return [c for c, score in zip(choices, scores, strict=True) if best and score == best]


def _words(text: str) -> set[str]:
    found = {word.lower() for word in _WORD.findall(text)} - _COMMON
    return {word.removesuffix("s") if len(word) > 4 else word for word in found}
