"""A fleet: fronts and workers, each a process of its own, over one Redis; the faults kill them."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

import httpx2

from processes import TESTS, environment, free_port
from warm import Forked, fork

Role = Literal["front", "worker"]
T = TypeVar("T")


@dataclass(eq=False)
class Member:
    """One process.

    Args:
        role: What it does.
        process: The process.
        url: Where it listens.
        log: What it has said.
    """

    role: Role
    process: Forked
    url: str
    log: Path
    ready: bool = False

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    @property
    def alive(self) -> bool:
        """Whether it runs; a stopped process does."""
        return self.process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """Kill it, as a crash does."""
        self.process.kill()
        self.process.wait(10)

    async def ended(self, seconds: float = 20) -> int:
        """Wait for its end; returns its exit code."""
        async with asyncio.timeout(seconds):
            while (code := self.process.poll()) is None:
                await asyncio.sleep(0.01)
        return code


class Fleet:
    """Starts processes of one agent; whatever still runs at the end is killed.

    Args:
        target: The agent, `package.module:Agent`.
        redis_url: Their Redis.
        directory: For what they say.
        settings: Their environment.
    """

    def __init__(self, target: str, redis_url: str, directory: Path, **settings: str) -> None:
        self._target = target
        self._directory = directory
        self._environment = environment(
            A2A_REDIS_URL=redis_url, A2A_DATA_DIR=str(directory / "data"), **settings
        )
        self._members: list[Member] = []
        self._starting: list[asyncio.Task[Member]] = []

    async def __aenter__(self) -> Self:
        self._directory.mkdir(parents=True, exist_ok=True)
        return self

    async def __aexit__(self, *exc: object) -> None:
        for starting in self._starting:
            starting.cancel()
        await asyncio.gather(*self._starting, return_exceptions=True)
        for member in self._members:
            if member.alive:
                member.kill()

    def living(self, role: Role) -> list[Member]:
        """Those that are ready and run."""
        return [m for m in self._members if m.role == role and m.ready and m.alive]

    def urls(self) -> list[str]:
        """Where clients can connect."""
        return [front.url for front in self.living("front")]

    async def start(self, role: Role, seconds: float = 60) -> Member:
        """Start a process, and wait until it is ready; again if it ends, for Redis may be away."""
        async with asyncio.timeout(seconds):
            while True:
                member = self._spawn(role)
                if await self._becomes_ready(member):
                    return member
                await asyncio.sleep(0.1)

    def start_soon(self, role: Role) -> None:
        """Start a process beside what goes on."""
        self._starting.append(asyncio.create_task(self.start(role)))

    def complaints(self) -> list[str]:
        """What the processes have logged as errors; and which never became ready."""
        said = (line for m in self._members for line in m.log.read_text().splitlines())
        late = [f"{task.exception()!r} at a start" for task in self._starting if _failed(task)]
        return [*late, *(line for line in said if "[error " in line)]

    def _spawn(self, role: Role) -> Member:
        port = free_port()
        log = self._directory / f"{role}-{len(self._members)}.log"
        with log.open("wb") as output:
            process = fork(
                ("serve", self._target, "--role", role, "--port", str(port)),
                cwd=TESTS,
                environment=self._environment,
                output=output.fileno(),
            )
        member = Member(role, process, f"http://127.0.0.1:{port}", log)
        self._members.append(member)
        return member

    async def _becomes_ready(self, member: Member) -> bool:
        async with httpx2.AsyncClient(timeout=5) as http:
            while member.alive:
                try:
                    response = await http.get(f"{member.url}/readyz")
                except httpx2.TransportError:
                    pass
                else:
                    if response.status_code == 200:
                        member.ready = True
                        return True
                await asyncio.sleep(0.05)
        return False


def _failed(task: asyncio.Task[Member]) -> bool:
    return task.done() and task.exception() is not None


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a fault run; SIGTERM ends it in order, so that no process is left behind."""

    async def guarded() -> T:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await main

    return asyncio.run(guarded())


async def until(met: Callable[[], bool], seconds: float) -> bool:
    """Wait until a condition is met; says whether it was, in time."""
    deadline = time.monotonic() + seconds
    while not met():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.01)
    return True


def table(rows: list[tuple[str, object]]) -> str:
    """Figures, as a table in Markdown."""
    return "\n".join(["| figure | value |", "| --- | --- |", *(f"| {a} | {b} |" for a, b in rows)])
