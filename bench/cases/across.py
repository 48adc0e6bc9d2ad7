"""Across processes: from an agent's emit in one process to a watcher's read at another."""

from __future__ import annotations

import json
import time
from pathlib import Path

from bench.loading import Loaded, load, undisturbed
from bench.machine import LOAD_CORE
from bench.requests import JSON, V1, begin, subscribe
from bench.rounds import Bench, Outcome, at_most
from bench.servers import Server, product, redis

_PAUSE = 0.002


def run(bench: Bench) -> Outcome:
    """Measure how long an event is under way."""
    outcome = Outcome()
    agent = "bench.agents:PacingAgent"
    runs: list[Loaded] = []
    with (
        redis(bench.folder) as store,
        product(agent, store, bench.folder, "--role", "worker", core=LOAD_CORE),
        product(agent, store, bench.folder, "--role", "front") as front,
    ):
        for number in bench.each_round():
            count = bench.scaled(1000, 200)
            runs.append(
                undisturbed(lambda n=number, c=count: _watch(bench, front, n, c), bench.deadline)
            )
    for quantile, goal in (("p50", 0.5), ("p99", 2.0)):
        values = [one.ms("latency", quantile) for one in runs]
        work = f"agent's event to a watcher on another process, {quantile}"
        outcome.rows.append(at_most(work, goal, values, "ms"))
    outcome.details = {"runs": [dict(one.told) for one in runs]}
    return outcome


def _watch(bench: Bench, front: Server, number: int, count: int) -> Loaded:
    go = bench.folder / f"go-{number}"
    task = _begin(front, go, count)
    try:
        return load(
            front.process,
            {
                "port": front.port,
                "header": [JSON, V1],
                "body": subscribe(task),
                "source": "other",
                "count": count,
                "seconds": 60,
            },
            started=go.touch,
        )
    finally:
        go.unlink(missing_ok=True)


def _begin(front: Server, go: Path, count: int) -> str:
    text = json.dumps({"go": str(go), "count": count, "pause": _PAUSE})
    return begin(front, f"{go.name}-{time.monotonic_ns()}", text)
