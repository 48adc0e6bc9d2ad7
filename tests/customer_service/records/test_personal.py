"""What the books say of a customer is told whole, deleted whole, and nobody else's is touched."""

from __future__ import annotations

from collections import Counter

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from a2a_streaming.customer_service.records import PersonalData, SqlRecords
from a2a_streaming.customer_service.records.sql.tables import Base, EffectRow
from customer_service.records.conftest import CustomerOf
from customer_service.records.test_tickets import opens


async def counts(records: SqlRecords) -> Counter[str]:
    """How many rows each table has."""

    def look(session: Session) -> Counter[str]:
        found = Counter[str]()
        for table in Base.metadata.sorted_tables:
            found[table.name] = session.scalar(select(func.count()).select_from(table)) or 0
        return found

    return await records._database.read(look)


async def keys(records: SqlRecords) -> set[str]:
    """The idempotency keys there are."""
    return set(
        await records._database.read(lambda session: list(session.scalars(select(EffectRow.key))))
    )


async def test_all_of_a_customers_rows_are_told_and_deleted_and_no_others(
    records: SqlRecords, customer: CustomerOf
) -> None:
    assert isinstance(records.personal, PersonalData)
    mia = await customer("mia")
    before = await counts(records)
    [invoice, *_] = await records.billing.invoices(mia)
    await records.billing.dispute(
        mia, invoice.number, 0, "it was 7", idempotency_key="task~1:m1:dispute"
    )
    ticket = await opens(records, "task~1:m2:ticket", task="task~1")
    await records.tickets.note(ticket.id, "paul", "a private note", idempotency_key="paul:1")
    other = await opens(records, "task~2:m1:ticket", task="task~2")
    await records.tickets.note(other.id, "paul", "another", idempotency_key="paul:2")
    told = await records.personal.export("mia")
    kinds = Counter(kind for kind, _ in told)
    assert kinds["customers"] == 1
    assert {"bookings", "invoices", "invoice_lines", "payments", "disputes"} <= kinds.keys()
    assert [row["reason"] for kind, row in told if kind == "disputes"] == ["it was 7"]
    whole = await counts(records)

    removed = await records.personal.erase("mia", ["task~1"])
    beside = {
        "effects",
        "tickets",
        "ticket_notes",
    }  # of their task, though the ticket names another
    assert {k: n for k, n in removed.items() if k not in beside} == {
        k: n for k, n in kinds.items() if k not in beside
    }
    assert (removed["tickets"], removed["ticket_notes"]) == (1, 1)
    after = await counts(records)
    assert after + Counter(removed) == whole
    assert after["customers"] == before["customers"] - 1
    assert {"task~2:m1:ticket", "paul:2"} <= await keys(records)
    assert not {"task~1:m1:dispute", "task~1:m2:ticket", "paul:1"} & await keys(records)
    assert await records.customers.by_subject("mia") is None
    assert await records.personal.erase("mia", ["task~1"]) == {}
    assert await records.personal.export("mia") == []
