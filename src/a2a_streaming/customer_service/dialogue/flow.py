"""Flows: one thing each that a specialist does for a customer, over as many turns as it takes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import date
from typing import Any, ClassVar, Generic, TypeVar

from a2a_streaming.customer_service.dialogue.talk import Talk
from a2a_streaming.task import Json

Known = TypeVar("Known")


class Slots(dict[str, Any]):
    """What is known of a wish. Its values may come from anybody, so they are looked at before they are used."""

    def text(self, name: str) -> str:
        """Return a text; empty without one."""
        value = self.get(name)
        return value if isinstance(value, str) else ""

    def texts(self, name: str) -> list[str]:
        """Return a list's texts; empty without any."""
        value = self.get(name)
        return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []  # pyright: ignore[reportUnknownVariableType] - JSON

    def number(self, name: str) -> int | None:
        """Return a whole number; None without one."""
        value = self.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def flag(self, name: str) -> bool:
        """Return whether something is said to be so."""
        return self.get(name) is True

    def day(self, name: str) -> date | None:
        """Return a date; None without one."""
        try:
            return date.fromisoformat(self.text(name))
        except ValueError:
            return None


class Flow(ABC, Generic[Known]):
    """One thing that a specialist does, step by step: it asks for what is missing, quotes, confirms, and acts.

    An effect is had in a step of the run, with the step's key, and only if the customer has just said yes to
    the very thing (`confirmed`). A flow ends its turn in every case.
    """

    name: ClassVar[str]
    """Its name, and the id of the skill on the agent's card."""
    label: ClassVar[str]
    """What customers call it: `change a booking`."""
    slots: ClassVar[Mapping[str, Json]] = {}
    """What it must know: for each slot its JSON schema, with a description."""

    @abstractmethod
    async def go_on(self, talk: Talk, known: Known, slots: Slots, *, confirmed: bool) -> None:
        """Go on with what is known.

        Args:
            talk: The conversation.
            known: What the customer has.
            slots: What is known of their wish.
            confirmed: Whether the customer has just said yes to what this flow asked them to confirm.
        """
