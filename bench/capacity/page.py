"""Writes the tables of docs/capacity.md from what was measured: `python -m bench.capacity.page`.

What the last `make bench CASES=capacity` and `make capacity-simulation` have found replaces what the page was made from
before; the page's test holds it to that.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping

from bench.capacity import told
from bench.capacity.compared import SIMULATED, Simulation
from bench.capacity.costs import BYTES, CPU, MEASURED, PACES, Costs
from bench.capacity.model import needs
from bench.capacity.shapes import MILLION, SIZES
from bench.capacity.simulation import RESULT
from bench.machine import ROOT
from bench.report import between, kept

PAGE = ROOT / "docs" / "capacity.md"


def page(text: str, costs: Mapping[str, Costs], simulation: Simulation) -> str:
    """Return the page with its tables made anew.

    Args:
        text: The page.
        costs: Prices, by pace.
        simulation: What was played, and what it has used.
    """
    sizes = [(one.name, needs(one.asked, costs["apart"], one.limits)) for one in SIZES]
    million = {
        pace: [(one.name, needs(one.asked, prices, one.limits)) for one in MILLION]
        for pace, prices in costs.items()
    }
    parts = {
        "prices-cpu": f"{_where(costs['apart'])}\n\n{told.prices(costs, CPU)}",
        "prices-bytes": told.prices(costs, BYTES),
        "prices-memory": told.prices(costs, told.MEMORY),
        "simulation": told.simulated(simulation, costs["apart"]),
        "sizes": f"{told.shapes(SIZES)}\n\n{told.needed(sizes)}",
        "million": "\n\n".join(
            [
                told.shapes(MILLION),
                *(
                    f"{PACES[pace].about}\n\n{told.needed(found)}\n\n{told.warned(found)}".rstrip()
                    for pace, found in million.items()
                ),
            ]
        ),
    }
    for name, part in parts.items():
        text = between(text, name, part)
    return text


def _where(costs: Costs) -> str:
    share = float(costs.machine.get("foreign", "0"))
    return f"{told.machine(costs.machine)}; others used {share:.0%} of the machine meanwhile."


def written() -> str:
    """Return the page as it is to be, by what it was made from."""
    costs = {pace: Costs.measured(pace) for pace in PACES}
    return page(PAGE.read_text(), costs, Simulation.read())


def main() -> int:
    """Take over what was measured, and write the page."""
    measured = kept("capacity")
    if measured is not None:
        machine = {**measured["machine"], "foreign": f"{measured['details']['foreign']:.2f}"}
        found = {"machine": machine, "prices": measured["details"]["prices"]}
        MEASURED.write_text(json.dumps(found, indent=1) + "\n")
    if RESULT.exists():
        Simulation.read(RESULT).write(SIMULATED)
    PAGE.write_text(written())
    return 0


if __name__ == "__main__":
    sys.exit(main())
