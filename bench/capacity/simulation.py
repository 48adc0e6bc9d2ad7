"""Plays workloads on a cluster of six servers with several fronts and workers, and compares with what prices say.

`python -m bench.capacity.simulation` writes bench/results/capacity-simulation.json.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from bench.capacity.compared import ALLOWED, Compared, Simulation, compare, played
from bench.capacity.costs import Costs
from bench.capacity.model import links
from bench.capacity.scene import Observed, Scene
from bench.capacity.stage import Stage, stage
from bench.capacity.stores import Store, ask, cluster, pair
from bench.machine import LOAD_CORE, about, build, open_files
from bench.report import RESULTS

FRONTS, WORKERS = 2, 2
RESULT = RESULTS / "capacity-simulation.json"

WARM = Scene("warm", tasks=5, pause=0.1, watchers=15, opens=10, begun=5, chunks=2, seconds=2)
SCENES = (
    Scene("crowds", "3 tasks with 200 watchers each", tasks=3, pause=0.25, watchers=600),
    Scene("a task each", "201 tasks with a watcher each", tasks=201, watchers=201),
    Scene("big events", "8 KiB an event", tasks=15, pause=0.25, size=8192, watchers=75),
    Scene("storm", "60 streams a second are opened anew", tasks=5, watchers=100, opens=60),
    Scene("short tasks", "15 a second begin and end", begun=15, chunks=4),
    Scene(
        "all at once",
        "of each something",
        tasks=51,
        pause=0.5,
        size=500,
        watchers=255,
        opens=20,
        begun=5,
        chunks=8,
    ),
)


def play(store: Store, folder: Path, rounds: int, names: Sequence[str]) -> Simulation:
    """Play scenes so many times.

    Args:
        store: Redis.
        folder: For files that are needed meanwhile.
        rounds: How many times.
        names: Which scenes; all, if none is named.
    """
    costs = Costs.measured("apart")
    seen: dict[str, list[Observed]] = {}
    scenes = [scene for scene in SCENES if not names or scene.name in names]
    with stage(store, folder, FRONTS, WORKERS) as on:
        on.play(WARM)
        for number in range(rounds):
            for scene in scenes:
                named = f"{scene.name.replace(' ', '-')}-{number}"  # no task's id comes twice
                found = on.play(replace(scene, name=named))
                seen.setdefault(scene.name, []).append(found)
                for one in compare(played(scene, [found]), costs):
                    print(f"  {_line(one)}", flush=True)
        connections = _connections(on)
    return Simulation(
        machine=about(),
        servers=len(store.primaries) + len(store.replicas),
        fronts=FRONTS,
        workers=WORKERS,
        scenes=[played(scene, seen[scene.name]) for scene in scenes],
        connections=connections,
    )


def _line(one: Compared) -> str:
    figures = f"{one.measured:12.5g} measured, {one.predicted:12.5g} predicted: {one.off:+.0%}"
    return f"{one.what:12} {one.resource:12} {figures}"


def _connections(on: Stage) -> tuple[int, int]:
    """Return how many connections the product has to all primaries, and how many the model says."""
    primaries = on.store.primaries
    there = 0
    for server in primaries:
        clients = ask(server, "CLIENT", "LIST").decode().splitlines()
        there += sum("flags=S" not in line and "cmd=client" not in line for line in clients)
    each = links(len(on.fronts), len(on.workers), len(primaries))
    return there, round(each * len(primaries))


@contextmanager
def _folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="a2a-capacity-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def main() -> int:
    """Play, print, and keep what came of it; the exit code says whether all is near enough."""
    parser = argparse.ArgumentParser(prog="capacity-simulation", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scenes", default="", help="names, with commas; all without")
    parser.add_argument("--single", action="store_true", help="one primary instead of a cluster")
    arguments = parser.parse_args()
    if sys.platform != "linux" or not build():
        print("The simulation needs Linux and a C compiler.", file=sys.stderr)
        return 2
    open_files()
    os.sched_setaffinity(0, {LOAD_CORE})
    signal.signal(signal.SIGTERM, _ended)  # so that all that was started is ended, too
    names = [name.strip() for name in arguments.scenes.split(",") if name.strip()]
    with _folder() as folder, (pair if arguments.single else cluster)(folder) as store:
        simulation = play(store, folder, arguments.rounds, names)
    figures = simulation.compared(Costs.measured("apart"))
    near = [one for one in figures if one.met]
    print(f"{len(near)} of {len(figures)} figures are within {ALLOWED:.0%}.")
    if not names:
        simulation.write(RESULT)
    return 0 if len(near) == len(figures) else 1


def _ended(*_: object) -> NoReturn:
    raise SystemExit(143)


if __name__ == "__main__":
    sys.exit(main())
