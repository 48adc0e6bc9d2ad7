"""What a message asks for, clause by clause: each thing once, in order; pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from a2a_streaming.customer_service.detection import requests, things
from a2a_streaming.customer_service.detection.reading import HUMAN, Intent
from a2a_streaming.customer_service.detection.things import Concepts, Head, Thing


class Asked:
    """The requests of a message, as they are found.

    Args:
        concepts: Returns the concepts of some words.
    """

    def __init__(self, concepts: Concepts) -> None:
        self._concepts = concepts
        self._things: list[list[Thing]] = []
        self._clause = ""
        self.asked: list[Intent] = []
        """The requests."""
        self.heads: list[Head | None] = []
        """For each the words of another clause that ask for it; None where its own do."""
        self.owners: list[int] = []
        """For each clause the number of its request; beyond the last one if it leads up to the next."""
        self.told: set[str | None] = set()
        """Routes of what was only told."""

    def leads_up(self) -> None:
        """Note a clause that asks for nothing: it belongs to the request that follows."""
        self.owners.append(len(self.asked))
        self._clause = ""

    def belongs(self, clause: str) -> None:
        """Note a clause that says more of the last request.

        Args:
            clause: The clause.
        """
        owner = self.owners[-1]
        self.owners.append(owner)
        if owner < len(self.asked):
            self._things[owner] += things.named(clause, self._concepts)

    def head_for(self, clause: str) -> Head | None:
        """Return the words of the clause before that ask also for what another names; None if none do.

        Args:
            clause: A clause that only names something.
        """
        if not self._clause or self.asked[-1].route == HUMAN:
            return None
        if requests.is_reference(clause):
            new = things.named(clause, self._concepts)
            if not _same_sort(new, self._things[self.owners[-1]]):
                return None  # it says which one is meant
        return things.head_for(self._clause, clause, self._concepts)

    def add(self, intent: Intent, clause: str, head: Head | None = None) -> None:
        """Note what a clause asks for.

        Args:
            intent: What.
            clause: The clause.
            head: The words before it that ask for it, if its own don't.
        """
        said = head.ask(clause) if head is not None else clause
        new = things.named(said, self._concepts)[:1]
        # What goes on with a list is another thing by that.
        owner = self._same(intent, new) if head is None else None
        if owner is None:
            owner = len(self.asked)
            self.asked.append(intent)
            self.heads.append(head)
            self._things.append([])
        self._things[owner] += new
        self.owners.append(owner)
        if head is None:
            self._clause = clause

    def _same(self, intent: Intent, new: Sequence[Thing]) -> int | None:
        """Return the number of the request to which another adds nothing; None if it does."""
        for number, other in enumerate(self.asked):
            if other.route != intent.route or not requests.is_same(intent.intent, (other.intent,)):
                continue
            known = self._things[number]
            known = [one for one in known if one.core or one.refs] or known
            again = other.intent == intent.intent and intent.route != HUMAN
            others = new and known and all(new[0].is_other(one, intent.intent) for one in known)
            if not (again and others):
                return number
        return None


def _same_sort(new: Sequence[Thing], known: Sequence[Thing]) -> bool:
    """Say whether references are of the same sort as those that a request has: both of bookings, or invoices."""
    theirs = {_sort(ref) for ref in chain.from_iterable(one.refs for one in known)}
    return any(_sort(ref) in theirs for one in new for ref in one.refs)


def _sort(ref: str) -> bool:
    return ref.startswith(("INV", "CHG"))
