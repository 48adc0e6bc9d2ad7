"""Why Claude didn't answer: a few reasons, which logs, metrics and events name."""

from __future__ import annotations

from enum import StrEnum

from a2a_streaming.errors import A2AStreamingError


class Reason(StrEnum):
    """Why the offline path answers. Told in events' metadata, so none says more than a customer may know."""

    NO_KEY = "no key"
    """No key is set."""
    BUDGET = "budget"
    """The task has spent what it may."""
    RATE_LIMITED = "rate limited"
    """429, and it stayed, or lasts longer than the customer should wait."""
    OVERLOADED = "overloaded"
    """529, and it stayed."""
    UNREACHABLE = "unreachable"
    """No connection, or a server's fault (5xx)."""
    SLOW = "slow"
    """No byte, or no end, in time."""
    CUT = "cut"
    """The answer broke off."""
    REFUSED = "refused"
    """The request is wrong or not allowed (4xx): the key, the model, the account."""
    DECLINED = "declined"
    """The model would not answer."""
    UNREADABLE = "unreadable"
    """The answer isn't what was asked for."""
    UNFOUNDED = "unfounded"
    """The answer says what the systems of record don't."""


RETRIED = frozenset(
    {Reason.RATE_LIMITED, Reason.OVERLOADED, Reason.UNREACHABLE, Reason.CUT, Reason.UNREADABLE}
)
"""Reasons that may be gone at the next try. Not a slow answer: the customer has waited long enough."""


class ClaudeFailed(A2AStreamingError):
    """Claude didn't answer, or not as it was asked to; whoever asked answers offline.

    Args:
        reason: Why.
        detail: More of it, for logs alone; without anything that a customer or the model said.
        retry_after: Seconds for which the server asked to be left alone; None if it didn't.
    """

    def __init__(
        self, reason: Reason, detail: str = "", *, retry_after: float | None = None
    ) -> None:
        super().__init__(f"Claude didn't answer: {reason}{f' ({detail})' if detail else ''}.")
        self.reason = reason
        self.detail = detail
        self.retry_after = retry_after
