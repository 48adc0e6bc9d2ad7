"""The seam between a customer's words and what is done with them.

    words ──► Reader ──► Wish: a flow, and slots ──► Flow: asks, quotes, confirms, acts

A reader says what the customer wants; it does nothing, and nothing that it says is believed without being
checked against the systems of record. Offline readers go by rules; another way of reading takes their place
by implementing `Reader`. Two things no reader decides: whether the customer has said yes, and whether
they have changed their mind. `SpecialistAgent` reads these by rules alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, cast

from a2a_streaming.task import Json

Known_contra = TypeVar("Known_contra", contravariant=True)

CONFIRM = "confirm"
"""The slot of a yes or no."""
AMONG = "among"
"""The slot of several things of which the customer may mean one: a list of what the flow's first slot may be."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the answers to a question.

    Args:
        value: What it stands for: a reference, a number, an id.
        label: How it is shown.
    """

    value: str
    label: str


@dataclass(frozen=True, slots=True)
class Pending:
    """What the customer was asked, and what was known by then. Their next message goes on with it.

    It comes back from the task's metadata, which a client may have written: so whoever acts on it
    checks it against the systems of record again.

    Args:
        flow: The flow that asked.
        asked: The slot that it asked for.
        slots: What it knew.
        choices: The answers that it offered.
    """

    flow: str
    asked: str
    slots: Mapping[str, Any] = field(default_factory=dict[str, Any])
    choices: tuple[Choice, ...] = ()

    def to_json(self) -> Json:
        """Return it as the task's metadata keep it."""
        return {
            "flow": self.flow,
            "asked": self.asked,
            "slots": dict(self.slots),
            "choices": [[choice.value, choice.label] for choice in self.choices],
        }

    @classmethod
    def from_json(cls, value: Any) -> Pending | None:
        """Read it back; None if it is none."""
        match value:
            case {"flow": str(flow), "asked": str(asked), "slots": dict()}:
                kept = cast("Json", value)
                return cls(flow, asked, kept["slots"], _choices(kept.get("choices")))
            case _:
                return None


@dataclass(frozen=True, slots=True)
class Wish:
    """What a message asks for.

    Args:
        flow: The name of the flow that sees to it; empty if that isn't clear.
        slots: What the message says of what the flow must know; nothing that it doesn't say.
    """

    flow: str
    slots: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def to_json(self) -> Json:
        """Return it as a step keeps it."""
        return {"flow": self.flow, "slots": dict(self.slots)}


class Reader(Protocol[Known_contra]):
    """Reads customers' words. The same words, with the same knowledge, should give the same wish."""

    async def read(self, text: str, pending: Pending | None, known: Known_contra) -> Wish:
        """Read a message.

        Args:
            text: What the customer says.
            pending: What they were asked; None at the beginning of a conversation.
            known: What their words may speak of.
        """
        ...


def _choices(value: Any) -> tuple[Choice, ...]:
    if not isinstance(value, list):
        return ()
    pairs = cast("Sequence[Any]", value)
    found: list[Choice] = []
    for pair in pairs:
        match pair:
            case [str(choice), str(label)]:
                found.append(Choice(choice, label))
            case _:
                continue
    return tuple(found)
