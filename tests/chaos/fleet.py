"""A fleet: fronts, workers and `ops`, each a process of its own with its own way to Redis; the faults kill them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from chaos.asking import request
from chaos.lines import Door, ask
from chaos.proxy import Proxy
from processes import TESTS, environment, free_port
from warm import Forked, fork

Role = Literal["front", "worker", "ops"]
T = TypeVar("T")
_READY = request("GET", "/readyz", "")


class Member:
    """One process's place: whoever dies there is followed by another one at the same address.

    Args:
        role: What it does.
        number: Which of its role.
        target: The agent, `package.module:Agent`.
        link: Its way to Redis.
        directory: For what it says.
        settings: Its environment.
    """

    def __init__(
        self,
        role: Role,
        number: int,
        target: str,
        link: Proxy,
        directory: Path,
        settings: dict[str, str],
    ) -> None:
        self.role: Role = role
        self.name = f"{role}-{number}"
        self.link = link
        self.port = free_port()
        self.log = directory / f"{self.name}.log"
        self.ready = False
        """Whether it has said so since its start."""
        self._was_ready = False
        self._target = target
        self._settings = settings
        self._process: Forked | None = None
        self._coming: asyncio.Task[None] | None = None

    @property
    def door(self) -> Door:
        """Where it listens."""
        return ("127.0.0.1", self.port)

    @property
    def pid(self) -> int:
        """Its process id; 0 if none runs."""
        return self._process.pid if self._process is not None else 0

    @property
    def alive(self) -> bool:
        """Whether it runs; a stopped process does."""
        return self._process is not None and self._process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        if self._process is not None:
            self._process.send_signal(number)

    def come(self) -> None:
        """See to it that it runs, beside what goes on: again, whenever it ends at its start."""
        if self._coming is None or self._coming.done():
            self._coming = asyncio.create_task(self._come())

    async def _come(self) -> None:
        while True:
            if not self.alive:
                self.ready = False
                self._spawn()
            answer = await ask(self.door, _READY, 5)
            if answer.status == 200 and self.alive:
                self.ready = self._was_ready = True
                return
            if not self.alive and not self._was_ready:
                self.port = free_port()  # somebody else may have taken the one before
            await asyncio.sleep(0.05)

    def _spawn(self) -> None:
        port = ("--port", str(self.port))
        arguments = (
            ("ops", *port)
            if self.role == "ops"
            else ("serve", self._target, "--role", self.role, *port)
        )
        with self.log.open("ab") as output:
            self._process = fork(
                arguments, cwd=TESTS, environment=self._settings, output=output.fileno()
            )

    def kill(self) -> None:
        """Kill it, as a crash does."""
        self.ready = False
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)

    async def until_ready(self) -> None:
        """Wait until it is ready."""
        self.come()
        assert self._coming is not None
        await self._coming

    async def ended(self, seconds: float) -> int | None:
        """Wait for its end; returns its exit code, None if it still runs."""
        await until(lambda: not self.alive, seconds)
        return self._process.poll() if self._process is not None else None

    async def aclose(self) -> None:
        """End it for good."""
        if self._coming is not None:
            self._coming.cancel()
            await asyncio.gather(self._coming, return_exceptions=True)
        if self.alive:
            self.signal(signal.SIGCONT)
            self.kill()


class Fleet:
    """Runs processes of one agent, and whoever dies is followed by another one.

    Args:
        target: The agent, `package.module:Agent`.
        directory: For what they say.
        members: How many of each role.
        nginx: Whether nginx stands before the fronts, too, where it is installed.
        settings: Their environment.
    """

    def __init__(
        self,
        target: str,
        directory: Path,
        members: dict[Role, int],
        *,
        nginx: bool,
        **settings: str,
    ) -> None:
        self._target = target
        self._directory = directory
        self._counts = members
        self._settings = settings
        self._nginx = Nginx(directory / "nginx") if nginx and shutil.which("nginx") else None
        self.members: list[Member] = []
        self.links: list[Proxy] = []
        """All ways to Redis."""

    async def start(self, socket: str, stack: contextlib.AsyncExitStack) -> Self:
        """Start all, and wait until they are ready.

        Args:
            socket: Redis.
            stack: Ends them.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        for role, count in self._counts.items():
            for number in range(count):
                link = await stack.enter_async_context(Proxy(socket))
                own = environment(
                    A2A_REDIS_URL=f"redis://127.0.0.1:{link.port}",
                    A2A_DATA_DIR=str(self._directory / f"{role}-{number}"),
                    **self._settings,
                )
                member = Member(role, number, self._target, link, self._directory, own)
                self.members.append(member)
                self.links.append(link)
                stack.push_async_callback(member.aclose)
        await asyncio.gather(*(member.until_ready() for member in self.members))
        if self._nginx is not None:
            self._nginx.start([m.port for m in self.of("front")])
            stack.callback(self._nginx.end)
        return self

    def of(self, *roles: Role) -> list[Member]:
        """The members of some roles."""
        return [member for member in self.members if member.role in roles]

    def living(self, *roles: Role) -> list[Member]:
        """Those that are ready and run."""
        return [member for member in self.of(*roles) if member.ready and member.alive]

    def doors(self) -> Sequence[Door]:
        """Where clients can connect: at the fronts that live, and at nginx."""
        doors = [member.door for member in self.living("front")]
        return [*doors, self._nginx.door] if self._nginx is not None and doors else doors

    def point(self, socket: str) -> None:
        """Lead all ways to another Redis, as a failover does."""
        for link in self.links:
            link.target = socket
            link.cut()

    def heal(self) -> None:
        """Make all ways good again, and all processes run."""
        for link in self.links:
            link.latency, link.rate, link.cuts, link.deaf = 0.0, 0, "", False
            link.carry()
        for member in self.members:
            member.signal(signal.SIGCONT)
            member.come()

    def complaints(self) -> list[str]:
        """What the processes have logged as errors."""
        said: list[str] = []
        for member in self.members:
            lines = member.log.read_text(errors="replace").splitlines()
            said += [
                f"{member.name}: {line}"
                for line in lines
                if "[error " in line or "never retrieved" in line or "was destroyed" in line
            ]
        return said

    def excerpt(self, words: str, most: int = 12) -> list[str]:
        """The last lines of the processes' logs that have these words in them."""
        found: list[str] = []
        for member in self.members:
            lines = member.log.read_text(errors="replace").splitlines()
            found += [f"{member.name}: {line}" for line in lines if words in line]
        return found[-most:]


class Nginx:
    """nginx before the fronts, as it stands before many a server.

    Args:
        directory: For its files.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def door(self) -> Door:
        """Where it listens."""
        return ("127.0.0.1", self._port)

    def start(self, fronts: Sequence[int]) -> None:
        """Start it before fronts at these ports."""
        self._directory.mkdir()
        servers = " ".join(f"server 127.0.0.1:{port} max_fails=0;" for port in fronts)
        user = "user root;" if os.geteuid() == 0 else ""
        paths = " ".join(
            f"{kind}_temp_path {self._directory}/{kind};"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        configuration = self._directory / "nginx.conf"
        configuration.write_text(
            f"{user} daemon off; worker_processes 1; pid {self._directory}/pid;\n"
            "events { worker_connections 4096; }\n"
            f"http {{ access_log off; {paths}\n"
            f"  upstream fronts {{ {servers} }}\n"
            f"  server {{ listen 127.0.0.1:{self._port}; client_max_body_size 8m;\n"
            "    location / { proxy_pass http://fronts; proxy_http_version 1.1; proxy_buffering off;\n"
            "      proxy_set_header Connection ''; proxy_read_timeout 60s; proxy_next_upstream error; } } }\n"
        )
        with (self._directory / "log").open("wb") as log:
            self._process = subprocess.Popen(
                ["nginx", "-c", str(configuration), "-e", str(self._directory / "error.log")],
                stdout=log,
                stderr=log,
            )

    def end(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)


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
