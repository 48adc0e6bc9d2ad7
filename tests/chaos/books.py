"""What the refund run asks of the system of record."""

from __future__ import annotations

from pathlib import Path

from apps.refunding import Ledger


class Books:
    """The system of record as the run sees it; the agent's processes write it.

    Args:
        path: The SQLite file.
    """

    def __init__(self, path: Path) -> None:
        self._ledger = Ledger(path)
        self._ledger.prepare()

    def inside(self) -> set[int]:
        """The processes that are inside an open step."""
        return {row[0] for row in self._all("SELECT pid FROM attempts WHERE phase = 'open'")}

    def close(self, pid: int) -> tuple[int, int]:
        """Write off what a dead process left open: how many steps, and how many of them were paid."""
        [row] = self._all(
            "SELECT COUNT(*), COUNT(payments.key) FROM attempts LEFT JOIN payments USING (key)"
            " WHERE pid = ? AND phase = 'open'",
            pid,
        )
        with self._ledger.opened() as database:
            database.execute(
                "UPDATE attempts SET phase = 'killed' WHERE pid = ? AND phase = 'open'", (pid,)
            )
        return row

    def payments(self) -> dict[str, list[tuple[int, float]]]:
        """Amounts and times of what was paid, by task."""
        paid: dict[str, list[tuple[int, float]]] = {}
        for task, amount, at in self._all("SELECT task, amount, paid_at FROM payments"):
            paid.setdefault(task, []).append((amount, at))
        return paid

    def attempts(self) -> tuple[int, int]:
        """How many payments were begun, and how many were asked for under a known key."""
        [row] = self._all("SELECT COUNT(*), COALESCE(SUM(known), 0) FROM attempts")
        return row

    def _all(self, query: str, *values: object) -> list[tuple]:
        with self._ledger.opened() as database:
            return database.execute(query, values).fetchall()
