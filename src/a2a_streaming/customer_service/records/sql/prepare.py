"""Getting the database ready: migrations, and the demo company's books in an empty one.

Several processes may do it at once: each step holds a lock, and looks first whether it is still due.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, column, insert, inspect, select, table, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from a2a_streaming.customer_service.records.sql import demo
from a2a_streaming.customer_service.records.sql.tables import Base, CustomerRow

_MIGRATIONS = Path(__file__).parent / "migrations"
_VERSION = table("alembic_version", column("version_num"))
"""Alembic's own table."""
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
    newest = await asyncio.to_thread(_newest)
    async with engine.connect() as connection:
        current = await connection.run_sync(_revision)
    if current != newest:
        migrate = await asyncio.to_thread(_migrations)
        async with _exclusive(engine) as connection:
            await connection.run_sync(migrate)
    async with engine.connect() as connection:
        empty = await _is_empty(connection)
    if not (filled and empty):
        return
    books = await asyncio.to_thread(demo.make, today)
    async with _exclusive(engine) as connection:
        if await _is_empty(connection):
            await _write(connection, books.rows)


def _newest() -> str:
    """Return the newest migration's id: its file's name begins with it. Looks at the disk."""
    return max(path.name.partition("_")[0] for path in _MIGRATIONS.glob("[0-9]*_*.py"))


def _revision(connection: Connection) -> str | None:
    """Return the migration that a database is at; None for a new one."""
    if not inspect(connection).has_table(_VERSION.name):
        return None
    return connection.scalar(select(_VERSION.c.version_num))


def _migrations() -> Callable[[Connection], None]:
    """Return what makes the migrations. It takes a while to load, and most starts don't need it."""
    from a2a_streaming.customer_service.records.sql import migrate  # noqa: PLC0415 - see above

    scripts = migrate.load(str(_MIGRATIONS))
    return lambda connection: migrate.migrate(connection, scripts)


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
    for made in Base.metadata.sorted_tables:
        new = rows.get(made.name, [])
        for start in range(0, len(new), _AT_ONCE):
            await connection.execute(insert(made), new[start : start + _AT_ONCE])
        if new and "id" in new[0] and connection.dialect.name == "postgresql":
            await connection.execute(
                text(f"SELECT setval(pg_get_serial_sequence('{made.name}', 'id'), {len(new)})")
            )
