"""Hosts are cut off, Redis' too, one after the other, under load: what goes on elsewhere goes on, and all heals by itself.

    python -m chaos.partitions --seed 1 --cuts 12
    python -m chaos.partitions --seed 1 --cuts 12 --cluster

Each process lives on a host of its own (see `hosts`). A host is cut off for a while, half of the time for longer than a
lease, and joined again. Nobody is told: packets are lost, connections stay half open. With a cluster, every other cut goes
through its middle: three of its six servers, and half of the processes, are on either side. At the end the logs, the system of
record and what customers were told must agree, and every process must take work, or serve, again. Exit code 1 if not.
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

import httpx2

from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.client import http_client
from a2a_streaming.settings import Settings
from chaos.fleet import run, table
from chaos.hosts import Hosts, Namespaces, Proxied, why_not
from chaos.load import Load
from chaos.places import Place, Role
from processes import environment
from warm import prepare

_HALVES = "half of the cluster"
_BACK = 30.0
"""Seconds after it was joined again within which a host must serve, or be counted among the processes."""


@dataclass
class Report:
    """What a run did and found.

    Args:
        seed: Draws who is cut off, for how long, and the load.
        kind: What the hosts are.
    """

    seed: int
    kind: str
    cuts: Counter[str] = field(default_factory=Counter[str])
    promoted: int = 0
    """How many replicas have become primaries."""
    back: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    figures: list[tuple[str, object]] = field(default_factory=list[tuple[str, object]])
    timeline: list[str] = field(default_factory=list[str])
    violations: list[str] = field(default_factory=list[str])

    def table(self) -> str:
        """The figures, in Markdown."""
        rows: list[tuple[str, object]] = [("hosts", self.kind)]
        rows += [(f"cut off: {role}", count) for role, count in self.cuts.items()]
        rows += [("replicas that took over", self.promoted)] if self.promoted else []
        rows += [
            (f"{role}: back after seconds, at most", f"{max(times):.1f}")
            for role, times in self.back.items()
        ]
        return table([*rows, *self.figures])


class PartitionRun:
    """One run.

    Args:
        report: Where the figures go.
        directory: For everybody's files.
        hosts: Where the processes live.
        lease: Seconds of a lease.
        load: The customers.
    """

    def __init__(
        self, report: Report, directory: Path, hosts: Hosts, *, lease: float, load: Load
    ) -> None:
        self.report = report
        self._rng = random.Random(report.seed)
        self._directory = directory
        self._hosts = hosts
        self._lease = lease
        self._load = load
        self._places: dict[str, Place] = {}

    async def run(self, cuts: int, roles: dict[Role, int]) -> None:
        """Put customers to work, cut hosts off, then judge."""
        async with contextlib.AsyncExitStack() as stack:
            await asyncio.to_thread(prepare)
            http = await stack.enter_async_context(http_client())
            for role, count in roles.items():
                for number in range(count):
                    await self._settle(f"{role}{number}", role, stack)
            await asyncio.gather(*(place.ready(http) for place in self._places.values()))
            self._began = time.monotonic()
            doors = [place.url for place in self._places.values() if place.role == "front"]
            stack.push_async_callback(self._load.aclose)
            await self._load.start(http, lambda: doors)
            # Every role's turn comes, in an order of the seed's.
            hosts = [*self._places, *self._hosts.servers]
            order = hosts * (cuts // len(hosts) + 1)
            for number, host in enumerate(self._rng.sample(order, cuts)):
                halves = number % 2 == 0 and len(self._hosts.servers) > 1
                await self._cut(*(self._half() if halves else [host]), http=http)
            await self._load.end()
            with self._hosts.judging() as url:
                async with RedisManager(url, Settings()) as manager:
                    found, figures = await self._load.judge(manager)
            self.report.violations += found
            self.report.figures += figures

    def _half(self) -> list[str]:
        """Draw a half of Redis' hosts, one of each primary and its replica, and a half of the processes'."""
        half = len(self._hosts.servers) // 2
        pairs = zip(self._hosts.servers[:half], self._hosts.servers[half:], strict=True)
        servers = [self._rng.choice(pair) for pair in pairs]
        return servers + self._rng.sample([*self._places], len(self._places) // 2)

    async def _settle(self, host: str, role: Role, stack: contextlib.AsyncExitStack) -> None:
        settings = environment(
            A2A_DATA_DIR=str(self._directory / "data"),
            A2A_LOG_LEVEL="warning",
            A2A_LEASE_SECONDS=str(self._lease),
            A2A_REDIS_TIMEOUT="2",
            A2A_MAX_ATTEMPTS="20",
            REFUNDS_LEDGER=str(self._directory / "refunds.db"),
            **await self._hosts.add(host),
        )
        place = self._places[host] = Place(role, self._directory / f"{host}.log", settings)
        place.url = await self._hosts.door(host, place.port)
        stack.callback(place.kill)
        place.start()

    async def _cut(self, *hosts: str, http: httpx2.AsyncClient) -> None:
        role = self._role(hosts)
        alone = len(hosts) == 1 and hosts[0] in self._places
        away = [self._places[hosts[0]]] if alone else [*self._places.values()]
        longer = self._rng.random() < 0.5
        seconds = self._lease * (
            self._rng.uniform(1.5, 3) if longer else self._rng.uniform(0.2, 0.8)
        )
        self.report.cuts[role] += 1
        primaries = await asyncio.to_thread(self._hosts.primaries)
        began = time.monotonic()
        await asyncio.to_thread(self._hosts.part, *hosts)
        await asyncio.sleep(seconds)
        await asyncio.to_thread(self._hosts.join, *hosts)
        joined = time.monotonic()
        said = f"{began - self._began:8.2f} {', '.join(hosts)}: cut off for {seconds:.2f} s"
        try:
            async with asyncio.timeout(_BACK):
                while not all([await self._serves(place, http) for place in away]):
                    await asyncio.sleep(0.05)
                back = time.monotonic() - joined
                while not await asyncio.to_thread(self._hosts.whole):
                    await asyncio.sleep(0.05)
        except TimeoutError:
            self.report.violations.append(f"{role}: not back {_BACK:g} s after the cut")
            back = _BACK
        self.report.back.setdefault(role, []).append(back)
        promoted = await asyncio.to_thread(self._hosts.primaries) - primaries
        self.report.promoted += len(promoted)
        self.report.timeline.append(
            f"{said}, back after {back:.2f} s, whole after {time.monotonic() - joined:.2f} s"
            + "".join(f", {host} promoted" for host in sorted(promoted))
        )

    def _role(self, hosts: Sequence[str]) -> str:
        if len(hosts) > 1:
            return _HALVES
        if (place := self._places.get(hosts[0])) is not None:
            return place.role
        return "Redis" if len(self._hosts.servers) == 1 else "one of the cluster's servers"

    async def _serves(self, place: Place, http: httpx2.AsyncClient) -> bool:
        """Say whether a process reaches Redis."""
        try:
            answer = await http.get(f"{place.url}/readyz", timeout=5)
        except httpx2.TransportError:
            return False
        return answer.status_code == 200


async def partition_run(
    seed: int,
    *,
    cuts: int,
    clients: int,
    longest: float,
    lease: float,
    roles: dict[Role, int] | None = None,
    cluster: bool = False,
) -> Report:
    """Run one schedule, in namespaces where there can be some; a cluster can only be there."""
    reason = await asyncio.to_thread(why_not)
    if cluster and reason:
        raise SystemExit(f"A cluster can't be parted here: {reason}.")
    kind = f"processes behind proxies: {reason}" if reason else "network namespaces"
    report = Report(seed, kind)
    with tempfile.TemporaryDirectory(prefix="a2a-parted-") as name:
        directory = Path(name)
        load = Load(seed, directory / "refunds.db", clients=clients, longest=longest, lossy=cluster)
        redis = directory / "redis"
        async with Proxied(redis) if reason else Namespaces(redis, cluster=cluster) as hosts:
            one = PartitionRun(report, directory, hosts, lease=lease, load=load)
            await one.run(cuts, roles or {"front": 2, "worker": 3, "ops": 1})
    return report


def main() -> int:
    """Print what was found; exit with 1 if something broke."""
    options = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--cuts", type=int, default=18)
    options.add_argument("--clients", type=int, default=20, help="customers at a time")
    options.add_argument("--longest", type=float, default=20.0, help="seconds that a task takes")
    options.add_argument("--lease", type=float, default=5.0, help="seconds")
    options.add_argument("--cluster", action="store_true", help="on a cluster of six servers")
    asked = options.parse_args()
    report = run(
        partition_run(
            asked.seed,
            cuts=asked.cuts,
            clients=asked.clients,
            longest=asked.longest,
            lease=asked.lease,
            cluster=asked.cluster,
        )
    )
    print(report.table())
    print("\n".join(report.timeline))
    print(f"violations: {len(report.violations)}")
    print("\n".join(report.violations[:20]))
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main())
