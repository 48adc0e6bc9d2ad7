"""Hand-over tickets: who waits, who has one, and that one alone has it."""

from __future__ import annotations

import asyncio

import pytest

from a2a_streaming.customer_service.records import (
    Priority,
    SqlRecords,
    Ticket,
    TicketNotFound,
    TicketState,
    TicketTaken,
)
from customer_service.records.conftest import Open


async def opens(
    records: SqlRecords,
    key: str = "k",
    *,
    task: str = "t1",
    priority: Priority = Priority.NORMAL,
    within: float = 900,
) -> Ticket:
    return await records.tickets.open(
        task_id=task,
        context_id="c1",
        customer_id=1,
        reason="requested",
        summary="They ask for a person.",
        priority=priority,
        within=within,
        idempotency_key=key,
    )


async def test_a_ticket_is_opened_once_for_each_key(opened: Open) -> None:
    stores = [opened() for _ in range(3)]
    tickets = await asyncio.gather(*(opens(store) for store in stores for _ in range(3)))
    assert len({ticket.id for ticket in tickets}) == 1
    [waiting] = await stores[0].tickets.queue()
    assert waiting == tickets[0]
    assert (waiting.customer, waiting.reason) == ("Alex Hartmann", "requested")
    assert waiting.waiting_since.utcoffset() is not None


async def test_the_queue_has_those_first_whose_time_ends_first(records: SqlRecords) -> None:
    made = [
        await opens(records, "a", within=3600),
        await opens(records, "b"),
        await opens(records, "c", within=60),
        await opens(records, "d"),
    ]
    low, first, urgent, second = (ticket.id for ticket in made)
    assert [t.id for t in await records.tickets.queue()] == [urgent, first, second, low]
    assert [t.id for t in await records.tickets.queue(limit=2)] == [urgent, first]


async def test_of_several_who_claim_a_ticket_one_has_it(opened: Open) -> None:
    stores = [opened() for _ in range(4)]
    ticket = await opens(stores[0])
    people = ["ann", "bob", "cleo", "dan"]
    tried = await asyncio.gather(
        *(s.tickets.claim(ticket.id, who) for s, who in zip(stores, people, strict=True)),
        return_exceptions=True,
    )
    [winner] = [got for got in tried if isinstance(got, Ticket)]
    losers = [got for got in tried if isinstance(got, TicketTaken)]
    assert [loser.who for loser in losers] == [winner.claimed_by] * 3
    assert await stores[0].tickets.queue() == []
    assert winner.claimed_by is not None
    assert await stores[1].tickets.claimed(winner.claimed_by) == [winner]
    assert await stores[2].tickets.claim(ticket.id, winner.claimed_by) == winner  # it is theirs


async def test_only_who_has_a_ticket_closes_it_and_once(records: SqlRecords) -> None:
    ticket = await opens(records)
    with pytest.raises(TicketTaken, match="waiting"):
        await records.tickets.resolve(ticket.id, "ann")
    await records.tickets.claim(ticket.id, "ann")
    with pytest.raises(TicketTaken, match="claimed, by ann"):
        await records.tickets.resolve(ticket.id, "bob")
    done = await records.tickets.resolve(ticket.id, "ann")
    assert (done.state, done.is_open) == (TicketState.RESOLVED, False)
    assert await records.tickets.resolve(ticket.id, "ann") == done
    for late in (records.tickets.hand_back, records.tickets.claim, records.tickets.release):
        with pytest.raises(TicketTaken, match="resolved"):
            await late(ticket.id, "ann")


async def test_a_released_ticket_waits_as_long_as_it_did_before(records: SqlRecords) -> None:
    ticket = await opens(records)
    await records.tickets.claim(ticket.id, "ann")
    again = await records.tickets.release(ticket.id, "ann")
    assert again.waiting_since == ticket.waiting_since
    assert [t.id for t in await records.tickets.queue()] == [ticket.id]
    await records.tickets.claim(ticket.id, "bob")
    back = await records.tickets.hand_back(ticket.id, "bob")
    assert back.state is TicketState.HANDED_BACK


async def test_a_tasks_open_ticket_is_found_before_its_closed_ones(records: SqlRecords) -> None:
    assert await records.tickets.by_task("t1") is None
    first = await opens(records, "a")
    await records.tickets.claim(first.id, "ann")
    await records.tickets.resolve(first.id, "ann")
    second = await opens(records, "b")
    found = await records.tickets.by_task("t1")
    assert found is not None
    assert found.id == second.id
    moved = await records.tickets.concerns(second.id, task_id="parent", context_id="c2")
    assert (moved.task_id, moved.context_id) == ("parent", "c2")
    closed = await records.tickets.by_task("t1")
    assert closed is not None
    assert closed.id == first.id


async def test_notes_are_kept_in_order_and_once_for_each_key(records: SqlRecords) -> None:
    ticket = await opens(records)
    await records.tickets.note(ticket.id, "ann", "called them")
    twice = [
        await records.tickets.note(ticket.id, "bob", "paid", idempotency_key="n1") for _ in range(2)
    ]
    assert twice[0] == twice[1]
    notes = await records.tickets.notes(ticket.id)
    assert [(note.who, note.text) for note in notes] == [("ann", "called them"), ("bob", "paid")]


async def test_a_ticket_that_there_is_not_is_said_to_be_none(records: SqlRecords) -> None:
    with pytest.raises(TicketNotFound, match="T-404"):
        await records.tickets.claim("T-404", "ann")
    with pytest.raises(TicketNotFound):
        await records.tickets.note("T-404", "ann", "hello")


async def test_what_waits_too_long_is_raised_once_whoever_looks(opened: Open) -> None:
    stores = [opened() for _ in range(3)]
    tickets = stores[0].tickets
    late, later = [await opens(stores[0], key, within=0) for key in ("a", "b")]
    await opens(stores[0], "c")
    assert [ticket.id for ticket in await tickets.overdue()] == [late.id, later.id]
    assert [ticket.id for ticket in await tickets.overdue(limit=1)] == [late.id]
    assert (await tickets.get(late.id)).is_overdue
    raised = await asyncio.gather(*(s.tickets.raise_overdue(late.id) for s in stores for _ in "ab"))
    assert sorted(raised) == [False] * 5 + [True]
    assert [ticket.id for ticket in await tickets.overdue()] == [later.id]
    # Whom somebody has claimed needn't wait any more; nor is anybody raised twice.
    for ticket in (late, later):
        await tickets.claim(ticket.id, "ann")
        assert not (await tickets.get(ticket.id)).is_overdue
    assert not await tickets.raise_overdue(later.id)
    for ticket in (late, later):
        await tickets.release(ticket.id, "ann")
    assert [ticket.id for ticket in await tickets.overdue()] == [later.id]


async def test_a_ticket_that_is_handed_up_is_due_as_the_new_task_wants_it(
    records: SqlRecords,
) -> None:
    ticket = await opens(records, within=3600)
    moved = await records.tickets.concerns(ticket.id, task_id="t2", context_id="c1", within=60)
    assert (moved.due_at - moved.opened_at).total_seconds() == 60


async def test_a_ticket_is_given_to_another_from_whoever_has_it_now(records: SqlRecords) -> None:
    ticket = await opens(records)
    given = [await records.tickets.assign(ticket.id, "ann", taken_from=None) for _ in range(2)]
    assert given[0] == given[1]
    assert given[0].claimed_by == "ann"
    with pytest.raises(TicketTaken, match="claimed, by ann"):
        await records.tickets.assign(ticket.id, "bob", taken_from=None)
    with pytest.raises(TicketTaken, match="claimed, by ann"):
        await records.tickets.assign(ticket.id, "bob", taken_from="carl")
    taken = await records.tickets.assign(ticket.id, "bob", taken_from="ann")
    assert (taken.claimed_by, await records.tickets.claimed("ann")) == ("bob", [])
    waiting = await opens(records, "b", within=60)
    assert [one.id for one in await records.tickets.pending()] == [waiting.id, ticket.id]
    await records.tickets.resolve(ticket.id, "bob")
    assert [one.id for one in await records.tickets.pending()] == [waiting.id]
    with pytest.raises(TicketTaken, match="resolved"):
        await records.tickets.assign(ticket.id, "ann", taken_from="bob")
