"""A cell: a Redis with a replica that stands by, the processes on it, their clients, and what knows how they fare."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

from chaos.books import Books
from chaos.fleet import Fleet, Role
from chaos.hooks import Receivers
from chaos.jobs import OPERATOR, OWNERS, Job, Load
from chaos.report import Report
from chaos.stores import StoreProcess, clock_library
from chaos.stories import Place, Violation
from chaos.watchers import Crowd
from issuers import AUDIENCE, issuing

if TYPE_CHECKING:
    from chaos.plays import Plays


@dataclass(frozen=True)
class Size:
    """How large a cell is.

    Args:
        members: Processes of each role.
        width: Tasks that go on at once.
        fan: Watchers that a task has at most.
        lease: Seconds of a lease: so long does a task stand still when its process is killed. All other times
            hang on it; on a machine that is busy with other things it must be longer.
        nginx: Whether nginx stands before the fronts.
        conversations: Whether a platform plays conversations beside them.
    """

    members: dict[Role, int] = field(default_factory=lambda: {"front": 2, "worker": 3, "ops": 1})
    width: int = 8
    fan: int = 30
    lease: float = 2.0
    nginx: bool = True
    conversations: bool = False

    @classmethod
    def small(cls, *, lease: float) -> Self:
        """Return one that is there soon, for short runs."""
        members: dict[Role, int] = {"front": 2, "worker": 2, "ops": 1}
        return cls(members, width=5, fan=8, lease=lease, nginx=False)

    @property
    def run(self) -> float:
        """Seconds that a run may take."""
        return 6 * self.lease

    @property
    def watcher(self) -> float:
        """Seconds after which a watcher that isn't renewed counts as gone."""
        return 2 * self.lease

    @property
    def patience(self) -> float:
        """Seconds after the last fault within which every task must have ended, and everybody been told (I8)."""
        return 25 * self.lease


class Cell:
    """All of it, for rounds of faults.

    Args:
        report: Where it goes what is found.
        directory: For everybody's files.
        size: How large it is.
        settings: More of the processes' environment.
    """

    def __init__(self, report: Report, directory: Path, size: Size, **settings: str) -> None:
        self.report = report
        self.directory = directory
        self.size = size
        self._settings = settings
        self.seed = report.seed
        """The seed of the round."""
        self.timeline: list[str] = []
        self.cause = "nothing"
        """The kind of the latest fault."""
        self.began = time.monotonic()
        self.later: set[asyncio.Task[None]] = set()
        self.struck: dict[int, tuple[float, str]] = {}
        """Processes that were taken from under their tasks: when, and how."""
        self.clock_off = False
        self.lost: list[tuple[Job, bytes]] = []
        """Ends of logs that a failover has lost."""
        self.losses = 0
        """How often Redis may have lost what it was told."""
        self._standby: asyncio.Task[StoreProcess] | None = None
        self.plays: Plays | None = None
        """The conversations, if any are played."""

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        """Start everything; at the end all of it is ended."""
        async with contextlib.AsyncExitStack() as stack:
            self._stack = stack
            self.directory.mkdir(parents=True, exist_ok=True)
            self._clock = await asyncio.to_thread(clock_library, self.directory)
            self.store = await self._new_store()
            self.receivers = await stack.enter_async_context(Receivers())
            issuer = await stack.enter_async_context(issuing())
            day = int(time.time()) + 86_400
            self.tokens = {name: issuer.token(sub=name, exp=day) for name in OWNERS}
            self.tokens[OPERATOR] = issuer.token(sub=OPERATOR, exp=day, roles=["operator"])
            ledger = self.directory / "ledger.db"
            self.books = Books(ledger)
            self.fleet = Fleet(
                "apps.chaotic:ChaoticAgent",
                self.directory / "fleet",
                self.size.members,
                nginx=self.size.nginx,
                **{
                    **_settings(ledger, self.size),
                    "A2A_AUTH_ISSUER": issuer.url,
                    "A2A_AUTH_AUDIENCE": AUDIENCE,
                    **self._settings,
                },
            )
            await self.fleet.start(self.store.socket, stack)
            self.crowd = Crowd(self.fleet.doors, self._recovered, self._odd)
            stack.push_async_callback(self._forget_later)
            stack.push_async_callback(self.crowd.aclose)
            self.load = self.new_load(self.seed)
            stack.push_async_callback(self._end_load)
            sweeping = asyncio.create_task(self._sweep())
            stack.callback(sweeping.cancel)
            yield self

    def new_load(self, seed: int) -> Load:
        """Return a load, drawn by a seed."""
        self.seed = seed
        self.load = Load(
            seed,
            self.crowd,
            self.tokens,
            self.receivers,
            self.bad,
            self._news,
            width=self.size.width,
            fan=self.size.fan,
        )
        return self.load

    # What is found.

    def bad(self, violation: Violation) -> None:
        """Take note of a violation."""
        excerpt = self.fleet.excerpt(violation.task)
        self.report.find(violation, self.seed, self.timeline[-60:], excerpt)

    def note(self, what: str) -> None:
        """Write into the timeline."""
        events = self.load.events
        self.timeline.append(f"{time.monotonic() - self.began:8.3f} event {events}: {what}")

    def _odd(self, task: str, what: str) -> None:
        self.bad(Violation("answers", task, what))

    def _recovered(self, seconds: float) -> None:
        self.report.recovery[self.cause].append(seconds)

    def _news(self, job: Job, place: Place) -> None:
        mark = place.marker
        if mark is None or mark.pid == job.pid:
            return
        struck = self.struck.get(job.pid)
        if struck is not None:
            self.report.attempts[struck[1]].append(time.monotonic() - struck[0])
        job.pid = mark.pid

    async def _end_load(self) -> None:
        await self.load.aclose()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(1)
            self.crowd.sweep()

    # What is broken.

    def lose(self, since: float, jobs: Sequence[Job] | None = None) -> None:
        """Take note that Redis may have lost what it was told.

        Args:
            since: From when on it may be lost, by the monotonic clock.
            jobs: Whose; None for everybody's.
        """
        self.losses += jobs is None
        for job in self.load.jobs if jobs is None else jobs:
            if not job.ended_at or job.ended_at >= since:
                job.touched = True

    def soon(self, seconds: float, then: Callable[[], Awaitable[None] | None]) -> None:
        """Do something later, beside what goes on.

        Args:
            seconds: When.
            then: What: a function or a coroutine function.
        """

        async def wait() -> None:
            await asyncio.sleep(seconds)
            done = then()
            if done is not None:
                await done

        task = asyncio.create_task(wait())
        self.later.add(task)
        task.add_done_callback(self.later.discard)

    async def until_moved(self, events: int, seconds: float) -> None:
        """Wait until the tasks have moved on by so many events, or so long."""
        goal, deadline = self.load.events + events, time.monotonic() + seconds
        while self.load.events < goal and time.monotonic() < deadline:
            await asyncio.sleep(0.005)

    async def heal(self) -> None:
        """End all that is broken, and wait until everything runs."""
        if self.later:
            await asyncio.wait([*self.later])
        await self.store.ready()
        async with self.store.client as client:
            await client.config_set("maxmemory", "0")
        self.receivers.trouble = 0.0
        self.fleet.heal()
        async with asyncio.timeout(60):
            await asyncio.gather(*(member.until_ready() for member in self.fleet.members))

    async def _new_store(self) -> StoreProcess:
        place = self.directory / f"redis-{time.monotonic_ns()}"
        return await self._stack.enter_async_context(StoreProcess(place, clock=self._clock))

    async def _prepare(self) -> StoreProcess:
        replica = await self._new_store()
        await replica.follow(self.store)
        return replica

    async def standby(self) -> StoreProcess:
        """Return a replica that has all that the primary has."""
        prepared, self._standby = self._standby, None
        if prepared is not None:
            replica = await prepared
            await replica.follow(self.store)
            return replica
        return await self._prepare()

    def prepare(self) -> None:
        """Have the next replica made, beside what goes on."""
        if self._standby is None:
            self._standby = asyncio.create_task(self._prepare())

    def promote(self, replica: StoreProcess) -> None:
        """Put a replica in the primary's place, which is killed."""
        self.store.discard()
        self.store = replica
        self.fleet.point(replica.socket)

    async def _forget_later(self) -> None:
        jobs = [*self.later, *([self._standby] if self._standby is not None else [])]
        for task in jobs:
            task.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)


def _settings(ledger: Path, size: Size) -> dict[str, str]:
    unbounded = dict.fromkeys(
        ("A2A_LIMIT_RATE", "A2A_LIMIT_PROCESS_RATE", "A2A_LIMIT_SIGN_INS"), "1000000/second"
    )
    return {
        **unbounded,
        "REFUNDS_LEDGER": str(ledger),
        "A2A_LIMIT_STREAMS": "100000",
        "A2A_LIMIT_TASKS": "100000",
        "A2A_LIMIT_BYTES": "100000000000",
        "A2A_REDIS_TIMEOUT": str(max(1.0, size.lease / 2)),
        "A2A_LEASE_SECONDS": str(size.lease),
        "A2A_RUN_SECONDS": str(size.run),
        "A2A_CANCEL_SECONDS": str(size.lease),
        # The luck of the draw with one task must not end it as failed.
        "A2A_MAX_ATTEMPTS": "50",
        "A2A_HEARTBEAT_SECONDS": "1",
        "A2A_RETRY_MS": "100",
        "A2A_RETRY_SPREAD_MS": "100",
        "A2A_GOODBYE_SECONDS": "0.5",
        "A2A_STALL_SECONDS": str(2.5 * size.lease),
        "A2A_WATCHER_SECONDS": str(size.watcher),
        "A2A_HISTORY_MAXLEN": "1000",
        "A2A_HISTORY_TTL": "900",
        "A2A_SNAPSHOT_TTL": "900",
        "A2A_OPEN_TTL": "900",
        "A2A_PUSH_PRIVATE": "true",
        "A2A_PUSH_RETRY_FIRST_SECONDS": "0.1",
        "A2A_PUSH_RETRY_LONGEST_SECONDS": "1",
        "A2A_JANITOR_SECONDS": "2",
    }
