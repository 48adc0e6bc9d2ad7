"""Hand-over tickets in SQL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import Select, case, select, update
from sqlalchemy.orm import Session

from a2a_streaming.customer_service.records.errors import TicketNotFound, TicketTaken
from a2a_streaming.customer_service.records.sql.database import Database, reference
from a2a_streaming.customer_service.records.sql.tables import CustomerRow, NoteRow, TicketRow
from a2a_streaming.customer_service.records.tickets import (
    MOVES,
    WITHIN,
    Note,
    Priority,
    Ticket,
    TicketState,
)


class SqlTickets:
    """The human queue's book, in an SQL database; see `Tickets` for what is promised.

    Args:
        database: The database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

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
        """Open a ticket, once for each key."""

        def effect(session: Session) -> str:
            now = datetime.now(UTC)
            row = TicketRow(
                id=reference("T", idempotency_key),
                task_id=task_id,
                context_id=context_id,
                customer_id=customer_id,
                reason=reason,
                summary=summary,
                priority=priority.value,
                rank=priority.rank,
                state=(TicketState.CLAIMED if claimed_by else TicketState.WAITING).value,
                claimed_by=claimed_by,
                claimed_at=now if claimed_by else None,
                opened_at=now,
                waiting_since=now,
                due_at=now + timedelta(seconds=within),
            )
            session.add(row)
            return row.id

        return await self.get(
            await self._database.once(idempotency_key, "open ticket", str, effect)
        )

    async def get(self, ticket_id: str) -> Ticket:
        """Return a ticket."""
        return await self._database.read(lambda session: _ticket(_row(session, ticket_id)))

    async def by_task(self, task_id: str) -> Ticket | None:
        """Return a task's latest ticket, an open one first."""
        closed = case((TicketRow.closed_at.is_(None), 0), else_=1)
        wanted = select(TicketRow).where(TicketRow.task_id == task_id)

        def look(session: Session) -> Ticket | None:
            row = session.scalar(
                wanted.order_by(closed, TicketRow.opened_at.desc(), TicketRow.id).limit(1)
            )
            return _ticket(row) if row is not None else None

        return await self._database.read(look)

    async def queue(self, *, limit: int = 100) -> list[Ticket]:
        """Return the tickets that wait."""
        wanted = select(TicketRow).where(TicketRow.state == TicketState.WAITING.value)
        order = (TicketRow.due_at, TicketRow.rank, TicketRow.id)
        return await self._tickets(wanted.order_by(*order).limit(limit))

    async def claimed(self, who: str) -> list[Ticket]:
        """Return the tickets that a person has."""
        wanted = select(TicketRow).where(
            TicketRow.state == TicketState.CLAIMED.value, TicketRow.claimed_by == who
        )
        return await self._tickets(wanted.order_by(TicketRow.claimed_at, TicketRow.id))

    async def pending(self, *, limit: int = 200) -> list[Ticket]:
        """Return all that is open."""
        states = (TicketState.WAITING.value, TicketState.CLAIMED.value)
        wanted = select(TicketRow).where(TicketRow.state.in_(states))
        order = (TicketRow.due_at, TicketRow.rank, TicketRow.id)
        return await self._tickets(wanted.order_by(*order).limit(limit))

    async def overdue(self, *, limit: int = 100) -> list[Ticket]:
        """Return the tickets that wait beyond their time, and weren't raised."""
        wanted = select(TicketRow).where(
            TicketRow.state == TicketState.WAITING.value,
            TicketRow.raised_at.is_(None),
            TicketRow.due_at < datetime.now(UTC),
        )
        return await self._tickets(wanted.order_by(TicketRow.due_at).limit(limit))

    async def raise_overdue(self, ticket_id: str) -> bool:
        """Note that a ticket is found to wait beyond its time."""
        now = datetime.now(UTC)
        wanted = update(TicketRow).where(
            TicketRow.id == ticket_id,
            TicketRow.state == TicketState.WAITING.value,
            TicketRow.raised_at.is_(None),
            TicketRow.due_at < now,
        )
        noted = wanted.values(raised_at=now).returning(TicketRow.id)
        return await self._database.write(lambda session: session.scalar(noted)) is not None

    async def concerns(
        self, ticket_id: str, *, task_id: str, context_id: str, within: float = WITHIN
    ) -> Ticket:
        """Let a ticket be about another task."""

        def change(session: Session) -> Ticket:
            row = _row(session, ticket_id)
            row.task_id, row.context_id = task_id, context_id
            row.due_at = row.opened_at + timedelta(seconds=within)
            return _ticket(row)

        return await self._database.write(change)

    async def claim(self, ticket_id: str, who: str) -> Ticket:
        """Take a waiting ticket."""
        return await self._move(ticket_id, who, "claim")

    async def assign(self, ticket_id: str, to: str, *, taken_from: str | None) -> Ticket:
        """Give an open ticket to a person."""
        wanted = update(TicketRow).where(TicketRow.id == ticket_id)
        if taken_from is None:
            wanted = wanted.where(TicketRow.state == TicketState.WAITING.value)
        else:
            wanted = wanted.where(
                TicketRow.state == TicketState.CLAIMED.value,
                TicketRow.claimed_by == taken_from,
                TicketRow.claimed_by != to,
            )
        values = {
            "state": TicketState.CLAIMED.value,
            "claimed_by": to,
            "claimed_at": datetime.now(UTC),
        }
        given = wanted.values(values).returning(TicketRow.id)

        def change(session: Session) -> Ticket:
            moved = session.scalar(given)
            row = _row(session, ticket_id)
            theirs = row.state == TicketState.CLAIMED.value and row.claimed_by == to
            if moved is None and not theirs:
                raise TicketTaken(ticket_id, row.state, row.claimed_by)
            return _ticket(row)

        return await self._database.write(change)

    async def release(self, ticket_id: str, who: str) -> Ticket:
        """Put a claimed ticket back into the queue."""
        return await self._move(ticket_id, who, "release")

    async def hand_back(self, ticket_id: str, who: str) -> Ticket:
        """Close a claimed ticket: the agent goes on with the task."""
        return await self._move(ticket_id, who, "hand back")

    async def resolve(self, ticket_id: str, who: str) -> Ticket:
        """Close a claimed ticket: what it was about is done."""
        return await self._move(ticket_id, who, "resolve")

    async def note(
        self, ticket_id: str, who: str, text: str, *, idempotency_key: str | None = None
    ) -> Note:
        """Note something on a ticket."""

        def effect(session: Session) -> Note:
            _row(session, ticket_id)
            note = Note(ticket_id, who, text, datetime.now(UTC))
            session.add(
                NoteRow(ticket_id=ticket_id, who=who, text=text, written_at=note.written_at)
            )
            return note

        if idempotency_key is not None:
            return await self._database.once(idempotency_key, "note", Note, effect)
        return await self._database.write(effect)

    async def notes(self, ticket_id: str) -> list[Note]:
        """Return a ticket's notes."""
        wanted = select(NoteRow).where(NoteRow.ticket_id == ticket_id).order_by(NoteRow.id)

        def look(session: Session) -> list[Note]:
            _row(session, ticket_id)
            rows = session.scalars(wanted)
            return [Note(row.ticket_id, row.who, row.text, row.written_at) for row in rows]

        return await self._database.read(look)

    async def _tickets(self, wanted: Select[TicketRow]) -> list[Ticket]:
        def look(session: Session) -> list[Ticket]:
            return [_ticket(row) for row in session.scalars(wanted)]

        return await self._database.read(look)

    async def _move(self, ticket_id: str, who: str, name: str) -> Ticket:
        """Make a move, in one statement: of several who try at once, one finds the ticket as it must be."""
        move = MOVES[name]
        states = [state.value for state in move.come_from]
        wanted = update(TicketRow).where(TicketRow.id == ticket_id, TicketRow.state.in_(states))
        if move.own:
            wanted = wanted.where(TicketRow.claimed_by == who)
        now = datetime.now(UTC)
        values: dict[str, object] = {"state": move.to.value}
        if move.to is TicketState.CLAIMED:
            values |= {"claimed_by": who, "claimed_at": now}
        elif move.to is not TicketState.WAITING:
            values["closed_at"] = now
        update_ = wanted.values(values).returning(TicketRow.id)

        def change(session: Session) -> Ticket:
            moved = session.scalar(update_)
            row = _row(session, ticket_id)
            if moved is None and not (row.state == move.to.value and row.claimed_by == who):
                raise TicketTaken(ticket_id, row.state, row.claimed_by)
            return _ticket(row)

        return await self._database.write(change)


def _row(session: Session, ticket_id: str) -> TicketRow:
    row = session.scalar(select(TicketRow).where(TicketRow.id == ticket_id))
    if row is None:
        raise TicketNotFound(ticket_id)
    return row


def _ticket(row: TicketRow) -> Ticket:
    customer: CustomerRow | None = row.customer
    return Ticket(
        id=row.id,
        task_id=row.task_id,
        context_id=row.context_id,
        customer_id=row.customer_id,
        customer=customer.name if customer else "",
        reason=row.reason,
        summary=row.summary,
        priority=Priority(row.priority),
        state=TicketState(row.state),
        opened_at=row.opened_at,
        waiting_since=row.waiting_since,
        due_at=row.due_at or row.waiting_since,
        claimed_by=row.claimed_by,
        claimed_at=row.claimed_at,
        closed_at=row.closed_at,
    )
