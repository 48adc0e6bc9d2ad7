"""The topic `queue`: what is open at the desk, as pages follow it on their one stream.

The book may be changed by any process, so it is asked once a second, by one task for all who follow here, and only while
somebody does. What this process changes itself is told at once (`changed`).
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Sequence

import orjson

from a2a_streaming.caller import Caller, Role
from a2a_streaming.customer_service.handover.view import told
from a2a_streaming.customer_service.records import Ticket, Tickets, TicketState
from a2a_streaming.errors import Forbidden, Unavailable
from a2a_streaming.task import Json
from a2a_streaming.telemetry import get_logger

_log = get_logger(__name__)

_EVERY = 1.0
"""Seconds between two looks at the book."""
_LINGERS = 10.0
"""Seconds that it is still looked at when nobody follows any more: pages open their stream anew."""


class QueueTopic:
    """Tells pages what waits, what they have, and what others have.

    Without authentication nobody knows whose page it is: all that is claimed stands under `others`, with who has it.

    Args:
        tickets: The queue's book.
        authenticates: Whether callers sign in.
        every: Seconds between two looks at the book.
    """

    name = "queue"
    """What pages call it."""

    def __init__(self, tickets: Tickets, *, authenticates: bool, every: float = _EVERY) -> None:
        self._tickets = tickets
        self._authenticates = authenticates
        self._every = every
        self._open: Sequence[Ticket] = ()
        self._version = ""
        self._fault: Exception | None = None
        self._looked = asyncio.Condition()
        self._due = asyncio.Event()
        self._followers = 0
        self._looking: asyncio.Task[None] | None = None

    def admit(self, caller: Caller) -> None:
        """Check that somebody may follow it.

        Raises:
            Forbidden: They don't answer customers.
        """
        check_person(caller, authenticates=self._authenticates)

    def changed(self) -> None:
        """Look at the book at once: this process has changed it."""
        self._due.set()

    async def next(self, caller: Caller, seen: str | None) -> tuple[str, Json]:
        """Wait until the queue stands differently than a page has seen it.

        Args:
            caller: Whose page it is.
            seen: The version that the page has; None if it has none.

        Returns:
            The version, and what it says: `waiting`, `mine` and `others`.

        Raises:
            Unavailable: The book can't be read.
        """
        self._followers += 1
        if self._looking is None:
            self._looking = asyncio.create_task(self._look(), name="queue")
        try:
            async with self._looked:
                await self._looked.wait_for(lambda: self._is_news(seen))
        finally:
            self._followers -= 1
        if not self._version:
            raise Unavailable("The queue can't be read now.") from self._fault
        return self._version, self._split(caller)

    async def aclose(self) -> None:
        """Look no more."""
        looking, self._looking = self._looking, None
        if looking is not None:
            looking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await looking

    def _is_news(self, seen: str | None) -> bool:
        return self._version != seen if self._version else self._fault is not None

    def _split(self, caller: Caller) -> Json:
        waiting: list[Json] = []
        mine: list[Json] = []
        others: list[Json] = []
        for ticket in self._open:
            if ticket.state is TicketState.WAITING:
                waiting.append(told(ticket))
            elif self._authenticates and ticket.claimed_by == caller.owner:
                mine.append(told(ticket))
            else:
                others.append(told(ticket))
        return {"waiting": waiting, "mine": mine, "others": others}

    async def _look(self) -> None:
        """Look at the book as long as somebody follows."""
        loop = asyncio.get_running_loop()
        until = loop.time() + _LINGERS
        try:
            while self._followers or loop.time() < until:
                if self._followers:
                    until = loop.time() + _LINGERS
                self._due.clear()
                await self._read()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._every):
                        await self._due.wait()
        finally:
            # The next to follow reads it anew.
            self._version, self._fault, self._looking = "", None, None

    async def _read(self) -> None:
        try:
            found = await self._tickets.pending()
        except Exception as error:  # whatever a company's own systems raise
            if self._fault is None:
                _log.warning("the queue can't be read", reason=repr(error))
            self._fault = error
        else:
            self._fault = None
            stands = orjson.dumps([told(ticket) for ticket in found])
            version = hashlib.blake2b(stands, digest_size=8).hexdigest()
            if version == self._version:
                return
            self._open, self._version = found, version
        async with self._looked:
            self._looked.notify_all()


def check_person(caller: Caller, *, authenticates: bool) -> None:
    """Check that somebody answers customers.

    Args:
        caller: Who asks.
        authenticates: Whether callers sign in; else whoever may ask at all may.

    Raises:
        Forbidden: They don't.
    """
    if authenticates and (
        caller.role not in (Role.AGENT, Role.OPERATOR) or caller.actor or caller.task
    ):
        raise Forbidden(
            "Only people who answer customers see the queue: sign in with the role agent or operator."
        )
