"""Hosts with a network between them that can be parted: network namespaces, or else a proxy before each process.

In namespaces each host has an address of its own behind a bridge. A host that is cut off keeps its carrier, and what it sends
is lost on the way: nobody is told, and connections stay half open, as behind a switch that has failed.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import shutil
import socket
import subprocess
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, Self

import redis

from a2a_streaming.backbone.server import find_server
from chaos.proxy import Proxy
from chaos.stores import StoreProcess
from warm import NAMESPACE, enter

REDIS = "redis"
"""The host that Redis lives on."""
_NET = "10.213.77"
_PORT = 6379
_SERVER = str(find_server())  # looks at files, so before any loop runs


class Hosts(Protocol):
    """Where processes live, and what is between them and Redis."""

    redis: str
    """Redis' address for who judges: never cut off."""

    async def add(self, host: str) -> dict[str, str]:
        """Make a host; returns what its processes have in their environment."""
        ...

    async def door(self, host: str, port: int) -> str:
        """Return the address under which the test reaches what listens on a host's loopback."""
        ...

    def part(self, host: str) -> None:
        """Cut a host off from all others."""

    def join(self, host: str) -> None:
        """Let it back in."""


class Proxied:
    """Hosts that are processes like all others, with a proxy between each and Redis.

    Args:
        directory: For Redis' files.
    """

    def __init__(self, directory: Path) -> None:
        self._store = StoreProcess(directory / "redis")
        self._proxies: dict[str, Proxy] = {}
        self._stack = contextlib.AsyncExitStack()
        self.redis = f"unix://{self._store.socket}"

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self._store)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()

    async def add(self, host: str) -> dict[str, str]:
        """Make a host."""
        proxy = self._proxies[host] = Proxy(self._store.socket)
        await self._stack.enter_async_context(proxy)
        return {"A2A_REDIS_URL": f"redis://127.0.0.1:{proxy.port}/0"}

    async def door(self, host: str, port: int) -> str:  # noqa: ARG002 - all are on this one
        """Return a process's own address."""
        return f"http://127.0.0.1:{port}"

    def part(self, host: str) -> None:
        """Swallow what it sends and what it is sent."""
        for proxy in self._of(host):
            proxy.swallow()

    def join(self, host: str) -> None:
        """Carry again."""
        for proxy in self._of(host):
            proxy.carry()

    def _of(self, host: str) -> list[Proxy]:
        return [*self._proxies.values()] if host == REDIS else [self._proxies[host]]


class Namespaces:
    """Hosts that are network namespaces, with Redis on a host of its own.

    Args:
        directory: For Redis' files.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._tag = f"a2a-{uuid.uuid4().hex[:6]}"
        self._hosts: list[str] = []
        self._stack = contextlib.AsyncExitStack()
        self.redis = f"unix://{directory}/redis.sock"

    async def __aenter__(self) -> Self:
        self._directory.mkdir(parents=True, exist_ok=True)
        await asyncio.to_thread(self._begin)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()
        await asyncio.to_thread(self._end)

    def _begin(self) -> None:
        _ip("netns", "add", self._name("net"))
        self._net("link", "add", "bridge", "type", "bridge")
        self._net("link", "set", "bridge", "up")
        self._make(REDIS)
        self._server = subprocess.Popen(
            [
                *("ip", "netns", "exec", self._name(REDIS), _SERVER, "--port", str(_PORT)),
                *("--bind", f"{_NET}.1", "--protected-mode", "no"),  # nobody else is on its network
                *("--unixsocket", str(self._directory / "redis.sock")),
                *("--dir", str(self._directory), "--save", "", "--loglevel", "warning"),
                *("--appendonly", "yes", "--appendfsync", "always"),
            ],
            stdout=subprocess.DEVNULL,
        )
        client = redis.Redis(unix_socket_path=str(self._directory / "redis.sock"))
        while True:
            assert self._server.poll() is None, "the test's Redis ended"
            with contextlib.suppress(redis.ConnectionError):
                client.ping()
                client.close()
                return

    def _end(self) -> None:
        self._server.kill()
        self._server.wait(10)
        for host in [*self._hosts, "net"]:
            _ip("netns", "delete", self._name(host))

    def _make(self, host: str) -> None:
        self._hosts.append(host)
        number, name = len(self._hosts), self._name(host)
        _ip("netns", "add", name)
        self._net(*("link", "add", f"port{number}", "type", "veth", "peer", "eth0", "netns", name))
        self._net("link", "set", f"port{number}", "master", "bridge", "up")
        _ip("-n", name, "address", "add", f"{_NET}.{number}/24", "dev", "eth0")
        _ip("-n", name, "link", "set", "eth0", "up")
        _ip("-n", name, "link", "set", "lo", "up")

    async def add(self, host: str) -> dict[str, str]:
        """Make a host."""
        await asyncio.to_thread(self._make, host)
        return {
            "A2A_REDIS_URL": f"redis://{_NET}.1:{_PORT}/0",
            NAMESPACE: f"/run/netns/{self._name(host)}",
        }

    async def door(self, host: str, port: int) -> str:
        """Return the address of a way into the host, which is there whatever becomes of its network."""
        way = _Way(f"/run/netns/{self._name(host)}", port)
        await self._stack.enter_async_context(way)
        return f"http://127.0.0.1:{way.port}"

    def part(self, host: str) -> None:
        """Take its port off the bridge."""
        self._net("link", "set", f"port{self._hosts.index(host) + 1}", "nomaster")

    def join(self, host: str) -> None:
        """Put its port back."""
        self._net("link", "set", f"port{self._hosts.index(host) + 1}", "master", "bridge")

    def _net(self, *arguments: str) -> None:
        _ip("-n", self._name("net"), *arguments)

    def _name(self, host: str) -> str:
        return f"{self._tag}-{host}"


class _Way(Proxy):
    """Carries connections into a namespace, to its loopback.

    Args:
        namespace: The namespace, a path.
        port: The port there.
    """

    def __init__(self, namespace: str, port: int) -> None:
        super().__init__("")
        self._inner = port
        # A socket lives in the namespace of the thread that made it.
        self._inside = ThreadPoolExecutor(1, initializer=enter, initargs=(namespace,))

    async def __aexit__(self, *exc: object) -> None:
        await super().__aexit__(*exc)
        self._inside.shutdown()

    async def reach(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect from within."""
        connect = functools.partial(socket.create_connection, ("127.0.0.1", self._inner), 5)
        made = await asyncio.get_running_loop().run_in_executor(self._inside, connect)
        made.setblocking(False)
        return await asyncio.open_connection(sock=made)


def why_not() -> str:
    """Return why there can be no namespaces; empty if there can."""
    if shutil.which("ip") is None:
        return "there is no `ip` (iproute2)"
    if os.geteuid() != 0:
        return "making namespaces takes root"
    name = f"a2a-{uuid.uuid4().hex[:6]}"
    try:
        _ip("netns", "add", name)
        _ip("-n", name, "link", "add", "bridge", "type", "bridge")
        _ip("-n", name, "link", "add", "port", "type", "veth", "peer", "eth0")
    except subprocess.CalledProcessError as error:
        return f"this machine doesn't allow namespaces: {error.stderr.strip()}"
    finally:
        subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)
    return ""


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], capture_output=True, text=True, check=True)
