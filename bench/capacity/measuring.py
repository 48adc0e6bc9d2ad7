"""Measures prices: scenes on one front, one worker and one primary with its replica, each for one thing more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bench.capacity.costs import Amounts, Run
from bench.capacity.scene import Observed, Scene

_LONG = 4096
_PACED = Scene("paced", tasks=20, pause=0.2)
_HEARD = Scene("heard", tasks=20, pause=0.2, watchers=20)
_CROWD = Scene("crowd", tasks=1, pause=0.1, watchers=300)

SCENES = (
    Scene("base", "processes that have nothing to do"),
    Scene("idle", "streams of one task that nothing happens on", 1, runs=False, watchers=3000),
    Scene("feeds", "streams of a task each, likewise", 1000, runs=False, watchers=1000),
    Scene("silent", "runs that say next to nothing", 20, pause=5),
    _PACED,
    Scene("long", "the same with long events", 20, pause=0.2, size=_LONG),
    Scene("runs", "many runs that say little", 300, pause=30),
    _HEARD,
    Scene("heard-long", "the same with long events", 20, pause=0.2, size=_LONG, watchers=20),
    _CROWD,
    Scene("crowd-long", "the same with long events", 1, pause=0.1, size=_LONG, watchers=300),
    Scene("opens", "streams of a task that others watch", 1, runs=False, watchers=1, opens=40),
    Scene("firsts", "streams of tasks that nobody else watches", 1, runs=False, firsts=40),
    Scene("opens-long", "streams of a task of 32 KiB", 1, runs=False, said=8, watchers=1, opens=40),
    Scene("tasks", "tasks that begin and end", begun=10, chunks=3),
    Scene("stories", "the same with more events", begun=4, chunks=20),
    Scene("stories-long", "the same with long ones", begun=4, chunks=20, size=_LONG),
)

_REDIS = ("redis", "replica", "to_redis", "from_redis", "replication")
_OF: Mapping[str, tuple[str, ...]] = {
    "fronts": ("front",),
    "workers": ("worker",),
    "primaries": ("redis", "replica"),
    "members": ("redis", "replica"),
    "processes": _REDIS,
    "watchers": ("front", "to_clients", *_REDIS),
    "feeds": ("front", *_REDIS),
    "events": ("worker", *_REDIS),
    "event_kib": ("worker", *_REDIS),
    "runs": ("worker", *_REDIS),
    "deliveries": ("front", "to_clients"),
    "delivery_kib": ("front", "to_clients"),
    "hearings": ("front", "redis", "from_redis"),
    "hearing_kib": ("front", "redis", "from_redis"),
    "opens": ("front", "to_clients", *_REDIS),
    "firsts": ("front", "to_clients", *_REDIS),
    "opened_kib": ("front", "to_clients", *_REDIS),
    "tasks": ("front", "worker", "to_clients", *_REDIS),
}
"""Whose prices a thing has; what else it might seem to use is noise."""


@dataclass(frozen=True)
class Rest:
    """What is used while nothing happens.

    Args:
        primary: What a primary and its replica use while nobody is connected, in cores.
        members: What three such pairs use that are a cluster.
        memory: Bytes of memory that each kind of process holds in the beginning.
    """

    primary: Mapping[str, float]
    members: Mapping[str, float]
    memory: Mapping[str, float]


def runs(rest: Rest, seen: Mapping[str, Observed]) -> list[Run]:
    """Return the runs from which prices follow, in their order.

    Args:
        rest: What is used while nothing happens.
        seen: What came of each scene.
    """
    base = seen["base"]
    found = [
        Run("primaries", Amounts(primaries=1), rest.primary, _OF["primaries"]),
        Run("members", Amounts(primaries=3, members=3), rest.members, _OF["members"]),
        *(
            Run(thing, base.amounts, base.used, _OF[thing])
            for thing in ("fronts", "workers", "processes")
        ),
    ]

    def from_scene(thing: str, name: str) -> None:
        found.append(Run(thing, seen[name].amounts, seen[name].used, _OF[thing]))

    def from_two(thing: str, more: str, less: str, alike: str) -> None:
        """From what one scene uses more than another; of what is alike both have as much."""
        of: Callable[[str], float] = lambda name: getattr(seen[name].amounts, alike)  # noqa: E731
        amounts, used = seen[more].less(seen[less], of(more) / of(less))
        found.append(Run(thing, amounts, used, _OF[thing]))

    from_scene("watchers", "idle")
    from_scene("feeds", "feeds")
    from_two("event_kib", "long", "paced", "events")
    from_two("events", "paced", "silent", "runs")
    from_scene("runs", "runs")
    from_two("delivery_kib", "crowd-long", "crowd", "hearings")
    from_two("deliveries", "crowd", "heard", "hearings")
    from_two("hearing_kib", "heard-long", "heard", "hearings")
    from_scene("hearings", "heard")
    from_two("opened_kib", "opens-long", "opens", "opens")
    from_scene("opens", "opens")
    from_scene("firsts", "firsts")
    from_scene("tasks", "tasks")
    return [*found, *_memory(rest.memory, seen)]


def _memory(at_rest: Mapping[str, float], seen: Mapping[str, Observed]) -> list[Run]:
    once = Amounts(fronts=1, workers=1, primaries=1)
    idle, feeds, busy = seen["idle"], seen["feeds"], seen["runs"]
    held = Amounts(watchers=idle.amounts.watchers, feeds=idle.amounts.feeds)
    spread = Amounts(watchers=feeds.amounts.watchers, feeds=feeds.amounts.feeds)
    found = [
        Run(thing, once, at_rest, (resource,))
        for thing, resource in (
            ("fronts", "front_memory"),
            ("workers", "worker_memory"),
            ("primaries", "redis_memory"),
        )
    ]
    found += [
        Run("watchers", held, idle.held, ("front_memory", "redis_memory")),
        Run("feeds", spread, feeds.held, ("front_memory",)),
        Run("runs", Amounts(runs=busy.amounts.runs), busy.held, ("worker_memory",)),
    ]
    few, many, long = (_kept(seen[name]) for name in ("tasks", "stories", "stories-long"))
    for thing, (ours, grown), (theirs, shrunk) in (
        ("kept_kib", long, many),
        ("kept_events", many, few),
    ):
        share = ours.kept / theirs.kept
        amounts = Amounts(
            kept_events=ours.kept_events - share * theirs.kept_events,
            kept_kib=ours.kept_kib - share * theirs.kept_kib,
        )
        found.append(Run(thing, amounts, {"redis_memory": grown - share * shrunk}))
    found.append(Run("kept", few[0], {"redis_memory": few[1]}))
    return found


def _kept(seen: Observed) -> tuple[Amounts, float]:
    """Return what a scene has left in Redis, and the bytes that it takes."""
    counted = seen.counted
    kib = counted.begun_events * counted.begun_bytes / 1024
    amounts = Amounts(kept=counted.begun, kept_events=counted.begun_events, kept_kib=kib)
    return amounts, seen.grown["redis_memory"]
