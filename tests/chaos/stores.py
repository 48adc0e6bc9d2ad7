"""Redis servers that the faults kill, restart, damage and replace."""

from __future__ import annotations

import asyncio
import os
import shutil
import struct
import subprocess
from functools import cache
from pathlib import Path
from typing import Self

import redis.asyncio
from redis.exceptions import RedisError

from a2a_streaming.backbone.server import find_server
from processes import free_port

_SERVER = str(find_server())  # looks at files, so before any loop runs
_CLOCK = Path(__file__).with_name("clock.c")


class StoreProcess:
    """One Redis server.

    Args:
        directory: Where its data and its socket are.
        durable: Whether what it has acknowledged survives its death.
        clock: A library that makes its clock one that can be set; None for the machine's.
    """

    def __init__(self, directory: Path, *, durable: bool = True, clock: Path | None = None) -> None:
        self._directory = directory
        self._durable = durable
        self._clock = clock
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self.socket = str(directory / "redis.sock")

    async def __aenter__(self) -> Self:
        self._directory.mkdir(parents=True, exist_ok=True)
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.kill()

    @property
    def client(self) -> redis.asyncio.Redis:
        """A plain client; the caller closes it."""
        return redis.asyncio.Redis(unix_socket_path=self.socket, protocol=2)

    async def start(self, *, slowly: bool = False) -> None:
        """Start the server on the data that it left, and wait until it answers.

        Args:
            slowly: Whether it takes its time to load them, and says so meanwhile.
        """
        self.launch(slowly=slowly)
        await self.ready()

    def launch(self, *, slowly: bool = False) -> None:
        """Start the server, and don't wait for it."""
        options = [
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--unixsocket",
            self.socket,
            "--dir",
            str(self._directory),
        ]
        options += ["--save", "", "--loglevel", "warning", "--repl-diskless-sync-delay", "0"]
        if self._durable:
            options += ["--appendonly", "yes", "--appendfsync", "always"]
        if slowly:  # microseconds that each command takes
            options += [
                "--key-load-delay",
                "30",
                "--loading-process-events-interval-bytes",
                "1024",
            ]
        environment = dict(os.environ)
        if self._clock is not None:
            self._set_clock(0.0)
            environment |= {"LD_PRELOAD": str(self._clock), "STORE_CLOCK": str(self._hands)}
        self._process = subprocess.Popen(
            [_SERVER, *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
        )

    async def ready(self) -> None:
        """Wait until it answers."""
        async with asyncio.timeout(20):
            while True:
                try:
                    async with self.client as client:
                        await client.ping()
                except (RedisError, OSError):
                    await asyncio.sleep(0.01)
                else:
                    return

    async def follow(self, primary: StoreProcess) -> None:
        """Become a replica, and wait until all that the primary has now is here."""
        async with self.client as client, primary.client as theirs, asyncio.timeout(20):
            await client.replicaof("127.0.0.1", str(primary.port))
            goal = (await theirs.info("replication"))["master_repl_offset"]
            while True:
                told = await client.info("replication")
                up = told.get("master_link_status") == "up"
                if up and told["slave_repl_offset"] >= goal:
                    return
                await asyncio.sleep(0.01)

    async def stand_alone(self) -> None:
        """Be a replica no more: what the primary writes from now on is missing here."""
        async with self.client as client:
            await client.replicaof("NO", "ONE")

    def kill(self) -> None:
        """Kill it, as a crash does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def discard(self) -> None:
        """Kill it, and remove what it leaves: a run has a thousand of them."""
        self.kill()
        shutil.rmtree(self._directory, ignore_errors=True)

    async def restart(self) -> None:
        """Kill it and start it again."""
        self.kill()
        await self.start()

    def step_clock(self, seconds: float) -> bool:
        """Put its clock so far off the machine's; says whether it has one that can be set."""
        if self._clock is None:
            return False
        self._set_clock(seconds)
        return True

    def _set_clock(self, seconds: float) -> None:
        hands = struct.pack("q", int(seconds * 1e6))
        if self._hands.exists():  # it is mapped by who runs
            with self._hands.open("r+b") as file:
                file.write(hands)
        else:
            self._hands.write_bytes(hands)

    @property
    def _hands(self) -> Path:
        return self._directory / "clock"

    def written(self) -> int:
        """How many bytes its log of commands has, in the file that it writes to now."""
        return max((file.stat().st_size for file in self._logs()), default=0)

    def truncate(self, size: int) -> None:
        """Cut its log of commands off, while it doesn't run, as a crash of its machine may do."""
        for file in self._logs():
            os.truncate(file, min(size, file.stat().st_size))

    def _logs(self) -> list[Path]:
        return sorted((self._directory / "appendonlydir").glob("*.incr.aof"))[-1:]


@cache
def clock_library(directory: Path) -> Path | None:
    """Build what lets a store's clock be set; None where there is no compiler.

    Args:
        directory: Where it is put.
    """
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    built = directory / "clock.so"
    command = [compiler, "-shared", "-fPIC", "-O2", "-o", str(built), str(_CLOCK), "-ldl"]
    done = subprocess.run(command, capture_output=True, check=False)
    return built if done.returncode == 0 else None
