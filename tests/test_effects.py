"""Effects on the world: a step's key is unique in the system of record, so each happens once."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import redis.asyncio

from a2a_streaming import Run
from a2a_streaming.settings import Settings
from a2a_streaming.task import State
from agents import (
    Notes,
    last_words,
    mortal,
    never,
    true,
    working,
)
from tasks import until


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """No lease lapses and nothing is swept, unless a test lets it."""
    return settings.model_copy(update={"lease_seconds": 60.0})


async def test_a_process_that_dies_between_an_effect_and_its_result_has_it_once(
    settings: Settings, raw: redis.asyncio.Redis, tmp_path: Path
) -> None:
    ledger = Ledger(tmp_path / "paid.db")
    asked = Notes()
    paid = asyncio.Event()

    async def pay(amount: int, *, idempotency_key: str) -> int:
        asked.note(idempotency_key)
        number = await asyncio.to_thread(ledger.pay, idempotency_key, amount)
        if len(asked.lines) == 1:
            paid.set()
            await asyncio.Event().wait()  # dies before it can say that it has paid
        return number

    async def works(run: Run) -> None:
        number = await run.step("pay", pay, 7)
        await run.complete(f"receipt {number}")

    async with working(settings, raw, never, role="front") as desk:
        await desk.send()
        async with mortal(settings, raw, works) as process:
            await paid.wait()
            await process.crash()
        await desk.take_over()
        async with working(settings, raw, works, role="worker"):
            assert last_words(await desk.until(State.COMPLETED)) == "receipt 1"
            await desk.is_settled()
    assert len(asked.lines) == 2
    assert ledger.rows() == [(asked.lines[0], 7)]
    assert len(set(asked.lines)) == 1


async def test_two_attempts_that_race_have_one_effect(
    settings: Settings, raw: redis.asyncio.Redis, tmp_path: Path
) -> None:
    ledger = Ledger(tmp_path / "paid.db")
    together = asyncio.Barrier(2)
    effects: list[str] = []

    async def pay(amount: int, *, idempotency_key: str) -> int:
        effects.append(idempotency_key)
        await together.wait()  # both are in the middle of it
        return await asyncio.to_thread(ledger.pay, idempotency_key, amount)

    async def works(run: Run) -> None:
        await run.complete(f"receipt {await run.step('pay', pay, 7)}")

    async with working(settings, raw, works, max_runs=1) as zombie:  # takes nothing more
        await zombie.send()
        await until(lambda: true(effects))
        # It believes that it holds the lease yet; another has it, and does the same.
        await zombie.take_over()
        async with working(settings, raw, works, role="worker"):
            assert last_words(await zombie.until(State.COMPLETED)) == "receipt 1"
            await zombie.is_settled()
    assert len(effects) == 2
    assert ledger.rows() == [(effects[0], 7)]


class Ledger:
    """A system of record that holds a payment's key unique."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._opened() as database:
            database.execute("CREATE TABLE paid (id INTEGER PRIMARY KEY, key UNIQUE, amount)")

    def pay(self, key: str, amount: int) -> int:
        with self._opened() as database:
            values = (key, amount)
            database.execute("INSERT OR IGNORE INTO paid (key, amount) VALUES (?, ?)", values)
            return database.execute("SELECT id FROM paid WHERE key = ?", (key,)).fetchone()[0]

    def rows(self) -> list[tuple[str, int]]:
        with self._opened() as database:
            return database.execute("SELECT key, amount FROM paid").fetchall()

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._path, timeout=30)) as database, database:
            yield database
