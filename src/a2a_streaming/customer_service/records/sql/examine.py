"""Looking at a database without changing it: whether it is there, and its tables are this version's."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL
from sqlalchemy.exc import SQLAlchemyError

from a2a_streaming.customer_service.records.sql.database import parse_url
from a2a_streaming.customer_service.records.sql.engines import DriverEngine
from a2a_streaming.customer_service.records.sql.prepare import newest_migration, revision_of

_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Examined:
    """How a database is.

    Args:
        where: The database, without its password.
        there: Whether there is one yet.
        revision: The migration that its tables are at; None for none.
        newest: The newest migration that this version knows.
        problem: Why it can't be used; empty if it can.
    """

    where: str
    there: bool
    revision: str | None
    newest: str
    problem: str = ""


async def examine(url: str | URL) -> Examined:
    """Look at a database.

    Args:
        url: Its SQLAlchemy URL, of SQLite or PostgreSQL.

    Raises:
        InvalidSetting: The URL is none.
    """
    parsed = parse_url(url)
    newest = await asyncio.to_thread(newest_migration)
    where = parsed.render_as_string()
    try:
        if parsed.get_backend_name() == "sqlite":
            there, revision = await asyncio.to_thread(_sqlite, Path(parsed.database or ""))
        else:
            async with asyncio.timeout(_SECONDS):
                there, revision = True, await _driver(parsed)
    except (SQLAlchemyError, sqlite3.Error, OSError, ImportError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        return Examined(where, there=True, revision=None, newest=newest, problem=reason)
    return Examined(where, there, revision, newest)


def sqlite_file(url: str | URL) -> Path | None:
    """Return the file of an SQLite database; None for another one, or one in memory.

    Args:
        url: Its SQLAlchemy URL.

    Raises:
        InvalidSetting: The URL is none.
    """
    parsed = parse_url(url)
    if parsed.get_backend_name() != "sqlite" or parsed.database in (None, "", ":memory:"):
        return None
    return Path(parsed.database or "")


def _sqlite(path: Path) -> tuple[bool, str | None]:
    if not path.exists():
        return False, None
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
        [found] = database.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise sqlite3.DatabaseError(str(found))
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
        if "alembic_version" not in tables:
            return True, None
        row = database.execute("SELECT version_num FROM alembic_version").fetchone()
    return True, row[0] if row else None


async def _driver(url: URL) -> str | None:
    engine = await asyncio.to_thread(DriverEngine, url)
    try:
        return await engine.run(revision_of)
    finally:
        await engine.aclose()
