"""Tells results: as a table on the terminal, and as a page with pictures."""

from __future__ import annotations

from collections.abc import Sequence

from bench.machine import ROOT
from bench.rounds import Row

RESULTS = ROOT / "bench" / "results"


def table(rows: Sequence[Row]) -> list[str]:
    """Return rows as lines for a terminal."""
    cells = [
        [
            row.work,
            row.goal,
            row.measured,
            "" if row.ratio is None else f"{row.ratio:.2f}",
            {True: "yes", False: "NO", None: ""}[row.met],
        ]
        for row in rows
    ]
    cells.insert(0, ["work", "goal", "measured", "ratio", "met"])
    widths = [max(len(line[n]) for line in cells) for n in range(5)]
    return [
        "  " + "  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) for line in cells
    ]
