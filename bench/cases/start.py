"""Starts: of the platform, warm, until it is ready; and of the command line."""

from __future__ import annotations

import subprocess
import sys
import time

from bench.machine import CORES, ROOT
from bench.rounds import Bench, Outcome, at_most
from bench.servers import product


def run(bench: Bench) -> Outcome:
    """Measure how long they take."""
    outcome = Outcome()
    data = bench.folder / "up"
    starts: list[float] = []
    helps: list[float] = []
    with product("up", None, bench.folder, core=CORES, data=data):
        pass  # the first start makes what the others find
    for _ in bench.each_round():
        begun = time.monotonic()
        with product("up", None, bench.folder, core=CORES, data=data):
            starts.append(time.monotonic() - begun)
        begun = time.monotonic()
        subprocess.run(
            [sys.executable, "-m", "a2a_streaming", "send", "--help"],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            check=True,
        )
        helps.append(time.monotonic() - begun)
    outcome.rows.append(at_most("start of `up` to ready, warm", 3, starts, "s"))
    outcome.rows.append(at_most("`send --help`", 0.5, helps, "s"))
    outcome.details = {"up, s": starts, "send --help, s": helps}
    return outcome
