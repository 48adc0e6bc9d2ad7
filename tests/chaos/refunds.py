"""Refunds while workers, fronts and Redis are killed: each is paid once, and told as one story.

    python -m chaos.refunds --seed 1 --refunds 1000 --seconds 200

Customers ask for refunds over HTTP. All the while something is killed and replaced, most often a worker
that is inside an open step. At the end the system of record, the logs and what customers were told must
agree. Exit code 1 if they don't, or if the full run had fewer than 50 kills inside a step.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.client import http_client
from a2a_streaming.settings import Settings
from apps.refunding import receipt
from chaos.books import Books
from chaos.customers import Customer
from chaos.fleet import Fleet, Member, run, table, until
from chaos.judging import judge_log, judge_stories, logs_of
from chaos.stores import StoreProcess
from tasks import folded

_FULL, _KILLS_IN_A_STEP = 1000, 50
_PATIENCE = 120.0
"""Seconds after the last kill within which every task must have ended (I8)."""
_KINDS = {"worker": 16, "front": 3, "Redis": 2}


@dataclass
class Report:
    """What a run did and found.

    Args:
        seed: Draws what is killed, and when.
    """

    seed: int
    kills: Counter[str] = field(default_factory=Counter[str])
    figures: list[tuple[str, object]] = field(default_factory=list[tuple[str, object]])
    timeline: list[str] = field(default_factory=list[str])
    complaints: list[str] = field(default_factory=list[str])
    violations: list[str] = field(default_factory=list[str])

    def table(self) -> str:
        """The figures, in Markdown."""
        return table([*((f"kills: {kind}", n) for kind, n in self.kills.items()), *self.figures])


class RefundRun:
    """One run, with its Redis, its processes and their customers.

    Args:
        report: Where the figures go.
        directory: For everybody's files.
        lease: Seconds of a lease.
        pause: Seconds between kills, on average.
    """

    def __init__(self, report: Report, directory: Path, *, lease: float, pause: float) -> None:
        self.report = report
        self._rng = random.Random(report.seed)
        # Apart, so that what the machine makes of the time changes neither kinds nor pauses.
        self._choices = random.Random(report.seed)
        self._directory = directory
        self._books = Books(directory / "refunds.db")
        self._lease = lease
        self._pause = pause
        self._customers: list[Customer] = []
        self._watching: list[asyncio.Task[None]] = []
        self._amounts: dict[str, int] = {}

    async def run(self, refunds: int, seconds: float, *, fronts: int, workers: int) -> None:
        """Ask for so many refunds in so many seconds, kill meanwhile, then judge."""
        async with contextlib.AsyncExitStack() as stack:
            self._store = await stack.enter_async_context(StoreProcess(self._directory / "redis"))
            url = f"unix://{self._store.socket}"
            self._fleet = await stack.enter_async_context(
                Fleet(
                    "apps.refunding:RefundingAgent",
                    url,
                    self._directory,
                    REFUNDS_LEDGER=str(self._directory / "refunds.db"),
                    A2A_LEASE_SECONDS=str(self._lease),
                    # The killer's luck with one task must not end it as failed.
                    A2A_MAX_ATTEMPTS="20",
                )
            )
            self._http = await stack.enter_async_context(http_client())
            stack.push_async_callback(self._stop_watching)
            starting = [self._fleet.start("front") for _ in range(fronts)]
            starting += [self._fleet.start("worker") for _ in range(workers)]
            await asyncio.gather(*starting)
            self._began = time.monotonic()
            asking = asyncio.create_task(self._ask(refunds, seconds))
            stack.callback(asking.cancel)
            while not asking.done():
                await asyncio.sleep(self._rng.uniform(0.5, 1.5) * self._pause)
                await self._kill()
            await asking
            quiet = time.monotonic()
            await until(lambda: all(c.over for c in self._customers), _PATIENCE)
            quiet = time.monotonic() - quiet
            async with RedisManager(url, Settings()) as manager:
                await self._judge(manager)
            self._tell(quiet)

    async def _ask(self, refunds: int, seconds: float) -> None:
        """Ask for refunds; at every fourth task somebody else watches too."""
        for n in range(refunds):
            task, amount = f"refund-{n}", 100 + 7 * n
            self._amounts[task] = amount
            self._join(task, f"Refund {amount}")
            if n % 4 == 0:
                self._join(task, None)
            await asyncio.sleep(seconds / refunds)

    def _join(self, task: str, text: str | None) -> None:
        customer = Customer(self._http, self._fleet.urls, task, text)
        self._customers.append(customer)
        self._watching.append(asyncio.create_task(customer.follow()))

    async def _stop_watching(self) -> None:
        for job in self._watching:
            job.cancel()
        await asyncio.gather(*self._watching, return_exceptions=True)

    # What is killed.

    async def _kill(self) -> None:
        kind = self._rng.choices([*_KINDS], weights=[*_KINDS.values()])[0]
        if kind == "Redis":
            self._note("Redis")
            self._store.kill()
            await asyncio.sleep(self._choices.uniform(0.0, 0.5))
            await self._store.start()
            return
        living = self._fleet.living("front" if kind == "front" else "worker")
        if not living:
            return  # all are on their way up again
        victim = (
            await self._one_inside(living) if kind == "worker" else self._choices.choice(living)
        )
        victim.kill()
        self._fleet.start_soon(victim.role)
        if kind == "front":
            self._note("front")
            return
        left, paid = await asyncio.to_thread(self._books.close, victim.pid)
        self._note("worker inside an open step" if left else "worker", f"{left} open, {paid} paid")
        self.report.kills["worker inside an open step that had paid"] += paid > 0

    async def _one_inside(self, living: Sequence[Member]) -> Member:
        """A worker inside an open step; any, if there is none for a second."""
        for _ in range(50):
            inside = await asyncio.to_thread(self._books.inside)
            if found := [w for w in living if w.pid in inside and w.alive]:
                return self._choices.choice(found)
            await asyncio.sleep(0.02)
        return self._choices.choice(living)

    def _note(self, kind: str, detail: str = "") -> None:
        self.report.kills[kind] += 1
        at = time.monotonic() - self._began
        self.report.timeline.append(f"{at:8.3f} {kind} {detail}".rstrip())

    # What must hold.

    async def _judge(self, manager: RedisManager) -> None:
        logs = await logs_of(manager, self._amounts)
        payments = self._books.payments()
        bad = self.report.violations
        for task, events in logs.items():
            bad += judge_log(task, events)
            paid = payments.pop(task, [])
            if [amount for amount, _ in paid] != [self._amounts[task]]:
                bad.append(f"{task}: {self._amounts[task]} was to be paid once, paid were {paid}")
                continue
            artifacts = (folded(events) or {}).get("artifacts", [])
            told = ["".join(part["text"] for part in a["parts"]) for a in artifacts]
            if told != ["".join(receipt(*paid[0]))]:
                bad.append(f"{task}: its receipts are {told}, paid was {paid}")
        bad += [f"{task}: paid though nobody asked: {paid}" for task, paid in payments.items()]
        bad += judge_stories(logs, self._customers)
        ended = sum(e.state is not None and e.state.terminal for log in logs.values() for e in log)
        epochs = sum(len({e.position.epoch for e in log}) - 2 for log in logs.values())
        self.report.figures += [
            ("refunds asked for", len(logs)),
            ("terminal events", ended),
            ("times that another run went on", epochs),
        ]

    def _tell(self, quiet: float) -> None:
        begun, known = self._books.attempts()
        streams = sum(customer.streams for customer in self._customers)
        opened = sum(customer.streams > 0 for customer in self._customers)
        paid = self._books.payments().values()
        self.report.figures += [
            ("payments", sum(map(len, paid))),
            ("payments begun", begun),
            ("payments asked for again, under a known key", known),
            ("customers", len(self._customers)),
            ("events told", sum(len(customer.told) for customer in self._customers)),
            ("customers' reconnects", streams - opened),
            ("resets", sum(customer.resets for customer in self._customers)),
            ("seconds until all was quiet", round(quiet, 1)),
        ]
        self.report.complaints = self._fleet.complaints()


async def refund_run(
    seed: int,
    *,
    refunds: int,
    seconds: float,
    lease: float,
    pause: float,
    fronts: int = 2,
    workers: int = 4,
) -> Report:
    """Run one schedule."""
    report = Report(seed)
    with tempfile.TemporaryDirectory(prefix="a2a-refunds-") as directory:
        one = RefundRun(report, Path(directory), lease=lease, pause=pause)
        await one.run(refunds, seconds, fronts=fronts, workers=workers)
    inside = report.kills["worker inside an open step"]
    if refunds >= _FULL and inside < _KILLS_IN_A_STEP:
        report.violations.append(f"only {inside} kills inside a step: a longer run is needed")
    return report


def main() -> int:
    """Print what was found; exit with 1 if something broke."""
    options = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--refunds", type=int, default=_FULL)
    options.add_argument("--seconds", type=float, default=200.0, help="in which they are asked for")
    options.add_argument("--lease", type=float, default=5.0, help="seconds")
    options.add_argument("--pause", type=float, default=2.0, help="seconds between kills")
    asked = options.parse_args()
    report = run(
        refund_run(
            asked.seed,
            refunds=asked.refunds,
            seconds=asked.seconds,
            lease=asked.lease,
            pause=asked.pause,
        )
    )
    print(report.table())
    print(f"\nerrors in the processes' logs: {len(report.complaints)}")
    print(f"violations: {len(report.violations)}")
    if report.violations:
        print("\n".join([*report.timeline, *report.violations[:20]]))
    print("\n".join(report.complaints[:10]))
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main())
