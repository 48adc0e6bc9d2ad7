"""Hand-over tickets: what waits for a person, who has it, and what they noted.

       open           claim           resolve
(none) ────▶ waiting ──────▶ claimed ────────▶ resolved
                ▲  release │  ▲ │ hand back
                └──────────┘  │ └────────────▶ handed back
                              └── assign: from waiting, or from somebody else
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Protocol

WITHIN = 900.0
"""Seconds within which a person is wanted where nobody says."""


class TicketState(StrEnum):
    """Where a ticket stands."""

    WAITING = "waiting"
    """In the queue: nobody has it."""
    CLAIMED = "claimed"
    """A person sees to it."""
    HANDED_BACK = "handed back"
    """The agent goes on with the task."""
    RESOLVED = "resolved"
    """A person has finished it."""


class Priority(StrEnum):
    """How soon a ticket is wanted, the most urgent first."""

    URGENT = "urgent"
    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"

    @property
    def rank(self) -> int:
        """Its place in the queue, 0 for the most urgent."""
        return list(Priority).index(self)


@dataclass(frozen=True, slots=True)
class Move:
    """What somebody does with a ticket.

    Args:
        come_from: The states in which it can be done.
        to: The state that the ticket is in then.
        own: Whether only who has claimed the ticket may do it.
    """

    come_from: frozenset[TicketState]
    to: TicketState
    own: bool


MOVES: dict[str, Move] = {
    "claim": Move(frozenset({TicketState.WAITING}), TicketState.CLAIMED, own=False),
    "release": Move(frozenset({TicketState.CLAIMED}), TicketState.WAITING, own=True),
    "hand back": Move(frozenset({TicketState.CLAIMED}), TicketState.HANDED_BACK, own=True),
    "resolve": Move(frozenset({TicketState.CLAIMED}), TicketState.RESOLVED, own=True),
}
"""Every move. Done again by the same person it changes nothing, and returns the ticket as it is."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """One request for a person.

    Args:
        id: Its id, as people write it: `T-4F21A09C31`.
        task_id: The task that it is about.
        context_id: The conversation that the task belongs to.
        customer_id: Whose it is; None where no customer record is known.
        customer: The customer's name; empty where none is known.
        reason: Why a person is needed, a word: `requested`, `unsure`, `failed`, `overdue`, `dispute`, `escalated`.
        summary: What it is about, in a sentence for the person.
        priority: How soon it is wanted.
        state: Where it stands.
        opened_at: When it was opened.
        waiting_since: Since when it waits, or had waited until it was claimed.
        due_at: By when a person is to have it.
        claimed_by: Who has it, or had it last; None if nobody did.
        claimed_at: When they claimed it.
        closed_at: When it was handed back or resolved; None while it is open.
    """

    id: str
    task_id: str
    context_id: str
    customer_id: int | None
    customer: str
    reason: str
    summary: str
    priority: Priority
    state: TicketState
    opened_at: datetime
    waiting_since: datetime
    due_at: datetime
    claimed_by: str | None
    claimed_at: datetime | None
    closed_at: datetime | None

    @property
    def is_open(self) -> bool:
        """Whether it waits, or a person has it."""
        return self.closed_at is None

    @property
    def is_overdue(self) -> bool:
        """Whether it still waits now, beyond its time."""
        return self.state is TicketState.WAITING and self.due_at < datetime.now(UTC)

    def to_json(self) -> dict[str, Any]:
        """Return it as pages and events tell it."""
        return {
            "ticket": self.id,
            "task": self.task_id,
            "context": self.context_id,
            "customer": self.customer,
            "reason": self.reason,
            "summary": self.summary,
            "priority": self.priority.value,
            "state": self.state.value,
            "openedAt": self.opened_at.isoformat(),
            "waitingSince": self.waiting_since.isoformat(),
            "due": self.due_at.isoformat(),
            "claimedBy": self.claimed_by,
            "claimedAt": self.claimed_at.isoformat() if self.claimed_at else None,
            "closedAt": self.closed_at.isoformat() if self.closed_at else None,
        }


@dataclass(frozen=True, slots=True)
class Note:
    """What a person noted on a ticket; never shown to the customer.

    Args:
        ticket_id: The ticket.
        who: Who wrote it.
        text: What.
        written_at: When.
    """

    ticket_id: str
    who: str
    text: str
    written_at: datetime


class Tickets(Protocol):
    """The human queue's book. Every change is atomic: of several who claim a ticket at once, one has it."""

    async def open(
        self,
        *,
        task_id: str,
        context_id: str,
        customer_id: int | None,
        reason: str,
        summary: str = "",
        priority: Priority = Priority.NORMAL,
        within: float = WITHIN,
        claimed_by: str | None = None,
        idempotency_key: str,
    ) -> Ticket:
        """Open a ticket, once for each key: again, it returns the ticket as it is now.

        Args:
            task_id: The task that it is about.
            context_id: The conversation that the task belongs to.
            customer_id: Whose it is; None where no customer record is known.
            reason: Why a person is needed, a word.
            summary: What it is about, in a sentence for the person.
            priority: How soon it is wanted.
            within: Seconds within which a person is to have it.
            claimed_by: Who has it from the beginning; None if it waits.
            idempotency_key: What happens once.
        """
        ...

    async def get(self, ticket_id: str) -> Ticket:
        """Return a ticket.

        Raises:
            TicketNotFound: There is none of that id.
        """
        ...

    async def by_task(self, task_id: str) -> Ticket | None:
        """Return a task's latest ticket, an open one first; None if it has none."""
        ...

    async def queue(self, *, limit: int = 100) -> Sequence[Ticket]:
        """Return the tickets that wait: that whose time ends first comes first."""
        ...

    async def claimed(self, who: str) -> Sequence[Ticket]:
        """Return the tickets that a person has, the earliest claimed first."""
        ...

    async def pending(self, *, limit: int = 200) -> Sequence[Ticket]:
        """Return all that is open, waiting or claimed: that whose time ends first comes first.

        It is asked every second while somebody watches the queue.
        """
        ...

    async def overdue(self, *, limit: int = 100) -> Sequence[Ticket]:
        """Return the tickets that wait beyond their time, and weren't raised; the earliest due first.

        It is asked every few seconds, so its cost must grow with what it returns, not with what there is.
        """
        ...

    async def raise_overdue(self, ticket_id: str) -> bool:
        """Note that a ticket is found to wait beyond its time: of all who do, the first is told True.

        One that has been claimed meanwhile isn't raised.
        """
        ...

    async def concerns(
        self, ticket_id: str, *, task_id: str, context_id: str, within: float = WITHIN
    ) -> Ticket:
        """Let a ticket be about another task: a specialist has opened it for its own, and hands it up.

        Args:
            ticket_id: The ticket.
            task_id: The task.
            context_id: The conversation that the task belongs to.
            within: Seconds within which a person is to have it, from when it was opened.

        Raises:
            TicketNotFound: There is none of that id.
        """
        ...

    async def claim(self, ticket_id: str, who: str) -> Ticket:
        """Take a waiting ticket.

        Raises:
            TicketNotFound: There is none of that id.
            TicketTaken: Somebody else has it, or it is closed.
        """
        ...

    async def assign(self, ticket_id: str, to: str, *, taken_from: str | None) -> Ticket:
        """Give an open ticket to a person; again, it returns it as it is.

        Args:
            ticket_id: The ticket.
            to: Who gets it.
            taken_from: Who has it; None if it waits.

        Raises:
            TicketNotFound: There is none of that id.
            TicketTaken: It stands otherwise by now.
        """
        ...

    async def release(self, ticket_id: str, who: str) -> Ticket:
        """Put a claimed ticket back into the queue, where it counts as waiting since it was opened.

        Raises:
            TicketNotFound: There is none of that id.
            TicketTaken: They don't have it.
        """
        ...

    async def hand_back(self, ticket_id: str, who: str) -> Ticket:
        """Close a claimed ticket: the agent goes on with the task.

        Raises:
            TicketNotFound: There is none of that id.
            TicketTaken: They don't have it.
        """
        ...

    async def resolve(self, ticket_id: str, who: str) -> Ticket:
        """Close a claimed ticket: what it was about is done.

        Raises:
            TicketNotFound: There is none of that id.
            TicketTaken: They don't have it.
        """
        ...

    async def note(
        self, ticket_id: str, who: str, text: str, *, idempotency_key: str | None = None
    ) -> Note:
        """Note something on a ticket, in whatever state; once for each key.

        Raises:
            TicketNotFound: There is none of that id.
        """
        ...

    async def notes(self, ticket_id: str) -> Sequence[Note]:
        """Return a ticket's notes, the earliest first.

        Raises:
            TicketNotFound: There is none of that id.
        """
        ...
