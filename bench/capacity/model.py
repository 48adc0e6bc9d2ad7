"""What a workload needs: how many processes of each kind, what each uses, and what runs out first."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bench.capacity.costs import Amounts, Costs
from bench.capacity.workload import Workload, amounts, hearing

_MOST = 100_000
GIB = 1024**3


@dataclass(frozen=True)
class Limits:
    """How full processes may be.

    Args:
        load: The share of a core that a process may use on average; the rest is for what comes in bursts.
        streams: Streams that a front may hold (`A2A_LIMIT_PROCESS_STREAMS`).
        runs: Tasks that a worker may work on at once (`A2A_MAX_RUNS`).
        redis_bytes: Bytes that a primary may hold.
    """

    load: float = 0.6
    streams: int = 20_000
    runs: int = 64
    redis_bytes: float = 16 * GIB


@dataclass(frozen=True)
class Part:
    """What is needed of one kind of process.

    Args:
        count: How many.
        cores: Cores that all of them use.
        memory: Bytes of memory that all of them hold.
        why: What decides how many: `CPU`, `streams`, `runs` or `memory`.
        mostly: What takes most of the CPU, as `Amounts` names it, and its share.
    """

    count: int
    cores: float
    memory: float
    why: str
    mostly: tuple[str, float]


@dataclass(frozen=True)
class Needs:
    """What a workload needs.

    Args:
        amounts: What it comes to.
        fronts: Processes that serve clients.
        workers: Processes that run agents; what the agents themselves do isn't in it.
        primaries: Redis servers that are written to, each with one replica.
        replica_cores: Cores that the replicas use.
        to_clients: Bytes a second to watchers.
        to_redis: Bytes a second to the primaries.
        from_redis: Bytes a second from the primaries, but to replicas.
        replication: Bytes a second to replicas.
        connections: Of clients to each primary.
        hot: The share of a core that the task which most watch takes of its primary alone.
        warnings: What can't be had by more processes.
    """

    amounts: Amounts
    fronts: Part
    workers: Part
    primaries: Part
    replica_cores: float
    to_clients: float
    to_redis: float
    from_redis: float
    replication: float
    connections: float
    hot: float
    warnings: tuple[str, ...]

    @property
    def first(self) -> str:
        """The kind of process of which most is needed, and what of it runs out first."""
        parts = {"fronts": self.fronts, "workers": self.workers, "primaries": self.primaries}
        name = max(parts, key=lambda one: parts[one].cores)
        return f"{name}: {parts[name].why}"


def needs(asked: Workload, costs: Costs, limits: Limits | None = None) -> Needs:
    """Return what a workload needs.

    More processes cost more themselves, and more fronts hear the same event: so the counts grow until they carry what
    they bring about.

    Args:
        asked: The workload.
        costs: What things cost.
        limits: How full processes may be.

    Raises:
        ValueError: No number of processes carries it.
    """
    limits = limits or Limits()
    counts = [1, 1, 1]
    while True:
        found = amounts(asked, *counts)
        fronts = _part(costs, "front", found, limits, {"streams": found.watchers / limits.streams})
        workers = _part(costs, "worker", found, limits, {"runs": found.runs / limits.runs})
        held = costs.use("redis_memory", found)
        primaries = _part(costs, "redis", found, limits, {"memory": held / limits.redis_bytes})
        wanted = [
            max(a.count, b) for a, b in zip((fronts, workers, primaries), counts, strict=True)
        ]
        if wanted == counts:
            break
        if max(wanted) > _MOST:
            raise ValueError("no number of processes carries this: each costs more than it carries")
        counts = wanted
    hot = _hot(asked, costs, counts[0])
    connections = links(*counts)
    return Needs(
        amounts=found,
        fronts=fronts,
        workers=workers,
        primaries=primaries,
        replica_cores=costs.use("replica", found),
        to_clients=costs.use("to_clients", found),
        to_redis=costs.use("to_redis", found),
        from_redis=costs.use("from_redis", found),
        replication=costs.use("replication", found),
        connections=connections,
        hot=hot,
        warnings=tuple(_warnings(hot, connections, limits)),
    )


def links(fronts: int, workers: int, primaries: int) -> float:
    """Return how many connections a primary has, on average.

    Each process has one for commands to each. A front listens at each, a worker at one alone, where it also waits for
    hints, on a connection for each agent; this counts one agent.
    """
    return 2 * fronts + workers + 2 * workers / primaries


def _part(
    costs: Costs, kind: str, found: Amounts, limits: Limits, others: dict[str, float]
) -> Part:
    cores = costs.use(kind, found)
    reasons = {"CPU": cores / limits.load, **others}
    why = max(reasons, key=lambda one: reasons[one])
    memory = costs.use(f"{kind}_memory", found)
    count = max(1, math.ceil(reasons[why]))
    return Part(count, cores, memory, why, costs.mostly(kind, found))


def _hot(asked: Workload, costs: Costs, fronts: int) -> float:
    """Return the cores that one task's events take of the one primary that has it."""
    kib = asked.event_bytes / 1024
    heard = hearing(fronts, asked.hot_watchers)
    event = costs.price("redis", "events") + kib * costs.price("redis", "event_kib")
    each = costs.price("redis", "hearings") + kib * costs.price("redis", "hearing_kib")
    return asked.hot_events * (event + heard * each) / 1e6


def _warnings(hot: float, connections: float, limits: Limits) -> list[str]:
    found: list[str] = []
    if hot > limits.load:
        found.append(
            f"The task that most watch takes {hot:.0%} of a core of one primary: no other can help. Let its agent say "
            "more in fewer events."
        )
    if connections > 10_000:
        found.append(
            f"{connections:,.0f} connections to each primary: raise Redis' `maxclients` (10,000)."
        )
    return found
