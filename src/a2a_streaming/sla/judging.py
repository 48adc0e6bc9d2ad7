"""What is to be raised for a task, and when somebody is to look at it again. Pure.

A deadline isn't kept for each limit: what is known of a task tells all of them. So a task has one entry in the list of
what is to be looked at, and whoever looks, early or late, comes to the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from a2a_streaming.sla.policy import Limit, Policy, Priority
from a2a_streaming.task import Json, State

LATER_MS = 3_600_000
"""After how long an open task is looked at again that has exceeded all that it can: the policy may be another then."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A task's wait for a person.

    Args:
        ticket: The queue's ticket.
        since: Since when, ms since 1970.
        due: By when a person was wanted, ms since 1970.
        priority: The ticket's.
    """

    ticket: str
    since: int
    due: int
    priority: Priority


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a task.

    Args:
        agent: Its agent.
        context: Its context.
        state: Its state; None if the task itself isn't known.
        created: When it was accepted, ms since 1970; None if that isn't known.
        since: Since when it is in its state, likewise.
        begun: Whether a run has written an event.
        priority: Its priority.
        waiting: Its wait for a person; None if it doesn't wait for one.
    """

    agent: str
    context: str = ""
    state: State | None = None
    created: int | None = None
    since: int | None = None
    begun: bool = False
    priority: Priority = "normal"
    waiting: Waiting | None = None

    def start(self, limit: Limit) -> int | None:
        """Return when what a limit measures began, ms since 1970; None if it isn't under way."""
        if limit.measure == "human":
            return None if self.waiting is None else self.waiting.since
        if self.state is None or self.state.terminal:
            return None
        match limit.measure:
            case "first-event":
                return None if self.begun else self.created
            case "total":
                return self.created
            case state:
                return self.since if self.state.label == state else None

    def allowed(self, limit: Limit) -> int | None:
        """Return how long a limit allows it, ms; None if it doesn't have that limit."""
        if not limit.applies_to(self.agent):
            return None
        if limit.measure != "human":
            return limit.ms(self.priority)
        if self.waiting is None:
            return None
        if not limit.seconds:
            return self.waiting.due - self.waiting.since
        return limit.ms(self.waiting.priority)


@dataclass(frozen=True, slots=True)
class Breach:
    """A limit that a task exceeds.

    Args:
        limit: The limit.
        since: When what it measures began, ms since 1970.
        allowed: How long it allows, ms.
        number: 0, or the number of the repeat.
        deadline: When this was due, ms since 1970; quiet hours aside.
        first: Whether nothing was raised on this occasion before: also a repeat is the first, if nobody looked in time.
    """

    limit: Limit
    since: int
    allowed: int
    number: int
    deadline: int
    first: bool = True

    @property
    def occasion(self) -> str:
        """What it is known by, whoever finds it, together with its task and number."""
        return occasion(self.limit.name, self.since)

    def told(self, facts: Facts) -> Json:
        """Return what is told of it."""
        waiting = facts.waiting if self.limit.measure == "human" else None
        return {
            "agent": facts.agent,
            "context": facts.context,
            "state": facts.state.label if facts.state is not None else "",
            "limit": self.limit.name,
            "measure": self.limit.measure,
            "seconds": self.allowed / 1000,
            "priority": facts.priority if waiting is None else waiting.priority,
            "ticket": "" if waiting is None else waiting.ticket,
            "since": self.since,
            "deadline": self.deadline,
            "number": self.number,
        }


def occasion(limit: str, since: int) -> str:
    """Return what a stay, or a wait, is known by beside its task.

    Args:
        limit: The limit's name.
        since: When it began, ms since 1970.
    """
    return f"{limit}@{since}"


@dataclass(frozen=True, slots=True)
class Raised:
    """What has been raised for a task, by occasion.

    Args:
        numbers: The last number that was raised.
        acknowledged: The occasions that somebody sees to: they aren't repeated.
    """

    numbers: Mapping[str, int] = field(default_factory=dict[str, int])
    acknowledged: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be done for a task.

    Args:
        breaches: What is to be raised.
        look: When it is to be looked at again, ms since 1970; None for never.
    """

    breaches: tuple[Breach, ...]
    look: int | None


def judge(policy: Policy, facts: Facts, raised: Raised, now: int) -> Verdict:
    """Say what is to be raised for a task, and when it is to be looked at again.

    Of repeats that nobody has raised in time, only the latest is.

    Args:
        policy: The limits.
        facts: What is known of the task.
        raised: What was raised for it before.
        now: The time, ms since 1970.
    """
    breaches: list[Breach] = []
    looks: list[int] = []
    under_way = facts.state is not None and not facts.state.terminal
    quiet_until = policy.quiet.after(now)
    for limit in policy.limits:
        since, allowed = facts.start(limit), facts.allowed(limit)
        if since is None or allowed is None:
            continue
        here = occasion(limit.name, since)
        first = raised.numbers.get(here, -1) + 1
        if first > limit.repeats or (first and here in raised.acknowledged):
            continue
        if quiet_until > now and not limit.always:
            looks.append(max(quiet_until, _due(policy, limit, since + allowed, first)))
            continue
        number = _latest(policy, limit, since + allowed, first, now)
        if number is not None:
            deadline = since + allowed + _repeat_ms(limit) * number
            breaches.append(Breach(limit, since, allowed, number, deadline, first=first == 0))
            first = number + 1
        if first <= limit.repeats:
            looks.append(_due(policy, limit, since + allowed, first))
    if under_way:
        looks.append(now + LATER_MS)
    return Verdict(tuple(breaches), min(looks, default=None))


def first_look(policy: Policy, facts: Facts) -> int | None:
    """Return when a task is to be looked at, at the earliest; None if it has no limit.

    Its priority and what was raised before needn't be known: whoever looks then knows better.

    Args:
        policy: The limits.
        facts: What is known of the task.
    """
    starts = [(limit, facts.start(limit)) for limit in policy.of(facts.agent)]
    found = [start + limit.least_ms for limit, start in starts if start is not None]
    return min(found, default=None)


def _latest(policy: Policy, limit: Limit, deadline: int, first: int, now: int) -> int | None:
    """Return the last number that is due; None if none is that wasn't raised."""
    number = min(limit.repeats, (now - deadline) // _repeat_ms(limit))
    while number >= first and _due(policy, limit, deadline, number) > now:
        number -= 1
    return number if number >= first else None


def _due(policy: Policy, limit: Limit, deadline: int, number: int) -> int:
    """Return when a deadline or one of its repeats is to be raised: not in quiet hours."""
    at = deadline + _repeat_ms(limit) * number
    return at if limit.always else policy.quiet.after(at)


def _repeat_ms(limit: Limit) -> int:
    return round(limit.repeat_seconds * 1000)
