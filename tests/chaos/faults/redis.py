"""Faults of Redis: killed, emptied, damaged, kept busy, replaced by a replica that lacks the last writes."""

from __future__ import annotations

import asyncio
import contextlib
import time

from redis.exceptions import RedisError

from chaos.cell import Cell
from chaos.faults.clients import job_of
from chaos.schedule import Fault
from chaos.stores import StoreProcess


async def restart(cell: Cell, fault: Fault) -> None:
    """Redis is killed, and comes back with all that it had acknowledged."""
    cell.store.kill()
    await asyncio.sleep(fault.between(0.0, 0.5))
    await cell.store.start()


async def load_slowly(cell: Cell, fault: Fault) -> None:
    """Redis is killed, and loads its data for a while: -LOADING."""
    cell.store.kill()
    await cell.store.start(slowly=True)
    async with cell.store.client as client:
        await client.config_set("key-load-delay", "0")


async def kill_clients(cell: Cell, fault: Fault) -> None:
    """Redis drops all connections for commands."""
    async with cell.store.client as client:
        await client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")


async def kill_pubsub(cell: Cell, fault: Fault) -> None:
    """Redis drops all connections for Pub/Sub."""
    async with cell.store.client as client:
        await client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")


async def overflow(cell: Cell, fault: Fault) -> None:
    """Redis drops Pub/Sub connections that have more than a little waiting for them."""
    limit = "client-output-buffer-limit"
    async with cell.store.client as client:
        await client.config_set(limit, f"pubsub {int(fault.between(256, 4096))} 256 1")

    async def undo() -> None:
        with contextlib.suppress(RedisError, OSError):
            async with cell.store.client as client:
                await client.config_set(limit, "pubsub 33554432 8388608 60")

    cell.soon(0.5, undo)


async def flush_scripts(cell: Cell, fault: Fault) -> None:
    """Redis forgets the scripts."""
    async with cell.store.client as client:
        await client.script_flush()


async def flush_all(cell: Cell, fault: Fault) -> None:
    """Redis is emptied."""
    cell.lose(float("-inf"))
    async with cell.store.client as client:
        await client.flushall()
    cell.lose(float("-inf"))


async def evict(cell: Cell, fault: Fault) -> None:
    """One key of a task is gone."""
    if job := job_of(cell, fault):
        suffix = ("", ":meta", ":stream", ":steps")[int(fault.much * 4)]
        cell.lose(float("-inf"), [job])
        cell.note(f"task:{{{job.stored}}}{suffix} is gone")
        async with cell.store.client as client:
            await client.delete(f"task:{{{job.stored}}}{suffix}")


async def truncate(cell: Cell, fault: Fault) -> None:
    """The machine crashes: the end of Redis' file is gone."""
    since, size = time.monotonic(), cell.store.written()
    await cell.until_moved(int(fault.between(1, 60)), 0.5)
    cell.store.kill()
    cell.store.truncate(size)
    cell.lose(since)
    await cell.store.start()
    cell.lose(since)


async def fail_over(cell: Cell, fault: Fault, *, alive: bool = True) -> None:
    """A failover to a replica that lacks the last writes; who wrote them lives on."""
    replica = await cell.standby()
    since = time.monotonic()
    await replica.stand_alone()
    await cell.until_moved(int(fault.between(1, 60)), 0.5)
    await _note_lost(cell, replica)
    cell.lose(since)
    if not alive:
        for member in cell.fleet.of("worker"):
            cell.struck[member.pid] = (time.monotonic(), fault.kind)
            member.kill()
            member.come()
    cell.promote(replica)
    cell.lose(since)
    cell.prepare()


async def _note_lost(cell: Cell, replica: StoreProcess) -> None:
    """Note the ends of logs that a replica lacks: each is to be repaired, or told to be lost."""
    jobs = cell.load.going()
    ends: list[list[bytes | None]] = []
    for store in (replica, cell.store):
        async with store.client as client, client.pipeline(transaction=False) as pipeline:
            for job in jobs:
                pipeline.hget(f"task:{{{job.stored}}}:meta", "last")
            ends.append(await pipeline.execute() if jobs else [])
    lost = [(job, end) for job, had, end in zip(jobs, *ends, strict=True) if end and end != had]
    cell.lost += lost
    cell.report.figures["failovers that lost events"] += bool(lost)


async def fail_over_without_writers(cell: Cell, fault: Fault) -> None:
    """A failover to a replica that lacks the last writes; who wrote them is gone, too."""
    await fail_over(cell, fault, alive=False)


async def busy(cell: Cell, fault: Fault) -> None:
    """A script keeps Redis busy: -BUSY."""
    spin = (
        "local t = redis.call('TIME') local from = t[1] * 1000000 + t[2] repeat t = redis.call('TIME')"
        " until t[1] * 1000000 + t[2] - from > tonumber(ARGV[1]) or t[1] * 1000000 + t[2] < from return 1"
    )
    async with cell.store.client as client:
        await client.config_set("busy-reply-threshold", "20")
        await client.eval(spin, 0, str(int(fault.between(100_000, 800_000))))


async def fill(cell: Cell, fault: Fault) -> None:
    """Redis' memory is full for a while."""
    async with cell.store.client as client:
        await client.config_set("maxmemory", "1mb")

    async def undo() -> None:
        with contextlib.suppress(RedisError, OSError):
            async with cell.store.client as client:
                await client.config_set("maxmemory", "0")

    cell.soon(fault.between(0.1, 1.5), undo)


async def step_clock(cell: Cell, fault: Fault) -> None:
    """Redis' clock steps, forward or back."""
    cell.store.step_clock(0.0 if cell.clock_off else fault.between(-20, 20))
    cell.clock_off = not cell.clock_off
