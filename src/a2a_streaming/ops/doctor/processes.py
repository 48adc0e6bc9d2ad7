"""What is wrong with processes: their clocks, versions, work and keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from a2a_streaming.backbone.census import Queue
from a2a_streaming.backbone.health import KeyFacts, NodeFacts, RedisFacts
from a2a_streaming.event import FORMAT_VERSION
from a2a_streaming.ops.doctor.findings import Finding
from a2a_streaming.settings import Settings
from a2a_streaming.version import VERSION

_SKEW_MS = 1000
_LAG_MS = 500
_WAITING_MS = 10_000


def of_clocks(facts: RedisFacts, nodes: Sequence[NodeFacts], settings: Settings) -> list[Finding]:
    """Say whether the clocks agree: of Redis, of this machine, and of each process.

    Args:
        facts: What Redis tells.
        nodes: The processes.
        settings: The lease's length.
    """
    ahead = [("this machine", -facts.skew_ms, facts.round_trip_ms / 2)]
    ahead += [(one.told["name"], one.ahead_ms, 0.0) for one in nodes]
    lease = settings.lease_seconds * 1000
    found: list[Finding] = []
    for who, by, unsure in ahead:
        if abs(by) <= _SKEW_MS + unsure:
            continue
        found.append(
            Finding(
                "Clocks",
                "wrong" if abs(by) > lease else "warning",
                f"The clock of {who} is {abs(by) / 1000:.1f} s {'ahead of' if by > 0 else 'behind'} Redis'.",
                "Have both machines' clocks set by NTP: watchers and deadlines go by them.",
            )
        )
    return found or [Finding("Clocks", "ok", "All within a second of Redis'")]


def of_nodes(nodes: Sequence[NodeFacts], newest_format: int) -> list[Finding]:
    """Say how the processes are.

    Args:
        nodes: The processes.
        newest_format: The newest event format that any of them writes.
    """
    found: list[Finding] = []
    versions = Counter(one.told.get("version", "?") for one in nodes)
    if len(versions) > 1:
        told = ", ".join(f"{count} of {version}" for version, count in sorted(versions.items()))
        found.append(
            Finding(
                "Versions",
                "warning",
                f"Processes of several versions run: {told}.",
                "Finish the rollout, or roll it back.",
            )
        )
    old = [one.told["name"] for one in nodes if one.told.get("format", 1) < newest_format]
    if old or newest_format > FORMAT_VERSION:
        who = f"{', '.join(old)} can't read" if old else "this version can't read"
        found.append(
            Finding(
                "Versions",
                "wrong",
                f"Tasks are written in event format {newest_format}, and {who} it.",
                "Update them; see docs/backup.md.",
            )
        )
    slow = [one.told for one in nodes if one.told.get("lagMs", 0) > _LAG_MS]
    found += [
        Finding(
            "Processes",
            "warning",
            f"The event loop of {one['name']} is {one['lagMs'] / 1000:.1f} s late (load {one.get('load')}).",
            "Something blocks it, or its machine has too little CPU: start more processes.",
        )
        for one in slow
    ]
    if not nodes:
        found.append(Finding("Processes", "ok", f"None runs; this is version {VERSION}"))
    elif not found:
        found.append(Finding("Processes", "ok", f"{len(nodes)} of version {next(iter(versions))}"))
    return found


def of_queues(queues: Sequence[Queue], nodes: Sequence[NodeFacts]) -> list[Finding]:
    """Say whether work is done.

    Args:
        queues: The agents' work queues.
        nodes: The processes.
    """
    served = {
        agent
        for one in nodes
        if one.told.get("role") != "front" and not one.told.get("draining")
        for agent in one.told.get("agents", ())
    }
    found: list[Finding] = []
    for queue in queues:
        if queue.agent not in served and queue.waiting + queue.pending:
            found.append(
                Finding(
                    "Work",
                    "wrong",
                    f"{queue.waiting + queue.pending} tasks wait for the agent {queue.agent}, and no process runs it.",
                    f"Start one: a2a-streaming serve {queue.agent} --role worker, or `up`.",
                )
            )
        elif queue.oldest_ms is not None and queue.oldest_ms > _WAITING_MS:
            found.append(
                Finding(
                    "Work",
                    "warning",
                    f"{queue.waiting} tasks wait for the agent {queue.agent}, the first for {queue.oldest_ms / 1000:.0f} s.",
                    "Start more workers, or raise A2A_MAX_RUNS.",
                )
            )
    return found or [Finding("Work", "ok", "Nothing waits for long")]


def of_keys(facts: KeyFacts) -> list[Finding]:
    """Say whether keys have lifetimes.

    Args:
        facts: What a walk through them has found.
    """
    seen = f"{facts.looked_at} keys{'' if facts.complete else ' (not all: there are too many)'}"
    if not facts.endless:
        return [Finding("Keys", "ok", f"{seen}, each with a lifetime")]
    named = ", ".join(facts.named[:3]) + (" …" if facts.endless > 3 else "")
    return [
        Finding(
            "Keys",
            "warning",
            f"{facts.endless} of {seen} have no lifetime: {named}.",
            "doctor --repair gives them one; the janitor does so in time.",
        )
    ]
