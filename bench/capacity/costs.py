"""What things cost, as measured: for each resource a price for each thing that a workload does.

A resource's use is the sum, over all things, of how many there are a second times what one costs. So prices are found one
after another: each run adds one thing whose price isn't known yet to those whose prices are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

MEASURED = Path(__file__).parent / "measured.json"
"""What the last measurement has found; the page's figures follow from it."""

CPU = {
    "front": "of all fronts",
    "worker": "of all workers",
    "redis": "of all primaries",
    "replica": "of all replicas",
}
"""Resources that are told in microseconds of CPU."""
BYTES = {
    "to_redis": "that primaries read, but for replication",
    "from_redis": "that primaries write, but for replication",
    "replication": "that primaries send to replicas",
    "to_clients": "that fronts send to watchers",
}
"""Resources that are told in bytes."""
HELD = {
    "front_memory": "of all fronts",
    "worker_memory": "of all workers",
    "redis_memory": "of all primaries",
}
"""Resources that are held, not spent: bytes of memory for each thing there is."""


class Pace(NamedTuple):
    """How much processes have to do while prices are measured.

    Args:
        factor: How many times as much as in the scenes as they are written down.
        about: What the prices are good for.
    """

    factor: float
    about: str


PACES = {
    "apart": Pace(
        1, "At the prices of processes with little to do, which wake up for each event by itself:"
    ),
    "busy": Pace(5, "At the prices of busy processes, which do together what has come together:"),
}


@dataclass(frozen=True)
class Amounts:
    """How many there are of each thing: at a time, or a second.

    Args:
        fronts: Processes that serve clients.
        workers: Processes that run agents.
        primaries: Redis servers that are written to.
        members: Those of them that belong to a cluster.
        processes: Fronts and workers.
        tasks: Tasks that begin and end a second, each with its first watcher.
        runs: Tasks that are being worked on.
        events: Events a second.
        event_kib: Their KiB a second.
        hearings: Events a second times the fronts that hear each; and the probe that each ear hears each second, but for
            a front's first.
        hearing_kib: Their KiB a second.
        deliveries: Events a second times the watchers of each.
        delivery_kib: Their KiB a second.
        watchers: Streams that are open.
        feeds: Tasks times the fronts on which each is watched.
        opens: Streams a second that are opened again, and closed, where others watch the task.
        firsts: The same, where nobody else does.
        opened_kib: KiB a second of text that those begin with: their tasks so far.
        kept: Tasks that Redis holds.
        kept_events: Their events.
        kept_kib: Their events' KiB.
    """

    fronts: float = 0
    workers: float = 0
    primaries: float = 0
    members: float = 0
    processes: float = 0
    tasks: float = 0
    runs: float = 0
    events: float = 0
    event_kib: float = 0
    hearings: float = 0
    hearing_kib: float = 0
    deliveries: float = 0
    delivery_kib: float = 0
    watchers: float = 0
    feeds: float = 0
    opens: float = 0
    firsts: float = 0
    opened_kib: float = 0
    kept: float = 0
    kept_events: float = 0
    kept_kib: float = 0


THINGS = tuple(field.name for field in fields(Amounts))
Prices: TypeAlias = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Costs:
    """Prices, and where and when they were measured.

    Args:
        prices: By resource and thing.
        machine: As `bench.machine.about` tells it.
    """

    prices: Prices
    machine: Mapping[str, str]

    def __post_init__(self) -> None:
        unknown = {thing for prices in self.prices.values() for thing in prices} - set(THINGS)
        if unknown:
            raise ValueError(f"nothing is known by these names: {', '.join(sorted(unknown))}")

    def price(self, resource: str, thing: str) -> float:
        """Return what one costs; 0 if it costs nothing."""
        return self.prices.get(resource, {}).get(thing, 0.0)

    def use(self, resource: str, amounts: Amounts) -> float:
        """Return how much of a resource is used: CPU in cores, else bytes, or bytes a second.

        Args:
            resource: Its name.
            amounts: What there is, and what happens a second.
        """
        priced = self.prices.get(resource, {}).items()
        sum_ = sum(price * getattr(amounts, thing) for thing, price in priced)
        return sum_ / 1e6 if resource in CPU else sum_

    def mostly(self, resource: str, amounts: Amounts) -> tuple[str, float]:
        """Return the thing that takes most of a resource, and its share.

        Args:
            resource: Its name.
            amounts: What there is, and what happens a second.
        """
        priced = self.prices.get(resource, {}).items()
        parts = {thing: price * getattr(amounts, thing) for thing, price in priced}
        most = max(parts, key=lambda thing: parts[thing], default=THINGS[0])
        return most, parts.get(most, 0.0) / (sum(parts.values()) or 1)

    @classmethod
    def measured(cls, pace: str) -> Costs:
        """Return what the last measurement has found.

        Args:
            pace: One of `PACES`.
        """
        told: Any = json.loads(MEASURED.read_text())
        return cls(told["prices"][pace], told["machine"])


@dataclass(frozen=True)
class Run:
    """One run of a measurement.

    Args:
        finds: The thing whose prices it finds.
        amounts: What there was, and what happened a second.
        used: What was used of each resource, in the units of `Costs.use`.
        resources: Whose prices are found; all that were used, if none is named.
    """

    finds: str
    amounts: Amounts
    used: Mapping[str, float]
    resources: Sequence[str] = ()


def solve(runs: Sequence[Run], machine: Mapping[str, str]) -> Costs:
    """Find prices: each run's from what is left of its use when all that is known is paid for.

    Args:
        runs: The runs; each finds one thing, and has no other whose price isn't found before.
        machine: Where they were measured.
    """
    prices: dict[str, dict[str, float]] = {}
    for run in runs:
        known = Costs(prices, machine)
        amount = getattr(run.amounts, run.finds)
        for resource in run.resources or run.used:
            left = run.used[resource] - known.use(resource, run.amounts)
            price = left * (1e6 if resource in CPU else 1) / amount
            if price > 0:  # what costs less than can be measured costs nothing
                prices.setdefault(resource, {})[run.finds] = price
    return Costs(prices, machine)
