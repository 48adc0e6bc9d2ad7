"""Processes are replaced one after the other, under load: nothing is lost, and each client comes back once a time.

    python -m chaos.rolling --seed 1 --clients 60
    python -m chaos.rolling --from v0.1.0       (all begin as that version, and are replaced by this one)

Fronts, workers and ops stand on one Redis, the fronts behind nginx. Customers ask for refunds and watch them, up to half a
minute each, all the while. Each process gets SIGTERM, and its successor takes its port. At the end the logs, the system of
record and what customers were told must agree. Exit code 1 if they don't, if a client lost its stream more than once
by one replacement, or at all by a worker's or by ops'.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.client import http_client
from a2a_streaming.settings import Settings
from chaos.balancer import Balancer, nginx
from chaos.fleet import run, table
from chaos.load import Load
from chaos.places import Place, Role
from chaos.stores import StoreProcess
from processes import TESTS, environment
from warm import prepare

ROOT = TESTS.parent
_SETTLED = 2.5
"""Seconds after a replacement until its clients have come back, so that the next one's can be told apart."""


@dataclass
class Report:
    """What a run did and found.

    Args:
        seed: Draws the order and the load.
    """

    seed: int
    figures: list[tuple[str, object]] = field(default_factory=list[tuple[str, object]])
    timeline: list[str] = field(default_factory=list[str])
    violations: list[str] = field(default_factory=list[str])

    def table(self) -> str:
        """The figures, in Markdown."""
        return table(self.figures)


class RollingRun:
    """One run.

    Args:
        report: Where the figures go.
        directory: For everybody's files.
        clients: Customers at a time.
        longest: Seconds that a task takes at most.
        old: The interpreter of the version with which all begin; None for this one.
    """

    def __init__(
        self, report: Report, directory: Path, *, clients: int, longest: float, old: Path | None
    ) -> None:
        self.report = report
        self._directory = directory
        self._old = old
        books = directory / "refunds.db"
        self._load = Load(report.seed, books, clients=clients, longest=longest)
        self._places: list[Place] = []
        self._rounds: list[tuple[Role, float, float]] = []

    async def run(self, *, fronts: int, workers: int, ops: int, balanced: bool) -> None:
        """Put customers to work, replace every process once, then judge."""
        async with contextlib.AsyncExitStack() as stack:
            store = await stack.enter_async_context(StoreProcess(self._directory / "redis"))
            url = f"unix://{store.socket}"
            settings = environment(
                A2A_REDIS_URL=url,
                A2A_DATA_DIR=str(self._directory / "data"),
                A2A_LOG_LEVEL="warning",
                REFUNDS_LEDGER=str(self._directory / "refunds.db"),
            )
            numbers: dict[Role, int] = {"ops": ops, "worker": workers, "front": fronts}
            roles: list[Role] = [role for role, number in numbers.items() for _ in range(number)]
            self._places = [
                Place(role, self._directory / f"{role}-{number}.log", settings)
                for number, role in enumerate(roles)
            ]
            await asyncio.to_thread(prepare)
            http = await stack.enter_async_context(http_client())
            for place in self._places:
                stack.callback(place.kill)
                place.start(self._old)
            await asyncio.gather(*(place.ready(http) for place in self._places))
            doors = [place.url for place in self._places if place.role == "front"]
            if balanced:
                ports = [place.port for place in self._places if place.role == "front"]
                doors = [stack.enter_context(Balancer(ports, self._directory / "nginx")).url]
            self._began = time.monotonic()
            stack.push_async_callback(self._load.aclose)
            await self._load.start(http, lambda: doors)
            for place in self._places:
                await self._replace(place, http)
            await self._load.end()
            async with RedisManager(url, Settings()) as manager:
                await self._judge(manager)

    async def _replace(self, place: Place, http: httpx2.AsyncClient) -> None:
        began = time.monotonic()
        code = await place.end()
        ended = time.monotonic()
        if code != 0:
            self.report.violations.append(f"a {place.role} ended with {code} at SIGTERM")
        place.start(None)
        await place.ready(http)
        up = time.monotonic()
        await asyncio.sleep(_SETTLED)
        self._rounds.append((place.role, began, time.monotonic()))
        self.report.timeline.append(
            f"{began - self._began:8.2f} {place.role}: ended after {ended - began:.2f} s, "
            f"its successor serves after {up - ended:.2f} s"
        )

    # What must hold.

    async def _judge(self, manager: RedisManager) -> None:
        bad = self.report.violations
        found, figures = await self._load.judge(manager)
        bad += found
        customers = self._load.customers
        worst, spread, moved = 0, list[float](), 0
        for role, began, until_ in self._rounds:
            broken: Counter[int] = Counter()
            back = list[float]()
            for number, customer in enumerate(customers):
                broken[number] += sum(began <= at < until_ for at in customer.breaks)
                back += [at for at in customer.returns if began <= at < until_]
            most = max(broken.values(), default=0)
            moved += sum(broken.values())
            worst = max(worst, most)
            if role == "front":
                spread += [max(back) - min(back)] if len(back) > 1 else []
            if most > (role == "front"):
                bad.append(f"a client lost its stream {most} times when a {role} was replaced")
        failed = [reason for customer in customers for reason in customer.failures]
        if failed and nginx():
            bad += [f"a request came to nothing: {reason}" for reason in failed[:5]]
        self.report.figures += [
            ("processes replaced", len(self._rounds)),
            *figures,
            ("streams that ended early, by replaced fronts", moved),
            ("of one client, by one replacement, at most", worst),
            (
                "seconds over which clients came back, by front",
                ", ".join(f"{seconds:.1f}" for seconds in spread),
            ),
            ("requests that came to nothing", len(failed)),
        ]


async def rolling_run(
    seed: int,
    *,
    clients: int,
    longest: float,
    fronts: int = 3,
    workers: int = 3,
    ops: int = 2,
    old: Path | None = None,
) -> Report:
    """Run one."""
    report = Report(seed)
    with tempfile.TemporaryDirectory(prefix="a2a-rolling-") as directory:
        one = RollingRun(report, Path(directory), clients=clients, longest=longest, old=old)
        balanced = await asyncio.to_thread(nginx) is not None
        await one.run(fronts=fronts, workers=workers, ops=ops, balanced=balanced)
    return report


def built(ref: str) -> Path:
    """Set up a version of ours beside this one, from git, and return its interpreter."""
    commit = subprocess.run(
        ["git", "rev-parse", "--verify", f"{ref}^{{commit}}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    directory = ROOT / ".cache" / "versions" / commit
    python = directory / ".venv" / "bin" / "python"
    if not (directory / ".venv" / ".ready").exists():
        directory.mkdir(parents=True, exist_ok=True)
        archive = subprocess.run(
            ["git", "archive", commit], cwd=ROOT, capture_output=True, check=True
        )
        subprocess.run(["tar", "x", "-C", str(directory)], input=archive.stdout, check=True)
        tool = ROOT / ".cache" / "uv-tool"
        subprocess.run(["make", "-s", "setup", f"UV_HOME={tool}"], cwd=directory, check=True)
    return python


def main() -> int:
    """Print what was found; exit with 1 if something broke."""
    options = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--clients", type=int, default=60, help="customers at a time")
    options.add_argument("--longest", type=float, default=30.0, help="seconds that a task takes")
    options.add_argument("--from", dest="ref", default="", help="the version with which all begin")
    asked = options.parse_args()
    old = built(asked.ref) if asked.ref else None
    report = run(rolling_run(asked.seed, clients=asked.clients, longest=asked.longest, old=old))
    print(report.table())
    print("\n".join(report.timeline))
    print(f"violations: {len(report.violations)}")
    print("\n".join(report.violations[:20]))
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main())
