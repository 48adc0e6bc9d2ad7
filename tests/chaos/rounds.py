"""The fault run: rounds of faults against one cell, each judged when all is quiet again.

    python -m chaos --seed 1 --faults 500 --minutes 10

A round's seed draws its load and its schedule. It ends with a report; exit code 1 if something was found.
"""

from __future__ import annotations

import contextlib
import random
import tempfile
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from chaos.cell import Cell, Size
from chaos.faults import KINDS, strike
from chaos.plays import Plays
from chaos.report import Report
from chaos.schedule import Fault, draw
from chaos.settling import settle

ROUND = 150
"""Faults of a round."""
PACE = 60
"""Events that lie between two faults at most."""


async def play(cell: Cell, seed: int, faults: Sequence[Fault], *, until: float) -> None:
    """Play one round, and judge it.

    Args:
        cell: The cell.
        seed: Draws the load.
        faults: What is broken.
        until: When to break nothing more, by the monotonic clock.
    """
    random.seed(seed)
    cell.new_load(seed)
    cell.timeline.clear()
    cell.began = time.monotonic()
    if any(fault.kind.startswith("failover") for fault in faults):
        cell.prepare()
    cell.load.start()
    if cell.plays is not None:
        cell.plays.begin(seed)
    cell.report.broken.clear()
    await cell.until_moved(1, 10)  # a fault before that hits nobody
    for fault in faults:
        if time.monotonic() > until or cell.report.failed:
            break
        cell.report.broken.append(fault)
        await strike(cell, fault)
    await settle(cell)


async def fault_run(
    name: str,
    seed: int,
    *,
    faults: int,
    seconds: float,
    size: Size | None = None,
    only: Collection[str] = (),
    schedule: Sequence[Fault] | None = None,
    tell: Callable[[str], object] = str,
    pace: int = PACE,
    a_round: int = ROUND,
) -> Report:
    """Run rounds until so many faults have happened, the time is over, or something was found.

    Args:
        name: What the report calls it.
        seed: The first round's; each further one has the next.
        faults: How many.
        seconds: For how long at most.
        size: The cell's.
        only: The kinds to draw from; all by default.
        schedule: What to break instead of what the seed draws, in one round.
        tell: Is told how each round went.
        pace: Events that lie between two faults at most.
        a_round: Faults of a round.
    """
    report = Report(name, seed)
    began = time.monotonic()
    weights = {kind: KINDS[kind].weight for kind in only or KINDS}
    with tempfile.TemporaryDirectory(prefix="a2a-chaos-") as directory:
        cell = Cell(report, Path(directory), size or Size())
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(cell.running())
            if cell.size.conversations:
                cell.plays = Plays(cell)
                await cell.plays.start(stack)
            until = time.monotonic() + seconds
            while report.faults.total() < faults and time.monotonic() < until:
                count = min(a_round, faults - report.faults.total())
                drawn = schedule if schedule is not None else draw(seed, count, weights, pace=pace)
                await play(cell, seed, drawn, until=until)
                tell(
                    f"seed {seed}: {report.faults.total()} faults, {report.deliveries} deliveries, "
                    f"{len(report.findings)} violations, {time.monotonic() - began:.0f} s"
                )
                if report.failed or schedule is not None:
                    break
                seed += 1
            report.complaints = cell.fleet.complaints()
    report.seconds = time.monotonic() - began
    return report
