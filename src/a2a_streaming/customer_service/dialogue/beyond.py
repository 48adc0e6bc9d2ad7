"""What a specialist can't do: it says so in plain words, says what it can, and names a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Generic, TypeVar

from a2a_streaming.customer_service.dialogue.flow import Flow, Slots
from a2a_streaming.customer_service.dialogue.talk import Talk
from a2a_streaming.task import Json

Known = TypeVar("Known")

BEYOND = "something_else"
"""The flow of what a specialist doesn't do."""


class Beyond(Flow[Known], Generic[Known]):
    """Says what can't be done here.

    Args:
        cannot: What customers ask for in vain, by name: `add baggage to a booking`.
        can: What the specialist can do.
    """

    name = BEYOND
    label = "something that none of the other forms is for"
    slots: ClassVar[Mapping[str, Json]] = {}

    def __init__(self, cannot: Mapping[str, str], can: Sequence[Flow[Known]]) -> None:
        self._cannot = cannot
        self._can = [flow.label for flow in can]
        # No words of a model's: the customer is told which of these it is, in ours.
        self.slots = {  # pyright: ignore[reportAttributeAccessIssue] - of this specialist
            "what": {
                "type": "string",
                "enum": list(cannot),
                "description": "What they want, if it is one of these.",
            }
        }

    async def go_on(self, talk: Talk, known: Known, slots: Slots, *, confirmed: bool) -> None:  # noqa: ARG002 - nothing to confirm
        """Say it."""
        what = self._cannot.get(slots.text("what"), "do that")
        can = f"{', '.join(self._can[:-1])}, and {self._can[-1]}"
        await talk.done(
            f"I can't {what} here. What I can help with: {can}. "
            "For anything else ask for a person, and a colleague sees to it."
        )
