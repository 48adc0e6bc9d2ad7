"""Redis servers that the faults kill, restart and replace."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path
from typing import Self

import redis.asyncio
from redis.exceptions import RedisError

from a2a_streaming.backbone.server import find_server
from processes import free_port

_SERVER = str(find_server())  # looks at files, so before any loop runs


class StoreProcess:
    """One Redis server.

    Args:
        directory: Where its data and its socket are.
        durable: Whether what it has acknowledged survives its death.
    """

    def __init__(self, directory: Path, *, durable: bool = True) -> None:
        self._directory = directory
        self._durable = durable
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

    async def start(self) -> None:
        """Start the server on the data that it left, and wait until it answers."""
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
        self._process = subprocess.Popen(
            [_SERVER, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
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
        """Become a replica, and wait until all that the primary has is here."""
        async with self.client as client:
            await client.replicaof("127.0.0.1", str(primary.port))
            async with asyncio.timeout(20):
                while (await client.info("replication")).get("master_link_status") != "up":
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

    async def restart(self) -> None:
        """Kill it and start it again."""
        self.kill()
        await self.start()
