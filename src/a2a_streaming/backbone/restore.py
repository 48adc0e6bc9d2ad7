"""What is done for a task of which Redis has lost a part: it is brought to where it can be ended."""

from __future__ import annotations

import random
from typing import Any

import orjson

from a2a_streaming.backbone.connection import Script, Store
from a2a_streaming.backbone.keys import Keys
from a2a_streaming.backbone.log import fold
from a2a_streaming.event import Event
from a2a_streaming.position import Position
from a2a_streaming.settings import Settings
from a2a_streaming.task import Json, State, state_of

_RESTORE = Script("restore")


async def restore_meta(store: Store, keys: Keys, settings: Settings, task_id: str) -> None:
    """Make a task's meta anew: it was lost while the history stands.

    Who the task belongs to is read from the snapshot. Where that is lost too the task becomes nobody's:
    no customer can read it, and it ends all the same.

    Args:
        store: Redis.
        keys: Names of keys.
        settings: Lifetimes.
        task_id: The task.

    Raises:
        Unavailable: Redis is away.
    """
    stored = await store.call("GET", keys.snapshot(task_id))
    last = await store.call("XREVRANGE", keys.stream(task_id), "+", "-", "COUNT", 1)
    if not stored and not last:
        return
    whole: Json = orjson.loads(stored) if stored else {}
    about: dict[str, str] = whole.get("about", {})
    task: Json | None = whole.get("task")
    position = Position.parse(last[0][0] if last else whole["position"])
    if last and (task is None or str(position) != whole["position"]):
        since = f"({whole['position']}" if task else "-"
        entries = await store.call("XRANGE", keys.stream(task_id), since, "+")
        task = fold(task, [event for _, (_, event) in entries])
    state = state_of(task) if task else _state_at(last)
    await store.script(
        _RESTORE,
        keys.task(task_id)[:5],
        [
            random.getrandbits(20),
            position.epoch,
            position.offset,
            state.value,
            "1" if state.terminal else "",
            about.get("owner", "?"),
            about.get("agent", ""),
            about.get("context", ""),
            about.get("dialect", ""),
            whole.get("position", ""),
            settings.open_ttl * 1000,
            max(settings.history_ttl, settings.snapshot_ttl) * 1000,
        ],
    )


def _state_at(last: list[Any]) -> State:
    """Return the state that a log's last event tells of: an end, or else that the task is open."""
    if last:
        _, (_, event) = last[0]
        state = Event(Position.parse(last[0][0]), None, event).state
        if state is not None:
            return state
    return State.WORKING
