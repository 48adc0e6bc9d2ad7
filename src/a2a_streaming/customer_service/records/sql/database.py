"""The database: its engine, its transactions, and effects that happen once for each key."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter
from sqlalchemy import URL, make_url, select
from sqlalchemy.exc import ArgumentError, DBAPIError, InvalidRequestError
from sqlalchemy.orm import Session

from a2a_streaming.customer_service.records.errors import KeyReused
from a2a_streaming.customer_service.records.sql.engines import DriverEngine, Engine, SqliteEngine
from a2a_streaming.customer_service.records.sql.tables import EffectRow
from a2a_streaming.errors import InvalidSetting, SetupError

T = TypeVar("T")

_DRIVERS = {
    "postgresql": "postgresql+asyncpg",
    "postgres": "postgresql+asyncpg",
}
"""What a URL without a driver means."""
_UNUSABLE = (
    "A2A_DATABASE_URL can't be used: {}. Give an SQLAlchemy URL, for example "
    "sqlite:////var/lib/records.db or postgresql://user:password@host/records, with the extra "
    "`postgres` installed for the latter."
)


class Database:
    """An SQL database: SQLite, or PostgreSQL.

    Args:
        url: An SQLAlchemy URL, for example `sqlite:///records.db`.
        prepare: Makes the tables, and fills them, by an engine whose transactions write; called once, before
            the database is used.
        today: Tells the day.

    Raises:
        InvalidSetting: The URL is none.
    """

    def __init__(
        self,
        url: str | URL,
        *,
        prepare: Callable[[Engine], Awaitable[None]],
        today: Callable[[], date] = date.today,
    ) -> None:
        self._url = parse_url(url)
        self._prepare = prepare
        self.today = today
        """Tells the day."""
        self._opening = asyncio.Lock()
        self._engine: Engine | None = None
        self._opened = False

    async def open(self) -> None:
        """Make what is missing in the database. Every other method does this first, if need be.

        Raises:
            InvalidSetting: The URL's driver isn't installed.
            SetupError: The database can't be reached.
        """
        async with self._opening:
            if self._opened:
                return
            try:
                if self._engine is None:
                    self._engine = await asyncio.to_thread(_engine, self._url)
                await self._prepare(self._engine)
            except (DBAPIError, OSError) as error:
                raise SetupError(
                    f"The database {self._url.render_as_string()} can't be used: {error}. "
                    "Check A2A_DATABASE_URL, and that the database runs."
                ) from error
            self._opened = True

    async def aclose(self) -> None:
        """Close the connections."""
        if self._engine is not None:
            await self._engine.aclose()

    async def read(self, work: Callable[[Session], T]) -> T:
        """Do work that sees the database as it is now, and return what it returns.

        Args:
            work: The work, which changes nothing.
        """
        return await (await self._ready()).run(work)

    async def write(self, work: Callable[[Session], T]) -> T:
        """Do work whose changes are all made at its end, or none, and return what it returns.

        Args:
            work: The work. What it raises undoes everything.
        """
        return await (await self._ready()).run(work, writes=True)

    async def once(
        self,
        key: str,
        operation: str,
        kind: type[T],
        effect: Callable[[Session], T],
    ) -> T:
        """Bring about an effect, once for each key, however often and from wherever it is called.

        The key is written first, in the same transaction as the effect, and it is unique: so who comes
        second waits for the first, and gets what the first one's effect returned.

        Args:
            key: The key.
            operation: What it is, a word.
            kind: The result's class.
            effect: Does it, and nothing outside the session. What it raises undoes everything, the
                key included.

        Raises:
            KeyReused: The key stands for another operation.
        """

        def run(session: Session) -> T:
            insert = _insert(session)
            mine = session.scalar(
                insert(EffectRow)
                .values(key=key, operation=operation, done_at=datetime.now(UTC), result=None)
                .on_conflict_do_nothing()
                .returning(EffectRow.key)
            )
            row = session.scalar(select(EffectRow).where(EffectRow.key == key))
            assert row is not None  # noqa: S101 - it was written, by this call or before it
            if mine is None:
                if row.operation != operation:
                    raise KeyReused(key, row.operation, operation)
                return _codec(kind).validate_python(row.result)
            done = effect(session)
            row.result = _codec(kind).dump_python(done, mode="json")
            return done

        return await self.write(run)

    async def _ready(self) -> Engine:
        if not self._opened:
            await self.open()
        assert self._engine is not None  # noqa: S101 - `open` has set it
        return self._engine


def reference(prefix: str, key: str) -> str:
    """Return a reference that follows from an idempotency key: `RF-0123456789`.

    Args:
        prefix: What it begins with.
        key: The key.
    """
    return f"{prefix}-{hashlib.blake2b(key.encode(), digest_size=5).hexdigest().upper()}"


@lru_cache(maxsize=32)
def _codec(kind: type[Any]) -> TypeAdapter[Any]:
    """Return what reads and writes a result as JSON."""
    return TypeAdapter(kind)


def file_in(data_dir: Path) -> URL:
    """Return the URL of the database that stands in a data directory.

    Args:
        data_dir: The directory.
    """
    return URL.create("sqlite", database=str(data_dir / "records.db"))


def parse_url(url: str | URL) -> URL:
    """Read a database's URL; a driver that it doesn't name is ours.

    Args:
        url: The URL.

    Raises:
        InvalidSetting: It is none.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise InvalidSetting(_UNUSABLE.format(error)) from error
    driver = _DRIVERS.get(parsed.drivername)
    return parsed.set(drivername=driver) if driver else parsed


def _insert(session: Session) -> Any:
    """Return the `INSERT` that can leave what is there; its engine has loaded its dialect, and no other is needed."""
    if session.get_bind().dialect.name == "sqlite":
        from sqlalchemy.dialects.sqlite import insert  # noqa: PLC0415 - the start waits for imports
    else:
        from sqlalchemy.dialects.postgresql import insert  # noqa: PLC0415
    return insert


def _engine(url: URL) -> Engine:
    """Make the engine; it loads the driver, and looks at the disk."""
    if url.get_backend_name() == "sqlite":
        return SqliteEngine(url)
    try:
        engine = DriverEngine(url)
    except (ArgumentError, ImportError, InvalidRequestError) as error:
        raise InvalidSetting(_UNUSABLE.format(error)) from error
    if engine.dialect != "postgresql":
        raise InvalidSetting(_UNUSABLE.format(f"{engine.dialect} isn't supported"))
    return engine
