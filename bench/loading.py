"""Load: runs of the C load generator, and what came of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from bench.machine import CACHE, LOAD_CORE, SERVER_CORE, Process

FOREIGN = 0.1
"""The most of the server's core that others may use before a run counts as disturbed."""
_TRIES = 3

Value: TypeAlias = str | float | Path | Sequence[str | int]


@dataclass(frozen=True)
class Loaded:
    """What the load generator says.

    Args:
        told: Its JSON.
    """

    told: Mapping[str, Any]

    @property
    def wall(self) -> float:
        """Seconds from the first event's publishing, or the first request, to the last one's end."""
        return float(self.told["wall_s"])

    @property
    def events_a_second(self) -> float:
        """Numbered events that watchers have received, a second; all events if none has a number."""
        return (self.told["live"] or self.told["events"]) / self.wall

    @property
    def requests_a_second(self) -> float:
        """Requests that were answered, a second."""
        return self.told["done"] / self.wall

    @property
    def cpu_us(self) -> float:
        """The server's CPU for each event that a watcher has received, in microseconds."""
        return self.told["server_s"] * 1e6 / max(1, self.told["live"] or self.told["events"])

    @property
    def foreign(self) -> float:
        """The share of the server's core that others have used."""
        return max(0.0, self.told["core_s"] - self.told["server_s"]) / max(self.wall, 0.05)

    def ms(self, what: str, quantile: str) -> float:
        """Return a quantile in milliseconds.

        Args:
            what: `latency`, `first` or `whole`.
            quantile: `p50`, `p90`, `p99` or `p999`.
        """
        return self.told[what][f"{quantile}_us"] / 1e3


def load(
    process: Process | Sequence[Process],
    options: Mapping[str, Value],
    *,
    started: Callable[[], None] | None = None,
) -> Loaded:
    """Run the load generator once.

    Args:
        process: The server, or servers, whose CPU is told.
        options: As `c/load.c` describes them.
        started: Called when all watchers are ready, if others publish.

    Raises:
        RuntimeError: A stream had a gap, a double or another fault, or it took too long.
    """
    running = begin(process, options)
    if started is not None:
        until_ready(running)
        started()
    return finish(running)


def begin(
    process: Process | Sequence[Process], options: Mapping[str, Value]
) -> subprocess.Popen[str]:
    """Start the load generator; arguments as for `load`."""
    servers = [process] if isinstance(process, Process) else list(process)
    pids = [pid for server in servers for pid in server.pids()]
    command = [str(CACHE / "load"), f"core={SERVER_CORE}", *(f"pid={pid}" for pid in pids)]
    for name, value in options.items():
        listed = [value] if isinstance(value, str | int | float | Path) else value
        command += [f"{name}={one}" for one in listed]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_on_load_core,  # noqa: PLW1509 - this program has one thread
    )


def until_ready(running: subprocess.Popen[str]) -> None:
    """Wait until all watchers of a load generator are ready, or it has failed."""
    assert running.stdout is not None
    try:
        running.stdout.readline()
    except BaseException:
        running.kill()
        raise


def finish(running: subprocess.Popen[str]) -> Loaded:
    """Wait for the end of a load generator; what it raises is told at `load`."""
    with running:
        try:
            out, errors = running.communicate(timeout=180)
        except BaseException:
            running.kill()
            raise
    if running.returncode != 0:
        raise RuntimeError(f"the load generator failed: {errors.strip()}")
    told = json.loads(out.splitlines()[-1])
    if not told["ok"]:
        raise RuntimeError(f"not what was expected: {errors.strip()} {told}")
    return Loaded(told)


def _on_load_core() -> None:
    os.sched_setaffinity(0, {LOAD_CORE})


def undisturbed(run: Callable[[], Loaded], until: float) -> Loaded:
    """Run until nothing else has used the server's core; the least disturbed run, if there is no such one.

    Args:
        run: Runs once.
        until: The time (monotonic) from which nothing is repeated.
    """
    best: Loaded | None = None
    for _ in range(_TRIES):
        loaded = run()
        if best is None or loaded.foreign < best.foreign:
            best = loaded
        if best.foreign <= FOREIGN or time.monotonic() > until:
            break
    assert best is not None
    if best.foreign > FOREIGN:
        print(
            f"  (disturbed: others used {best.foreign:.0%} of the server's core)", file=sys.stderr
        )
    return best
