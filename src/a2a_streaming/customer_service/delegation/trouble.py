"""Why a person must see to a request."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from a2a_streaming.task import Json


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a person must see to a request, and not specialists.

    Args:
        reason: A word: `failed`: a specialist failed or can't be reached; `overdue`: it takes too long;
            `requested`: the customer wants a person; or a specialist's own.
        text: What the customer may be told.
        agent: The specialist; empty if none is to blame.
        ticket: The ticket that a specialist has opened already; empty if there is none.
        answered: What a specialist says of who has answered; empty if it says nothing.
    """

    reason: str
    text: str
    agent: str = ""
    ticket: str = ""
    answered: Json = field(default_factory=dict[str, Any])
