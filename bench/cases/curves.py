"""Curves: a delivery's cost against the number of watchers, and its latency against the rate."""

from __future__ import annotations

import statistics

from bench.cases.fan_out import LIMIT, NCHAN, OURS, OWN, stage
from bench.loading import Loaded
from bench.rounds import Bench, Outcome, Picture, Row

_WATCHERS = 100
_ROUNDS = 2


def run(bench: Bench) -> Outcome:
    """Measure the curves; fewer rounds do than for ratios."""
    outcome = Outcome()
    numbers = [1, 100] if bench.quick else [1, 10, 100, 1_000, 5_000]
    numbers = [n for n in numbers if n < bench.files - 500]
    rates = [100] if bench.quick else [50, 100, 200, 400, 800, 1_200]
    costs: dict[tuple[str, int], list[float]] = {}
    waits: dict[tuple[str, int], list[Loaded]] = {}
    with stage(bench) as on:
        for _ in bench.each_round(_ROUNDS):
            for system in on.systems:
                for watchers in numbers:
                    loaded = on.run(system, watchers, 1, seconds=0.5)
                    costs.setdefault((system, watchers), []).append(loaded.cpu_us)
            for system in [s for s in on.systems if s in (OURS, NCHAN)]:
                for rate in rates:
                    loaded = on.run(system, _WATCHERS, 1, rate=rate, seconds=1)
                    waits.setdefault((system, rate), []).append(loaded)
        systems = on.systems
    outcome.pictures["watchers"] = Picture(
        "CPU of one delivery against the number of watchers, one event in flight",
        "watchers of one task",
        "µs of the server's CPU",
        {
            system: [(n, statistics.median(costs[system, n])) for n in numbers]
            for system in (OURS, OWN, NCHAN, LIMIT)
            if system in systems
        },
    )
    outcome.pictures["rate"] = Picture(
        f"From publishing to a watcher's read, {_WATCHERS} watchers",
        "deliveries a second",
        "ms",
        {
            f"{system}, {quantile}": [
                (
                    rate * _WATCHERS,
                    statistics.median([one.ms("latency", quantile) for one in waits[system, rate]]),
                )
                for rate in rates
            ]
            for system in (OURS, NCHAN)
            if system in systems
            for quantile in ("p50", "p99")
        },
    )
    outcome.rows = [
        Row(
            f"CPU of a delivery to {n:,} watcher{'s' if n > 1 else ''}",
            "",
            f"{statistics.median(costs[OURS, n]):.1f} µs",
        )
        for n in numbers
    ]
    return outcome
