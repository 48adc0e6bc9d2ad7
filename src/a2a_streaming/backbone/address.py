"""Where Redis is, and how to sign in: one server, a cluster, or what sentinels watch.

redis-py reads what stands in the address of one server, and makes TLS contexts; the lists of servers are read here. What
is shown of an address is made from its hosts alone, so that no password gets into a log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from copy import copy
from typing import Any, Literal, NamedTuple, TypeVar
from urllib.parse import SplitResult, parse_qs, quote, unquote, urlsplit

from redis.asyncio.connection import SSLConnection, parse_url
from redis.exceptions import RedisError

from a2a_streaming.errors import StoreUnavailable

NAME = "a2a-streaming"
"""What our connections call themselves."""
_LOOKS = (
    "It looks like redis://localhost:6379/0, redis+cluster://one:6379,two:6379 or "
    "redis+sentinel://one:26379,two:26379/service; in a user and a password, write / ? # @ : % as %2F and so on."
)
_PORTS = {"cluster": 6379, "sentinel": 26379}

P = TypeVar("P", bound=asyncio.BaseProtocol)


class Address:
    """One server's, and how to sign in there.

    Args:
        url: redis://, rediss:// or unix://, as redis-py takes it, with its options for TLS (ssl_ca_certs …).

    Raises:
        ValueError: It is no such URL.
        StoreUnavailable: TLS can't be set up as it says.
    """

    def __init__(self, url: str) -> None:
        told: dict[str, Any] = dict(parse_url(url))
        self._path: str | None = told.get("path")
        self._host = str(told.get("host", "localhost"))
        self._port = int(told.get("port", 6379))
        self._ssl: Any = None
        if told.pop("connection_class", None) is SSLConnection:
            try:
                tls: Any = SSLConnection(**told).ssl_context
                self._ssl = tls.get()
            except (OSError, RedisError, TypeError) as error:
                raise StoreUnavailable(
                    f"TLS to Redis can't be set up as A2A_REDIS_URL says ({error}). Its options ssl_ca_certs, ssl_certfile "
                    "and ssl_keyfile name PEM files that this process can read; ssl_cert_reqs is required, optional or none."
                ) from error
        self._login = [part for part in (told.get("username"), told.get("password")) if part]
        self._database = int(told.get("db", 0))

    def at(self, host: str, port: int) -> Address:
        """Return another server's, where one signs in alike.

        Args:
            host: Its host.
            port: Its port.
        """
        other = copy(self)
        other._path, other._host, other._port = None, host, port
        return other

    @property
    def host(self) -> str:
        """Its host."""
        return self._host

    @property
    def name(self) -> str:
        """Host and port, or the socket's path."""
        if self._path is not None:
            return self._path
        return f"[{self._host}]:{self._port}" if ":" in self._host else f"{self._host}:{self._port}"

    async def connect(self, protocol: Callable[[], P]) -> P:
        """Connect.

        Args:
            protocol: Makes the connection's protocol.

        Raises:
            OSError: Nobody answers there.
        """
        loop = asyncio.get_running_loop()
        if self._path is not None:
            _, made = await loop.create_unix_connection(protocol, self._path)
        else:
            _, made = await loop.create_connection(protocol, self._host, self._port, ssl=self._ssl)
        return made

    @property
    def greeting(self) -> list[list[str | int]]:
        """What is said first on a new connection."""
        said: list[list[str | int]] = []
        if self._login:
            said.append(["AUTH", *self._login])
        if self._database:
            said.append(["SELECT", self._database])
        return [*said, ["CLIENT", "SETNAME", NAME]]


class Place(NamedTuple):
    """Where the store is.

    Args:
        kind: One server, a cluster, or a primary that sentinels know.
        shown: The address without user, password and query.
        seeds: The server; the cluster's that are named; or the sentinels.
        service: What the sentinels call the primary.
        primary: How to sign in at it; its host is told by the sentinels.
    """

    kind: Literal["single", "cluster", "sentinel"]
    shown: str
    seeds: tuple[Address, ...]
    service: str
    primary: Address


def place_of(url: str) -> Place:
    """Read A2A_REDIS_URL.

    Args:
        url: redis://, rediss:// or unix:// for one server; redis+cluster:// with any of a cluster's servers;
            redis+sentinel:// with sentinels and the service's name, and with sentinel_username and sentinel_password
            in its query, if they want any. With TLS rediss+….

    Raises:
        StoreUnavailable: It is no such URL.
    """
    try:
        parts = urlsplit(url)
        base, _, kind = parts.scheme.partition("+")
        if kind == "cluster" and base in ("redis", "rediss"):
            return _cluster(parts, base)
        if kind == "sentinel" and base in ("redis", "rediss"):
            return _sentinel(parts, base)
        address = Address(url)
    except ValueError:
        # Without what Python says of it: that may quote a password.
        raise StoreUnavailable(f"A2A_REDIS_URL can't be read. {_LOOKS}") from None
    where = f"{parts.scheme}://{address.name}{'' if base == 'unix' else parts.path}"
    return Place("single", where, (address,), "", address)


def _cluster(parts: SplitResult, base: str) -> Place:
    if parts.path.strip("/") not in ("", "0"):
        raise StoreUnavailable(
            f"A cluster has one database: leave {parts.path} out of A2A_REDIS_URL."
        )
    user, hosts = _hosts(parts, _PORTS["cluster"])
    seeds = tuple(Address(f"{base}://{user}{host}?{parts.query}") for host in hosts)
    return Place("cluster", f"{parts.scheme}://{','.join(hosts)}", seeds, "", seeds[0])


def _sentinel(parts: SplitResult, base: str) -> Place:
    service, _, database = parts.path.strip("/").partition("/")
    if not service:
        raise StoreUnavailable(
            "A2A_REDIS_URL names sentinels, and not what they watch: write the service's name behind them, as in "
            "redis+sentinel://one:26379,two:26379/mymaster."
        )
    user, hosts = _hosts(parts, _PORTS["sentinel"])
    query = parse_qs(parts.query)
    login = [quote(query.get(f"sentinel_{name}", [""])[0], "") for name in ("username", "password")]
    theirs = f"{':'.join(login)}@" if any(login) else ""
    seeds = tuple(Address(f"{base}://{theirs}{host}?{parts.query}") for host in hosts)
    primary = Address(f"{base}://{user}{hosts[0]}/{int(database or 0)}?{parts.query}")
    shown = f"{parts.scheme}://{','.join(hosts)}{parts.path}"
    return Place("sentinel", shown, seeds, unquote(service), primary)


def _hosts(parts: SplitResult, port: int) -> tuple[str, list[str]]:
    """Return what stands before the hosts, and each with its port."""
    user, at, hosts = parts.netloc.rpartition("@")
    found: list[str] = []
    for host in hosts.split(","):
        one = urlsplit(f"//{host}")
        if not one.hostname:
            raise ValueError("a host is missing")
        name = f"[{one.hostname}]" if ":" in one.hostname else one.hostname
        found.append(f"{name}:{one.port or port}")
    return f"{user}{at}", found
