"""What is known of a child task: whose errand it is, how far its story was relayed, how it ended. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from a2a_streaming import Run
from a2a_streaming.task import Json, State

KEY = "delegate"
"""Where a delegation stands in the task's metadata."""
MOST_ERRANDS = 32
"""More errands than one specialist gets for one message."""
_LONGEST = 2000
"""The most characters of what one specialist came to that the next one is told."""


@dataclass(frozen=True, slots=True)
class Errand:
    """What a specialist is to see to.

    Args:
        agent: The specialist.
        intents: What the customer wants of it.
        text: The customer's words that ask for it; empty if that is all that they say.
        number: How many errands of the same message the specialist has before this one.
    """

    agent: str
    intents: tuple[str, ...] = ()
    text: str = ""
    number: int = 0

    @property
    def key(self) -> str:
        """What tells it from the other errands of its message."""
        return f"{self.agent} {self.number + 1}" if self.number else self.agent

    def to_json(self) -> Json:
        """Return it as the task's metadata keep it: without what is empty."""
        told: Json = {"agent": self.agent, "intents": list(self.intents)}
        more = {"errandText": self.text, "errandNumber": self.number}
        return told | {key: value for key, value in more.items() if value}

    @classmethod
    def from_json(cls, value: Json) -> Errand:
        """Read it back."""
        return cls(
            _text(value.get("agent")),
            _texts(value.get("intents")),
            _text(value.get("errandText")),
            _count(value.get("errandNumber")),
        )


@dataclass(frozen=True, slots=True)
class Delegation:
    """A child task at a specialist's.

    Args:
        errand: What it is for.
        message: The id of the message that began it.
        task: The child's id; empty until the specialist has told it.
        joined: Whether another task of the conversation began it.
        waits: Whether a question of its waits for the customer.
        after: That question's position; empty if the specialist tells none.
        asked: What it is known by.
        rest: The errands whose turn comes afterwards.
        earlier: What the errands before it came to.
    """

    errand: Errand
    message: str
    task: str = ""
    joined: bool = False
    waits: bool = False
    after: str = ""
    asked: str = ""
    rest: tuple[Errand, ...] = ()
    earlier: tuple[Json, ...] = ()

    @property
    def agent(self) -> str:
        """The specialist."""
        return self.errand.agent

    def with_task(self, task: str) -> Delegation:
        """Return it with the child's id, as the specialist tells it."""
        return replace(self, task=task)

    def asking(self, outcome: Outcome) -> Delegation:
        """Return it with a question that waits for the customer."""
        return replace(self, waits=True, after=outcome.position, asked=outcome.mark)

    def to_json(self) -> Json:
        """Return it as the task's metadata keep it: without what is empty."""
        told = {
            "message": self.message,
            "task": self.task,
            "joined": self.joined,
            "waits": self.waits,
            "after": self.after,
            "asked": self.asked,
            "rest": [errand.to_json() for errand in self.rest],
            "earlier": list(self.earlier),
        }
        return self.errand.to_json() | {key: value for key, value in told.items() if value}

    @classmethod
    def from_json(cls, value: Any) -> Delegation | None:
        """Read it back; None if it is none. A client may have written it: check what it names."""
        match value:
            case {"agent": str(), "message": str(message), "task": str(task)}:
                told = cast("Json", value)
                return cls(
                    Errand.from_json(told),
                    message,
                    task,
                    joined=told.get("joined") is True,
                    waits=told.get("waits") is True,
                    after=_text(told.get("after")),
                    asked=_text(told.get("asked")),
                    rest=tuple(Errand.from_json(rest) for rest in _objects(told.get("rest"))),
                    earlier=tuple(_objects(told.get("earlier"))),
                )
            case _:
                return None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a child's turn ended.

    Args:
        state: The child's state.
        text: What it said last.
        parts: What else it said, A2A parts.
        position: The last event's position; empty if the specialist tells none.
        mark: What its last status is known by.
        handover: What the specialist says of a person who must go on: `reason`, and `ticket` if it has opened
            one; empty if none must.
        answered: What it says of who has answered: `answeredBy`, and `reason`; empty if it says nothing.
    """

    state: State
    text: str = ""
    parts: list[Json] = field(default_factory=list[Json])
    position: str = ""
    mark: str = ""
    handover: Json = field(default_factory=dict[str, Any])
    answered: Json = field(default_factory=dict[str, Any])

    def told(self, errand: Errand) -> Json:
        """Return it as the next specialist is told it.

        Args:
            errand: What it came of.
        """
        told: Json = {
            "agent": errand.agent,
            "intents": list(errand.intents),
            "state": self.state.label,
            "text": self.text[:_LONGEST],
            "data": [part["data"] for part in self.parts if "data" in part],
        }
        return told | ({"handover": self.handover} if self.handover else {})


@dataclass(frozen=True, slots=True)
class Place:
    """How far a child's story was relayed in this turn; stored with each event that was.

    Args:
        task: The child's id.
        position: The last event that was; empty while none was, or if the specialist tells none.
        mark: What its latest status is known by.
        outcome: How the child's part in the turn ended; None while it hasn't.
    """

    task: str
    position: str = ""
    mark: str = ""
    outcome: Json | None = None

    @classmethod
    def of(cls, run: Run, message: str) -> Place | None:
        """Return how far an earlier attempt came; None if it didn't begin.

        Args:
            run: The customer's run.
            message: The id of the message that the child was sent in this turn.
        """
        stored = run.bookmark(_name(message))
        return None if stored is None else cls(**stored)

    def bookmark(self, message: str) -> tuple[str, Any]:
        """Return it as a run stores it."""
        told = {"task": self.task, "position": self.position, "mark": self.mark}
        return _name(message), {**told, "outcome": self.outcome}


def message_id(task_id: str, message: str, errand: str) -> str:
    """Return the id of the message that a specialist gets for a customer's message: always the same.

    Args:
        task_id: The customer's task.
        message: The id of the customer's message.
        errand: The errand's key.
    """
    key = f"{task_id}\n{message}\n{errand}"
    return f"d-{hashlib.blake2b(key.encode(), digest_size=16).hexdigest()}"


def mark_of(status: Mapping[str, Any]) -> str:
    """Return what a status is known by: its message or, without one, its time.

    Args:
        status: A TaskStatus (A2A 1.0 JSON).
    """
    said: Json = status.get("message") or {}
    return str(said.get("messageId") or status.get("timestamp", ""))


def origin(run: Run, child: Delegation) -> Json | None:
    """Return the customer's message for which a child was begun; None if it is no child of this task.

    Args:
        run: The customer's run.
        child: The child, as the task's metadata tell of it.
    """
    for message in [*said_before(run), run.message]:
        if message_id(run.task_id, message["messageId"], child.errand.key) == child.message:
            return message
    return None


def said_before(run: Run) -> list[Json]:
    """Return the customer's messages before this one.

    Args:
        run: The customer's run.
    """
    return [
        message
        for message in run.task.get("history", ())
        if message["role"] == "ROLE_USER" and message["messageId"] != run.message_id
    ]


def _name(message: str) -> str:
    return f"relay {message}"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _count(value: Any) -> int:
    return max(0, int(value)) if isinstance(value, int | float) and abs(value) < MOST_ERRANDS else 0


def _texts(value: Any) -> tuple[str, ...]:
    items = cast("list[Any]", value) if isinstance(value, list) else []
    return tuple(item for item in items if isinstance(item, str))


def _objects(value: Any) -> list[Json]:
    items = cast("list[Any]", value) if isinstance(value, list) else []
    return [cast("Json", item) for item in items if isinstance(item, dict)]
