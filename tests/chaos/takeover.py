"""How long a task stands still when its worker dies (SIGKILL) or is told to go (SIGTERM).

    python -m chaos.takeover --seed 1 --rounds 40

Tasks run on two workers. One gets the signal at a random moment; from then until a customer of each of
its tasks has the first event of the next lease is one sample. Exit code 1 if a goal isn't reached, a
task doesn't end completed, exactly once, or SIGTERM costs an attempt.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import math
import random
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.client import http_client
from a2a_streaming.settings import Settings
from chaos.customers import Customer
from chaos.fleet import Fleet, Member, run, until
from chaos.judging import judge_log, judge_stories, logs_of
from chaos.stores import StoreProcess

GOALS = {"SIGKILL": 7.0, "SIGTERM": 1.0}
"""The most seconds that one in a hundred tasks may stand still."""
_TICK = 0.08
_PATIENCE = 30.0


@dataclass
class Report:
    """What a run measured and found.

    Args:
        seed: Draws the moments and who gets the signal.
    """

    seed: int
    samples: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    """Seconds that each task stood still, by signal."""
    attempts: dict[str, set[int]] = field(default_factory=dict[str, set[int]])
    """The attempts at which tasks went on, by signal."""
    exits: list[float] = field(default_factory=list[float])
    """Seconds from SIGTERM to the process's end."""
    complaints: list[str] = field(default_factory=list[str])
    violations: list[str] = field(default_factory=list[str])

    def missed(self) -> list[str]:
        """The goals that weren't reached."""
        return [
            f"{name}: p99 is {percentile(0.99, samples):.2f} s, the goal {GOALS[name]:.0f} s"
            for name, samples in self.samples.items()
            if not percentile(0.99, samples) <= GOALS[name]  # without samples there is no p99
        ]

    def table(self) -> str:
        """The figures, in Markdown."""
        lines = [
            "| signal | tasks | p50 | p95 | p99 | max | goal (p99) | went on as attempt |",
            "| --- | --- | --- | --- | --- | --- | --- | --- |",
        ]
        for name, samples in self.samples.items():
            figures = [percentile(p, samples) for p in (0.5, 0.95, 0.99, 1.0)]
            told = " | ".join(f"{figure:.2f} s" for figure in figures)
            attempts = ", ".join(map(str, sorted(self.attempts[name])))
            lines.append(f"| {name} | {len(samples)} | {told} | {GOALS[name]:.0f} s | {attempts} |")
        if self.exits:
            lines.append(f"\nprocesses ended at most {max(self.exits):.2f} s after SIGTERM")
        return "\n".join(lines)


def percentile(share: float, values: Sequence[float]) -> float:
    """The smallest value that so large a share of the values doesn't exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan


class TakeoverRun:
    """One run, with its Redis, its processes and their customers.

    Args:
        report: Where the figures go.
        directory: For the processes' files.
        tasks: Tasks in a round.
        lease: Seconds of a lease.
    """

    def __init__(self, report: Report, directory: Path, *, tasks: int, lease: float) -> None:
        self.report = report
        self._rng = random.Random(report.seed)
        self._directory = directory
        self._tasks = tasks
        self._lease = lease

    async def run(self, rounds: int, signals: Sequence[signal.Signals]) -> None:
        """Send so many signals of each kind."""
        async with contextlib.AsyncExitStack() as stack:
            store = await stack.enter_async_context(StoreProcess(self._directory / "redis"))
            url = f"unix://{store.socket}"
            self._fleet = await stack.enter_async_context(
                Fleet(
                    "apps.ticking:TickingAgent",
                    url,
                    self._directory,
                    A2A_LEASE_SECONDS=str(self._lease),
                )
            )
            self._http = await stack.enter_async_context(http_client())
            self._manager = await stack.enter_async_context(RedisManager(url, Settings()))
            await asyncio.gather(*(self._fleet.start(r) for r in ("front", "worker", "worker")))
            for number in signals:
                self.report.samples[number.name] = []
                self.report.attempts[number.name] = set()
                for n in range(rounds):
                    await self._round(number, f"{number.name}-{n}")
            self.report.complaints = self._fleet.complaints()

    async def _round(self, number: signal.Signals, name: str) -> None:
        """Take one worker from under its tasks, and see them through."""
        leave = self._directory / f"leave-{name}"
        customers = [
            Customer(self._http, self._fleet.urls, f"{name}-{n}", f"{_TICK} {leave}")
            for n in range(self._tasks)
        ]
        watching = [asyncio.create_task(customer.follow()) for customer in customers]
        try:
            if not await until(lambda: all(c.tick.pid for c in customers), _PATIENCE):
                self._bad(name, "some tasks never began")
                return
            await asyncio.sleep(self._rng.uniform(0, self._lease))
            await self._strike(number, name, customers)
            leave.touch()
            if not await until(lambda: all(c.over for c in customers), _PATIENCE):
                self._bad(name, "some tasks didn't end")
        finally:
            for job in watching:
                job.cancel()
            await asyncio.gather(*watching, return_exceptions=True)
        logs = await logs_of(self._manager, [c.task for c in customers])
        for task, events in logs.items():
            self.report.violations += judge_log(task, events)
        self.report.violations += judge_stories(logs, customers)
        await self._fleet.start("worker")  # for the next round

    async def _strike(self, number: signal.Signals, name: str, customers: list[Customer]) -> None:
        """Send the signal to a worker that has something to do, and wait until others do it."""
        workers = self._fleet.living("worker")
        victim = self._rng.choice([w for w in workers if w.pid in [c.tick.pid for c in customers]])
        held = {c: c.told[-1].epoch for c in customers if c.tick.pid == victim.pid}
        began = time.monotonic()
        victim.signal(number)
        ending = asyncio.create_task(self._ends(victim, number, began))
        await until(lambda: all(_after(c, epoch) for c, epoch in held.items()), _PATIENCE)
        await ending
        # The next attempt begins with events that take the last one's words away; then it ticks.
        await until(lambda: all(c.tick.pid != victim.pid for c in held), _PATIENCE)
        for customer, epoch in held.items():
            at = _after(customer, epoch)
            if at is None:
                self._bad(name, f"{customer.task} wasn't taken over in {_PATIENCE:.0f} s")
                continue
            self.report.samples[number.name].append(at - began)
            attempt = customer.tick.attempt
            self.report.attempts[number.name].add(attempt)
            if number is signal.SIGTERM and attempt != 1:
                self._bad(name, f"{customer.task} went on as attempt {attempt}")

    async def _ends(self, victim: Member, number: signal.Signals, began: float) -> None:
        code = await victim.ended(_PATIENCE)
        if number is signal.SIGTERM:
            self.report.exits.append(time.monotonic() - began)
            if code != 0:
                self._bad(victim.log.name, f"ended with {code} after SIGTERM")

    def _bad(self, name: str, what: str) -> None:
        self.report.violations.append(f"{name}: {what}")


def _after(customer: Customer, epoch: int) -> float | None:
    """When the customer was told the first event of a later epoch."""
    return next((told.at for told in customer.told if told.epoch > epoch), None)


async def takeover_run(
    seed: int, *, rounds: int, tasks: int, lease: float, signals: Sequence[signal.Signals]
) -> Report:
    """Run so many rounds for each signal."""
    report = Report(seed)
    with tempfile.TemporaryDirectory(prefix="a2a-takeover-") as directory:
        await TakeoverRun(report, Path(directory), tasks=tasks, lease=lease).run(rounds, signals)
    return report


def main() -> int:
    """Print what was measured; exit with 1 if a goal was missed or something broke."""
    options = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--rounds", type=int, default=40, help="of each signal")
    options.add_argument("--tasks", type=int, default=12, help="in a round, on two workers")
    options.add_argument("--lease", type=float, default=5.0, help="seconds")
    options.add_argument("--only", choices=[*GOALS], help="one signal alone")
    options.add_argument("--no-goals", action="store_true", help="measure, and judge no times")
    asked = options.parse_args()
    signals = [signal.Signals[name] for name in GOALS if asked.only in (None, name)]
    report = run(
        takeover_run(
            asked.seed, rounds=asked.rounds, tasks=asked.tasks, lease=asked.lease, signals=signals
        )
    )
    print(report.table())
    missed = [] if asked.no_goals else report.missed()
    print(f"\nerrors in the processes' logs: {len(report.complaints)}")
    print(f"violations: {len(report.violations)}\ngoals missed: {len(missed)}")
    print("\n".join([*report.violations[:20], *missed, *report.complaints[:10]]))
    return 1 if report.violations or missed else 0


if __name__ == "__main__":
    sys.exit(main())
