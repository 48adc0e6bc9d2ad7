"""What can go wrong: each kind of fault, how often it is drawn, and how it is done to a cell."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from redis.exceptions import RedisError

from chaos.cell import Cell
from chaos.faults import clients, network, processes, redis
from chaos.jobs import SPECIAL
from chaos.schedule import Fault


async def strike(cell: Cell, fault: Fault) -> None:
    """Let a fault happen, when its time has come."""
    await cell.until_moved(fault.after, 0.5)
    cell.cause = fault.kind
    cell.report.faults[fault.kind] += 1
    cell.note(str(fault))
    with contextlib.suppress(RedisError, OSError):  # Redis may be broken already
        await KINDS[fault.kind].happens(cell, fault)


@dataclass(frozen=True)
class Kind:
    """A kind of fault.

    Args:
        weight: How often it is drawn, by comparison.
        happens: Lets it happen.
    """

    weight: float
    happens: Callable[[Cell, Fault], Awaitable[None]]


KINDS: dict[str, Kind] = {
    "SIGKILL to a front": Kind(2, processes.kill_front),
    "SIGKILL to a worker": Kind(4, processes.kill_worker),
    "SIGKILL to ops": Kind(1, processes.kill_ops),
    "SIGKILL to a platform": Kind(2, processes.kill_platform),
    "SIGTERM": Kind(2, processes.terminate),
    "SIGSTOP, SIGCONT": Kind(3, processes.stop),
    "rolling restart": Kind(0.3, processes.roll),
    "Redis restarts": Kind(3, redis.restart),
    "Redis loads": Kind(0.5, redis.load_slowly),
    "CLIENT KILL normal": Kind(4, redis.kill_clients),
    "CLIENT KILL pubsub": Kind(6, redis.kill_pubsub),
    "output buffer overflows": Kind(2, redis.overflow),
    "SCRIPT FLUSH": Kind(4, redis.flush_scripts),
    "FLUSHALL": Kind(0.3, redis.flush_all),
    "a key is evicted": Kind(1, redis.evict),
    "AOF is truncated": Kind(1, redis.truncate),
    "failover, writers alive": Kind(2, redis.fail_over),
    "failover, writers gone": Kind(1, redis.fail_over_without_writers),
    "-BUSY": Kind(2, redis.busy),
    "memory is full": Kind(2, redis.fill),
    "clock steps": Kind(2, redis.step_clock),
    "latency": Kind(4, network.delay),
    "slow link": Kind(2, network.narrow),
    "cut before a commit": Kind(8, network.cut_before),
    "cut after a commit": Kind(8, network.cut_after),
    "link is cut": Kind(5, network.cut_link),
    "half-open link": Kind(3, network.black_hole),
    "clients vanish": Kind(5, clients.vanish),
    "clients stall": Kind(5, clients.stall),
    "clients cut at a byte": Kind(12, clients.cut_at_a_byte),
    "herd comes back": Kind(8, clients.herd),
    "sent twice": Kind(6, clients.send_twice),
    "client comes late": Kind(6, clients.come_late),
    "client comes with a position": Kind(10, clients.come_with_a_position),
    "canceled": Kind(4, clients.cancel_task),
    "intruder": Kind(3, clients.intrude),
    "webhooks fail": Kind(4, clients.trouble_hooks),
    **{name: Kind(2, clients.misbehaves(name)) for name in SPECIAL},
}
"""All kinds of faults."""
