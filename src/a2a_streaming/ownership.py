"""Who sees whose tasks: their own, all for operators, and for people who answer customers what is handed over."""

from __future__ import annotations

from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.backbone.snapshots import Meta
from a2a_streaming.caller import Caller, Role
from a2a_streaming.task import is_handed_over

_OF_PEOPLE = ("get", "watch", "send")
"""What people who answer customers do with a task that is handed over to them."""


async def may_see(
    manager: RedisManager, stored: str, meta: Meta, caller: Caller, does: str = "get"
) -> bool:
    """Say whether a task is there for a caller.

    A person who answers customers reads and writes to what is handed over to people, as the task's metadata
    say, for as long as it is; nothing else.

    Args:
        manager: Redis.
        stored: The task, by its stored id.
        meta: What is known of it.
        caller: Who asks.
        does: What they want to do with it.

    Raises:
        Unavailable: Redis is away.
    """
    if caller.may_see(meta.owner):
        return True
    if caller.role is not Role.AGENT or does not in _OF_PEOPLE:
        return False
    snapshot = await manager.snapshots.get(stored)
    return snapshot is not None and is_handed_over(snapshot.task)
