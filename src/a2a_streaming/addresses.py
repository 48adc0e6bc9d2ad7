"""Addresses to which this server may be made to talk: a client names a URL, and must not reach what is ours.

A name is resolved once, every address that it has is checked, and those that are returned are the ones to
connect to: so a name can't resolve to another address between the check and the call.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import urlsplit

PORTS = {"http": 80, "https": 443}
"""The ports of the schemes that are spoken."""
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_COMPATIBLE = ipaddress.IPv6Network("::/96")
# Threads of their own: names whose servers don't answer must not hold up what else is done in threads.
_RESOLVERS = ThreadPoolExecutor(16, thread_name_prefix="resolve")


@dataclass(frozen=True, slots=True)
class Reach:
    """Where this server may be made to talk to.

    Args:
        private: Whether addresses may be ones that the public internet doesn't route: loopback, private,
            link-local and the like.
        networks: Networks that may be reached, be they public or not.
        hosts: The only hosts that may be named, `*.` before those whose subdomains may be, too; empty for all.
        https: Whether URLs must be https.
    """

    private: bool = False
    networks: tuple[Network, ...] = ()
    hosts: tuple[str, ...] = ()
    https: bool = False

    def has(self, address: str) -> bool:
        """Say whether an address may be reached.

        Args:
            address: An IP address, of either version.
        """
        if self.private or is_public(address):
            return True
        ip = _worn(ipaddress.ip_address(address.partition("%")[0]))
        return any(ip in network for network in self.networks)

    def names(self, host: str) -> bool:
        """Say whether a host may be named.

        Args:
            host: Its name or address, as a URL has it.
        """
        host = host.lower().rstrip(".")
        return not self.hosts or any(
            host.endswith(one[1:]) if one.startswith("*.") else host == one for one in self.hosts
        )


PUBLIC = Reach()
"""The public internet, all of it and nothing else."""


async def resolve(url: str, reach: Reach = PUBLIC) -> list[str]:
    """Return the addresses of a URL's host, the one to try first at the beginning.

    Args:
        url: An http or https URL.
        reach: Where it may lie.

    Raises:
        ValueError: The URL is none, or its host has an address to which we don't talk.
        OSError: The host can't be resolved.
    """
    parts = urlsplit(url)
    if parts.scheme not in PORTS or not parts.hostname:
        raise ValueError(f"{url[:200]!r} is no http or https URL.")
    if parts.username or parts.password:
        raise ValueError("A webhook's URL must not carry a user or password; use authentication.")
    if reach.https and parts.scheme != "https":
        raise ValueError("A webhook's URL must be https here.")
    if not reach.names(parts.hostname):
        raise ValueError(
            f"Nothing is sent to {parts.hostname}; the operator can allow it with A2A_PUSH_HOSTS."
        )
    host, port = parts.hostname, parts.port or PORTS[parts.scheme]
    found = await asyncio.get_running_loop().run_in_executor(
        _RESOLVERS, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    )
    addresses = list(dict.fromkeys(str(info[4][0]) for info in found))
    if not addresses:
        raise ValueError(f"{host} has no address.")
    if not all(map(reach.has, addresses)):
        raise ValueError(
            f"{host} isn't on the public internet, so nothing is sent there;"
            " the operator can allow it with A2A_PUSH_NETWORKS or A2A_PUSH_PRIVATE."
        )
    return addresses


def is_public(address: str) -> bool:
    """Say whether the public internet routes an address; what an IPv4 address wears over IPv6 doesn't count.

    Args:
        address: An IP address, of either version.
    """
    ip = _worn(ipaddress.ip_address(address.partition("%")[0]))
    return ip.is_global and not ip.is_multicast


def _worn(ip: _Address) -> _Address:
    """Return the IPv4 address that an IPv6 address stands for, if it does."""
    if not isinstance(ip, ipaddress.IPv6Address):
        return ip
    if inner := ip.ipv4_mapped or ip.sixtofour or (ip.teredo and ip.teredo[1]):
        return inner
    if ip in _NAT64 or ip in _COMPATIBLE:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip
