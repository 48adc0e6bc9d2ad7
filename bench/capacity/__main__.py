"""Say what a workload needs: `python -m bench.capacity --watchers 1000000 --events 100000`."""

from __future__ import annotations

import argparse
import math
import sys

from bench.capacity.costs import PACES, Costs
from bench.capacity.model import GIB, Limits, needs
from bench.capacity.told import machine, needed, warned
from bench.capacity.workload import Workload


def main() -> int:
    """Print the table."""
    asked = _arguments()
    tasks = asked.tasks or max(1.0, asked.watchers)
    try:
        workload = Workload(
            watchers=asked.watchers,
            events=asked.events,
            tasks=tasks,
            watched=min(asked.watched or tasks, tasks),
            event_bytes=asked.event_bytes,
            task_seconds=asked.task_seconds,
            stream_seconds=asked.stream_seconds,
            kept_seconds=asked.kept_seconds,
            spread=asked.spread or math.inf,
            hot_watchers=asked.hot_watchers,
            hot_events=asked.hot_events,
        )
        limits = Limits(asked.load, asked.streams, asked.runs, asked.redis_gib * GIB)
        costs = {pace: Costs.measured(pace) for pace in PACES}
        found = [(pace, needs(workload, one, limits)) for pace, one in costs.items()]
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    print(needed(found))
    print(warned(found))
    print(f"Prices as measured: {machine(costs['apart'].machine)}. See docs/capacity.md.")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="capacity", description=(__doc__ or "").partition(":")[0])
    for name, default, about in (
        ("watchers", 1000, "streams that are open at once"),
        ("events", 1000, "events a second, of all tasks"),
        ("tasks", 0, "tasks that are worked on at once; without it, one for each watcher"),
        ("watched", 0, "how many of them are watched; without it, all"),
        ("event-bytes", 350, "bytes of an event, its JSON"),
        ("task-seconds", 60, "how long a task takes"),
        ("stream-seconds", 1800, "after how long a stream breaks, and comes back"),
        ("kept-seconds", 3600, "how long a task stays in Redis after its end"),
        ("spread", 0, "over how many fronts one task's watchers are spread; without it, over all"),
        ("hot-watchers", 0, "more watchers, all of one task"),
        ("hot-events", 0, "of the events a second, that task's"),
        ("load", 0.6, "the share of a core that a process may use"),
        ("redis-gib", 16, "GiB that a primary may hold"),
    ):
        parser.add_argument(f"--{name}", type=float, default=default, help=f"{about} ({default:g})")
    parser.add_argument("--streams", type=int, default=20_000, help="streams a front (20000)")
    parser.add_argument("--runs", type=int, default=64, help="runs a worker at once (64)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
