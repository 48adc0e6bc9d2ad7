"""Run the benchmarks: `python -m bench [--cases a,b] [--rounds 5] [--quick]`."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import NoReturn

from bench.cases import (
    across,
    capacity,
    conversation,
    curves,
    dual_write,
    fan_out,
    first_event,
    history,
    idle,
    memory,
    pages,
    replay,
    resubscribe,
    start,
)
from bench.machine import LOAD_CORE, about, build, open_files
from bench.report import RESULTS, table
from bench.rounds import Bench, Case, Outcome

CASES = (
    Case("dual-write", "events into Redis", dual_write.run, needs_load=False),
    Case("fan-out", "one task, many watchers", fan_out.run),
    Case("replay", "a history, from its start", replay.run),
    Case("first-event", "of a task that begins", first_event.run),
    Case("resubscribe", "of a task that goes on", resubscribe.run),
    Case("across", "from an agent to a watcher on another process", across.run),
    Case("idle", "memory of watchers while nothing happens", idle.run),
    Case("history", "an event's cost against what went before it", history.run),
    Case("conversation", "a customer, the Intent Agent, a specialist, and back", conversation.run),
    Case("memory", "what a task takes in Redis", memory.run),
    Case("start", "of the platform, and of the command line", start.run, needs_load=False),
    Case("pages", "in a browser, idle and busy", pages.run, needs_load=False),
    Case("curves", "for the pictures", curves.run),
    Case("capacity", "prices, for docs/capacity.md", capacity.run, on_demand=True),
)
_MINUTES = 10
"""After so long nothing is repeated any more."""


def main() -> int:
    """Run the cases that are wanted, and print the table."""
    arguments = _arguments()
    if sys.platform != "linux":
        print(
            "The benchmarks need Linux: they pin cores, and read what /proc tells.", file=sys.stderr
        )
        return 2
    names = [name for name in arguments.cases.replace(",", " ").split() if name]
    unknown = set(names) - {case.name for case in CASES}
    if unknown:
        print(f"No such case: {', '.join(sorted(unknown))}. There are:", file=sys.stderr)
        for case in CASES:
            print(f"  {case.name:14} {case.about}", file=sys.stderr)
        return 2
    os.sched_setaffinity(0, {LOAD_CORE})  # the server under test has its core alone
    signal.signal(signal.SIGTERM, _ended)  # so that all that was started is ended, too
    folder = Path(tempfile.mkdtemp(prefix="a2a-bench-"))
    bench = Bench(
        folder=folder,
        rounds=arguments.rounds,
        quick=arguments.quick,
        files=open_files(),
        deadline=time.monotonic() + 60 * _MINUTES,
        has_load=build(),
    )
    if not bench.has_load:
        print("There is no C compiler: what needs the load generator is left out.")
    failed = 0
    try:
        for case in CASES:
            wanted = case.name in names if names else not case.on_demand
            if not wanted or (case.needs_load and not bench.has_load):
                continue
            failed += not _run(case, bench)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if failed else 0


def _run(case: Case, bench: Bench) -> bool:
    """Run a case, print its rows, and keep its results; whether it went well."""
    begun = time.monotonic()
    print(f"\n{case.name}: {case.about}", flush=True)
    try:
        outcome = case.run(bench)
    except Exception as error:  # one case's failure mustn't cost the others
        if bench.quick:
            raise
        outcome = Outcome(notes=[f"{case.name} failed: {error}"])
    for line in table(outcome.rows):
        print(line)
    for note in outcome.notes:
        print(f"  {note}")
    print(f"  {time.monotonic() - begun:.0f} s", flush=True)
    if outcome.rows:
        folder = (
            RESULTS / "quick" if bench.quick else RESULTS
        )  # a look mustn't cost what was measured
        folder.mkdir(parents=True, exist_ok=True)
        kept = {"case": case.name, "machine": about(), "quick": bench.quick, **outcome.as_json()}
        (folder / f"{case.name}.json").write_text(json.dumps(kept, indent=1) + "\n")
    return bool(outcome.rows)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=(__doc__ or "").partition(":")[0])
    parser.add_argument("--cases", default="", help="names, with commas; all without")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--quick", action="store_true", help="one short round, to see that all works"
    )
    return parser.parse_args()


def _ended(*_: object) -> NoReturn:
    raise SystemExit(143)


if __name__ == "__main__":
    sys.exit(main())
