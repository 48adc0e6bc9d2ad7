"""Churn: tasks and clients come and go for long, and nothing stays behind: no memory, key, connection, file or task (I12)."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from chaos.asking import request
from chaos.cell import Cell, Size
from chaos.faults import KINDS
from chaos.lines import ask
from chaos.report import Report
from chaos.rounds import PACE, play
from chaos.schedule import draw
from chaos.stories import Violation

_FAULTS = (
    "clients vanish",
    "clients stall",
    "clients cut at a byte",
    "herd comes back",
    "sent twice",
    "client comes late",
    "client comes with a position",
    "canceled",
    "intruder",
    "agent raises",
    "agent hangs",
    "agent emits after its end",
)
"""What clients and agents do wrong; the processes live through all of it."""
_ROUND = 60
_FLAT = 1.01
_SLACK = 1024
"""KiB that a process may have grown by whatever its share."""
_METRICS = request("GET", "/metrics", "")
_ZERO = ("a2a_streams_open ", "a2a_runs ")


@dataclass(frozen=True)
class Sample:
    """What is held while all is quiet.

    Args:
        memory: KiB, by process.
        files: Open files and connections, by process.
        connections: Connections that Redis has.
        keys: Keys in Redis.
    """

    memory: dict[str, int]
    files: dict[str, int]
    connections: int
    keys: int


async def churn_run(
    seed: int, *, seconds: float, size: Size, tell: Callable[[str], object] = str
) -> Report:
    """Let tasks and clients come and go, and look at what is held whenever all is quiet.

    Args:
        seed: Draws them.
        seconds: For how long.
        size: The cell's.
        tell: Is told how it goes.
    """
    report = Report("churn", seed)
    began = time.monotonic()
    ttl = str(_lifetime(size))
    short = dict.fromkeys(("A2A_HISTORY_TTL", "A2A_SNAPSHOT_TTL", "A2A_AUDIT_TTL"), ttl)
    weights = {kind: KINDS[kind].weight for kind in _FAULTS}
    samples: list[Sample] = []
    with tempfile.TemporaryDirectory(prefix="a2a-churn-") as directory:
        cell = Cell(report, Path(directory), size, **short)
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(cell.running())
            while time.monotonic() < began + seconds and not report.failed:
                faults = draw(seed, _ROUND, weights, pace=PACE)
                await play(cell, seed, faults, until=began + seconds)
                samples.append(await sample(cell))
                tell(f"{time.monotonic() - began:.0f} s: {samples[-1]}")
                seed += 1
            report.complaints = cell.fleet.complaints()
    report.seconds = time.monotonic() - began
    judge(report, samples)
    return report


async def sample(cell: Cell) -> Sample:
    """Take stock, once what has ended has expired, and nothing runs."""
    await asyncio.sleep(_lifetime(cell.size) + 2)
    for member in cell.fleet.of("front", "worker"):
        answer = await ask(member.door, _METRICS)
        held = [
            line
            for line in answer.body.decode().splitlines()
            if line.startswith(_ZERO) and not line.endswith(" 0.0")
        ]
        if held:
            cell.bad(Violation("I12", member.name, f"while all is quiet it has {held}"))
    async with cell.store.client as client:
        connections, keys = len(await client.client_list()), await client.dbsize()
    members = cell.fleet.members
    return Sample(
        {member.name: resident(member.pid) for member in members},
        {member.name: files(member.pid) for member in members},
        connections,
        keys,
    )


def resident(pid: int) -> int:
    """KiB of memory that a process holds."""
    return int(Path(f"/proc/{pid}/status").read_text().split("VmRSS:")[1].split()[0])


def _lifetime(size: Size) -> int:
    """Seconds that what has ended stays: until it is judged, and not much longer."""
    return int(1.5 * size.patience)


def files(pid: int) -> int:
    """How many files and connections a process has open."""
    return len([*Path(f"/proc/{pid}/fd").iterdir()])


def judge(report: Report, samples: Sequence[Sample]) -> None:
    """Judge that the second half of the samples is no more than the first, from its middle on."""
    if len(samples) < 8:
        report.measured["samples"] = f"{len(samples)}: too few to judge"
        return
    quarter = len(samples) // 4
    before, after = samples[quarter : 2 * quarter], samples[-quarter:]
    for name in samples[0].memory:
        first, last = (statistics.median(s.memory[name] for s in part) for part in (before, after))
        report.measured[f"{name}: KiB before, after"] = f"{first:.0f}, {last:.0f}"
        if last > max(first * _FLAT, first + _SLACK):
            grown(report, name, "KiB", first, last)
        first, last = (max(s.files[name] for s in part) for part in (before, after))
        if last > first:
            grown(report, name, "open files", first, last)
    for what in ("connections", "keys"):
        first, last = (max(getattr(s, what) for s in part) for part in (before, after))
        report.measured[f"{what} in Redis, before, after"] = f"{first}, {last}"
        if last > first:
            grown(report, "Redis", what, first, last)


def grown(report: Report, name: str, what: str, first: float, last: float) -> None:
    """Take note of something that grows."""
    report.find(Violation("I12", name, f"{what} have grown from {first:.0f} to {last:.0f}"))
