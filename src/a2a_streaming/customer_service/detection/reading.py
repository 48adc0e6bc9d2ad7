"""What a detector reads in a customer's message, and what it may know of the specialists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

if TYPE_CHECKING:
    from a2a_streaming.customer_service.claude import Ledger

HUMAN = "human"
"""The route of a request for a person."""

SPEAK_TO_HUMAN = "speak_to_human"
"""The intent of a request for a person."""

SMALLTALK = frozenset({"greeting", "thanks", "goodbye", "help", "about_me"})
"""Intents that the Intent Agent answers itself."""

OUT_OF_SCOPE = "out_of_scope"
"""The intent of what no specialist does."""


@dataclass(frozen=True, slots=True)
class Skill:
    """One thing that a specialist can do, as its card says.

    Args:
        id: Its id; also the intent's name, where nothing else names it.
        name: Its name for people.
        description: What it is.
        tags: Keywords.
        examples: Sentences that customers may say.
    """

    id: str
    name: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Specialist:
    """An agent that requests can be routed to.

    Args:
        name: Its name, the route.
        description: What it does.
        skills: What it can do in particular.
    """

    name: str
    description: str = ""
    skills: tuple[Skill, ...] = ()

    @classmethod
    def from_card(cls, name: str, card: Mapping[str, Any]) -> Specialist:
        """Read an agent's card; what isn't as it should be is left out.

        Args:
            name: The specialist's name.
            card: The card, as JSON of any version.
        """
        return cls(
            name,
            _text(card.get("description")),
            tuple(
                Skill(
                    _text(skill.get("id")),
                    _text(skill.get("name")),
                    _text(skill.get("description")),
                    _texts(skill.get("tags")),
                    _texts(skill.get("examples")),
                )
                for skill in _objects(card.get("skills"))
                if _text(skill.get("id"))
            ),
        )

    @property
    def intents(self) -> tuple[str, ...]:
        """What it can be wanted for: its skills' ids or, without any skills, its name."""
        return tuple(skill.id for skill in self.skills) or (self.name,)


@dataclass(frozen=True, slots=True)
class Intent:
    """One thing that the customer wants.

    Args:
        intent: What, in snake case.
        confidence: How sure that is, 0 to 1.
        route: The specialist's name, `human`, or None where no specialist is due.
        text: The customer's words that ask for it, where a message asks for several things; empty if that
            is all of it.
    """

    intent: str
    confidence: float
    route: str | None
    text: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return it as the `intent` artifact tells it."""
        told: dict[str, Any] = {
            "intent": self.intent,
            "confidence": round(self.confidence, 2),
            "route": self.route,
        }
        return told | ({"text": self.text} if self.text else {})


@dataclass(frozen=True, slots=True)
class Reading:
    """What a detector reads in a message.

    Args:
        intents: What the customer wants, at least one, in the order in which to see to it.
        detector: Which detector read it.
        reason: Why not Claude, although there is a key for it; empty where there is nothing to say.
        alternatives: What else the customer may want, the most probable first.
    """

    intents: tuple[Intent, ...]
    detector: Literal["claude", "offline"]
    reason: str = ""
    alternatives: tuple[Intent, ...] = ()


class Detector(Protocol):
    """Reads what a customer wants."""

    async def detect(
        self, text: str, routes: Sequence[Specialist], *, ledger: Ledger | None = None
    ) -> Reading:
        """Read a message. Never raises because of the message: what can't be read is out of scope.

        Args:
            text: What the customer says.
            routes: The specialists that there are; no other is named as a route.
            ledger: What the task has spent on models; None where that isn't kept.
        """
        ...

    async def aclose(self) -> None:
        """Close what it holds open."""
        ...


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        return ()
    return tuple(item for item in cast("list[Any]", value) if isinstance(item, str))


def _objects(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        return []
    items = cast("list[Any]", value)
    return [cast("dict[str, Any]", item) for item in items if isinstance(item, dict)]
