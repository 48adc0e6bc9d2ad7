"""Addresses to which this server may be made to talk: a client names a URL, and must not reach what is ours.

A name is resolved once, every address that it has is checked, and the one that is returned is the one to
connect to: so a name can't resolve to another address between the check and the call.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from urllib.parse import urlsplit

_PORTS = {"http": 80, "https": 443}


async def resolve(url: str, *, private: bool = False) -> str:
    """Return an address of a URL's host.

    Args:
        url: An http or https URL.
        private: Whether addresses may be ones that the public internet doesn't route: loopback, private,
            link-local and the like.

    Raises:
        ValueError: The URL is none, or its host has an address to which we don't talk.
        OSError: The host can't be resolved.
    """
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError(f"{url[:200]!r} is no http or https URL.")
    if parts.username or parts.password:
        raise ValueError("A webhook's URL must not carry a user or password; use authentication.")
    found = await asyncio.get_running_loop().getaddrinfo(
        parts.hostname, parts.port or _PORTS[parts.scheme], type=socket.SOCK_STREAM
    )
    addresses = [str(info[4][0]) for info in found]
    if not addresses:
        raise ValueError(f"{parts.hostname} has no address.")
    if not private and not all(map(is_public, addresses)):
        raise ValueError(
            f"{parts.hostname} isn't on the public internet, so nothing is sent there;"
            " the operator can allow it with A2A_PUSH_PRIVATE."
        )
    return addresses[0]


def is_public(address: str) -> bool:
    """Say whether the public internet routes an address; what an IPv4 address wears over IPv6 doesn't count.

    Args:
        address: An IP address, of either version.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        ip = ip.ipv4_mapped or ip.sixtofour or ip
    return ip.is_global and not ip.is_multicast
