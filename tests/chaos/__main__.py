"""The fault run, and its special ones: `python -m chaos all|failovers|positions|churn`.

One seed draws one schedule. It ends with a report; exit code 1 if something was found.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

from chaos import schedule
from chaos.cell import Size
from chaos.churn import churn_run
from chaos.faults import KINDS
from chaos.fleet import run
from chaos.positions import positions_run
from chaos.report import Report
from chaos.rounds import PACE, ROUND, fault_run
from chaos.schedule import Fault
from chaos.shrinking import shrink

FAILOVERS = ("failover, writers alive", "failover, writers gone")
_TRIES = 30


def main() -> int:
    """Run it, and print the report."""
    asked = _arguments()
    report = run(_chosen(asked))
    print(report.as_text())
    if asked.report:
        report.write(asked.report)
    if asked.shrink and report.broken and report.failed:
        shorter = _shrunk(asked, report)
        print("\nThis is enough; `--schedule` takes it from a file:\n" + schedule.dump(shorter))
    return 1 if report.failed else 0


def _arguments() -> argparse.Namespace:
    options = argparse.ArgumentParser(prog="python -m chaos")
    options.add_argument("kind", nargs="?", default="all", choices=["all", "failovers", "positions", "churn"])  # fmt: skip
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--faults", type=int, default=500, help="faults; or positions")
    options.add_argument("--minutes", type=float, default=10.0)
    options.add_argument("--only", action="append", default=[], choices=[*KINDS])
    options.add_argument("--schedule", default="", help="a file with the faults of one round")
    options.add_argument("--pace", type=int, default=PACE, help="events between two faults")
    options.add_argument("--round", type=int, default=ROUND, help="faults until all is judged")
    options.add_argument("--fan", type=int, default=Size.fan, help="watchers of a task, at most")
    options.add_argument("--lease", type=float, default=Size.lease, help="seconds; longer on a busy machine")  # fmt: skip
    options.add_argument("--small", action="store_true", help="few processes, no conversations")
    options.add_argument("--shrink", action="store_true", help="find a shorter schedule that fails")
    options.add_argument("--report", default="", help="a file for the report, in JSON")
    return options.parse_args()


def _size(asked: argparse.Namespace) -> Size:
    if asked.small:
        return Size.small(lease=asked.lease)
    every_kind = asked.kind == "all" and not asked.only
    return Size(lease=asked.lease, fan=asked.fan, conversations=every_kind)


def _chosen(asked: argparse.Namespace) -> Coroutine[Any, Any, Report]:
    seconds, size = 60 * asked.minutes, _size(asked)
    if asked.kind == "positions":
        return positions_run(asked.seed, count=asked.faults, size=size, tell=_tell)
    if asked.kind == "churn":
        return churn_run(asked.seed, seconds=seconds, size=size, tell=_tell)
    written = Path(asked.schedule).read_text() if asked.schedule else ""
    return fault_run(
        "fault run" if asked.kind == "all" else asked.kind,
        asked.seed,
        faults=asked.faults,
        seconds=seconds,
        size=size,
        only=FAILOVERS if asked.kind == "failovers" else asked.only,
        schedule=schedule.load(written) if written else None,
        tell=_tell,
        pace=asked.pace,
        a_round=asked.round,
    )


def _shrunk(asked: argparse.Namespace, report: Report) -> Sequence[Fault]:
    """Find a part of the last round's faults after which something breaks that is alike."""
    broken = {one.violation.invariant for one in report.findings}
    seed = report.findings[-1].seed

    def fails(faults: list[Fault]) -> bool:
        size = _size(asked)
        again = run(
            fault_run("again", seed, faults=len(faults), seconds=600, size=size, schedule=faults)
        )
        found = {one.violation.invariant for one in again.findings}
        _tell(f"{len(faults)} faults: {sorted(found) or 'nothing'}")
        return bool(found & broken)

    return shrink(report.broken, fails, tries=_TRIES)


def _tell(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
