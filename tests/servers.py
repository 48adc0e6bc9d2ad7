"""Redis servers of the tests' own: one, a cluster, or a primary that sentinels watch.

Which one the suite runs on is told by A2A_TEST_STORE: nothing or the path of a server's binary (one server), `cluster`,
or `sentinel`; with a binary of its own behind a colon, as in `cluster:/usr/bin/redis-server`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

import redis
import redis.asyncio
from redis.exceptions import RedisError

from a2a_streaming.backbone.server import find_server

STORE = "A2A_TEST_STORE"
SERVICE = "tasks"
"""What the sentinels call the primary."""
_SLOTS = 16384
_PATIENCE = 20.0


class Wanted(NamedTuple):
    """What the suite is to run on.

    Args:
        kind: Which set-up.
        binary: The server's program.
    """

    kind: Literal["single", "cluster", "sentinel"]
    binary: Path


def wanted() -> Wanted:
    """Return what A2A_TEST_STORE tells."""
    kind, _, binary = os.environ.get(STORE, "").rpartition(":")
    if binary in ("cluster", "sentinel"):
        kind, binary = binary, ""
    assert kind in ("", "cluster", "sentinel"), f"{STORE} has no meaning: {kind}"
    return Wanted(kind or "single", find_server(binary or None))  # type: ignore[arg-type]


class Server:
    """One server process, with a port or a socket alone.

    Args:
        directory: Where it keeps its files; made for it.
        binary: Its program.
        port: Its port; 0 for none.
        options: More of its options.
        host: Its address.
        before: What the command line begins with, before its program.
    """

    def __init__(
        self,
        directory: Path,
        binary: Path,
        port: int = 0,
        *options: str,
        host: str = "127.0.0.1",
        before: Sequence[str] = (),
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.host = host
        self.port = port
        self.socket = directory / "redis.sock"
        self.directory = directory
        self._command = [
            *before,
            str(binary),
            *options,
            *("--port", str(port), "--bind", host, "--unixsocket", str(self.socket)),
            *("--dir", str(directory), "--save", "", "--appendonly", "no"),
            *("--loglevel", "warning", "--logfile", str(directory / "log")),
        ]
        self.start()

    def start(self) -> None:
        """Start it, also once more; it may not answer yet."""
        self.process = subprocess.Popen(self._command)

    @property
    def url(self) -> str:
        """Its address, by its socket."""
        return f"unix://{self.socket}"

    @property
    def address(self) -> str:
        """Host and port."""
        return f"{self.host}:{self.port}"

    def client(self) -> redis.Redis:
        """A client of it alone."""
        return redis.Redis(unix_socket_path=str(self.socket), protocol=2)

    def do(self, *command: str | bytes | int) -> Any:
        """Execute a command."""
        with contextlib.closing(self.client()) as client:
            return client.execute_command(*command)

    def until_up(self) -> None:
        """Wait until it answers."""
        until(lambda: self.do("PING"), f"{self.address} didn't come up")

    def kill(self) -> None:
        """Kill it; whatever it held in memory is gone."""
        self.process.kill()
        self.process.wait(10)

    def end(self) -> None:
        """End it."""
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.kill()


def until(condition: Callable[[], Any], otherwise: str, seconds: float = _PATIENCE) -> Any:
    """Wait until a condition holds, and return what it gave; a server that isn't there doesn't fulfil it."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(RedisError, OSError):
            if found := condition():
                return found
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.01)


def free_ports(count: int) -> list[int]:
    """Ports that nobody has, below those that the system gives away, so that they stay free."""
    found: list[int] = []
    port = 10_000 + os.getpid() * 37 % 9_000
    while len(found) < count:
        port = port + 1 if port < 19_999 else 10_000
        with socket.socket() as one, socket.socket() as bus, contextlib.suppress(OSError):
            one.bind(("127.0.0.1", port))
            bus.bind(("127.0.0.1", port + 10_000))
            found.append(port)
    return found


@contextmanager
def directory() -> Iterator[Path]:
    """A directory whose path is short enough for sockets, for as long as it is used."""
    path = Path(tempfile.mkdtemp(prefix="a2a-test-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def single(binary: Path, *options: str) -> Iterator[Server]:
    """One server on a socket."""
    with directory() as place:
        server = Server(place, binary, 0, *options)
        try:
            server.until_up()
            yield server
        finally:
            server.end()


class Cluster:
    """A cluster.

    Args:
        servers: Its servers, the primaries first.
    """

    def __init__(self, servers: Sequence[Server]) -> None:
        self.servers = servers

    @property
    def url(self) -> str:
        """Its address, by any two of its servers."""
        return "redis+cluster://" + ",".join(one.address for one in self.servers[:2])

    def owner(self, slot: int) -> Server:
        """The primary that has a slot, as most servers see it."""
        votes: dict[int, int] = {}
        for one in self.servers:
            with contextlib.suppress(RedisError, OSError):
                for first, last, told, *_ in one.do("CLUSTER", "SLOTS"):
                    if first <= slot <= last:
                        votes[told[1]] = votes.get(told[1], 0) + 1
        port = max(votes, key=lambda one: votes[one])
        return next(one for one in self.servers if one.port == port)


@contextmanager
def cluster(
    binary: Path, *options: str, primaries: int = 3, replicas: int = 0, node_timeout: int = 1000
) -> Iterator[Cluster]:
    """A cluster, its slots spread evenly, each primary with so many replicas."""
    with directory() as place, ExitStack() as ended:
        servers: list[Server] = []
        for port in free_ports(primaries * (1 + replicas)):
            server = Server(
                place / str(port),
                binary,
                port,
                *("--cluster-enabled", "yes", "--cluster-node-timeout", str(node_timeout)),
                *("--cluster-allow-replica-migration", "no", "--repl-diskless-sync-delay", "0"),
                *options,
            )
            ended.callback(server.end)
            servers.append(server)
        form(servers, primaries)
        yield Cluster(servers)


def form(servers: Sequence[Server], primaries: int) -> None:
    """Make servers a cluster, its slots spread evenly.

    Args:
        servers: The servers, the primaries first.
        primaries: How many of them are primaries; the others are replicas, in turn.
    """
    for server in servers:
        server.until_up()
    share = _SLOTS / primaries
    for n, server in enumerate(servers):
        server.do("CLUSTER", "SET-CONFIG-EPOCH", n + 1)
        if n < primaries:
            first, last = round(n * share), round((n + 1) * share) - 1
            server.do("CLUSTER", "ADDSLOTSRANGE", first, last)
        for other in servers[:n]:
            server.do("CLUSTER", "MEET", other.host, other.port)
    for server in servers:
        until(lambda s=server: _knows(s, len(servers)), "the cluster didn't form")
    for n, server in enumerate(servers[primaries:]):
        primary = servers[n % primaries].do("CLUSTER", "MYID")
        until(lambda s=server, p=primary: s.do("CLUSTER", "REPLICATE", p), "no replica")
    for server in servers:
        until(lambda s=server: well(s), "the cluster isn't well")


def _knows(server: Server, count: int) -> bool:
    told = server.do("CLUSTER", "NODES").decode()
    return told.count(" connected") == count and "handshake" not in told


def well(server: Server) -> bool:
    """Say whether a cluster's server finds all slots served, and follows its primary if it is a replica."""
    role = server.do("ROLE")
    linked = role[0] == b"master" or role[3] == b"connected"
    return linked and b"cluster_state:ok" in server.do("CLUSTER", "INFO")


@contextmanager
def replicated(binary: Path, *options: str) -> Iterator[tuple[Server, Server]]:
    """A primary and its replica, which nobody watches."""
    with directory() as place, ExitStack() as ended:
        servers: list[Server] = []
        for port in free_ports(2):
            after = ("--replicaof", "127.0.0.1", str(servers[0].port)) if servers else ()
            server = Server(
                place / str(port), binary, port, "--repl-diskless-sync-delay", "0", *after, *options
            )
            ended.callback(server.end)
            server.until_up()
            servers.append(server)
        primary, replica = servers
        until(lambda: _follows(replica), "the replica doesn't follow")
        yield primary, replica


class Watched:
    """A primary, its replicas, and the sentinels that watch them.

    Args:
        servers: The servers, first the one that began as primary.
        sentinels: The sentinels.
    """

    def __init__(self, servers: Sequence[Server], sentinels: Sequence[Server]) -> None:
        self.servers = servers
        self.sentinels = sentinels

    @property
    def url(self) -> str:
        """Its address."""
        return f"redis+sentinel://{','.join(one.address for one in self.sentinels)}/{SERVICE}"

    def primary(self) -> Server:
        """The primary, as the first sentinel sees it."""
        told = self.sentinels[0].do("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)
        return next(one for one in self.servers if one.port == int(told[1]))

    def follow(self) -> None:
        """Have all others follow the primary, and wait until they do.

        The sentinels do so in ten seconds; until then another failover would promote what a server had before.
        """
        primary = self.primary()
        for one in self.servers:
            if one is not primary:
                one.until_up()
                until(lambda o=one: _follow(o, primary), "a server doesn't follow the primary")


def _follow(server: Server, primary: Server) -> bool:
    role = server.do("ROLE")
    if role[0] == b"master" or role[2] != primary.port:
        server.do("REPLICAOF", "127.0.0.1", primary.port)
        return False
    return role[3] == b"connected"


@contextmanager
def sentinel(
    binary: Path, *options: str, replicas: int = 1, sentinels: int = 1, down_after: int = 500
) -> Iterator[Watched]:
    """A primary with replicas, and sentinels that promote one when it is silent for so many ms."""
    with directory() as place, ExitStack() as ended:
        ports = free_ports(1 + replicas + sentinels)
        servers: list[Server] = []
        for port in ports[: 1 + replicas]:
            after = ("--replicaof", "127.0.0.1", str(ports[0])) if servers else ()
            server = Server(
                place / str(port), binary, port, "--repl-diskless-sync-delay", "0", *after, *options
            )
            ended.callback(server.end)
            servers.append(server)
        for server in servers:
            server.until_up()
            until(lambda s=server: _follows(s), "a replica doesn't follow")
        watching: list[Server] = []
        for port in ports[1 + replicas :]:
            own = place / str(port)
            own.mkdir()
            (own / "sentinel.conf").write_text(
                f"sentinel monitor {SERVICE} 127.0.0.1 {ports[0]} {sentinels // 2 + 1}\n"
                f"sentinel down-after-milliseconds {SERVICE} {down_after}\n"
                f"sentinel failover-timeout {SERVICE} 3000\n"
            )
            one = _Sentinel(own, binary, port)
            ended.callback(one.end)
            watching.append(one)
        for one in watching:
            until(lambda s=one: _sees(s, replicas, sentinels), "a sentinel sees too little")
        yield Watched(servers, watching)


class _Sentinel(Server):
    def start(self) -> None:
        at = self._command.index("--port")
        self._command[1:] = [
            str(self.directory / "sentinel.conf"),
            "--sentinel",
            *self._command[at : at + 6],
            *("--dir", str(self.directory), "--logfile", str(self.directory / "log")),
        ]
        super().start()


def _follows(server: Server) -> bool:
    role = server.do("ROLE")
    return role[0] == b"master" or role[3] == b"connected"


def _sees(one: Server, replicas: int, sentinels: int) -> bool:
    told = one.do("SENTINEL", "MASTER", SERVICE)
    known = told if isinstance(told, dict) else dict(zip(told[::2], told[1::2], strict=True))
    text = {_text(name): _text(value) for name, value in known.items()}
    return (
        int(text.get("num-slaves", 0)) == replicas
        and int(text.get("num-other-sentinels", 0)) == sentinels - 1
    )


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


class _ClusterClient(redis.asyncio.RedisCluster):
    """A client that looks at all of a cluster where redis-py's looks at one server of it."""

    async def _each(self, *command: str) -> list[Any]:
        await self.initialize()
        return [
            await self.execute_command(*command, target_nodes=one) for one in self.get_primaries()
        ]

    async def keys(  # pyright: ignore[reportIncompatibleMethodOverride] - it takes less
        self, pattern: str = "*", **_: Any
    ) -> list[bytes]:
        """Return all keys."""
        return [key for keys in await self._each("KEYS", pattern) for key in keys]

    async def pubsub_channels(  # pyright: ignore[reportIncompatibleMethodOverride] - it takes less
        self, pattern: str = "*", **_: Any
    ) -> list[bytes]:
        """Return the channels of both kinds that somebody listens to."""
        heard: set[bytes] = set()
        for kind in ("CHANNELS", "SHARDCHANNELS"):
            heard.update(*await self._each(f"PUBSUB {kind}", pattern))
        return sorted(heard)

    async def info(  # pyright: ignore[reportIncompatibleMethodOverride] - it takes less
        self, section: str = "", **_: Any
    ) -> dict[str, Any]:
        """Return a section of one server's, but how often all have executed each command."""
        told = await self._each("INFO", *([section] if section else []))
        if section != "commandstats":
            return told[0]
        names = {name for one in told for name in one}
        calls = {name: sum(one.get(name, {}).get("calls", 0) for one in told) for name in names}
        return {name: {"calls": count} for name, count in calls.items()}


def client_of(store: Server | Cluster | Watched) -> redis.asyncio.Redis:
    """A plain client of the store, to look at what is stored."""
    if isinstance(store, Cluster):
        host, port = "127.0.0.1", store.servers[0].port
        of_cluster: Any = _ClusterClient(host=host, port=port, protocol=2)
        return of_cluster
    one = store.primary() if isinstance(store, Watched) else store
    return redis.asyncio.Redis(unix_socket_path=str(one.socket), protocol=2)
