"""Claude, through the Messages API: one place that calls it, and what keeps it to its part.

api ──► stream      one request, tried again where that may help; one answer, read as it comes
 │  └─► budget      what a task has spent, kept in the task itself
 └────► quoting     customers' text as data: delimited, shortened, without card numbers

What uses it: `detection.claude` reads intents, `reading` reads what a specialist must know, `wording` says what
a specialist has to say. Whoever asks, catches `ClaudeFailed` and answers offline.
The `anthropic` package is an extra; nothing but `api` imports it.
"""

from __future__ import annotations

from a2a_streaming.customer_service.claude.api import Claude, Limits
from a2a_streaming.customer_service.claude.budget import (
    Budget,
    Ledger,
    Prices,
    RunLedger,
    Spent,
    Usage,
)
from a2a_streaming.customer_service.claude.faults import ClaudeFailed, Reason
from a2a_streaming.customer_service.claude.prompt import Prompt, Reply, Tool, ToolUse

__all__ = [
    "Budget",
    "Claude",
    "ClaudeFailed",
    "Ledger",
    "Limits",
    "Prices",
    "Prompt",
    "Reason",
    "Reply",
    "RunLedger",
    "Spent",
    "Tool",
    "ToolUse",
    "Usage",
]
