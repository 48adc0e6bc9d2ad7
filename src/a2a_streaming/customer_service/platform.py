"""The platform: its agents, made from the settings, and what they need to run."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from starlette.routing import Route

from a2a_streaming import Agent, Settings
from a2a_streaming.customer_service.billing import BillingAgent
from a2a_streaming.customer_service.booking import BookingAgent
from a2a_streaming.customer_service.claude import Claude
from a2a_streaming.customer_service.delegation.directory import name_of
from a2a_streaming.customer_service.detection import Detector, OfflineDetector
from a2a_streaming.customer_service.detection.claude import ClaudeDetector
from a2a_streaming.customer_service.detection.model import LinearModel
from a2a_streaming.customer_service.handover import (
    Alarm,
    Desk,
    Door,
    HandoverApi,
    OverdueWatch,
    QueueTopic,
    load_replies,
    read_sla,
)
from a2a_streaming.customer_service.intent import IntentAgent
from a2a_streaming.customer_service.keeping import RecordsKeeper
from a2a_streaming.customer_service.pages import PLACES
from a2a_streaming.customer_service.records import (
    DemoCustomers,
    Priority,
    Records,
    SqlRecords,
    Ticket,
)
from a2a_streaming.customer_service.records.sql.database import file_in
from a2a_streaming.customer_service.records.traced import traced
from a2a_streaming.errors import InvalidSetting
from a2a_streaming.sla import load_policy
from a2a_streaming.task import Json
from a2a_streaming.topic import Topic
from a2a_streaming.web import Place

_PARTS = ("customers", "bookings", "billing", "subscriptions", "tickets", "today", "open", "aclose")
"""What systems of record have."""
SPECIALISTS = ("booking", "billing")
"""The specialists that come with the platform."""


class Platform:
    """The agents of one process. Start it before they run, and stop it after them.

    Args:
        settings: The settings.
        base_url: The server's address, under which the specialists are found that run beside the Intent Agent.
        only: The agents to make, by name; all of them by default.
        records: The systems of record; by default those that the settings name.
        alarm: Told of customers who wait too long for a person; None for nobody.

    Raises:
        InvalidSetting: The database's URL is none, the settings' own systems of record can't be loaded, or the
            limits can't be read.
        SetupError: A key for Claude is set, and its package isn't installed; or the intent model can't be used.
    """

    def __init__(
        self,
        settings: Settings,
        base_url: str,
        *,
        only: Collection[str] | None = None,
        records: Records | None = None,
        alarm: Alarm | None = None,
    ) -> None:
        self.agents: list[Agent] = []
        """The agents."""
        own = _records(settings) if records is None else records
        self.records: Records = own if settings.traces == "off" else traced(own)
        """The systems of record."""
        self._customers = own.customers
        self._intent: IntentAgent | None = None
        self._detector: Detector | None = None
        self._alarm = alarm
        self._overdue: OverdueWatch | None = None
        self._queue = QueueTopic(self.records.tickets, authenticates=settings.authenticates)
        self._sla = _waits(settings)
        self._replies = load_replies(settings.replies)
        self._claude = Claude.from_settings(settings)
        self._authenticates = settings.authenticates
        names = ("intent", *SPECIALISTS) if only is None else only
        if "intent" in names:
            base = (settings.public_url or base_url).rstrip("/")
            self._detector = _detector(settings, self._claude)
            self._intent = IntentAgent(
                _specialists(settings, base_url.rstrip("/"), names),
                self._detector,
                address=base,
                limit=settings.handover_seconds,
                desk=Desk(self.records, self._sla, changed=self._queue.changed),
            )
            self.agents.append(self._intent)
        if "booking" in names:
            self.agents.append(BookingAgent(self.records, claude=self._claude))
        if "billing" in names:
            self.agents.append(BillingAgent(self.records, claude=self._claude))

    def routes(self, door: Door) -> list[Route]:
        """Return what the platform serves over HTTP beside its agents: the hand-over, where the Intent Agent is.

        Args:
            door: The way in from outside.
        """
        if self._intent is None:
            return []
        self._overdue = OverdueWatch(
            self.records.tickets,
            door.send,
            self._alarm,
            overdue=_alerting(door),
            authenticates=self._authenticates,
        )
        api = HandoverApi(
            self.records,
            door,
            topic=self._queue,
            specialists=self._intent.specialists,
            replies=self._replies,
            authenticates=self._authenticates,
            within=self._sla[Priority.NORMAL],
        )
        return api.routes()

    def topics(self, door: Door) -> list[Topic]:  # noqa: ARG002 - other platforms' topics may need it
        """Return what pages may follow beside tasks: the queue, where the Intent Agent is.

        Args:
            door: The way in from outside.
        """
        return [] if self._intent is None else [self._queue]

    @property
    def places(self) -> Sequence[Place]:
        """The pages for customers and for people who answer them: where the Intent Agent is."""
        return () if self._intent is None else PLACES

    async def demo_customers(self) -> Sequence[Json]:
        """Return the demo customers between whom pages can switch, the one first who stands for everybody.

        Each has a `name`, and the `subject` to ask as them: empty for the first, who is it without being named.
        """
        customers = self._customers
        found = await customers.demo() if isinstance(customers, DemoCustomers) else ()
        return [
            {"subject": one.subject if place else "", "name": one.name}
            for place, one in enumerate(found)
        ]

    @property
    def keepers(self) -> Sequence[RecordsKeeper]:
        """What keeps something of customers beside their tasks: the systems of record."""
        return [RecordsKeeper(self.records)]

    async def start(self) -> None:
        """Open the systems of record, and begin to look after the queue where its API is served.

        Raises:
            SetupError: The database can't be reached.
        """
        await self.records.open()
        if self._overdue is not None:
            self._overdue.start()

    async def stop(self) -> None:
        """Look after the queue no more, and close all connections."""
        if self._overdue is not None:
            await self._overdue.stop()
        await self._queue.aclose()
        if self._intent is not None:
            await self._intent.aclose()
        if self._detector is not None:
            await self._detector.aclose()
        if self._claude is not None:
            await self._claude.aclose()
        await self.records.aclose()


def _waits(settings: Settings) -> Mapping[Priority, float]:
    """Return within how many seconds a person is wanted: as the limits say it, else as the settings do."""
    usual = read_sla(settings.handover_sla_seconds)
    told = load_policy(settings).waits({one.value: seconds for one, seconds in usual.items()})
    return {Priority(name): seconds for name, seconds in told.items()}


def _alerting(door: Door) -> Callable[[Ticket], Awaitable[None]]:
    """Return what has alerts raised for tickets."""

    async def overdue(ticket: Ticket) -> None:
        await door.overdue(
            ticket.task_id,
            ticket.id,
            since=_ms(ticket.waiting_since),
            due=_ms(ticket.due_at),
            priority=ticket.priority.value,
        )

    return overdue


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def _specialists(settings: Settings, base_url: str, names: Collection[str]) -> list[str]:
    """Return the specialists' addresses: those in this process, unless the settings name others in their place."""
    named = {name_of(url) for url in settings.agents}
    here = [name for name in SPECIALISTS if name in names and name not in named]
    return [*(f"{base_url}/agents/{name}" for name in here), *settings.agents]


def _detector(settings: Settings, claude: Claude | None) -> Detector:
    """Return Claude's detector if there is a key for it, else the offline one, with its model if it has one."""
    path = settings.intent_model
    offline = OfflineDetector(LinearModel.load(Path(path)) if path else None)
    return offline if claude is None else ClaudeDetector(claude, fallback=offline)


def _records(settings: Settings) -> Records:
    """Return the systems of record that the settings name."""
    if settings.records:
        return _own_records(settings.records)
    url = settings.database_url or file_in(settings.data_dir)
    return SqlRecords(url, filled=settings.demo_data)


def _own_records(target: str) -> Records:
    """Load systems of record by their name, also from the working directory."""
    module, _, name = target.partition(":")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    try:
        found: Any = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise InvalidSetting(
            f"A2A_RECORDS names {target!r}, which can't be loaded: {error}. Give package.module:name of an object "
            "that is made as docs/connect-your-systems.md says."
        ) from error
    missing = [part for part in _PARTS if not hasattr(found, part)]
    if missing:
        raise InvalidSetting(
            f"A2A_RECORDS names {target!r}, which lacks {', '.join(missing)}; see docs/connect-your-systems.md."
        )
    return found
