"""Tasks as operators see them: the table of all, and all that is known of one."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from a2a_streaming.accepting import read_token
from a2a_streaming.backbone.census import BUSY, Row
from a2a_streaming.backbone.index import in_state
from a2a_streaming.backbone.keys import check_id
from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.errors import TaskNotFound
from a2a_streaming.kin import children_of, parent_of
from a2a_streaming.task import Json, State, state_of

_LOOKED_AT = 2000
"""The most tasks that are looked at for a page, where a filter leaves most of them out."""
_WORDS = 200
_RESULT = 2000
"""The most bytes of a step's result that are told."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which tasks are wanted in the table; what is empty doesn't matter.

    Args:
        state: Their state.
        agent: Their agent.
        owner: Their owner; None if that doesn't matter.
        context: Their context.
        silent: Those alone that are to move on by themselves and haven't, for so many seconds.
        words: What their id, owner, context or first words contain.
        unchanged: Those alone that haven't changed for so many seconds.
        changed: Those alone that have changed within so many seconds.
        older: Those alone that were accepted at least so many seconds ago.
        newer: Those alone that were accepted within so many seconds.
    """

    state: State | None = None
    agent: str = ""
    owner: str | None = None
    context: str = ""
    silent: float | None = None
    words: str = ""
    unchanged: float | None = None
    changed: float | None = None
    older: float | None = None
    newer: float | None = None

    def between(self, now: int) -> tuple[int | None, int | None]:
        """Return from when to when each wanted task changed last, ms; None where that doesn't matter.

        Args:
            now: The time, ms since 1970.
        """
        # What was accepted within a time has changed within it.
        since = [now - int(ago * 1000) for ago in (self.changed, self.newer) if ago is not None]
        until = [now - int(ago * 1000) for ago in (self.silent, self.unchanged) if ago is not None]
        return max(since, default=None), min(until, default=None)

    def lists(self, agents: list[str]) -> list[tuple[str, str]]:
        """Return the shortest lists, as the index names them, of which each wanted task is in one.

        Args:
            agents: All agents.
        """
        if self.silent is not None:
            states = [one for one in BUSY if self.state in (None, one)]
        else:
            states = [] if self.state is None else [self.state]
        agents = [self.agent] if self.agent else agents
        if self.silent is None and self.context:
            return [("context", self.context)]
        if self.silent is None and self.owner:
            return [("owner", self.owner)]
        if self.silent is not None or states:
            return [in_state(agent, state) for agent in agents for state in states]
        return [("agent", agent) for agent in agents]

    def match(self, row: Row, now: int) -> bool:
        """Say whether a task is wanted, as far as its last change doesn't tell.

        Args:
            row: The task.
            now: The time, ms since 1970.
        """
        age = (now - (row.created or row.changed)) / 1000
        return (
            (self.older is None or age >= self.older)
            and (self.newer is None or age <= self.newer)
            and self._is_like(row)
        )

    def _is_like(self, row: Row) -> bool:
        return (
            self.state in (None, row.state)
            and self.agent in ("", row.agent)
            and self.owner in (None, row.owner)
            and self.context in ("", row.context)
            and (not self.words or self._mentions(row))
        )

    def _mentions(self, row: Row) -> bool:
        words = self.words.casefold()
        return any(words in one.casefold() for one in (row.id, row.owner, row.context, row.text))


class Tasks:
    """Reads them.

    Args:
        manager: Redis.
    """

    def __init__(self, manager: RedisManager) -> None:
        self._manager = manager
        self._census = manager.census

    async def table(self, wanted: Wanted, *, agents: list[str], size: int, token: str) -> Json:
        """Return a page of the table, the latest change first.

        Where a filter leaves most tasks out, a page has fewer than `size` and says where the next one begins.

        Args:
            wanted: Which tasks.
            agents: All agents.
            size: The most tasks of the page.
            token: Where it begins, as the page before said; empty for the first.

        Raises:
            InvalidParams: The token is none.
            Unavailable: Redis is away.
        """
        before = read_token(token) if token else None
        now = _now()
        since, until = wanted.between(now)
        lists = wanted.lists(agents)
        found: list[Row] = []
        looked_at = 0
        more = True
        while more and len(found) < size and looked_at < _LOOKED_AT:
            count = size + 1 if looked_at == 0 else min(500, _LOOKED_AT - looked_at)
            tasks = await self._census.page(
                lists, count=count, before=before, until=until, since=since
            )
            more = len(tasks) == count
            looked_at += len(tasks)
            rows = {row.id: row for row in await self._census.rows(tasks)}
            for task in tasks:
                if len(found) == size:
                    more = True
                    break
                before = task
                if (row := rows.get(task[1])) is not None and wanted.match(row, now):
                    found.append(row)
        watchers = await self._manager.subscriptions.counts([row.id for row in found])
        return {
            "tasks": [row_told(row, count) for row, count in zip(found, watchers, strict=True)],
            "next": "{}.{}".format(*before) if more and before is not None else None,
        }

    async def owner(self, task_id: str) -> str:
        """Return whose a task is, which is there.

        Args:
            task_id: The task, by its stored id.

        Raises:
            InvalidParams: The id can't be one.
            TaskNotFound: There is no such task.
            Unavailable: Redis is away.
        """
        check_id(task_id, "The task's id")
        meta = await self._manager.snapshots.meta(task_id)
        if meta is None:
            raise TaskNotFound(task_id)
        return meta.owner

    async def one(self, task_id: str) -> Json:
        """Return all that is known of a task that was found.

        Args:
            task_id: The task, by its stored id.

        Raises:
            TaskNotFound: There is nothing left of it.
            Unavailable: Redis is away.
        """
        manager = self._manager
        about = await self._census.about(task_id)
        snapshot = await manager.snapshots.get(task_id)
        if about is None or snapshot is None:
            raise TaskNotFound(task_id)
        meta, waiting = about
        return {
            "task": {**snapshot.task, "id": task_id},
            # The task may have moved on since its meta was read: so both say the same of it.
            "meta": {
                **_about(meta, waiting),
                "state": state_of(snapshot.task).label,
                "position": str(snapshot.position),
            },
            "watchers": await manager.subscriptions.by_node(task_id),
            "children": await children_of(manager, task_id, snapshot.task, meta),
            "parent": await parent_of(manager, snapshot.task, meta["owner"]),
            "steps": _steps(await self._census.stored(task_id)),
        }


def row_told(row: Row, watchers: int) -> Json:
    """Return a row of the table as it is told.

    Args:
        row: The row.
        watchers: How many watch the task.
    """
    return {
        "id": row.id,
        "agent": row.agent,
        "owner": row.owner,
        "context": row.context,
        "state": row.state.label,
        "created": row.created,
        "changed": row.changed,
        "events": row.events,
        "attempts": row.attempts,
        "watchers": watchers,
        "silentMs": max(0, _now() - row.changed) if row.state in BUSY else None,
        "text": row.text[:_WORDS],
    }


def _about(meta: Mapping[str, str], waiting: int) -> Json:
    """Return what is told of a task's meta."""
    epochs = [
        {"epoch": field.removeprefix("e:"), "from": int(offset)}
        for field, offset in meta.items()
        if field.startswith("e:")
    ]
    holder = meta.get("holder")
    escalation = meta.get("escalate")
    return {
        "owner": meta["owner"],
        "agent": meta["agent"],
        "context": meta["context"],
        "dialect": meta["dialect"],
        "created": int(meta["created"]) if "created" in meta else None,
        "snapshot": meta.get("snapshot"),
        "epochs": sorted(epochs, key=lambda one: one["from"]),
        "attempts": int(meta.get("attempts", 0)),
        "lease": {
            "holder": holder,
            "node": holder.partition("/")[0],
            "endsInMs": int(meta["lease_end"]) - _now(),
        }
        if holder
        else None,
        "inbox": waiting,
        "flags": [flag for flag in ("cancel", "escalate", "cleanup", "damaged") if flag in meta],
        "escalation": orjson.loads(escalation) if escalation else None,
    }


_KINDS = {"s": "step", "a": "artifact", "b": "bookmark"}


def _steps(stored: Mapping[str, bytes]) -> list[Json]:
    """Return what a task's turns have stored."""
    found: list[Json] = []
    for field, value in sorted(stored.items()):
        turn, kind, name = (*field.split(" ", 2), "", "")[:3]
        if kind not in _KINDS:
            continue
        told: Any = orjson.loads(value) if len(value) <= _RESULT else None
        found.append(
            {
                "turn": turn,
                "kind": _KINDS[kind],
                "name": name,
                "result": told,
                "bytes": len(value),
            }
        )
    return found


def _now() -> int:
    return time.time_ns() // 1_000_000
