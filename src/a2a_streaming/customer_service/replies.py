"""Short answers as customers give them: yes, no, never mind; pure."""

from __future__ import annotations

import re

_YES = re.compile(
    r"^\W*(?:(?:oh|well|so|then|great|good|cool|alright|all\s+right|thanks?|thank\s+you|i|we|that|it|just|"
    r"please|is|would|will|be|'?s|'?d|'?ll)\W+)*"
    r"(?:yes|yep|yeah|yup|sure|ok|okay|confirm|confirmed|correct|agreed?|go\s+ahead|do\s+it|please\s+do|"
    r"sounds\s+good|works|fine|perfect|absolutely|of\s+course|proceed|ja|jawohl|gerne|oui|d'accord|sí|si|"
    r"claro|sim|certo)\b",
    re.IGNORECASE,
)
"""A yes at the beginning, behind words that say nothing else: deeper in a sentence it may be anybody's."""
_NO = re.compile(
    r"\b(no|nope|nah|not|don'?t|do\s+not|never\s*mind|nevermind|forget\s+it|cancel\s+that|stop|"
    r"leave\s+it|keep\s+it|rather\s+not|too\s+expensive|wait|nein|nicht|non|não)\b",
    re.IGNORECASE,
)
_UNSURE = re.compile(
    r"\?|^\W*(?:is|are|was|were|do(?!\s+it)|does|did|can|could|would|will|should|has|have|what|why|when|how|"
    r"which|who|where)\b|\b(?:but|if|unless|except|until|before|maybe|perhaps|think|later|instead|aber|wenn|"
    r"mais|pero|mas|ma)\b",
    re.IGNORECASE,
)
"""Questions and conditions: no yes to act on."""
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
        True or False; None if it is neither, or both, or a yes on a condition: then nobody may act on it.
    """
    no_problem = re.sub(r"\bno\s+(problem|worries)\b", "ok", text, flags=re.IGNORECASE)
    yes = bool(_YES.search(no_problem)) and not _UNSURE.search(no_problem)
    no = bool(_NO.search(no_problem))
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
