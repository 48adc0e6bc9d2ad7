"""What a process has done since its start, counted where it happens: an integer more, nothing else.

Nobody is told here. Each process says now and then how its counts have moved (`registry.py`), and Prometheus
fetches them (`metrics.py`).

Durations go into buckets that grow by a tenth: so histograms of many processes and times are merged by adding,
and a percentile is off by 5 % at most.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias
from weakref import WeakSet

_ACCURACY = 0.05
"""How far off a percentile may be, as a share of it."""
_GROWTH = (1 + _ACCURACY) / (1 - _ACCURACY)
_LOG = math.log(_GROWTH)
_LEAST_MS = 0.1


class Histogram:
    """Durations, by buckets of which each is wider than the one before by a tenth.

    Args:
        buckets: How many fell into each; empty to begin.
        total: Their sum, ms.
    """

    __slots__ = ("buckets", "total")

    def __init__(self, buckets: Mapping[int, int] | None = None, total: float = 0.0) -> None:
        self.buckets: Counter[int] = Counter(buckets or {})
        self.total = total

    def __len__(self) -> int:
        """How many there are."""
        return sum(self.buckets.values())

    def add(self, ms: float) -> None:
        """Count one.

        Args:
            ms: Its duration; what is below a tenth of a millisecond counts as that.
        """
        ms = max(ms, _LEAST_MS)
        self.buckets[math.ceil(math.log(ms / _LEAST_MS) / _LOG)] += 1
        self.total += ms

    def merge(self, other: Mapping[int, int]) -> None:
        """Count in what others have counted.

        Args:
            other: Their buckets.
        """
        self.buckets.update(other)

    def percentile(self, share: float) -> float | None:
        """Return the duration that a share of all don't exceed, ms; None if there are none.

        Args:
            share: The share, above 0 and up to 1.
        """
        wanted = math.ceil(share * len(self))
        for bucket in sorted(self.buckets):
            wanted -= self.buckets[bucket]
            if wanted <= 0:
                return _middle(bucket)
        return None

    def up_to(self, bounds_ms: Iterable[float]) -> list[int]:
        """Return how many don't exceed each of some bounds, as near as the buckets tell.

        Args:
            bounds_ms: The bounds, ms.
        """
        return [
            sum(count for bucket, count in self.buckets.items() if _middle(bucket) <= bound)
            for bound in bounds_ms
        ]


def _middle(bucket: int) -> float:
    """Return the duration from which both ends of a bucket are equally far off, as a share."""
    return _LEAST_MS * 2 * _GROWTH**bucket / (_GROWTH + 1)


@dataclass(eq=False, slots=True, weakref_slot=True)
class Tally:
    """One process's counts since its start."""

    events: int = 0
    """Events appended to logs."""
    deliveries: int = 0
    """Events handed to streams."""
    resets: int = 0
    """Streams begun anew because their position couldn't be continued."""
    begun: Counter[str] = field(default_factory=Counter[str])
    """Tasks accepted, by agent."""
    ended: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    """Tasks that have ended, by agent and state."""
    first_event: Histogram = field(default_factory=Histogram)
    """From a task's acceptance to the first event that a run writes, ms."""
    duration: Histogram = field(default_factory=Histogram)
    """From a task's acceptance to its terminal event, ms."""

    def __post_init__(self) -> None:
        TALLIES.add(self)

    def task_ended(self, agent: str, state: str, ms: float | None) -> None:
        """Count a task's end.

        Args:
            agent: Its agent.
            state: How it ended, as people write it.
            ms: How long it took; None if that isn't known.
        """
        self.ended[agent, state] += 1
        if ms is not None:
            self.duration.add(ms)


TALLIES: WeakSet[Tally] = WeakSet()
"""Those of this process: one for each way to Redis."""


Counts: TypeAlias = dict[str, dict[str, int]]
"""Counts as they are told to others, by kind: `counts`, `begun`, `ended`, `first`, `duration`."""


def told(tally: Tally) -> Counts:
    """Return a tally's counts as they are told to others: `ended` by `<agent> <state>`, durations by bucket."""
    return {
        "counts": {
            "events": tally.events,
            "deliveries": tally.deliveries,
            "resets": tally.resets,
        },
        "begun": dict(tally.begun),
        "ended": {f"{agent} {state}": count for (agent, state), count in tally.ended.items()},
        "first": {str(bucket): count for bucket, count in tally.first_event.buckets.items()},
        "duration": {str(bucket): count for bucket, count in tally.duration.buckets.items()},
    }


def moved(now: Counts, before: Counts) -> Counts:
    """Return by how much counts have moved; empty if they haven't."""
    found: Counts = {}
    for kind, counts in now.items():
        earlier = before.get(kind, {})
        changed = {key: more for key, n in counts.items() if (more := n - earlier.get(key, 0))}
        if changed:
            found[kind] = changed
    return found
