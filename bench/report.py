"""Tells results: as a table on the terminal, and in docs/performance.md with pictures.

`python -m bench.report` puts the results of the last runs between the page's markers.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.machine import ROOT
from bench.rounds import Picture, Row
from bench.svg import draw

RESULTS = ROOT / "bench" / "results"
PAGE = ROOT / "docs" / "performance.md"
PICTURES = ROOT / "docs" / "pictures"
_BEGIN, _END = "<!-- bench:{} -->", "<!-- /bench:{} -->"
_MET = {True: "yes", False: "no", None: ""}


def table(rows: Sequence[Row]) -> list[str]:
    """Return rows as lines for a terminal."""
    cells = [["work", "goal", "measured", "ratio", "met"], *(_cells(row) for row in rows)]
    widths = [max(len(line[n]) for line in cells) for n in range(5)]
    return [
        "  " + "  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip()
        for line in cells
    ]


def markdown(rows: Sequence[Row]) -> str:
    """Return rows as a table of a page."""
    lines = ["| work | goal | measured | ratio | met |", "| --- | --- | --- | --- | --- |"]
    lines += ["| " + " | ".join(_cells(row)) + " |" for row in rows]
    return "\n".join(lines)


def _cells(row: Row) -> list[str]:
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
    return [row.work, row.goal, row.measured, ratio, _MET[row.met]]


def between(page: str, name: str, text: str) -> str:
    """Return a page with another text between two of its markers.

    Args:
        page: The page.
        name: The markers' name.
        text: What is to stand there.

    Raises:
        ValueError: The page has no such markers.
    """
    begin, end = _BEGIN.format(name), _END.format(name)
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"the page has no {begin} … {end}")
    return f"{before}{begin}\n{text}\n{end}{after}"


def kept(case: str) -> Mapping[str, Any] | None:
    """Return a case's results in the last whole run; None if there are none."""
    path = RESULTS / f"{case}.json"
    return json.loads(path.read_text()) if path.exists() else None


def write(cases: Sequence[str], page: Path = PAGE, pictures: Path = PICTURES) -> list[str]:
    """Write the page's table and pictures from the results.

    Args:
        cases: The cases, in the table's order.
        page: The page.
        pictures: The folder of its pictures.

    Returns:
        The cases that have no results, and so no rows.
    """
    found = {case: told for case in cases if (told := kept(case)) is not None}
    rows = [Row(**row) for told in found.values() for row in told["rows"]]
    notes = dict.fromkeys(note for told in found.values() for note in told["notes"])
    machines = dict.fromkeys(_machine(told["machine"]) for told in found.values())
    said = " ".join([*machines, *notes])
    text = between(page.read_text(), "table", f"{said}\n\n{markdown(rows)}")
    pictures.mkdir(exist_ok=True)
    shown: list[str] = []
    for told in found.values():
        for name, picture in told["pictures"].items():
            (pictures / f"{name}.svg").write_text(draw(Picture(**picture)))
            shown.append(f"![{picture['title']}](pictures/{name}.svg)")
    page.write_text(between(text, "pictures", "\n\n".join(shown)))
    return [case for case in cases if case not in found]


def _machine(told: Mapping[str, str]) -> str:
    return (
        f"{told['when']}, {told['cores']} cores ({told['cpu']}), Linux {told['kernel']}, "
        f"Python {told['python']}."
    )


def main() -> int:
    """Write the page; the exit code says whether every case has results."""
    from bench.__main__ import CASES  # noqa: PLC0415 - it imports this module

    missing = write([case.name for case in CASES if not case.on_demand])
    if missing:
        print(f"No results of a whole run: {', '.join(missing)}. Run `make bench` first.")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
