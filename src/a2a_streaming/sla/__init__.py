"""Service levels: limits for tasks, and what is to be raised when they are exceeded. No I/O but for the policy's file."""

from __future__ import annotations

from a2a_streaming.sla.judging import (
    Breach,
    Facts,
    Raised,
    Verdict,
    Waiting,
    first_look,
    judge,
    occasion,
)
from a2a_streaming.sla.policy import (
    DEFAULT,
    PRIORITIES,
    Does,
    Limit,
    Policy,
    Priority,
    load_policy,
    priority_of,
    secret_of,
)

__all__ = [
    "DEFAULT",
    "PRIORITIES",
    "Breach",
    "Does",
    "Facts",
    "Limit",
    "Policy",
    "Priority",
    "Raised",
    "Verdict",
    "Waiting",
    "first_look",
    "judge",
    "load_policy",
    "occasion",
    "priority_of",
    "secret_of",
]
