"""Capacity: what each thing costs that a workload does, for the model of `docs/capacity.md`."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import replace

from bench.capacity.costs import CPU, HELD, PACES, THINGS, Costs, solve
from bench.capacity.measuring import SCENES, Rest, runs
from bench.capacity.scene import Observed, Scene
from bench.capacity.stage import Stage, stage
from bench.capacity.stores import Store, cluster, pair
from bench.machine import about
from bench.rounds import Bench, Outcome, Row

_ROUNDS = 3
_TRIES = 3
_TIMED = ("runs",)
"""What happens by the clock, however much else is done."""
_WARM = Scene("warm", tasks=5, pause=0.1, watchers=5, opens=10, firsts=10, begun=5, chunks=2)


def run(bench: Bench) -> Outcome:
    """Measure prices at each pace, round by round; the median of each counts."""
    outcome = Outcome()
    found: dict[str, list[Costs]] = {pace: [] for pace in PACES}
    foreign: list[float] = []
    for _ in bench.each_round(_ROUNDS):
        for pace, costs in found.items():
            seen, solved = _measure(bench, PACES[pace].factor)
            costs.append(solved)
            foreign += [one.foreign for one in seen.values()]
    prices = {pace: median(costs) for pace, costs in found.items()}
    outcome.details = {
        "prices": prices,
        "rounds": {pace: [one.prices for one in costs] for pace, costs in found.items()},
        "foreign": statistics.median(foreign),
    }
    outcome.rows = [
        Row(f"{thing} of {resource}, {pace}", "", told(resource, price))
        for pace, of in prices.items()
        for thing in THINGS
        for resource in of
        if (price := of[resource].get(thing)) is not None
    ]
    return outcome


def _measure(bench: Bench, factor: float) -> tuple[dict[str, Observed], Costs]:
    """Play all scenes once, so many times as fast, and find prices."""
    seconds = bench.scaled(10, 2)
    with cluster(bench.folder) as store:
        members = _alone(store, seconds)
    with pair(bench.folder) as store:
        primary = _alone(store, seconds)
        with stage(store, bench.folder, 1, 1) as on:
            rest = Rest(primary, members, on.memory())
            on.play(replace(_WARM, seconds=2))  # what is done once costs nothing later
            seen = {
                scene.name: _play(on, scene.faster(1 if scene.name in _TIMED else factor), bench)
                for scene in SCENES
            }
    return seen, solve(runs(rest, seen), about())


def _play(on: Stage, scene: Scene, bench: Bench) -> Observed:
    # Claims are renewed each ten seconds, signs of life are given each fifteen.
    seconds = bench.scaled(30 if scene.name in ("idle", "feeds") else 10, 2)
    for number in range(_TRIES):
        try:
            seen = on.play(replace(scene, name=f"{scene.name}-{number}", seconds=seconds))
        except RuntimeError as error:  # the machine had too much else to do
            print(f"  {scene.name}: {error}", file=sys.stderr)
            continue
        print(f"  {scene.name}: others had {seen.foreign:.0%} of the machine", file=sys.stderr)
        return seen
    raise RuntimeError(f"{scene.name} can't be played on this machine now")


def _alone(store: Store, seconds: float) -> dict[str, float]:
    """Return what Redis uses while nobody is connected, in cores."""
    servers = {"redis": store.primaries, "replica": store.replicas}
    before = {name: sum(one.process.cpu() for one in some) for name, some in servers.items()}
    time.sleep(seconds)
    return {
        name: (sum(one.process.cpu() for one in some) - before[name]) / seconds
        for name, some in servers.items()
    }


def median(found: Sequence[Costs]) -> dict[str, dict[str, float]]:
    """Return the median of each price; what most rounds have found none for costs nothing.

    Args:
        found: What each round has found.
    """
    prices: dict[str, dict[str, float]] = {}
    for resource in dict.fromkeys(name for one in found for name in one.prices):
        for thing in THINGS:
            middle = statistics.median([one.price(resource, thing) for one in found])
            if middle:
                prices.setdefault(resource, {})[thing] = middle
    return prices


def told(resource: str, price: float) -> str:
    """Tell a price in its unit."""
    if resource in CPU:
        return f"{price:.3g} µs of CPU"
    held = "" if resource in HELD else " moved"
    return f"{price:,.0f} B{held}"
