"""Fixtures: every test of the systems of record runs on SQLite, and on PostgreSQL."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import date
from pathlib import Path

import pytest

from a2a_streaming.customer_service.records import SqlRecords
from customer_service.records.databases import Filled

TODAY = date(2027, 3, 1)  # a Monday
Open = Callable[[], SqlRecords]
"""Opens the test's database once more, as another process would."""

_numbers = itertools.count()


@pytest.fixture(params=["sqlite", "postgresql"])
async def url(request: pytest.FixtureRequest, filled: Filled, tmp_path: Path) -> str:
    """The URL of a database with the demo company's books."""
    if request.param == "sqlite":
        return await filled.sqlite(tmp_path / "records.db", TODAY)
    server = request.getfixturevalue("postgresql_url")
    return await filled.postgresql(server, f"test{next(_numbers)}", TODAY)


@pytest.fixture
async def opened(url: str) -> AsyncIterator[Open]:
    """Opens the test's database; what was opened is closed at the end."""
    made: list[SqlRecords] = []

    def open_() -> SqlRecords:
        made.append(SqlRecords(url, today=lambda: TODAY))
        return made[-1]

    yield open_
    for records in made:
        await records.aclose()


@pytest.fixture
def records(opened: Open) -> SqlRecords:
    """The systems of record."""
    return opened()


CustomerOf = Callable[[str], Awaitable[int]]


@pytest.fixture
def customer(records: SqlRecords) -> CustomerOf:
    """Gives the id of a customer by their subject."""

    async def of(subject: str) -> int:
        found = await records.customers.by_subject(subject)
        assert found is not None
        return found.id

    return of
