"""The database itself: migrated, filled, and opened by several processes at once."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import sqlite3
from contextlib import closing
from datetime import date
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy.orm import Session

from a2a_streaming.customer_service.records import SqlRecords
from a2a_streaming.customer_service.records.sql import database, demo, migrate
from a2a_streaming.customer_service.records.sql.tables import Base
from a2a_streaming.errors import InvalidSetting, SetupError
from customer_service.records.conftest import TODAY
from customer_service.records.databases import create


async def empty(request: pytest.FixtureRequest, kind: str, tmp_path: Path) -> str:
    if kind == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    return await create(request.getfixturevalue("postgresql_url"), f"empty-{request.node.name}")


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_the_migrated_schema_is_that_of_the_models(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url = await empty(request, kind, tmp_path)
    records = SqlRecords(url, filled=False)
    await records.open()

    def differences(session: Session) -> Any:
        options = {"compare_type": True, "compare_server_default": True}
        context = MigrationContext.configure(session.connection(), opts=options)
        return compare_metadata(context, Base.metadata)

    assert await records._database.read(differences) == []
    await records.aclose()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_tickets_of_an_older_version_have_time_from_when_it_is_upgraded(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url = await empty(request, kind, tmp_path)
    folder = str(Path(migrate.__file__).parent / "migrations")
    scripts = await asyncio.to_thread(migrate.load, folder)

    def first(session: Session) -> None:
        context = MigrationContext.configure(session.connection())
        with Operations.context(context):
            [revision] = scripts.iterate_revisions("0001", "base")
            revision.module.upgrade()
        context.stamp(scripts, "0001")
        session.connection().exec_driver_sql(
            "INSERT INTO tickets (id, task_id, context_id, reason, summary, priority, rank, state, opened_at, "
            "waiting_since) VALUES ('T-1', 't1', 'c1', 'requested', '', 'normal', 2, 'waiting', "
            "'2026-01-01 10:00:00', '2026-01-01 10:00:00')"
        )

    older = await asyncio.to_thread(database._engine, database.parse_url(url))
    await older.run(first, writes=True)
    await older.aclose()
    records = SqlRecords(url, filled=False)
    [waiting] = await records.tickets.queue()
    assert (waiting.id, waiting.is_overdue) == ("T-1", False)
    assert await records.tickets.overdue() == []
    await records.aclose()


async def test_what_is_asked_of_the_queue_every_second_is_found_by_an_index(tmp_path: Path) -> None:
    records = SqlRecords(f"sqlite:///{tmp_path / 'records.db'}", filled=False)

    def plans(session: Session) -> list[str]:
        found: list[str] = []
        for where in (
            "state = 'waiting' AND raised_at IS NULL AND due_at < '2027' ORDER BY due_at LIMIT 100",
            "state IN ('waiting', 'claimed') ORDER BY due_at, rank, id LIMIT 200",
            "state = 'waiting' ORDER BY due_at, rank, id LIMIT 100",
        ):
            query = f"EXPLAIN QUERY PLAN SELECT * FROM tickets WHERE {where}"  # noqa: S608 - from above
            found.append(str(session.connection().exec_driver_sql(query).all()))
        return found

    asked = await records._database.read(plans)
    await records.aclose()
    assert all("SEARCH tickets USING INDEX" in plan for plan in asked), asked
    assert "ix_tickets_overdue (state=? AND raised_at=? AND due_at<?)" in asked[0]


def _open_in_a_process(url: str, barrier: Barrier) -> None:
    async def run() -> None:
        records = SqlRecords(url, today=lambda: TODAY)
        barrier.wait(40)
        await records.open()
        assert await records.customers.by_subject("demo") is not None
        await records.aclose()

    asyncio.run(run())


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_processes_that_make_and_fill_the_tables_at_once_agree(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url = await empty(request, kind, tmp_path)
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(2)
    processes = [context.Process(target=_open_in_a_process, args=(url, barrier)) for _ in range(2)]
    for process in processes:
        process.start()
    while processes:
        process = processes.pop()
        await asyncio.to_thread(process.join, 50)
        assert process.exitcode == 0
        del process
    del barrier  # semaphores write when they go: here, in no event loop
    await asyncio.to_thread(gc.collect)
    records = SqlRecords(url, today=lambda: TODAY)
    customer = await records.customers.by_subject("demo")
    assert customer is not None
    assert len(await records.bookings.of(customer.id)) == 4
    await records.aclose()


async def test_stores_that_open_at_once_in_one_process_agree(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'records.db'}"
    stores = [SqlRecords(url, filled=False) for _ in range(4)]
    await asyncio.gather(*(store.open() for store in stores))
    assert [await store.customers.by_subject("demo") for store in stores] == [None] * 4
    for store in stores:
        await store.aclose()


async def test_a_database_in_memory_is_the_same_for_who_reads_and_who_writes() -> None:
    records = SqlRecords("sqlite://", filled=False)
    opened = await records.tickets.open(
        task_id="t-1", context_id="c-1", customer_id=None, reason="requested", idempotency_key="k"
    )
    assert await asyncio.gather(*(records.tickets.get(opened.id) for _ in range(8))) == [opened] * 8
    await records.aclose()


def test_the_demos_books_are_the_same_on_the_same_day_and_large_enough_to_look_real() -> None:
    books, again = demo.make(TODAY), demo.make(TODAY)
    assert books.rows == again.rows
    sizes = {table: len(rows) for table, rows in books.rows.items()}
    assert sizes["customers"] > 300
    assert sizes["invoices"] > 2000
    assert sizes["bookings"] > 1000
    for table, column in (("bookings", "ref"), ("invoices", "number"), ("customers", "subject")):
        values = [row[column] for row in books.rows[table]]
        assert len(values) == len(set(values))
    assert max(row["paid_on"] for row in books.rows["payments"]) <= TODAY


async def test_a_database_url_that_is_none_is_a_wrong_setting() -> None:
    with pytest.raises(InvalidSetting, match="A2A_DATABASE_URL"):
        SqlRecords("not a url")
    with pytest.raises(InvalidSetting, match="driver"):
        await SqlRecords("nosuch+driver://here/records").open()


async def test_a_database_that_cannot_be_opened_is_told_of_without_its_password(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").touch()
    records = SqlRecords(f"sqlite+aiosqlite://me:secret@/{tmp_path}/file/records.db")
    with pytest.raises(SetupError, match="can't be used") as told:
        await records.open()
    assert "secret" not in str(told.value)
    await records.aclose()


async def test_an_older_database_without_migrations_is_told_of(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    with closing(sqlite3.connect(path)) as older, older:
        older.execute("CREATE TABLE customers (id INTEGER PRIMARY KEY)")
    records = SqlRecords(f"sqlite:///{path}", today=lambda: date(2027, 3, 1))
    with pytest.raises(SetupError, match="isn't from"):
        await records.open()
    await records.aclose()


async def test_a_database_of_a_newer_version_is_told_of(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    with closing(sqlite3.connect(path)) as newer, newer:
        newer.execute("CREATE TABLE alembic_version (version_num VARCHAR(32))")
        newer.execute("INSERT INTO alembic_version VALUES ('9999')")
    records = SqlRecords(f"sqlite:///{path}")
    with pytest.raises(SetupError, match="a newer one has made it"):
        await records.open()
    await records.aclose()
