"""The Intent Agent's side of a hand-over: it opens tickets, keeps what customers say, and tells what people do."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from a2a_streaming import Run
from a2a_streaming.customer_service import wording
from a2a_streaming.customer_service.handover.actions import Action, Does, Handover
from a2a_streaming.customer_service.handover.overdue import DEFAULT_SLA
from a2a_streaming.customer_service.records import (
    Priority,
    Records,
    RecordsError,
    Ticket,
    TicketNotFound,
    TicketState,
    TicketTaken,
)
from a2a_streaming.event import status_event
from a2a_streaming.task import INTERNAL, Json, State
from a2a_streaming.telemetry import get_logger

_log = get_logger(__name__)

_PRIORITIES = {
    "failed": Priority.HIGH,
    "overdue": Priority.HIGH,
    "dispute": Priority.HIGH,
    "escalated": Priority.HIGH,
}
_CUSTOMER = "(the customer)"
"""Who closes the ticket of a task that its customer cancels."""
_SUMMARY = 280
"""The most characters of a ticket's summary."""


class Desk:
    """Hands tasks over to people.

    Args:
        records: The systems of record, with the tickets.
        sla: Within how many seconds a person is wanted, by a ticket's priority.
        changed: Called when a ticket was opened, or is withdrawn.
    """

    def __init__(
        self,
        records: Records,
        sla: Mapping[Priority, float] = DEFAULT_SLA,
        *,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._changed = changed
        self._records = records
        self._sla = sla

    async def hand_over(
        self,
        run: Run,
        reason: str,
        text: str,
        *,
        detail: str = "",
        ticket: str = "",
        metadata: Json | None = None,
    ) -> None:
        """Open a ticket, tell the customer that a person takes over, and end the turn.

        Args:
            run: The customer's run.
            reason: Why, a word: `requested`, `unsure`, `failed`, `overdue`, `escalated`, or a specialist's own.
            text: What the customer is told before it.
            detail: What the person should know beside what the customer said.
            ticket: The ticket that a specialist has opened already; empty if there is none.
            metadata: What else the turn's last event says.
        """
        told = await run.step("hand over", self._open, run, reason, detail, ticket)
        self._changed()
        waiting = Handover(told["ticket"], reason, "waiting").metadata()
        said = wording.handed_over(told["ahead"])
        await run.input_required(f"{text} {said}".strip(), metadata={**(metadata or {}), **waiting})

    async def open(self, run: Run) -> Json | None:
        """Return how the task stands with people, as its metadata say it; None if it isn't handed over.

        Nor is it any more once the book has its ticket closed: whoever closed it may have died before the task
        was told, and nobody would read what the customer writes.

        Args:
            run: The customer's run.
        """
        handover = Handover.read(run.metadata)
        if handover is None:
            return None
        try:
            ticket = await self._records.tickets.get(handover.ticket)
        except TicketNotFound:
            return None
        mine = ticket.task_id == run.stored_id and ticket.is_open
        return handover.metadata() if mine else None

    async def taken(self, run: Run) -> Handover | None:
        """Return how a task stands that a person takes over of their own accord; None if nobody does.

        Args:
            run: The customer's run.
        """
        ticket = await self._records.tickets.by_task(run.stored_id)
        if ticket is None or not ticket.is_open:
            return None
        return Handover(ticket.id, ticket.reason, ticket.state.value)

    async def keep(self, run: Run, handover: Handover) -> None:
        """Keep a customer's message for the person: it stands in the task, and isn't routed.

        Args:
            run: The customer's run.
            handover: How the task stands with people.
        """
        if handover.state == "claimed":  # they read it; nobody else has anything to say
            await run.end(status_event(run.task_id, run.context_id, State.INPUT_REQUIRED))
        else:
            await run.input_required(wording.KEPT)

    async def act(self, run: Run) -> Action | None:
        """Tell the customer what a person has done, and end the turn.

        The book says who has a ticket, and was asked before a deed came here. Whoever speaks A2A and nothing else
        has it now, or says nothing.

        Args:
            run: The run of the person's message.

        Returns:
            What is left to be done by the agent: another specialist is to see to it. None if nothing is; then the
            turn has ended.
        """
        handover = Handover.read(run.metadata)
        action = Action.read(run.data)
        if action is None and handover is not None:  # somebody who speaks A2A and nothing else
            action = Action(Does.REPLY, handover.ticket, run.human or handover.human, run.text)
        ticket = await self._ticket(run, action)
        if action is None or ticket is None:
            _log.warning("a person has said something that they can't", task=run.stored_id)
            await run.end(status_event(run.task_id, run.context_id, State.INPUT_REQUIRED))
            return None
        if action.does is Does.REROUTE:
            return action
        await self._tell(run, action, ticket.reason, handover)
        return None

    def rerouted(self, action: Action) -> tuple[str, Json]:
        """Return what the customer is told of a specialist that a person has chosen, and the task's metadata.

        Args:
            action: What the person does.
        """
        human: Json = {"human": {"name": action.name}}
        back = Handover(action.ticket, "rerouted", "handed back").metadata()
        return action.text or wording.rerouted(action.name, action.to), human | back

    async def withdraw(self, run: Run) -> None:
        """Take a task that is over out of the queue; a person who has it already sees how it ended.

        Args:
            run: The run that is over.
        """
        handover = Handover.read(run.metadata)
        if handover is None:
            return
        tickets = self._records.tickets
        try:
            ticket = await tickets.claim(handover.ticket, _CUSTOMER)
            if ticket.task_id == run.stored_id:
                await tickets.resolve(handover.ticket, _CUSTOMER)
                self._changed()
            else:
                await tickets.release(handover.ticket, _CUSTOMER)
        except (TicketNotFound, TicketTaken) as error:
            _log.info("a ticket isn't withdrawn", ticket=handover.ticket, reason=str(error))

    async def _open(
        self, run: Run, reason: str, detail: str, ticket: str, *, idempotency_key: str
    ) -> Json:
        tickets = self._records.tickets
        opened: Ticket | None = None
        if ticket:
            try:
                opened = await tickets.get(ticket)
                if opened.context_id == run.context_id:
                    opened = await tickets.concerns(
                        ticket,
                        task_id=run.stored_id,
                        context_id=run.context_id,
                        within=self._sla[opened.priority],
                    )
                else:
                    opened = None
            except RecordsError as error:
                _log.warning(
                    "a specialist's ticket can't be used", ticket=ticket, reason=str(error)
                )
        if opened is None:
            customer = await self._records.customers.by_subject(run.owner)
            priority = _PRIORITIES.get(reason, Priority.NORMAL)
            opened = await tickets.open(
                task_id=run.stored_id,
                context_id=run.context_id,
                customer_id=customer.id if customer is not None else None,
                reason=reason,
                summary=_summary(run, detail),
                priority=priority,
                within=self._sla[priority],
                idempotency_key=idempotency_key,
            )
        waiting = [one.id for one in await tickets.queue()]
        return {
            "ticket": opened.id,
            "ahead": waiting.index(opened.id) if opened.id in waiting else len(waiting),
        }

    async def _ticket(self, run: Run, action: Action | None) -> Ticket | None:
        """Return the ticket of an action, if it is this task's and whoever acts may."""
        if action is None:
            return None
        try:
            ticket = await self._records.tickets.get(action.ticket)
        except TicketNotFound:
            return None
        if action.does is Does.OVERDUE:
            has_it = _vouched(run) and ticket.state is TicketState.WAITING
        else:
            has_it = _vouched(run) or ticket.claimed_by == run.human
        return ticket if has_it and ticket.task_id == run.stored_id else None

    async def _tell(self, run: Run, action: Action, reason: str, before: Handover | None) -> None:
        name = action.name
        human: Json = {"human": {"name": name}}

        def stands(state: str, who: str = "") -> Json:
            return Handover(action.ticket, reason, state, who).metadata()

        match action.does:
            case Does.CLAIM:
                await run.input_required(
                    wording.joined_by(name), metadata=human | stands("claimed", name)
                )
            case Does.TAKE:
                text = wording.taken_over(name, before.human if before is not None else "")
                await run.input_required(text, metadata=human | stands("claimed", name))
            case Does.ASSIGN:
                text = wording.assigned(name)
                await run.input_required(text, metadata=human | stands("claimed", name))
            case Does.REPLY:
                await run.input_required(action.text, metadata=human | stands("claimed", name))
            case Does.RELEASE:
                await run.input_required(wording.released(name), metadata=stands("waiting"))
            case Does.BACK | Does.REROUTE:
                text = action.text or wording.handed_back(name)
                await run.input_required(text, metadata=human | stands("handed back"))
            case Does.OVERDUE:
                waits = Handover(action.ticket, reason, "waiting", overdue=True).metadata()
                await run.input_required(wording.OVERDUE, metadata=waits)
            case Does.RESOLVE:
                text = action.text or wording.resolved(name)
                await run.complete(text, metadata=human | stands("resolved"))


def _vouched(run: Run) -> bool:
    """Say whether a message comes from the desk's API, which has asked the book."""
    return run.message.get("metadata", {}).get(INTERNAL, {}).get("desk") is True


def _summary(run: Run, detail: str) -> str:
    texts = [
        part["text"]
        for message in [*run.task.get("history", ()), run.message]
        if message["role"] == "ROLE_USER"
        for part in message["parts"]
        if "text" in part
    ]
    said = " / ".join(dict.fromkeys(texts))
    return f"{detail} {said}".strip()[:_SUMMARY]
