"""What pages are told live beside tasks: how things stand, told anew whenever that changes."""

from __future__ import annotations

from typing import Protocol

from a2a_streaming.caller import Caller
from a2a_streaming.task import Json


class Topic(Protocol):
    """Something that pages follow on their one stream, as it is now.

    It has no history: who reads slowly, or comes back, is told the latest, and misses only what was in between.
    """

    name: str
    """What pages call it; the SSE event's type."""

    def admit(self, caller: Caller) -> None:
        """Check that somebody may follow it.

        Args:
            caller: Who asks.

        Raises:
            Forbidden: They may not.
        """
        ...

    async def next(self, caller: Caller, seen: str | None) -> tuple[str, Json]:
        """Wait until it stands differently than a page has seen it.

        Args:
            caller: Whose page it is.
            seen: The version that the page has; None if it has none, which is told at once.

        Returns:
            The version, and what it says.

        Raises:
            Unavailable: What it is read from is away.
        """
        ...
