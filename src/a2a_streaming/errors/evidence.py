"""What was kept isn't what it was."""

from __future__ import annotations

from a2a_streaming.errors.base import A2AStreamingError


class ChainBroken(A2AStreamingError):
    """A file whose lines form a chain was changed or cut off.

    Args:
        line: The line's number, from 1.
        reason: What is wrong with it.
    """

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"The chain is broken at line {line}: {reason}.")
        self.line = line
        self.reason = reason
