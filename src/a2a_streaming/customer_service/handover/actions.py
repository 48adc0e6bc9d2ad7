"""What a person does to a task, as a message carries it into the task's inbox. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

from a2a_streaming.event import data_part
from a2a_streaming.task import HANDOVER, Json


class Does(StrEnum):
    """What a person can do to a task that is handed over."""

    CLAIM = "claim"
    """See to it."""
    TAKE = "take"
    """See to it in somebody else's place, or unasked."""
    ASSIGN = "assign"
    """Have somebody else see to it."""
    REPLY = "reply"
    """Say something to the customer."""
    RELEASE = "release"
    """Put it back into the queue."""
    BACK = "back"
    """Hand it back to the agent."""
    REROUTE = "reroute"
    """Hand it back to a specialist, with the customer's last request."""
    RESOLVE = "resolve"
    """End it well."""
    OVERDUE = "overdue"
    """Nobody's deed: it has waited for too long."""


QUEUE = "(the queue)"
"""Who says that a ticket waits for too long: in no subject's characters, so nobody signs in as it."""
BY_PEOPLE = tuple(does for does in Does if does is not Does.OVERDUE)
"""What people can do."""


@dataclass(frozen=True, slots=True)
class Action:
    """What a person does.

    Args:
        does: What.
        ticket: The ticket.
        name: The person's name, for the customer.
        text: What they say; empty for nothing.
        to: The specialist who is to see to it.
    """

    does: Does
    ticket: str
    name: str
    text: str = ""
    to: str = ""

    def part(self) -> Json:
        """Return it as a message carries it: as data, so that nobody takes it for the customer's words."""
        told = {"do": self.does.value, "ticket": self.ticket, "name": self.name, "text": self.text}
        if self.to:
            told["to"] = self.to
        return data_part({HANDOVER: told})

    @classmethod
    def read(cls, data: Json | None) -> Action | None:
        """Read it back; None if a message's data are something else.

        Args:
            data: The message's data.
        """
        match (data or {}).get(HANDOVER):
            case {"do": str(does), "ticket": str(ticket), "name": str(name), "text": str(text)}:
                to = data[HANDOVER].get("to", "") if data is not None else ""
                if does not in list(Does) or not isinstance(to, str):
                    return None
                return cls(Does(does), ticket, name, text, to)
            case _:
                return None


@dataclass(frozen=True, slots=True)
class Handover:
    """How a task stands with the people: what its metadata say under `handover`.

    Args:
        ticket: The ticket.
        reason: Why a person is needed, a word.
        state: The ticket's state as the task was last told it: `waiting`, `claimed`, `handed back`, `resolved`.
        human: The name of the person who has it; empty while nobody has.
        overdue: Whether it has waited for too long.
    """

    ticket: str
    reason: str
    state: str
    human: str = ""
    overdue: bool = False

    def metadata(self) -> Json:
        """Return it as the task's metadata keep it."""
        told: Json = {"ticket": self.ticket, "reason": self.reason, "state": self.state}
        if self.human:
            told["human"] = {"name": self.human}
        if self.overdue:
            told["overdue"] = True
        # By this the task is there for people who answer customers, and no longer than that.
        return {HANDOVER: {**told, "open": self.state in ("waiting", "claimed")}}

    @classmethod
    def read(cls, metadata: Json) -> Handover | None:
        """Read what is open; None if nothing is. A client may have written it: check the ticket.

        Args:
            metadata: The task's metadata.
        """
        match metadata.get(HANDOVER):
            case {"ticket": str(ticket), "reason": str(reason), "state": str(state), "open": True}:
                told = cast("Json", metadata[HANDOVER])
                human: Any = told.get("human")
                name: Any = cast("Json", human).get("name") if isinstance(human, dict) else ""
                return cls(ticket, reason, state, name if isinstance(name, str) else "")
            case _:
                return None
