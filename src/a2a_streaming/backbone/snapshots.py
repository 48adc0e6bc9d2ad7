"""Task state: the snapshot, folded up to the log's end."""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from a2a_streaming.backbone.connection import Script, Store
from a2a_streaming.backbone.keys import Keys
from a2a_streaming.event import check_format, load
from a2a_streaming.position import Position
from a2a_streaming.task import Json, State, apply

_SNAPSHOT = Script("snapshot")


@dataclass(frozen=True, slots=True)
class Meta:
    """What Redis knows of a task beside its events.

    Args:
        owner: Whose task it is.
        agent: Which agent it is for.
        context: Its context.
        dialect: The dialect it was born in.
        state: The state it is in.
        last: Where its log ends.
    """

    owner: str
    agent: str
    context: str
    dialect: str
    state: State
    last: Position


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A task as folded up to a position.

    Args:
        task: The task (A2A 1.0 JSON).
        position: The last event that is in it.
    """

    task: Json
    position: Position


class Snapshots:
    """Reads tasks.

    Args:
        store: Redis.
        keys: Names of keys.
    """

    def __init__(self, store: Store, keys: Keys) -> None:
        self._store = store
        self._keys = keys

    async def meta(self, task_id: str) -> Meta | None:
        """Return what is known of a task; None if there is no such task.

        Raises:
            Unavailable: Redis is away.
        """
        reply: list[bytes | None] = await self._store.call(
            "HMGET",
            self._keys.meta(task_id),
            "owner",
            "agent",
            "context",
            "dialect",
            "state",
            "last",
        )
        if any(value is None for value in reply):
            return None
        owner, agent, context, dialect, state, last = (
            value.decode() for value in reply if value is not None
        )
        return Meta(owner, agent, context, dialect, State(state), Position.parse(last))

    async def get(self, task_id: str) -> Snapshot | None:
        """Return a task as it is now: the stored snapshot and the events after it, folded.

        The stored snapshot is at most a fixed share of the task behind, so that the cost is that of
        reading the task.

        Raises:
            NewerFormat: It was written by a newer version than this process.
            Unavailable: Redis is away.
        """
        stored, entries = await self._store.script(
            _SNAPSHOT, [self._keys.snapshot(task_id), self._keys.stream(task_id)], []
        )
        task: Json | None = None
        position: Position | None = None
        if stored:
            whole = orjson.loads(stored)
            check_format(whole)
            task, position = whole["task"], Position.parse(whole["position"])
        # Where a part of the history was lost for good, what is left is folded all the same: so the
        # state is right, whatever else is missing. Watchers are told of the loss by a reset.
        for entry_id, fields in entries:
            event = load(fields[1])
            if task is None and "task" not in event:
                return None  # neither snapshot nor the log's start: nothing to fold
            task, position = apply(task, event), Position.of_entry(entry_id)
        return None if task is None or position is None else Snapshot(task, position)
