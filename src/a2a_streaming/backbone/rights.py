"""What each role of ours may do in Redis, and no more: commands, keys and channels, as Redis ACL rules.

Two tables say it. `COMMANDS` names, by module of the backbone, what it asks of Redis and which roles use that;
`ACCESS` names, for each key of `keys.KEYS`, who reads and who writes it. The tests hold the first against the source
and the second against `KEYS`, and run each role under its rules.
"""

from __future__ import annotations

import hashlib
import re
from typing import Literal, NamedTuple, TypeAlias, get_args

from a2a_streaming.backbone.keys import KEYS, KeySpec
from a2a_streaming.backbone.kinds import PLACES
from a2a_streaming.errors import SetupError

Role: TypeAlias = Literal["front", "worker", "ops", "all", "operator"]
"""`all` is what `up` and `serve` are by default; `operator` a person with `keys` and `doctor`."""
ROLES: tuple[Role, ...] = get_args(Role)
_PARTS: dict[Role, tuple[Role, ...]] = {"all": ("front", "worker", "ops")}

_EVERYBODY = "front worker ops operator"
_PROCESSES = "front worker ops"

COMMANDS: tuple[tuple[str, str, str], ...] = (
    ("address", _EVERYBODY, "client|setname select"),
    ("connection", _EVERYBODY, "ping info publish"),
    ("connection", _PROCESSES, "eval evalsha script|load"),
    ("manager", _EVERYBODY, "ping"),
    ("topology", "worker ops operator", "scan"),
    ("cluster", "worker ops operator", "scan"),
    ("cluster", _EVERYBODY, "asking cluster|info cluster|slots"),
    ("sentinel", _EVERYBODY, "role"),
    ("formation", "operator", "cluster|info cluster|nodes"),
    ("ear", _EVERYBODY, "subscribe unsubscribe"),
    ("format", _PROCESSES, "expire get set"),
    ("format", "operator", "get"),
    ("snapshots", _PROCESSES, "hmget get xrange"),
    ("history", _PROCESSES, "hget xrange xrevrange"),
    ("subscriptions", _PROCESSES, "pexpire zadd zcount zrangebyscore zrem zremrangebyscore"),
    ("inbox", _PROCESSES, "llen exists hmget hset pexpire publish rpush set time xadd"),
    ("log", _PROCESSES, "exists get hgetall hdel hget hmget hset lindex llen lpop lrange pexpire"),
    ("log", _PROCESSES, "del publish set time xadd xrange xtrim"),
    ("durability", _PROCESSES, "set wait"),
    ("index", _PROCESSES, "pexpire zadd zcard zmscore zrange zrangebyscore zrem zremrangebyscore"),
    ("outbox", _PROCESSES, "time zcard zcount zrem pexpire zadd zscore"),
    ("webhooks", _PROCESSES, "hgetall hmget pexpire zadd exists hdel hincrby hset"),
    ("letters", _PROCESSES, "hget hmget zrangebyscore zrem zremrangebyscore"),
    ("letters", _PROCESSES, "hdel hincrby hset hsetnx pexpire"),
    ("signing_keys", _PROCESSES, "hdel hgetall hset pexpire time"),
    ("credentials", _PROCESSES, "hgetall set expire get"),
    ("credentials", "front ops operator", "zrange del zrem"),
    ("credentials", "operator", "hset expireat zadd zremrangebyscore zrevrange hgetall"),
    ("audit", _PROCESSES, "del expire xadd xrange xdel"),
    ("interventions", _PROCESSES, "hdel hget publish exists hexists hmget hset hsetnx lindex"),
    ("census", _PROCESSES, "hgetall hmget llen zcard zcount zrevrangebyscore"),
    ("census", _EVERYBODY, "time xinfo|groups xlen xrange"),
    ("nodes", _PROCESSES, "del get pexpire set time xadd xrange zadd zrem zremrangebyscore"),
    ("nodes", _EVERYBODY, "zrange"),
    ("deadlines", _PROCESSES, "hdel hgetall hmget hset pexpire zadd zrem"),
    ("claims", "worker ops", "time zadd zrangebyscore"),
    ("alerts", _PROCESSES, "hgetall hsetnx pexpire xrange xrevrange zcard zcount zrem zrevrange"),
    ("alerts", _PROCESSES, "zrevrank hincrby zadd"),
    ("alerts", "ops", "exists hget hset time xadd zremrangebyscore"),
    ("alerts", "front ops", "hkeys xdel del"),
    ("erasures", "front ops", "del hgetall hincrby hset hsetnx pexpire sadd smembers srem"),
    ("ended", _PROCESSES, "del zrem hkeys"),
    (
        "ended",
        "worker ops",
        "exists hmget pexpire pttl set zadd hset",
    ),
    ("work", _PROCESSES, "xadd pexpire"),
    ("work", "worker ops", "xreadgroup xack xdel xinfo|consumers xgroup|delconsumer"),
    ("work", "worker", "xautoclaim xclaim xgroup|create"),
    ("sweep", "worker", "exists hmget llen pexpire zadd zrem zscan"),
    ("restore", "worker", "get xrange xrevrange exists hset pexpire time"),
    ("janitor", "worker ops", "del exists get hmget pexpire pttl set type zrange zrem"),
    ("janitor", "worker ops", "xgroup|delconsumer xinfo|consumers zremrangebyscore zscan"),
    ("janitor", "worker ops", "hgetall zadd zscore"),
    ("health", "operator", "config|get dbsize get info pttl time zrange"),
    ("backup", "", "bgsave dbsize info"),  # of the embedded store, which has no users
)
"""Module, roles and commands of each."""
SHARDED = {"publish": "spublish", "subscribe": "ssubscribe", "unsubscribe": "sunsubscribe"}
"""What they are in a cluster; Redis knows these since 7.0."""

_NOTHING, _READS, _WRITES = "", "r", "rw"
_KEPT = "+type,pttl,pexpire"
"""As the janitor gives a lifetime to what has lost its own."""
_TASK = (_WRITES, _WRITES, _WRITES, "+pttl")
_LIST = _TASK

ACCESS: dict[str, tuple[str, str, str, str]] = {
    "task:{id}": _TASK,
    "task:{id}:meta": _TASK,
    "task:{id}:stream": _TASK,
    "task:{id}:inbox": _TASK,
    "task:{id}:steps": _TASK,
    "task:{id}:audit": _TASK,
    "task:{id}:push": _TASK,
    "index:dead": _LIST,
    "index:push": _LIST,
    "index:ended": _LIST,
    "archive:expiring": (_NOTHING, _WRITES, _WRITES, "+pttl"),
    "subscriptions:{id}": _LIST,
    "durable:{id}": _LIST,
    "work:<agent>": (_WRITES, _WRITES, _WRITES, _READS),
    "index:owner:<owner>": _LIST,
    "index:active:<owner>": _LIST,
    "index:context:<context>": _LIST,
    "index:agent:<agent>": _LIST,
    "index:state:<agent>:<state>": _LIST,
    "index:agents": (_WRITES, _WRITES, _WRITES, _READS),
    "index:nodes": (_WRITES, _WRITES, _WRITES, _READS),
    "node:<process>": (_WRITES, _WRITES, _WRITES, _READS),
    "nodes:figures": _LIST,
    "auth:push-keys": _LIST,
    "auth:key:<id>": ("r+del", f"r{_KEPT}", f"r{_KEPT},del", _WRITES),
    "auth:keys": ("r+zrem", f"r{_KEPT},zremrangebyscore", f"r{_KEPT},zremrangebyscore,zrem", "rw"),
    "format": (_WRITES, _WRITES, _WRITES, _READS),
    "janitor": (_NOTHING, _WRITES, _WRITES, "+pttl"),
    "auth:secret": _LIST,
    "audit": _LIST,
    "index:open:<agent>": _LIST,
    "sla:{alerts}:due": _LIST,
    "sla:{alerts}:task:<task>": _LIST,
    "erasing:<owner>": (_WRITES, _KEPT, _WRITES, "+pttl"),
    "erased:<owner>": (_WRITES, _KEPT, _WRITES, "+pttl"),
    "alerts": ("r+xdel", _KEPT, _WRITES, "+pttl"),
    "sla:{alerts}:unseen": (_WRITES, f"r{_KEPT}", _WRITES, "+pttl"),
    "sla:{alerts}:todo": ("+zrem", _KEPT, _WRITES, "+pttl"),
    "sla:{alerts}:alert:<alert>": (_WRITES, _KEPT, _WRITES, "+pttl"),
}
"""For each key, what a front, a worker, ops and an operator may do with it: read (r), write (w), and a few commands."""

CHANNELS: dict[str, str] = {
    "channel:task:{id}": _PROCESSES,
    "channel:control": _EVERYBODY,
    "channel:probe:<process>": _EVERYBODY,
}
"""For each channel, who listens and publishes there."""


class Access(NamedTuple):
    """What a role may do with a kind of key.

    Args:
        whole: `rw`, `r`, or empty.
        also: Commands that it may use on it besides.
    """

    whole: str
    also: frozenset[str]


def commands_of(role: Role, *, apart: bool = True) -> list[str]:
    """Return what a role may ask of Redis, as ACL rules name it.

    Args:
        role: The role.
        apart: Whether the server is Redis 7.0 or later, and so can be a cluster's.
    """
    parts = _PARTS.get(role, (role,))
    named = (told.split() for _, roles, told in COMMANDS if set(parts) & set(roles.split()))
    found = {command for told in named for command in told}
    if apart:
        found |= {SHARDED[command] for command in found & SHARDED.keys()}
    return sorted(found)


def access_of(role: Role, pattern: str) -> Access:
    """Return what a role may do with a kind of key.

    Args:
        role: The role.
        pattern: The kind, as `KEYS` names it.
    """
    whole, also = "", set[str]()
    for part in _PARTS.get(role, (role,)):
        told, _, more = ACCESS[pattern][
            ("front", "worker", "ops", "operator").index(part)
        ].partition("+")
        whole = max(whole, told, key=len)
        also |= set(filter(None, more.split(",")))
    return Access(whole, frozenset(also if whole != _WRITES else ()))


def rules(role: Role, *, prefix: str = "", apart: bool = True) -> list[str]:
    """Return a role's rights, as rules of ACL SETUSER that begin with none.

    Args:
        role: The role.
        prefix: What stands before each key and channel.
        apart: Whether the server tells reading from writing, as Redis does since 7.0.
    """
    told = ["resetkeys", "resetchannels", "-@all"]
    told += [f"+{command}" for command in commands_of(role, apart=apart)]
    selectors: dict[str, list[str]] = {}
    for spec in KEYS:
        if spec.type == "channel":
            if set(_PARTS.get(role, (role,))) & set(CHANNELS[spec.pattern].split()):
                told.append(f"&{_glob(prefix, spec)}")
                if "{id}" in spec.pattern:
                    # Scripts are given it among their keys, in whose slot it lies. It never is a key.
                    told.append(f"~{_glob(prefix, spec)}")
            continue
        whole, also = access_of(role, spec.pattern)
        glob = _glob(prefix, spec)
        if whole == _WRITES or (not apart and (whole or also)):
            told.append(f"~{glob}")
        else:
            if whole:
                told.append(f"%R~{glob}")
            if also:
                selectors.setdefault(" ".join(f"+{c}" for c in sorted(also)), []).append(f"~{glob}")
    return [*told, *(f"({also} {' '.join(globs)})" for also, globs in selectors.items())]


def user(
    role: Role, name: str, *, password: str | None, prefix: str = "", apart: bool = True
) -> str:
    """Return a user with a role's rights, as a line of Redis' aclfile.

    Args:
        role: The role.
        name: The user's name.
        password: Their password, of which its digest alone is told; None for a place that is to be filled.
        prefix: What stands before each key and channel.
        apart: Whether the server tells reading from writing, as Redis does since 7.0.

    Raises:
        SetupError: The name, or the prefix, can't stand in a rule.
    """
    if re.search(r"\s|^$", name) or re.search(r"[\s()]", prefix):
        raise SetupError(
            "A user's name must not be empty, and neither it nor A2A_KEY_PREFIX may hold spaces (or the prefix brackets)."
        )
    secret = f"<digest of {name}'s password>".replace(" ", "-")
    if password is not None:
        secret = hashlib.sha256(password.encode()).hexdigest()
    return " ".join(
        ["user", name, "reset", "on", f"#{secret}", *rules(role, prefix=prefix, apart=apart)]
    )


def _glob(prefix: str, spec: KeySpec) -> str:
    """Return a kind's pattern, as `KeySpec` tells it, as Redis matches names."""
    parts, at = [_escaped(prefix)], 0
    for place in PLACES.finditer(spec.pattern):
        parts.append(_escaped(spec.pattern[at : place.start()]))
        parts.append("{*}" if place[0] == "{id}" else "*")
        at = place.end()
    return "".join([*parts, _escaped(spec.pattern[at:])])


def _escaped(text: str) -> str:
    return re.sub(r"([*?\[\]\\])", r"\\\1", text)
