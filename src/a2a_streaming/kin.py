"""Which tasks work for which: a task's parent, and its children.

An agent that delegates names its own task in the message that it sends, under `parent` in the metadata, and the
child in its task's metadata, under `delegate`. Both belong to one owner, and to one context.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.caller import Caller
from a2a_streaming.task import Json

_MOST = 50
"""The most tasks of a context that are looked at, the latest first."""


async def parent_of(manager: RedisManager, task: Json, owner: str) -> str | None:
    """Return the stored id of the task for which another works; None if it works for none that is known here.

    Args:
        manager: Redis.
        task: The task (A2A 1.0 JSON).
        owner: Whose it is.

    Raises:
        Unavailable: Redis is away.
    """
    told = _parent(task)
    if told is None:
        return None
    stored = Caller(owner).stored_id(told)
    meta = await manager.snapshots.meta(stored)
    return stored if meta is not None and meta.owner == owner else None


async def children_of(
    manager: RedisManager, task_id: str, task: Json, meta: Mapping[str, str]
) -> list[str]:
    """Return the stored ids of the tasks that work for another, as far as they are known here; the oldest first.

    Args:
        manager: Redis.
        task_id: The task, by its stored id.
        task: The task (A2A 1.0 JSON).
        meta: What is known of it.

    Raises:
        Unavailable: Redis is away.
    """
    owner = meta["owner"]
    context = ("context", meta["context"])
    found: list[str] = []
    for _, other in await manager.census.page([context], count=_MOST):
        if other == task_id:
            continue
        snapshot = await manager.snapshots.get(other)
        told = _parent(snapshot.task) if snapshot is not None else None
        if told is not None and Caller(owner).stored_id(told) == task_id:
            found.append(other)
    found.reverse()
    match task.get("metadata", {}).get("delegate"):
        case {"task": str(child)} if child:
            stored = Caller(owner).stored_id(child)
            if stored not in found and await manager.snapshots.meta(stored) is not None:
                found.append(stored)
        case _:
            pass
    return found


def _parent(task: Json) -> str | None:
    """Return the id of the task for which another works, as its first message tells it."""
    said: list[Json] = [*task.get("history", ())]
    if (latest := task["status"].get("message")) is not None:
        said.append(latest)
    for one in said[:1]:
        parent: Any = one.get("metadata", {}).get("parent")
        match parent:
            case {"task": str(told)} if told:
                return told
            case _:
                pass
    return None
