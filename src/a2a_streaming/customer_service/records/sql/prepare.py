"""Getting the database ready: migrations, and the demo company's books in an empty one.

Several processes may do it at once: each step holds a lock, and looks first whether it is still due.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, insert, inspect, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from a2a_streaming.customer_service.records.sql import demo
from a2a_streaming.customer_service.records.sql.tables import Base, CustomerRow
from a2a_streaming.errors import SetupError

_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = "SELECT pg_advisory_xact_lock(666199)"
"""Held until the transaction's end; any number of ours does."""
_AT_ONCE = 2000
"""Rows that are written in one statement."""


async def prepare(engine: AsyncEngine, *, filled: bool, today: date) -> None:
    """Bring the tables up to date, and fill them if they are empty.

    Args:
        engine: The database, whose transactions write.
        filled: Whether to fill them.
        today: The day around which the demo's dates lie.
    """
    scripts = await asyncio.to_thread(_scripts)
    async with _exclusive(engine) as connection:
        await connection.run_sync(migrate, scripts)
        empty = await _is_empty(connection)
    if not (filled and empty):
        return
    books = await asyncio.to_thread(demo.make, today)
    async with _exclusive(engine) as connection:
        if await _is_empty(connection):
            await _write(connection, books.rows)


def migrate(connection: Connection, scripts: ScriptDirectory) -> None:
    """Make the migrations that a database doesn't have yet.

    Args:
        connection: To the database, within a transaction.
        scripts: The migrations.

    Raises:
        SetupError: The tables are there, and no migration has made them.
    """
    context = MigrationContext.configure(connection)
    if context.get_current_revision() is None and inspect(connection).has_table("customers"):
        raise SetupError(
            "The database has tables of customers already, and that isn't from this version's migrations. Name "
            "another database in A2A_DATABASE_URL, or remove that one: under `up` it is records.db in A2A_DATA_DIR."
        )
    missing = scripts.iterate_revisions("heads", context.get_current_revision() or "base")
    for revision in reversed(list(missing)):
        with Operations.context(context):
            revision.module.upgrade()
        context.stamp(scripts, revision.revision)


@lru_cache(maxsize=1)
def _scripts() -> ScriptDirectory:
    """Read the migrations; from the disk, so in a thread."""
    scripts = ScriptDirectory(str(_MIGRATIONS), version_locations=[str(_MIGRATIONS)])
    list(scripts.walk_revisions())
    return scripts


@asynccontextmanager
async def _exclusive(engine: AsyncEngine) -> AsyncGenerator[AsyncConnection]:
    """Give a connection in a transaction that no other process of ours has at the same time."""
    async with engine.begin() as connection:  # SQLite: begun as one that writes
        if connection.dialect.name == "postgresql":
            await connection.execute(text(_LOCK))
        yield connection


async def _is_empty(connection: AsyncConnection) -> bool:
    return await connection.scalar(select(CustomerRow.id).limit(1)) is None


async def _write(connection: AsyncConnection, rows: dict[str, list[dict[str, Any]]]) -> None:
    for table in Base.metadata.sorted_tables:
        new = rows.get(table.name, [])
        for start in range(0, len(new), _AT_ONCE):
            await connection.execute(insert(table), new[start : start + _AT_ONCE])
        if new and "id" in new[0] and connection.dialect.name == "postgresql":
            await connection.execute(
                text(f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), {len(new)})")
            )
