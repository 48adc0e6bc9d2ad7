"""Hosts with a network between them that can be parted: network namespaces, or else a proxy before each process.

In namespaces each host has an address of its own behind a bridge. Hosts that are cut off are moved to another bridge: they keep
their carrier and reach each other, and what they send to the others is lost on the way. Nobody is told, and connections stay half
open, as between switches whose line has failed.
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
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, Self

import redis

from a2a_streaming.backbone.server import find_server
from chaos.proxy import Proxy
from chaos.stores import StoreProcess
from servers import Server, form, well
from warm import NAMESPACE, enter

REDIS = "redis"
"""The host that Redis lives on, if it is one server."""
NODE_TIMEOUT = 1.5
"""Seconds after which a cluster's servers take one of them for lost."""
_NET = "10.213.77"
_PORT = 6379
_PRIMARIES = 3
_JUDGE = "judge"
_SERVER = find_server()  # looks at files, so before any loop runs


class Hosts(Protocol):
    """Where processes live, and what is between them and Redis."""

    servers: list[str]
    """The hosts that Redis lives on."""

    def judging(self) -> contextlib.AbstractContextManager[str]:
        """Give who judges Redis' address, when nobody is cut off."""
        ...

    def whole(self) -> bool:
        """Say whether Redis is as it was, whoever is the primary now."""
        ...

    def primaries(self) -> set[str]:
        """Return which of its hosts take writes."""
        ...

    async def add(self, host: str) -> dict[str, str]:
        """Make a host; returns what its processes have in their environment."""
        ...

    async def door(self, host: str, port: int) -> str:
        """Return the address under which the test reaches what listens on a host's loopback."""
        ...

    def part(self, *hosts: str) -> None:
        """Cut hosts off from all others."""

    def join(self, *hosts: str) -> None:
        """Let them back in."""


class Proxied:
    """Hosts that are processes like all others, with a proxy between each and Redis.

    Args:
        directory: For Redis' files.
    """

    def __init__(self, directory: Path) -> None:
        self._store = StoreProcess(directory / "redis")
        self._proxies: dict[str, Proxy] = {}
        self._stack = contextlib.AsyncExitStack()
        self.servers = [REDIS]

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

    def judging(self) -> contextlib.AbstractContextManager[str]:
        """Give Redis' own address."""
        return contextlib.nullcontext(f"unix://{self._store.socket}")

    def whole(self) -> bool:
        """Say that it is: Redis itself is well all the time."""
        return True

    def primaries(self) -> set[str]:
        """Return the one there is."""
        return {REDIS}

    def part(self, *hosts: str) -> None:
        """Swallow what they send and what they are sent."""
        for proxy in self._of(hosts):
            proxy.swallow()

    def join(self, *hosts: str) -> None:
        """Carry again."""
        for proxy in self._of(hosts):
            proxy.carry()

    def _of(self, hosts: Collection[str]) -> list[Proxy]:
        return [proxy for host, proxy in self._proxies.items() if {REDIS, host} & {*hosts}]


class Namespaces:
    """Hosts that are network namespaces, with Redis on a host of its own, or a cluster on six.

    Args:
        directory: For Redis' files.
        cluster: Whether it is a cluster: three primaries, and a replica of each.
    """

    def __init__(self, directory: Path, *, cluster: bool = False) -> None:
        self._directory = directory
        self._tag = f"a2a-{uuid.uuid4().hex[:6]}"
        self._hosts: list[str] = []
        self._stack = contextlib.AsyncExitStack()
        self._cluster = cluster
        self._servers: dict[str, Server] = {}
        self.servers = [f"{REDIS}{n}" for n in range(2 * _PRIMARIES)] if cluster else [REDIS]

    async def __aenter__(self) -> Self:
        try:
            await asyncio.to_thread(self._begin)
        except BaseException:
            await asyncio.to_thread(self._end)
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()
        await asyncio.to_thread(self._end)

    def _begin(self) -> None:
        _ip("netns", "add", self._name("net"))
        for bridge in ("bridge", "apart"):
            self._net("link", "add", bridge, "type", "bridge")
            self._net("link", "set", bridge, "up")
        options = ("--protected-mode", "no")  # nobody else is on its network
        if self._cluster:
            options += ("--cluster-enabled", "yes", "--repl-diskless-sync-delay", "0")
            options += ("--cluster-node-timeout", str(round(NODE_TIMEOUT * 1000)))
            options += ("--cluster-allow-replica-migration", "no")
        for host in self.servers:
            self._make(host)
            self._servers[host] = Server(
                self._directory / host,
                _SERVER,
                _PORT,
                *options,
                host=f"{_NET}.{len(self._hosts)}",
                before=("ip", "netns", "exec", self._name(host)),
            )
        for server in self._servers.values():
            server.until_up()
        if self._cluster:
            form([*self._servers.values()], _PRIMARIES)
        self._make(_JUDGE)

    def _end(self) -> None:
        for server in self._servers.values():
            server.kill()
        for host in [*self._hosts, "net"]:
            _ip("netns", "delete", self._name(host))

    @property
    def _url(self) -> str:
        addresses = [server.address for server in self._servers.values()]
        if self._cluster:
            return "redis+cluster://" + ",".join(addresses[:_PRIMARIES])
        return f"redis://{addresses[0]}/0"

    @contextlib.contextmanager
    def judging(self) -> Iterator[str]:
        """Live on a host beside Redis meanwhile."""
        with Path("/proc/thread-self/ns/net").open("rb") as ours:
            enter(f"/run/netns/{self._name(_JUDGE)}")
            try:
                yield self._url
            finally:
                enter(f"/proc/self/fd/{ours.fileno()}")

    def whole(self) -> bool:
        """Say whether each server finds it well, and each primary has its replica again."""
        if not self._cluster:
            return True
        with contextlib.suppress(redis.RedisError, OSError):
            return len(self.primaries()) == _PRIMARIES and all(map(well, self._servers.values()))
        return False

    def primaries(self) -> set[str]:
        """Return the hosts of those that take themselves for primaries."""
        return {host for host, server in self._servers.items() if server.do("ROLE")[0] == b"master"}

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
            "A2A_REDIS_URL": self._url,
            NAMESPACE: f"/run/netns/{self._name(host)}",
        }

    async def door(self, host: str, port: int) -> str:
        """Return the address of a way into the host, which is there whatever becomes of its network."""
        way = _Way(f"/run/netns/{self._name(host)}", port)
        await self._stack.enter_async_context(way)
        return f"http://127.0.0.1:{way.port}"

    def part(self, *hosts: str) -> None:
        """Put their ports on the other bridge, which leads nowhere."""
        for host in hosts:
            self._net("link", "set", f"port{self._hosts.index(host) + 1}", "master", "apart")

    def join(self, *hosts: str) -> None:
        """Put their ports back."""
        for host in hosts:
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
