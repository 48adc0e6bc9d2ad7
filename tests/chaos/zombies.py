"""Processes that stand still for longer than their leases, and then write on.

    python -m chaos.zombies --seed 1 --rounds 10 --runs 100

In each round one and the same process runs all tasks when it is stopped (SIGSTOP) for three leases;
another process takes them over; then the first one wakes (SIGCONT), and its agents go on at once where
they stood. Exit code 1 if a late event gets into a log or to a customer, a task doesn't end completed,
exactly once, or the process that woke doesn't live on and take new work.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.client import http_client
from a2a_streaming.event import Event
from a2a_streaming.settings import Settings
from a2a_streaming.task import Json
from apps.ticking import tick_of
from chaos.customers import Customer
from chaos.fleet import Fleet, Member, run, table, until
from chaos.judging import judge_log, judge_stories, logs_of
from chaos.stores import StoreProcess

_TICK = 0.4
_PATIENCE = 40.0


@dataclass
class Report:
    """What a run did and found.

    Args:
        seed: Draws for how long the processes stand still, beyond three leases.
    """

    seed: int
    counts: Counter[str] = field(default_factory=Counter[str])
    complaints: list[str] = field(default_factory=list[str])
    violations: list[str] = field(default_factory=list[str])

    def table(self) -> str:
        """The figures, in Markdown."""
        names = [
            "rounds",
            "runs in a process that was stopped",
            "taken over while it stood still",
            "late writes that the fence refused",
            "late writes cut short, for the renewal was refused",
            "runs stopped before they wrote, likewise",
            "late events accepted",
            "events in the logs",
            "new work taken after waking",
        ]
        return table([(name, self.counts[name]) for name in names])


class ZombieRun:
    """One run, with its Redis, its processes and their customers.

    Args:
        report: Where the figures go.
        directory: For the processes' files.
        runs: Tasks in a round.
        lease: Seconds of a lease.
    """

    def __init__(self, report: Report, directory: Path, *, runs: int, lease: float) -> None:
        self.report = report
        self._rng = random.Random(report.seed)
        self._directory = directory
        self._runs = runs
        self._lease = lease

    async def run(self, rounds: int) -> None:
        """Stop the process and wake it, so many times."""
        async with contextlib.AsyncExitStack() as stack:
            store = await stack.enter_async_context(StoreProcess(self._directory / "redis"))
            url = f"unix://{store.socket}"
            self._fleet = await stack.enter_async_context(
                Fleet(
                    "apps.ticking:TickingAgent",
                    url,
                    self._directory,
                    A2A_LEASE_SECONDS=str(self._lease),
                    A2A_MAX_RUNS=str(max(128, 2 * self._runs)),
                    # A machine that is busy may make a short lease run out once more.
                    A2A_MAX_ATTEMPTS="20",
                )
            )
            self._http = await stack.enter_async_context(http_client())
            self._manager = await stack.enter_async_context(RedisManager(url, Settings()))
            zombie, _ = await asyncio.gather(
                self._fleet.start("worker"), self._fleet.start("front")
            )
            for n in range(rounds):
                await self._round(zombie, f"round-{n}")
                self.report.counts["rounds"] += 1
                if not zombie.alive:
                    self._bad(f"round-{n}: the process that woke has ended")
                    break
            self._count_stopped(zombie)
            self.report.complaints = self._fleet.complaints()

    async def _round(self, zombie: Member, name: str) -> None:
        async with self._customers(name, self._runs) as customers:
            if not await until(lambda: _all_tick_in(zombie, customers), _PATIENCE):
                self._bad(f"{name}: not all tasks run in the one process that there is")
            other = await self._fleet.start("worker")
            await self._sleep(zombie, customers)
            await asyncio.sleep(self._lease)  # in which those that woke try to write
        # Now the one that woke is alone again.
        other.signal(signal.SIGTERM)
        await other.ended()
        async with self._customers(f"{name}-anew", 1) as [probe]:
            takes = await until(lambda: _all_tick_in(zombie, [probe]), _PATIENCE)
        self.report.counts["new work taken after waking"] += takes
        if not takes:
            self._bad(f"{name}: the process that woke takes no new work")

    async def _sleep(self, zombie: Member, customers: Sequence[Customer]) -> None:
        """Stop the process for three leases, and wake it."""
        counts = self.report.counts
        held = [c for c in customers if c.tick.pid == zombie.pid]
        zombie.signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(self._lease * self._rng.uniform(3.0, 3.2))
            counts["runs in a process that was stopped"] += len(held)
            over = sum(c.tick.pid != zombie.pid for c in held)
            counts["taken over while it stood still"] += over
        finally:
            zombie.signal(signal.SIGCONT)

    @contextlib.asynccontextmanager
    async def _customers(self, name: str, count: int) -> AsyncIterator[list[Customer]]:
        """Customers whose tasks tick; at the end they are let go, seen through and judged."""
        leave = self._directory / f"leave-{name}"
        customers = [
            Customer(self._http, self._fleet.urls, f"{name}-{n}", f"{_TICK} {leave}")
            for n in range(count)
        ]
        watching = [asyncio.create_task(customer.follow()) for customer in customers]
        try:
            yield customers
            leave.touch()
            await until(lambda: all(c.over for c in customers), _PATIENCE)
        finally:
            for job in watching:
                job.cancel()
            await asyncio.gather(*watching, return_exceptions=True)
        logs = await logs_of(self._manager, [c.task for c in customers])
        for task, events in logs.items():
            self.report.violations += judge_log(task, events)
            late = late_events(events)
            self.report.counts["late events accepted"] += len(late)
            self.report.counts["events in the logs"] += len(events)
            self.report.violations += [f"{task}: late is {event}" for event in late]
        self.report.violations += judge_stories(logs, customers)

    def _count_stopped(self, zombie: Member) -> None:
        """Count how the woken process's runs stopped, by what its agents said of it."""
        for line in zombie.log.read_text().splitlines():
            match line.split():
                case ["stopped", _, _, "Fenced"]:
                    self.report.counts["late writes that the fence refused"] += 1
                case ["stopped", _, "writing", _]:
                    self.report.counts["late writes cut short, for the renewal was refused"] += 1
                case ["stopped", *_]:
                    self.report.counts["runs stopped before they wrote, likewise"] += 1

    def _bad(self, what: str) -> None:
        self.report.violations.append(what)


def late_events(events: Sequence[Event]) -> list[Event]:
    """Events that a run wrote after another had taken its task over: by their epochs, and by what they say."""
    late: list[Event] = []
    newest = 0
    writers: dict[int, tuple[int, int]] = {}
    for event in events:
        epoch = event.position.epoch
        tick = tick_of(_text(event.message))
        said = (tick.pid, tick.attempt)
        foreign = bool(tick.pid) and writers.setdefault(epoch, said) != said
        if epoch < newest or foreign:
            late.append(event)
        newest = max(newest, epoch)
    return late


def _text(said: Json | None) -> str:
    return "".join(part.get("text", "") for part in said["parts"]) if said else ""


def _all_tick_in(member: Member, customers: Sequence[Customer]) -> bool:
    return all(customer.tick.pid == member.pid for customer in customers)


async def zombie_run(seed: int, *, rounds: int, runs: int, lease: float) -> Report:
    """Run so many rounds with so many runs each."""
    report = Report(seed)
    with tempfile.TemporaryDirectory(prefix="a2a-zombies-") as directory:
        await ZombieRun(report, Path(directory), runs=runs, lease=lease).run(rounds)
    return report


def main() -> int:
    """Print what was found; exit with 1 if something broke."""
    options = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--rounds", type=int, default=10)
    options.add_argument("--runs", type=int, default=100, help="in a round, all in one process")
    options.add_argument("--lease", type=float, default=1.0, help="seconds")
    asked = options.parse_args()
    report = run(zombie_run(asked.seed, rounds=asked.rounds, runs=asked.runs, lease=asked.lease))
    print(report.table())
    print(f"\nerrors in the processes' logs: {len(report.complaints)}")
    print(f"violations: {len(report.violations)}")
    print("\n".join([*report.violations[:20], *report.complaints[:10]]))
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main())
