"""What can go wrong: each kind of fault, how often it is drawn, and how it is done to a cell."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from redis.exceptions import RedisError

from chaos.asking import WAYS, cancel, get, request, rpc, send
from chaos.cell import Cell
from chaos.fleet import Member, Role
from chaos.jobs import OWNERS, SPECIAL, Job
from chaos.lines import ask
from chaos.proxy import Proxy
from chaos.schedule import Fault
from chaos.stores import StoreProcess
from chaos.stories import Path, Violation
from chaos.watchers import Watcher

_AWAIT = 20.0
"""Seconds that a fault waits until there is somebody to be hit, and somebody who is left."""


async def strike(cell: Cell, fault: Fault) -> None:
    """Let a fault happen, when its time has come."""
    await cell.until_moved(fault.after, 0.5)
    cell.cause = fault.kind
    cell.report.faults[fault.kind] += 1
    cell.note(str(fault))
    with contextlib.suppress(RedisError, OSError):  # Redis may be broken already
        await KINDS[fault.kind].happens(cell, fault)


# Processes.


async def _victim(cell: Cell, fault: Fault, *roles: Role) -> Member | None:
    """Whom it hits: one of those that live, when another of its role does, too."""
    deadline = time.monotonic() + _AWAIT
    while time.monotonic() < deadline:
        living = [
            member
            for member in cell.fleet.living(*roles)
            if len(cell.fleet.living(member.role)) > 1 or len(cell.fleet.of(member.role)) == 1
        ]
        if living:
            return living[fault.whom(len(living))]
        await asyncio.sleep(0.02)
    return None


async def _kill(cell: Cell, fault: Fault, role: Role) -> None:
    victim = await _victim(cell, fault, role)
    if victim is not None:
        cell.struck[victim.pid] = (time.monotonic(), fault.kind)
        victim.kill()
        cell.note(f"{victim.name} is killed")
        victim.come()


async def kill_front(cell: Cell, fault: Fault) -> None:
    """SIGKILL to a front."""
    await _kill(cell, fault, "front")


async def kill_worker(cell: Cell, fault: Fault) -> None:
    """SIGKILL to a worker."""
    await _kill(cell, fault, "worker")


async def kill_ops(cell: Cell, fault: Fault) -> None:
    """SIGKILL to `ops`."""
    await _kill(cell, fault, "ops")


async def kill_platform(cell: Cell, fault: Fault) -> None:
    """SIGKILL to the platform that a customer talks with."""
    if cell.plays is not None and await cell.plays.crash():
        cell.note("the platform is killed")


async def terminate(cell: Cell, fault: Fault) -> None:
    """SIGTERM to any process."""
    victim = await _victim(cell, fault, "front", "worker", "ops")
    if victim is not None:
        await _drain(cell, victim, fault.kind)


async def _drain(cell: Cell, member: Member, kind: str) -> None:
    cell.struck[member.pid] = (time.monotonic(), kind)
    member.ready = False
    member.signal(signal.SIGTERM)
    code = await member.ended(15)
    if code != 0:
        what = f"{member.name} {'ended with ' + str(code) if code else 'runs on'} after SIGTERM"
        cell.bad(Violation("I12", member.name, what))
    member.come()


async def stop(cell: Cell, fault: Fault) -> None:
    """SIGSTOP to any process, for longer than its leases, then SIGCONT: a zombie."""
    victim = await _victim(cell, fault, "front", "worker", "worker", "ops")
    if victim is not None:
        cell.struck[victim.pid] = (time.monotonic(), fault.kind)
        victim.ready = False
        victim.signal(signal.SIGSTOP)
        cell.soon(fault.between(1.5, 3) * cell.size.lease, lambda: _wake(victim))


def _wake(victim: Member) -> None:
    victim.signal(signal.SIGCONT)
    victim.come()


async def roll(cell: Cell, fault: Fault) -> None:
    """A rolling restart of all processes, under load."""
    for member in cell.fleet.members:
        await member.until_ready()
        await _drain(cell, member, fault.kind)
        await member.until_ready()


# Redis.


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
    if job := _job(cell, fault):
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


# The network between processes and Redis.


def _link(cell: Cell, fault: Fault) -> Proxy:
    return cell.fleet.links[fault.whom(len(cell.fleet.links))]


async def delay(cell: Cell, fault: Fault) -> None:
    """A process's way to Redis is slow to answer for a while."""
    link = _link(cell, fault)
    link.latency = fault.between(0.002, 0.08)
    cell.soon(0.7, lambda: setattr(link, "latency", 0.0))


async def narrow(cell: Cell, fault: Fault) -> None:
    """A process's way to Redis carries little for a while."""
    link = _link(cell, fault)
    link.rate = int(fault.between(20_000, 500_000))
    cell.soon(0.7, lambda: setattr(link, "rate", 0))


async def cut_before(cell: Cell, fault: Fault) -> None:
    """A process's connection breaks before a call of a script gets to Redis."""
    _link(cell, fault).cuts = "before"


async def cut_after(cell: Cell, fault: Fault) -> None:
    """A process's connection breaks after a script was carried out, before the reply."""
    _link(cell, fault).cuts = "after"


async def cut_link(cell: Cell, fault: Fault) -> None:
    """All of a process's connections break."""
    _link(cell, fault).cut()


async def black_hole(cell: Cell, fault: Fault) -> None:
    """A process's connections stay open and carry nothing for a while."""
    link = _link(cell, fault)
    link.swallow()
    cell.soon(fault.between(0.1, 2.5), link.carry)


# Clients.


def _job(cell: Cell, fault: Fault) -> Job | None:
    going = cell.load.going()
    return going[fault.whom(len(going))] if going else None


def _watchers(cell: Cell, fault: Fault) -> list[Watcher]:
    here = [watcher for watcher in cell.crowd.here if not watcher.done]
    return here and random.Random(fault.who).sample(here, max(1, int(fault.much * len(here) / 2)))


async def vanish(cell: Cell, fault: Fault) -> None:
    """Some watchers go, and never come back."""
    for watcher in _watchers(cell, fault)[:5]:
        if watcher.path.deliveries:
            watcher.leave()


async def stall(cell: Cell, fault: Fault) -> None:
    """Some watchers read nothing for a while."""
    for watcher in _watchers(cell, fault)[:8]:
        watcher.stall(fault.between(0.2, 6))


async def cut_at_a_byte(cell: Cell, fault: Fault) -> None:
    """Some watchers' connections break, each at some byte."""
    chance = random.Random(fault.much)
    for watcher in _watchers(cell, fault):
        watcher.cut(chance.randint(1, 1500))


async def herd(cell: Cell, fault: Fault) -> None:
    """All watchers of a task are cut, and come back at once."""
    if job := _job(cell, fault):
        for watcher in job.watchers:
            watcher.cut()


async def send_twice(cell: Cell, fault: Fault) -> None:
    """A task's first message is sent again, by somebody who then watches, too."""
    job = _job(cell, fault)
    if job is None:
        return
    dialect = job.watchers[0].path.dialect
    way = next(way for way in WAYS if way.dialect == dialect)
    path = Path(f"{dialect} sends twice", job.story, dialect)
    job.watchers.append(
        Watcher(cell.crowd, path, way, job.task, cell.tokens[job.owner], job.opening)
    )


async def come_late(cell: Cell, fault: Fault) -> None:
    """A watcher comes when the task goes on already; some as operators."""
    if job := _job(cell, fault):
        cell.load.join(
            job, WAYS[int(fault.much * len(WAYS))], as_operator=fault.much * 100 % 1 > 0.8
        )


async def come_with_a_position(cell: Cell, fault: Fault) -> None:
    """A watcher comes with a position: a real one, or one that is trimmed, future, forked, foreign or none."""
    if job := _job(cell, fault):
        places = sorted(job.story.places, key=lambda position: int(position.partition(b"-")[2]))
        if not places:
            return
        last = places[-1].decode()
        epoch, _, offset = last.partition("-")
        chosen = (
            places[int(fault.who * 1000) % len(places)].decode(),
            f"{epoch}-{int(offset) + 1_000_000}",
            f"{int(epoch) - 1}-{offset}",
            "1700000000000000-1",
            "no position",
            f"{epoch}-{offset}-{offset}",
        )[int(fault.much * 6)]
        way = WAYS[int(fault.much * 1000) % len(WAYS)]
        cell.load.join(job, way, chosen)


async def cancel_task(cell: Cell, fault: Fault) -> None:
    """A task is canceled, wherever it is."""
    job = _job(cell, fault)
    doors = cell.fleet.doors()
    if job is not None and doors and job.kind != "held":
        answer = await ask(doors[0], cancel(job.task, cell.tokens[job.owner]), 5)
        if not (answer.status == 200 and answer.code in (0, -32002)) and not (
            answer.says_later or (answer.says_missing and job.touched)
        ):
            what = f"canceling it was answered {answer.status} {answer.body!r:.300}"
            cell.bad(Violation("answers", job.story.task, what))


async def intrude(cell: Cell, fault: Fault) -> None:
    """Somebody else asks for a task, watches it, cancels it and writes to it."""
    job = _job(cell, fault)
    doors = cell.fleet.doors()
    if job is None or not doors:
        return
    other = next(name for name in OWNERS if name != job.owner)
    token, task = cell.tokens[other], job.stored
    tries = {
        "get": get(task, token),
        "get in 0.1": request("POST", "/", token, rpc("tasks/get", {"id": task}), version="0.1"),
        "cancel": cancel(task, token),
        "write to": send("1.0", f"intruder-{fault.who}", "hello", token, key=task),
        **{f"watch by {way.name}": way.watch(task, None, token) for way in WAYS},
    }
    for what, asked in tries.items():
        answer = await ask(doors[fault.whom(len(doors))], asked, 5)
        cell.report.figures["intruders turned away"] += answer.says_missing
        if not (answer.says_missing or answer.says_later):
            told = f"{other} may {what} it: {answer.status} {answer.body!r:.300}"
            cell.bad(Violation("I10", job.story.task, told))


async def trouble_hooks(cell: Cell, fault: Fault) -> None:
    """Webhooks' receivers fail, hang and lose their answers for a while."""
    cell.receivers.trouble = fault.between(0.1, 0.9)
    cell.soon(2.0, lambda: setattr(cell.receivers, "trouble", 0.0))


def _misbehaves(kind: str) -> Callable[[Cell, Fault], Awaitable[None]]:
    async def happens(cell: Cell, fault: Fault) -> None:
        if sum(job.kind == kind and job.alive for job in cell.load.jobs) < 3:
            cell.load.begin(kind, SPECIAL[kind])

    return happens


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
    "SIGKILL to a front": Kind(2, kill_front),
    "SIGKILL to a worker": Kind(4, kill_worker),
    "SIGKILL to ops": Kind(1, kill_ops),
    "SIGKILL to a platform": Kind(2, kill_platform),
    "SIGTERM": Kind(2, terminate),
    "SIGSTOP, SIGCONT": Kind(3, stop),
    "rolling restart": Kind(0.3, roll),
    "Redis restarts": Kind(3, restart),
    "Redis loads": Kind(0.5, load_slowly),
    "CLIENT KILL normal": Kind(4, kill_clients),
    "CLIENT KILL pubsub": Kind(6, kill_pubsub),
    "output buffer overflows": Kind(2, overflow),
    "SCRIPT FLUSH": Kind(4, flush_scripts),
    "FLUSHALL": Kind(0.3, flush_all),
    "a key is evicted": Kind(1, evict),
    "AOF is truncated": Kind(1, truncate),
    "failover, writers alive": Kind(2, fail_over),
    "failover, writers gone": Kind(1, fail_over_without_writers),
    "-BUSY": Kind(2, busy),
    "memory is full": Kind(2, fill),
    "clock steps": Kind(2, step_clock),
    "latency": Kind(4, delay),
    "slow link": Kind(2, narrow),
    "cut before a commit": Kind(8, cut_before),
    "cut after a commit": Kind(8, cut_after),
    "link is cut": Kind(5, cut_link),
    "half-open link": Kind(3, black_hole),
    "clients vanish": Kind(5, vanish),
    "clients stall": Kind(5, stall),
    "clients cut at a byte": Kind(12, cut_at_a_byte),
    "herd comes back": Kind(8, herd),
    "sent twice": Kind(6, send_twice),
    "client comes late": Kind(6, come_late),
    "client comes with a position": Kind(10, come_with_a_position),
    "canceled": Kind(4, cancel_task),
    "intruder": Kind(3, intrude),
    "webhooks fail": Kind(4, trouble_hooks),
    **{name: Kind(2, _misbehaves(name)) for name in SPECIAL},
}
"""All kinds of faults."""
