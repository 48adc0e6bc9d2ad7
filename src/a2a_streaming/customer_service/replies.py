"""Short answers as customers give them: yes, no, never mind; pure."""

from __future__ import annotations

import re

_YES = re.compile(
    r"\b(yes|yep|yeah|yup|sure|ok|okay|confirm|confirmed|correct|agreed|go\s+ahead|do\s+it|please\s+do|"
    r"sounds\s+good|that\s+works|fine|perfect|absolutely|of\s+course|proceed)\b",
    re.IGNORECASE,
)
_NO = re.compile(
    r"\b(no|nope|nah|not|don'?t|do\s+not|never\s*mind|nevermind|forget\s+it|cancel\s+that|stop|"
    r"leave\s+it|keep\s+it|rather\s+not|too\s+expensive|wait)\b",
    re.IGNORECASE,
)
_NEVER_MIND = re.compile(
    r"^\W*(no|nope|no\s+thanks?(\s+you)?|never\s*mind|forget\s+(it|about\s+it)|stop|cancel(\s+that)?|"
    r"leave\s+it|none(\s+of\s+(them|these|those))?|nothing)\W*$",
    re.IGNORECASE,
)


def yes_or_no(text: str) -> bool | None:
    """Read an answer to a question that asks yes or no.

    Args:
        text: The answer.

    Returns:
        True or False; None if it is neither, or both: then nobody may act on it.
    """
    no_problem = re.sub(r"\bno\s+(problem|worries)\b", "ok", text, flags=re.IGNORECASE)
    yes, no = bool(_YES.search(no_problem)), bool(_NO.search(no_problem))
    if yes == no:
        return None
    return yes


def never_mind(text: str) -> bool:
    """Say whether an answer to any question means that the customer has changed their mind."""
    return _NEVER_MIND.match(text) is not None


def money(cents: int, currency: str) -> str:
    """Return an amount as people write it: `€1,234.50`."""
    sign = "-" if cents < 0 else ""
    whole, rest = divmod(abs(cents), 100)
    symbol = {"EUR": "€", "USD": "$", "GBP": "£"}.get(currency, f"{currency} ")
    return f"{sign}{symbol}{whole:,}.{rest:02d}"
