"""Lists of what is due: whoever takes something has it for a while, and nobody else meanwhile."""

from __future__ import annotations

from a2a_streaming.backbone.connection import Script, Store

_CLAIM = Script("due_claim")


async def claim_due(store: Store, key: str, *, seconds: float, count: int) -> tuple[int, list[str]]:
    """Take what is due on a list; returns the time, ms since 1970, and what was taken, the longest due first.

    Args:
        store: Redis.
        key: The list: a sorted set of what → when it is due, ms since 1970.
        seconds: For how long nobody else takes it.
        count: The most to take.

    Raises:
        Unavailable: Redis is away.
    """
    now, *due = await store.script(_CLAIM, [key], [int(seconds * 1000), count])
    return int(now), [one.decode() for one in due]
