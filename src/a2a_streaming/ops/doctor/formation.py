"""What is wrong with how Redis' servers stand together."""

from __future__ import annotations

from a2a_streaming.backbone.formation import ClusterFacts, SentinelFacts
from a2a_streaming.ops.doctor.findings import Finding

_CLUSTER, _SENTINELS = "Redis: cluster", "Redis: sentinels"


def of_formation(facts: ClusterFacts | SentinelFacts | None) -> list[Finding]:
    """Say how the servers stand together; nothing where there is one alone.

    Args:
        facts: What they tell.
    """
    if facts is None:
        return []
    return _of_cluster(facts) if isinstance(facts, ClusterFacts) else _of_sentinels(facts)


def _of_cluster(facts: ClusterFacts) -> list[Finding]:
    found: list[Finding] = []
    if facts.uncovered:
        found.append(
            Finding(
                _CLUSTER,
                "wrong",
                f"{facts.uncovered} of 16384 slots have no living server: their tasks can't be reached.",
                "Start what is down, or give its slots to others: redis-cli --cluster check, then fix.",
            )
        )
    if facts.failing:
        found.append(
            Finding(
                _CLUSTER,
                "wrong",
                f"{', '.join(facts.failing)} takes no commands: the cluster's state isn't ok.",
                "See its log, and the network between the servers.",
            )
        )
    if facts.down:
        found.append(
            Finding(
                _CLUSTER,
                "warning",
                f"{', '.join(facts.down)} is down.",
                "Start it; or CLUSTER FORGET it, if it won't come back.",
            )
        )
    if facts.alone:
        found.append(
            Finding(
                _CLUSTER,
                "warning",
                f"{', '.join(facts.alone)} has no replica: if it dies, its tasks are lost or wait for it.",
                "Add one: redis-cli --cluster add-node --cluster-slave.",
            )
        )
    if facts.moving:
        found.append(
            Finding(
                _CLUSTER,
                "warning",
                f"Slots are on their way at {', '.join(facts.moving)}: tasks in them wait meanwhile.",
                "Let it finish; if nothing moves them, redis-cli --cluster fix.",
            )
        )
    return found or [Finding(_CLUSTER, "ok", f"{facts.primaries} primaries, each with a replica")]


def _of_sentinels(facts: SentinelFacts) -> list[Finding]:
    found: list[Finding] = []
    if facts.problem:
        found.append(
            Finding(
                _SENTINELS,
                "wrong",
                f"They can't do a failover: {facts.problem}.",
                "Start those that are down, and let them reach each other.",
            )
        )
    if facts.agree > 1:
        found.append(
            Finding(
                _SENTINELS,
                "wrong",
                f"They name {facts.agree} different primaries.",
                "Let them reach each other; the latest failover counts.",
            )
        )
    if facts.silent and not facts.problem:
        found.append(
            Finding(
                _SENTINELS,
                "warning",
                f"{facts.silent} of the {facts.named} that A2A_REDIS_URL names don't answer.",
                "Start them, or correct A2A_REDIS_URL.",
            )
        )
    if facts.known < 3 or facts.quorum <= facts.known // 2:
        found.append(
            Finding(
                _SENTINELS,
                "warning",
                f"{facts.known} sentinels, of which {facts.quorum} must agree.",
                "Run three or more, on machines of their own, and let a majority be the quorum.",
            )
        )
    if not facts.replicas:
        found.append(
            Finding(
                _SENTINELS,
                "wrong",
                "The primary has no replica: nobody can take over.",
                "Start one with replicaof, and min-replicas-to-write 1 at the primary.",
            )
        )
    return found or [
        Finding(
            _SENTINELS, "ok", f"{facts.known}, quorum {facts.quorum}; {facts.replicas} replicas"
        )
    ]
