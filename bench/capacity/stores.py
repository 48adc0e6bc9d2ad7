"""The Redis that is measured: a primary with its replica, or a cluster of three such pairs."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hiredis

from a2a_streaming.backbone.server import find_server
from bench.machine import CORES, free_port, process, until_listening
from bench.servers import Server
from bench.template import packed

_SLOTS = 16_384
_PRIMARIES = 3
_PATIENCE = 30.0


@dataclass(frozen=True)
class Store:
    """Redis, however many servers it is.

    Args:
        url: Its address for the product.
        primaries: The servers that are written to.
        replicas: The servers that copy them.
    """

    url: str
    primaries: Sequence[Server]
    replicas: Sequence[Server]


def ask(server: Server, *command: str | bytes | float) -> Any:
    """Execute one command at one server.

    Raises:
        RuntimeError: It is refused.
    """
    reader = hiredis.Reader()
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as link:
        link.sendall(packed(command))
        while (reply := reader.gets()) is False:
            got = link.recv(1 << 16)
            if not got:
                raise RuntimeError(f"Redis has closed the connection after {command[0]}")
            reader.feed(got)
    if isinstance(reply, hiredis.ReplyError):
        raise RuntimeError(f"Redis refuses {command[0]}: {reply}")
    return reply


def info(server: Server, section: str) -> dict[str, str]:
    """Return a section of what a server says of itself."""
    lines = ask(server, "INFO", section).decode().splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


@contextmanager
def pair(folder: Path) -> Iterator[Store]:
    """Run a primary and its replica."""
    with ExitStack() as stack:
        primary = stack.enter_context(_server(folder))
        replica = stack.enter_context(
            _server(folder, "--replicaof", "127.0.0.1", str(primary.port))
        )
        _until(lambda: _follows(replica), "the replica doesn't follow")
        yield Store(f"redis://127.0.0.1:{primary.port}", [primary], [replica])


@contextmanager
def cluster(folder: Path) -> Iterator[Store]:
    """Run a cluster of six servers, three of them replicas."""
    with ExitStack() as stack:
        options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "15000")
        servers = [
            stack.enter_context(_server(folder, *options, "--cluster-port", str(free_port())))
            for _ in range(2 * _PRIMARIES)
        ]
        primaries, replicas = servers[:_PRIMARIES], servers[_PRIMARIES:]
        for number, server in enumerate(servers):
            ask(server, "CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for number, primary in enumerate(primaries):
            first, end = (round(_SLOTS * (number + n) / _PRIMARIES) for n in (0, 1))
            ask(primary, "CLUSTER", "ADDSLOTSRANGE", first, end - 1)
        buses = [_ports(server) for server in servers]
        for port, bus in buses[1:]:
            ask(servers[0], "CLUSTER", "MEET", "127.0.0.1", port, bus)
        for server in servers:
            _until(lambda s=server: _knows(s, len(servers)), "the cluster didn't form")
        for primary, replica in zip(primaries, replicas, strict=True):
            name = ask(primary, "CLUSTER", "MYID")
            _until(lambda r=replica, n=name: ask(r, "CLUSTER", "REPLICATE", n), "no replica")
        for server in servers:
            _until(lambda s=server: _well(s), "the cluster isn't well")
        for replica in replicas:
            _until(lambda r=replica: _follows(r), "a replica doesn't follow")
        seeds = ",".join(f"127.0.0.1:{server.port}" for server in primaries)
        yield Store(f"redis+cluster://{seeds}", primaries, replicas)


def _ports(server: Server) -> tuple[int, int]:
    """Return a server's port, and the one on which it speaks to the others."""
    return server.port, int(ask(server, "CONFIG", "GET", "cluster-port")[1])


@contextmanager
def _server(folder: Path, *options: str) -> Iterator[Server]:
    port = free_port()
    data = folder / f"redis-{port}"
    data.mkdir()
    command = [str(find_server()), "--bind", "127.0.0.1", "--port", str(port), "--dir", str(data)]
    kept = ["--save", "", "--appendonly", "yes", "--appendfsync", "everysec"]
    memory = ["--maxmemory-policy", "noeviction", "--repl-diskless-sync-delay", "0"]
    log = folder / f"redis-{port}.log"
    with process([*command, *kept, *memory, *options], core=CORES, log=log) as running:
        until_listening(port, running)
        yield Server(port, running)


def _knows(server: Server, count: int) -> bool:
    told: str = ask(server, "CLUSTER", "NODES").decode()
    return told.count(" connected") == count and "handshake" not in told


def _well(server: Server) -> bool:
    return b"cluster_state:ok" in ask(server, "CLUSTER", "INFO")


def _follows(server: Server) -> bool:
    role = ask(server, "ROLE")
    return role[0] == b"slave" and role[3] == b"connected"


def _until(condition: Callable[[], Any], otherwise: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            if condition():
                return
        except RuntimeError:  # it doesn't know yet whom it is told of
            pass
        if time.monotonic() > deadline:
            raise RuntimeError(otherwise)
        time.sleep(0.05)
