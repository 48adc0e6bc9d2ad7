"""How Redis' servers stand together, in a cluster or under sentinels: facts, of which `ops.doctor` says what is wrong."""

from __future__ import annotations

from dataclasses import dataclass, field

from a2a_streaming.backbone.connection import Store
from a2a_streaming.backbone.sentinel import Sentinel, fields_of
from a2a_streaming.backbone.slots import SLOTS

_DOWN = frozenset(("fail", "fail?", "noaddr", "handshake"))


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """How a cluster is, as its primaries see it.

    Args:
        primaries: How many have slots.
        uncovered: How many slots no living server has.
        alone: Primaries with slots and without a living replica.
        down: Servers that others take for dead.
        failing: Primaries that take no commands, as the cluster's state isn't ok.
        moving: Primaries from or to which a slot is on its way.
    """

    primaries: int
    uncovered: int
    alone: list[str] = field(default_factory=list[str])
    down: list[str] = field(default_factory=list[str])
    failing: list[str] = field(default_factory=list[str])
    moving: list[str] = field(default_factory=list[str])


@dataclass(frozen=True, slots=True)
class SentinelFacts:
    """How a primary is watched.

    Args:
        named: How many sentinels the address names.
        silent: How many of these don't answer.
        known: How many sentinels there are, as the first that answers sees it.
        quorum: How many must agree that the primary is gone.
        replicas: How many replicas it has.
        agree: How many different primaries they name.
        problem: Why they couldn't do a failover now; empty if they could.
    """

    named: int
    silent: int
    known: int
    quorum: int
    replicas: int
    agree: int
    problem: str


async def formation_of(store: Store) -> ClusterFacts | SentinelFacts | None:
    """Return how the servers stand together; None if it is one alone, or nobody tells.

    Args:
        store: Redis.

    Raises:
        Unavailable: Redis is away.
    """
    if isinstance(store.topology, Sentinel):
        return await _of_sentinels(store.topology)
    if not store.sharded:
        return None
    told = await store.topology.each(["CLUSTER", "NODES"])
    states = await store.topology.each(["CLUSTER", "INFO"])
    views = [reply.decode() for _, reply in told if isinstance(reply, bytes)]
    failing = [
        name
        for name, reply in states
        if isinstance(reply, bytes) and b"cluster_state:ok" not in reply
    ]
    return read_nodes(views, failing) if views else None


def read_nodes(views: list[str], failing: list[str]) -> ClusterFacts:
    """Read what CLUSTER NODES tells.

    Args:
        views: What each primary told, at least one.
        failing: Those that take no commands.
    """
    covered = 0
    primaries: dict[str, str] = {}
    followed, down, moving = set[str](), list[str](), list[str]()
    for line in views[0].splitlines():
        name, address, flags, follows, _, _, _, _, *slots = line.split()
        where = address.partition("@")[0]
        if _DOWN & set(flags.split(",")):
            down.append(where)
        elif "master" in flags:
            spans = [one.split("-") for one in slots if not one.startswith("[")]
            covered += sum(int(span[-1]) - int(span[0]) + 1 for span in spans)
            if spans:
                primaries[name] = where
        else:
            followed.add(follows)
    for view in views:
        for line in view.splitlines():
            if "myself" in line and "[" in line.partition("connected")[2]:
                moving.append(line.split()[1].partition("@")[0])
    alone = sorted(where for name, where in primaries.items() if name not in followed)
    return ClusterFacts(len(primaries), SLOTS - covered, alone, sorted(down), failing, moving)


async def _of_sentinels(topology: Sentinel) -> SentinelFacts:
    told = await topology.told("MASTER")
    found = [fields for fields in map(fields_of, told) if "ip" in fields]
    nothing: dict[str, str] = {}
    latest = max(found, key=lambda one: int(one.get("config-epoch", "0")), default=nothing)
    could = await topology.told("CKQUORUM")
    problem = next((str(one) for one in could if isinstance(one, Exception)), "")
    return SentinelFacts(
        named=len(told),
        silent=len(told) - len(found),
        known=1 + int(latest.get("num-other-sentinels", "0")),
        quorum=int(latest.get("quorum", "0")),
        replicas=int(latest.get("num-slaves", "0")),
        agree=len({(one["ip"], one["port"]) for one in found}),
        problem=problem if found else "no sentinel answers",
    )
