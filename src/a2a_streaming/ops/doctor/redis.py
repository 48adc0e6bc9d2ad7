"""What is wrong with Redis."""

from __future__ import annotations

from dataclasses import replace

from a2a_streaming.backbone.health import RedisFacts
from a2a_streaming.ops.doctor.findings import Finding

_SLOW_MS = 20.0
_REPLICA_LAG = 10


def of_redis(facts: RedisFacts, *, replicas: int = 0) -> list[Finding]:
    """Say how Redis is, or one of its servers.

    Args:
        facts: What it tells.
        replicas: How many replicas must have what is acknowledged (A2A_REDIS_REPLICAS).
    """
    found = _of_server(facts, replicas)
    if not facts.server:
        return found
    return [replace(one, check=f"{one.check} at {facts.server}") for one in found]


def _of_server(facts: RedisFacts, replicas: int) -> list[Finding]:
    found = [_version(facts), *_policy(facts), *_persistence(facts)]
    found += [*_replication(facts), *_acknowledgements(facts, replicas)]
    if facts.round_trip_ms > _SLOW_MS:
        found.append(
            Finding(
                "Redis: latency",
                "warning",
                f"A command takes {facts.round_trip_ms:.0f} ms.",
                "Run the processes nearer to Redis: each event waits for a command.",
            )
        )
    clients, most = facts.info.get("connected_clients"), (facts.config or {}).get("maxclients")
    if clients and most and int(clients) > 0.9 * int(most):
        found.append(
            Finding(
                "Redis: connections",
                "warning",
                f"{clients} of {most} connections are taken.",
                "Raise maxclients.",
            )
        )
    return found


def _version(facts: RedisFacts) -> Finding:
    name = f"{facts.product.capitalize()} {facts.version}"
    if facts.too_old:
        return Finding(
            "Redis: version", "wrong", f"{name} is too old.", "Use Redis 6.2 or later, or Valkey."
        )
    return Finding("Redis: version", "ok", name)


def _policy(facts: RedisFacts) -> list[Finding]:
    check = "Redis: memory"
    if facts.config is None:
        return [
            Finding(
                check,
                "warning",
                "It may not be asked for its configuration.",
                "See in its console that its maxmemory policy is noeviction.",
            )
        ]
    policy = facts.config.get("maxmemory-policy", "noeviction")
    most, used = int(facts.config.get("maxmemory", 0)), int(facts.info.get("used_memory", 0))
    found: list[Finding] = []
    if policy != "noeviction":
        found.append(
            Finding(
                check,
                "wrong" if most else "warning",
                f"Its policy is {policy}: {'when it is full it forgets tasks' if most else 'with a maxmemory it would forget tasks'}.",
                "CONFIG SET maxmemory-policy noeviction, and keep it in its configuration file.",
            )
        )
    evicted = int(facts.info.get("evicted_keys", 0))
    if evicted:
        found.append(
            Finding(
                check,
                "wrong",
                f"{evicted} keys were evicted since its start: tasks may have lost parts.",
                "Give it more memory, and the policy noeviction.",
            )
        )
    if most and used > 0.75 * most:
        found.append(
            Finding(
                check,
                "wrong" if used > 0.9 * most else "warning",
                f"{used / most:.0%} of its memory is used; when it is full, messages are refused.",
                "Raise maxmemory, or shorten A2A_HISTORY_TTL and A2A_SNAPSHOT_TTL.",
            )
        )
    return found or [Finding(check, "ok", f"{policy}, {used / 2**20:.0f} MiB used")]


def _persistence(facts: RedisFacts) -> list[Finding]:
    check, info, config = "Redis: persistence", facts.info, facts.config or {}
    if not info:
        return [Finding(check, "warning", "It may not be asked for INFO.", "Allow +info by ACL.")]
    found: list[Finding] = []
    if info.get("aof_last_write_status", "ok") != "ok":
        found.append(
            Finding(
                check,
                "wrong",
                "Its last write to the AOF failed.",
                "See its log; is its disk full?",
            )
        )
    if info.get("rdb_last_bgsave_status", "ok") != "ok":
        found.append(
            Finding(
                check,
                "wrong",
                "Its last snapshot failed; it may refuse writes.",
                "See its log; is its disk full?",
            )
        )
    if info.get("aof_enabled") == "1":
        sync = config.get("appendfsync", "everysec")
        if sync == "no":
            found.append(
                Finding(
                    check,
                    "warning",
                    "It leaves it to the system when what it appends reaches the disk.",
                    "CONFIG SET appendfsync everysec.",
                )
            )
        return found or [Finding(check, "ok", f"AOF, synced {sync}")]
    saves = config.get("save", "")
    found.append(
        Finding(
            check,
            "warning",
            "Without AOF a crash of its loses all since the last snapshot."
            if saves
            else "It keeps nothing: a restart loses all tasks.",
            "CONFIG SET appendonly yes, and keep it in its configuration file.",
        )
    )
    return found


def _replication(facts: RedisFacts) -> list[Finding]:
    check, info = "Redis: replication", facts.info
    if info.get("role") == "slave":
        return [
            Finding(
                check,
                "wrong",
                "This is a replica, which takes no writes.",
                "Name the primary in A2A_REDIS_URL.",
            )
        ]
    count = int(info.get("connected_slaves", 0))
    if not count:
        return []
    late = [
        name
        for name, told in info.items()
        if name.startswith("slave")
        and "lag=" in told
        and int(told.partition("lag=")[2].partition(",")[0]) > _REPLICA_LAG
    ]
    if late:
        return [
            Finding(
                check,
                "warning",
                f"{len(late)} of {count} replicas are more than {_REPLICA_LAG} s behind.",
                "See their logs, and the network between them.",
            )
        ]
    if (facts.config or {}).get("min-replicas-to-write", "0") == "0":
        return [
            Finding(
                check,
                "warning",
                "It takes writes while no replica does: a failover may lose them.",
                "CONFIG SET min-replicas-to-write 1.",
            )
        ]
    return [Finding(check, "ok", f"{count} replicas")]


def _acknowledgements(facts: RedisFacts, wanted: int) -> list[Finding]:
    """Say whether what is acknowledged can be at the replicas that the settings ask for."""
    check, info = "Redis: acknowledgements", facts.info
    if not info or info.get("role") == "slave":
        return []
    count = int(info.get("connected_slaves", 0))
    if count < wanted:
        return [
            Finding(
                check,
                "wrong",
                f"A2A_REDIS_REPLICAS is {wanted}, and {count} replicas are connected: every message is answered 503.",
                "Start replicas, or lower it.",
            )
        ]
    if count and not wanted:
        return [
            Finding(
                check,
                "warning",
                "A2A_REDIS_REPLICAS is 0: a failover may lose a message or a webhook that was just acknowledged.",
                "Set it to 1.",
            )
        ]
    return [Finding(check, "ok", f"Told when {wanted} of {count} replicas know")] if wanted else []
