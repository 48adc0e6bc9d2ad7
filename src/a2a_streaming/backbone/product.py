"""Which server Redis is, by what INFO tells: its name, its version, and whether that is too old for us."""

from __future__ import annotations

from typing import Any

OLDEST = (6, 2)
"""The first version with all that the scripts and the backbone ask for: ZMSCORE, XAUTOCLAIM, XADD MINID."""


def parse_info(reply: Any) -> dict[str, str]:
    """Return what INFO tells, by field.

    Args:
        reply: Its reply.
    """
    text = reply.decode(errors="replace") if isinstance(reply, bytes) else str(reply)
    pairs = (line.partition(":") for line in text.splitlines() if not line.startswith("#"))
    return {name: value for name, colon, value in pairs if colon}


def product_of(info: dict[str, str]) -> str:
    """Return what a server calls itself: `redis` or `valkey`.

    Args:
        info: What INFO tells.
    """
    return info.get("server_name", "redis")


def version_of(info: dict[str, str]) -> str:
    """Return a server's version; `?` if it doesn't say.

    Args:
        info: What INFO tells.
    """
    return info.get(f"{product_of(info)}_version") or info.get("redis_version", "?")


def is_too_old(info: dict[str, str]) -> bool:
    """Say whether a server lacks what is asked of it.

    Args:
        info: What INFO tells; one that doesn't say its version isn't.
    """
    numbers = [int(part) for part in version_of(info).split(".")[:2] if part.isdigit()]
    return len(numbers) == len(OLDEST) and tuple(numbers) < OLDEST
