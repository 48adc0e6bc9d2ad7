"""Tickets that wait too long: found by any process of the platform, raised by one.

Each process asks the book every second for what is due and wasn't raised. The customer's task is told first, by a
message that is the same whoever sends it, and what raises alerts, which raises one of them however often it is told. Then the
book, in one conditional statement: whoever it says yes to writes the log's line, counts it, and calls the alarm.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Protocol

from prometheus_client import Counter

from a2a_streaming.caller import Caller, Role
from a2a_streaming.customer_service.handover.actions import QUEUE, Action, Does
from a2a_streaming.customer_service.records import Priority, Ticket, Tickets
from a2a_streaming.errors import A2AStreamingError, RequestError
from a2a_streaming.task import Json
from a2a_streaming.telemetry import get_logger, unbind

_log = get_logger(__name__)

_EVERY = 1.0
"""Seconds between two looks at the book."""
_RAISED = Counter(
    "a2a_handover_overdue",
    "Tickets that waited longer than they should, by priority.",
    ["priority"],
)
for (
    _priority
) in Priority:  # as zero from the beginning: else the first one isn't seen to be one more
    _RAISED.labels(_priority.value)

Send = Callable[[Caller, str, str, Json], Awaitable[None]]
"""Puts a message into a task's inbox; see `Door.send`."""


Overdue = Callable[[Ticket], Awaitable[None]]
"""Has an alert raised for a ticket, one however often it is called; see `Door.overdue`."""


class Alarm(Protocol):
    """Told of each ticket that waits too long: the place for what a program of your own does then."""

    async def overdue(self, ticket: Ticket) -> None:
        """Take note of it; called once for a ticket, by one process, and not again if it fails.

        Args:
            ticket: The ticket.
        """
        ...


def read_sla(text: str) -> Mapping[Priority, float]:
    """Return within how many seconds a person is wanted, as `A2A_HANDOVER_SLA_SECONDS` says it.

    Args:
        text: The setting, which was checked; a priority that it doesn't name has the default's time.
    """
    if "=" not in text:
        return dict.fromkeys(Priority, float(text))
    named = (pair.split("=") for pair in text.split(",") if pair.strip())
    told = {Priority(name.strip()): float(seconds) for name, seconds in named}
    return {**DEFAULT_SLA, **told}


DEFAULT_SLA: Mapping[Priority, float] = {
    Priority.URGENT: 120.0,
    Priority.HIGH: 300.0,
    Priority.NORMAL: 900.0,
    Priority.LOW: 3600.0,
}
"""Within how many seconds a person is wanted."""


class OverdueWatch:
    """Looks for tickets that wait too long, from `start` to `stop`.

    Args:
        tickets: The queue's book.
        send: Puts a message into a task's inbox.
        overdue: Has an alert raised for each; None for none.
        alarm: Told of each; None for nobody.
        authenticates: Whether tasks have owners.
        every: Seconds between two looks.
    """

    def __init__(
        self,
        tickets: Tickets,
        send: Send,
        alarm: Alarm | None = None,
        *,
        overdue: Overdue | None = None,
        authenticates: bool,
        every: float = _EVERY,
    ) -> None:
        self._tickets = tickets
        self._send = send
        self._alarm = alarm
        self._overdue = overdue
        self._caller = Caller(QUEUE if authenticates else "", Role.AGENT)
        self._every = every
        self._watching: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look; called again it does nothing."""
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch(), name="overdue tickets")

    async def stop(self) -> None:
        """Look no more."""
        watching, self._watching = self._watching, None
        if watching is not None:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching

    async def look(self) -> list[Ticket]:
        """Raise what waits too long; returns what this process has raised.

        Raises:
            A2AStreamingError: The book, or Redis, is away.
        """
        raised: list[Ticket] = []
        for ticket in await self._tickets.overdue():
            await self._tell(ticket)
            if self._overdue is not None:
                await self._overdue(ticket)
            if await self._tickets.raise_overdue(ticket.id):
                raised.append(ticket)
                await self._raise(ticket)
        return raised

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._every)
            unbind("task", "context")  # of whom it told last
            try:
                await self.look()
            except A2AStreamingError as error:
                _log.warning("the queue wasn't looked at", reason=str(error))
            except Exception:
                # Whatever a company's own systems raise: one bad look must not be the last one.
                _log.exception("looking at the queue failed")

    async def _tell(self, ticket: Ticket) -> None:
        """Let the customer know, and whoever else watches their task."""
        part = Action(Does.OVERDUE, ticket.id, "").part()
        try:
            await self._send(self._caller, ticket.task_id, f"overdue-{ticket.id}", part)
        except RequestError as error:
            if error.retry_after is not None:
                raise
            # The task isn't handed over yet, has ended, or is no task of ours: it is raised all the same.
            _log.info("a task isn't told that it waits", task=ticket.task_id, reason=str(error))

    async def _raise(self, ticket: Ticket) -> None:
        waited = (datetime.now(UTC) - ticket.waiting_since).total_seconds()
        _RAISED.labels(ticket.priority.value).inc()
        _log.warning(
            "a customer waits too long for a person",
            ticket=ticket.id,
            task=ticket.task_id,
            reason=ticket.reason,
            priority=ticket.priority.value,
            waited_seconds=round(waited),
        )
        if self._alarm is not None:
            try:
                await self._alarm.overdue(ticket)
            except Exception:
                _log.exception("an alarm failed", ticket=ticket.id)
