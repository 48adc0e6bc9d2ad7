"""Fan-out: one task, many watchers. The product, nchan with Redis, and the limit, in the same rounds."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from bench.loading import Loaded, load, undisturbed
from bench.machine import until_quiet
from bench.requests import EACH_ITS_OWN, JSON, V1, subscribe
from bench.rounds import Bench, Outcome, Row, against, alternated
from bench.servers import Server, has_nchan, limit, nchan, product, redis
from bench.tasks import append_template, backbone, open_task, run_async, told_line
from bench.template import http_post, write_template

OURS, OWN, NCHAN, LIMIT = "ours", "ours, own ids", "nchan", "limit"
_SECONDS = 1.2
_EXPECTED = {  # deliveries a second, to choose how many events make a run; by events in flight
    OURS: {1: 200_000, 16: 1_500_000},
    OWN: {1: 150_000, 16: 900_000},
    NCHAN: {1: 165_000, 16: 170_000},
    LIMIT: {1: 300_000, 16: 3_000_000},
}


@dataclass
class Stage:
    """All servers, up at once: who isn't asked costs nothing.

    Args:
        bench: The run.
        store: Redis.
        ours: The product.
        nchan: nginx with nchan, if it is there.
        limit: The C program.
    """

    bench: Bench
    store: Server
    ours: Server
    nchan: Server | None
    limit: Server
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def systems(self) -> list[str]:
        """Who is measured."""
        return [OURS, OWN, *([NCHAN] if self.nchan else []), LIMIT]

    def run(
        self, system: str, watchers: int, window: int, *, rate: float = 0, seconds: float = _SECONDS
    ) -> Loaded:
        """Measure one system once.

        Args:
            system: Which.
            watchers: How many watch.
            window: How many events are in flight.
            rate: Instead: how many events a second are published.
            seconds: How long it is to take, about.
        """
        wanted = rate * seconds if rate else _EXPECTED[system][window] * seconds / watchers
        count = max(20, int(wanted if not self.bench.quick else wanted / 6))
        pace = {"rate": rate} if rate else {"window": window}
        how = {NCHAN: self._nchan, LIMIT: self._limit}.get(system, self._ours)
        return undisturbed(
            lambda: how(system, conns=watchers, count=count, seconds=60, **pace),
            self.bench.deadline,
        )

    def _ours(self, system: str, **options: float) -> Loaded:
        task = f"fan-{next(self._numbers)}"
        template = self.bench.folder / f"{task}.template"

        async def prepare() -> int:
            async with backbone(self.store) as manager:
                grant = await open_task(manager, "holding", task)
                await append_template(manager, grant, template)
                return grant.base.offset

        base = run_async(prepare())
        number = EACH_ITS_OWN if system == OWN else 1
        until_quiet([self.ours.process])
        try:
            return load(
                self.ours.process,
                {
                    "port": self.ours.port,
                    "header": [JSON, V1],
                    "body": subscribe(task, number),
                    "mark": f'"id":{number},',
                    "to": str(self.store.port),
                    "template": template,
                    "base": base,
                    **options,
                },
            )
        finally:
            template.unlink()

    def _nchan(self, _: str, **options: float) -> Loaded:
        assert self.nchan is not None
        channel = f"fan-{next(self._numbers)}"
        template = self.bench.folder / f"{channel}.template"
        write_template(template, http_post(f"/publish/{channel}", told_line(channel)))
        until_quiet([self.nchan.process])
        return load(
            self.nchan.process,
            {
                "port": self.nchan.port,
                "path": f"/watch/{channel}",
                "header": "Accept: text/event-stream",
                "ready": "head",
                "to": str(self.nchan.port),
                "template": template,
                "replies": "http",
                **options,
            },
        )

    def _limit(self, _: str, **options: float) -> Loaded:
        template = write_template(self.bench.folder / "limit.template", told_line("limit") + b"\n")
        until_quiet([self.limit.process])
        return load(
            self.limit.process,
            {
                "port": self.limit.port,
                "to": str(self.limit.port + 1),
                "template": template,
                "replies": "none",
                **options,
            },
        )


@contextmanager
def stage(bench: Bench, *, peers: bool = True) -> Iterator[Stage]:
    """Start all servers.

    Args:
        bench: The run.
        peers: Whether nchan is wanted.
    """
    with ExitStack() as stack:
        store = stack.enter_context(redis(bench.folder))
        ours = stack.enter_context(product("bench.agents:HoldingAgent", store, bench.folder))
        peer = None
        if peers and has_nchan():
            theirs = stack.enter_context(redis(bench.folder))
            peer = stack.enter_context(nchan(theirs, bench.folder, bench.files))
        yield Stage(bench, store, ours, peer, stack.enter_context(limit()))


def run(bench: Bench) -> Outcome:
    """Measure fan-out."""
    outcome = Outcome()
    shapes = [(n, w) for w in (1, 16) for n in ((100,) if bench.quick else (100, 1000))]
    rates: dict[tuple[str, int, int], list[float]] = {}
    cpu: dict[tuple[str, int, int], list[float]] = {}
    with stage(bench) as on:
        if on.nchan is None:
            outcome.notes.append("nginx with nchan isn't on this machine: it is left out.")
        for number in bench.each_round():
            for watchers, window in shapes:
                for system in alternated(on.systems, number):
                    loaded = on.run(system, watchers, window)
                    key = (system, watchers, window)
                    rates.setdefault(key, []).append(loaded.events_a_second)
                    cpu.setdefault(key, []).append(loaded.cpu_us)
    for (system, watchers, window), found in rates.items():
        outcome.details[f"{system}, {watchers} watchers, {window} in flight"] = {
            "deliveries a second": found,
            "server's CPU, µs a delivery": cpu[system, watchers, window],
        }
    for watchers, window in shapes:
        outcome.rows += _rows(rates, watchers, window)
    return outcome


def _rows(rates: dict[tuple[str, int, int], list[float]], watchers: int, window: int) -> list[Row]:
    def of(system: str) -> list[float]:
        return rates.get((system, watchers, window), [])

    work = f"fan-out to {watchers:,}, {window} in flight"
    unit = "deliveries/s"
    rows: list[Row] = []
    with_nchan = {(OURS, 1): 1.2, (OWN, 1): 1.05, (OURS, 16): 8.0}
    with_limit = {(OURS, 1): 0.8, (OWN, 1): 0.6}
    for system, named in ((OURS, work), (OWN, f"{work}, own ids")):
        goal = with_nchan.get((system, window))
        if goal is not None and of(NCHAN):
            rows.append(against(named, goal, "nchan", of(system), of(NCHAN), unit))
        goal = with_limit.get((system, window))
        if goal is not None:
            rows.append(against(named, goal, "the limit", of(system), of(LIMIT), unit))
    return rows
