"""Getting the database ready: migrations, and the demo company's books in an empty one.

Several processes may do it at once: each step holds a lock, and looks first whether it is still due.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from sqlalchemy import column, insert, inspect, select, table, text
from sqlalchemy.orm import Session

from a2a_streaming.customer_service.records.sql import demo
from a2a_streaming.customer_service.records.sql.engines import Engine
from a2a_streaming.customer_service.records.sql.tables import Base, CustomerRow

_MIGRATIONS = Path(__file__).parent / "migrations"
_VERSION = table("alembic_version", column("version_num"))
"""Alembic's own table."""
_LOCK = "SELECT pg_advisory_xact_lock(666199)"
"""Held until the transaction's end; any number of ours does."""
_AT_ONCE = 2000
"""Rows that are written in one statement."""


async def prepare(engine: Engine, *, filled: bool, today: date) -> None:
    """Bring the tables up to date, and fill them if they are empty.

    Args:
        engine: The database.
        filled: Whether to fill them.
        today: The day around which the demo's dates lie.
    """
    newest = await asyncio.to_thread(newest_migration)
    if await engine.run(revision_of) != newest:
        migrate = await asyncio.to_thread(_migrations)
        await engine.run(_alone(migrate), writes=True)
    if not (filled and await engine.run(_is_empty)):
        return
    rows = (await asyncio.to_thread(demo.make, today)).rows
    await engine.run(_alone(lambda session: _fill(session, rows)), writes=True)


def newest_migration() -> str:
    """Return the newest migration's id: its file's name begins with it. Looks at the disk."""
    return max(path.name.partition("_")[0] for path in _MIGRATIONS.glob("[0-9]*_*.py"))


def revision_of(session: Session) -> str | None:
    """Return the migration that a database is at; None for a new one."""
    if not inspect(session.connection()).has_table(_VERSION.name):
        return None
    return session.scalar(select(_VERSION.c.version_num))


def _migrations() -> Callable[[Session], None]:
    """Return what makes the migrations. It takes a while to load, and most starts don't need it."""
    from a2a_streaming.customer_service.records.sql import migrate  # noqa: PLC0415 - see above

    scripts = migrate.load(str(_MIGRATIONS))
    return lambda session: migrate.migrate(session.connection(), scripts)


def _alone(work: Callable[[Session], None]) -> Callable[[Session], None]:
    """Let work be done while no other process of ours does the like; SQLite has one writer at a time anyway."""

    def run(session: Session) -> None:
        if session.get_bind().dialect.name == "postgresql":
            session.execute(text(_LOCK))
        work(session)

    return run


def _is_empty(session: Session) -> bool:
    return session.scalar(select(CustomerRow.id).limit(1)) is None


def _fill(session: Session, rows: dict[str, list[dict[str, Any]]]) -> None:
    if not _is_empty(session):
        return
    connection = session.connection()
    for made in Base.metadata.sorted_tables:
        new = rows.get(made.name, [])
        for start in range(0, len(new), _AT_ONCE):
            connection.execute(insert(made), new[start : start + _AT_ONCE])
        if new and "id" in new[0] and connection.dialect.name == "postgresql":
            connection.execute(
                text(f"SELECT setval(pg_get_serial_sequence('{made.name}', 'id'), {len(new)})")
            )
