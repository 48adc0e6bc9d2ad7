"""In which of a cluster's 16,384 slots a key stands, and which key a command goes by. Pure.

Source: Redis Cluster Specification, "Key distribution model" and "Hash tags".
"""

from __future__ import annotations

from binascii import crc_hqx
from collections.abc import Sequence

SLOTS = 16384
_KEYLESS = frozenset(
    ("PING", "TIME", "INFO", "CONFIG", "DBSIZE", "SCAN", "ROLE", "SCRIPT", "PUBLISH", "COMMAND")
)
_KEY_AT: dict[object, int] = {"EVALSHA": 3, "EVAL": 3, "XINFO": 2, "XGROUP": 2}


def slot_of_key(key: str | bytes) -> int:
    """Return a key's slot, or a sharded channel's.

    Args:
        key: Its name; what stands between its first braces counts alone, unless that is nothing.
    """
    name = key.encode() if isinstance(key, str) else key
    first = name.find(b"{")
    if first >= 0:
        last = name.find(b"}", first + 1)
        if last > first + 1:
            name = name[first + 1 : last]
    return crc_hqx(name, 0) % SLOTS


def slot_of(command: Sequence[str | bytes | int | float]) -> int | None:
    """Return the slot that a command goes by; None if any server can carry it out.

    Args:
        command: One of those that the backbone uses. If it has several keys, they are in one slot.
    """
    name = command[0]
    if name in _KEYLESS:
        return None
    at = (
        command.index("STREAMS") + 1 if name == "XREADGROUP" else _KEY_AT.get(name, 1)  # type: ignore[arg-type]
    )
    key = command[at]
    return slot_of_key(key if isinstance(key, str | bytes) else str(key))
