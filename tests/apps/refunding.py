"""An agent that refunds money, in a system of record that shows who is in the middle of it."""

import asyncio
import contextlib
import os
import random
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from a2a_streaming import Agent, Run, agent_card

_TABLES = """
CREATE TABLE IF NOT EXISTS payments (
    key TEXT PRIMARY KEY, task TEXT NOT NULL, amount INTEGER NOT NULL, paid_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS attempts (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL, pid INTEGER NOT NULL, phase TEXT NOT NULL,
    known INTEGER, at REAL NOT NULL);
"""


class Ledger:
    """The system of record. It holds a payment's key unique: asked twice, it pays once.

    Each attempt at a payment has a row of its own: `open` while a process is inside it, `closed`
    when it has left; `known` says whether the key was there already when it asked.

    Args:
        path: The SQLite file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextlib.contextmanager
    def opened(self) -> Iterator[sqlite3.Connection]:
        """A connection, in a transaction that is committed at the end."""
        with contextlib.closing(sqlite3.connect(self._path, timeout=30)) as database, database:
            yield database

    def prepare(self) -> None:
        """Make the tables, and let readers read beside a writer."""
        with self.opened() as database:
            database.execute("PRAGMA journal_mode = WAL")
            database.executescript(_TABLES)

    def enter(self, key: str) -> int:
        """Note that this process begins an attempt, and return its number."""
        with self.opened() as database:
            row = database.execute(
                "INSERT INTO attempts (key, pid, phase, at) VALUES (?, ?, 'open', ?)",
                (key, os.getpid(), time.time()),
            )
            assert row.lastrowid is not None
            return row.lastrowid

    def pay(self, attempt: int, key: str, task: str, amount: int) -> float:
        """Pay, unless the key is known; return when it was paid."""
        with self.opened() as database:
            made = database.execute(
                "INSERT INTO payments (key, task, amount, paid_at) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (key) DO NOTHING",
                (key, task, amount, time.time()),
            )
            known = 1 - made.rowcount
            database.execute("UPDATE attempts SET known = ? WHERE id = ?", (known, attempt))
            [paid_at] = database.execute(
                "SELECT paid_at FROM payments WHERE key = ?", (key,)
            ).fetchone()
            return paid_at

    def leave(self, attempt: int) -> None:
        """Note that an attempt is over."""
        with self.opened() as database:
            database.execute("UPDATE attempts SET phase = 'closed' WHERE id = ?", (attempt,))


LEDGER = Ledger(Path(os.environ.get("REFUNDS_LEDGER", "refunds.db")))


async def pay(task: str, amount: int, *, idempotency_key: str) -> dict[str, Any]:
    """Refund an amount; takes its time before and after, so that kills find it in the middle."""
    attempt = await asyncio.to_thread(LEDGER.enter, idempotency_key)
    try:
        await asyncio.sleep(random.uniform(0.05, 0.5))
        paid_at = await asyncio.to_thread(LEDGER.pay, attempt, idempotency_key, task, amount)
        await asyncio.sleep(random.uniform(0.05, 0.5))
    finally:
        await asyncio.to_thread(LEDGER.leave, attempt)
    return {"amount": amount, "paidAt": paid_at}


def receipt(amount: int, paid_at: float) -> list[str]:
    """The receipt's lines."""
    return [
        "Receipt\n",
        f"We have refunded {amount} cents\n",
        f"at {paid_at!r}\n",
        "Thank you\n",
    ]


class RefundingAgent(Agent):
    """Refunds the amount that is the message's last word."""

    card = agent_card("refunding")

    async def run(self, run: Run) -> None:
        amount = int(run.text.split()[-1])
        await run.working(f"Refunding {amount} cents")
        paid = await run.step("refund", pay, run.task_id, amount)
        async with run.artifact("receipt") as paper:
            for line in receipt(paid["amount"], paid["paidAt"]):
                await paper.write(line)
                await asyncio.sleep(0.03)
        await run.complete(f"Refunded {amount} cents")
