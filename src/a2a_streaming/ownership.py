"""Who sees whose tasks: their own, all for operators, and for people who answer customers what is handed over."""

from __future__ import annotations

from a2a_streaming.backbone.keys import check_id
from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.backbone.snapshots import Meta
from a2a_streaming.caller import Caller, Role
from a2a_streaming.errors import TaskNotFound
from a2a_streaming.feeds import Feeds
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


async def authorize(
    manager: RedisManager,
    feeds: Feeds,
    task_id: str,
    caller: Caller,
    does: str,
    *,
    agent: str | None,
) -> str:
    """Check that a task is there, and the caller's: else it is "not found". What is another owner's is audited.

    Args:
        manager: Redis.
        feeds: The process's feeds, which know the tasks that are watched.
        task_id: The task, by the id that the caller knows it by.
        caller: Who asks.
        does: What they want to do with it, for the audit.
        agent: Whose task it must be; None for any agent's.

    Returns:
        The id under which it is stored.

    Raises:
        InvalidParams: The id can't be one.
        TaskNotFound: It isn't there for them.
        Unavailable: Redis is away.
    """
    check_id(task_id, "The task's id")
    stored = caller.stored_id(task_id)
    meta = await feeds.meta(stored)
    if (
        meta is None
        or agent not in (None, meta.agent)
        or caller.task not in ("", task_id)
        or not await may_see(manager, stored, meta, caller, does)
    ):
        raise TaskNotFound(task_id)
    if meta.owner != caller.owner:
        await manager.audit.note(caller, does, stored, meta.owner)
    return stored
