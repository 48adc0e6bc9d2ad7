"""Faults of processes: killed, ended, stopped, restarted in turn."""

from __future__ import annotations

import asyncio
import signal
import time

from chaos.cell import Cell
from chaos.fleet import Member, Role
from chaos.schedule import Fault
from chaos.stories import Violation

_AWAIT = 20.0
"""Seconds that a fault waits until there is somebody to be hit, and somebody who is left."""


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
