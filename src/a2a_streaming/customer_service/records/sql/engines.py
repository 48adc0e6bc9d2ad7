"""How work reaches a database: SQLite in threads of its own, PostgreSQL over an asynchronous driver.

Work is a plain function of a session, in a transaction, so that it is written once for both. With SQLite a whole
transaction is one step into a thread and back; an asynchronous driver would take one for each of its calls.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sqlalchemy import URL, Connection, create_engine, event
from sqlalchemy.orm import Session

T = TypeVar("T")

_READERS = 4
"""Threads that read from SQLite at once."""


class Engine(Protocol):
    """The way to one database."""

    async def run(self, work: Callable[[Session], T], *, writes: bool = False) -> T:
        """Do work in a transaction, and return what it returns.

        Args:
            work: The work. It may run in a thread, and to its end although nobody waits for it any more.
            writes: Whether its changes are made, all of them or none; else none are.
        """
        ...

    async def aclose(self) -> None:
        """Close the connections, once what is being done is done."""
        ...


class SqliteEngine:
    """SQLite: those who read are beside each other, those who write in a row.

    Args:
        url: Its URL. A file is made if it isn't there; looks at the disk.
    """

    def __init__(self, url: URL) -> None:
        url = url.set(drivername="sqlite")
        if url.database and url.database != ":memory:":
            path = Path(url.database)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)  # customers' data; SQLite's files beside it take its mode
            self._engine = create_engine(url, hide_parameters=True, pool_size=_READERS + 1)
            self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="records")
            self._writer = ThreadPoolExecutor(1, thread_name_prefix="records")
        else:  # a database for each connection: there is one, and a thread for it
            closable = {"check_same_thread": False}  # by another thread, when that one has ended
            self._engine = create_engine(url, hide_parameters=True, connect_args=closable)
            self._readers = self._writer = ThreadPoolExecutor(1, thread_name_prefix="records")
        event.listen(self._engine, "connect", _prepare_sqlite)
        event.listen(self._engine, "begin", _begin_sqlite)
        self._writing = self._engine.execution_options(writes=True)

    async def run(self, work: Callable[[Session], T], *, writes: bool = False) -> T:
        """Do work in a thread."""
        loop = asyncio.get_running_loop()
        if writes:
            return await loop.run_in_executor(self._writer, self._write, work)
        return await loop.run_in_executor(self._readers, self._read, work)

    async def aclose(self) -> None:
        """Close the connections."""
        await asyncio.to_thread(self._close)

    def _read(self, work: Callable[[Session], T]) -> T:
        with Session(self._engine, expire_on_commit=False) as session:
            return work(session)

    def _write(self, work: Callable[[Session], T]) -> T:
        with Session(self._writing, expire_on_commit=False) as session, session.begin():
            return work(session)

    def _close(self) -> None:
        self._readers.shutdown()
        self._writer.shutdown()
        self._engine.dispose()


class DriverEngine:
    """A database whose driver is asynchronous: PostgreSQL.

    Args:
        url: Its URL.

    Raises:
        ImportError: The driver isn't installed.
        InvalidRequestError: The driver isn't asynchronous.
    """

    def __init__(self, url: URL) -> None:
        from sqlalchemy.ext.asyncio import (  # noqa: PLC0415 - not for SQLite: the start waits for imports
            AsyncSession,
            create_async_engine,
        )

        # Parameters are customers' data, and stay out of logs.
        self._engine = create_async_engine(url, pool_pre_ping=True, hide_parameters=True)
        self._session = AsyncSession

    @property
    def dialect(self) -> str:
        """What it speaks."""
        return self._engine.dialect.name

    async def run(self, work: Callable[[Session], T], *, writes: bool = False) -> T:
        """Do work on the event loop, which has other things to do while the driver waits."""
        async with self._session(self._engine, expire_on_commit=False) as session:
            if not writes:
                return await session.run_sync(work)
            async with session.begin():
                return await session.run_sync(work)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._engine.dispose()


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    """Let processes share the file: readers beside a writer, and writers one after the other."""
    connection.isolation_level = None  # `_begin_sqlite` begins; the driver's own way leaves out DDL
    cursor = connection.cursor()
    cursor.execute("PRAGMA busy_timeout = 10000")
    cursor.execute("PRAGMA foreign_keys = ON")
    _switch_to_wal(cursor)
    cursor.close()


def _switch_to_wal(cursor: Any) -> None:
    """Have readers beside a writer; while another process switches, SQLite refuses at once, whatever its timeout is."""
    until = time.monotonic() + 10
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    """Begin a transaction; one that writes says so at once, or it couldn't wait for another writer."""
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
