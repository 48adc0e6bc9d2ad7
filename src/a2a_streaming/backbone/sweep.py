"""The sweep: finds what a crash or a lost key left behind, whatever hints and lists say of it.

A page at a time it walks through the lists of open tasks, and more slowly through all keys. It tells
which tasks have something to do while nobody works on them, and puts the lists right on its way.
"""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from a2a_streaming.backbone.connection import Command, CommandFailed, Store
from a2a_streaming.backbone.deadlines import Deadlines
from a2a_streaming.backbone.index import ended, forgetting, in_state
from a2a_streaming.backbone.keys import Keys
from a2a_streaming.settings import Settings
from a2a_streaming.task import TERMINAL, State

_OPEN = [state for state in State if state not in TERMINAL]
_LIST_PAGE, _KEYS_PAGE = 500, 2000
_AT_ONCE = 50
"""Tasks that are looked at in one round trip."""
_FIELDS = ("state", "terminal", "owner", "context", "agent", "holder", "lease_end", "lease_length", "cancel", "escalate", "cleanup", "damaged", "answer", "archived", "created", "since")  # fmt: skip

_FLAGS = ("cancel", "escalate", "damaged")


class Sweep:
    """Walks through the tasks.

    Args:
        store: Redis.
        keys: Names of keys.
        settings: The lease's length, lifetimes.
        deadlines: When tasks are to be looked at.
    """

    def __init__(self, store: Store, keys: Keys, settings: Settings, deadlines: Deadlines) -> None:
        self._store = store
        self._keys = keys
        self._deadlines = deadlines
        self._lease_ms = int(settings.lease_seconds * 1000)
        self._kept = settings.listed_ttl * 1000
        self._keeps = settings.keeps
        self._cursors: defaultdict[str, Any] = defaultdict(int)
        self._cursor = b"0"
        self._id = re.compile(re.escape(keys.prefix) + r"task:\{(.+)\}(?::meta|:stream)?")

    async def page(self, agent: str) -> dict[str, list[str]]:
        """Look at the next page.

        Args:
            agent: Whose lists to look at; keys are looked at whoever's they are.

        Returns:
            Tasks with something to do on which nobody works, by agent; under "" those whose agent is lost.

        Raises:
            Unavailable: Redis is away.
        """
        found: defaultdict[str, list[str]] = defaultdict(list)
        for state in _OPEN:
            key = self._keys.index(*in_state(agent, state))
            cursor, entries = await self._store.call(
                "ZSCAN", key, self._cursors[key], "COUNT", _LIST_PAGE
            )
            self._cursors[key] = cursor
            ids = dict.fromkeys(entry.decode() for entry in entries[::2])
            await self._look(ids, (key, state), found)
        self._cursor, names = await self._store.scan(
            self._cursor, match=f"{self._keys.prefix}task:{{*", count=_KEYS_PAGE
        )
        ids = (match[1] for name in names if (match := self._id.fullmatch(name.decode())))
        await self._look(dict.fromkeys(ids), None, found)
        return dict(found)

    async def _look(
        self, ids: Iterable[str], listed: tuple[str, State] | None, found: dict[str, list[str]]
    ) -> None:
        """Look at tasks.

        Args:
            ids: The tasks.
            listed: The list that they were found in, and its state; None if they were found by their keys.
            found: Where to put those with something to do.
        """
        ids = list(ids)
        for start in range(0, len(ids), _AT_ONCE):  # others want the event loop, and Redis, too
            await self._look_at_once(ids[start : start + _AT_ONCE], listed, found)

    async def _look_at_once(
        self, ids: Sequence[str], listed: tuple[str, State] | None, found: dict[str, list[str]]
    ) -> None:
        commands: list[Command] = []
        for task_id in ids:
            keys = self._keys
            commands.append(["HMGET", keys.meta(task_id), *_FIELDS])
            commands.append(["LLEN", keys.inbox(task_id)])
            commands.append(["EXISTS", keys.stream(task_id), keys.snapshot(task_id)])
        replies = await self._store.pipeline(commands)
        repairs: list[Command] = []
        for task_id, values, waiting, stands in zip(
            ids, replies[::3], replies[1::3], replies[2::3], strict=True
        ):
            if isinstance(values, CommandFailed) or isinstance(waiting, CommandFailed):
                continue  # a key of that name that isn't ours
            known = {
                field: value.decode() if value is not None else None
                for field, value in zip(_FIELDS, values, strict=True)
            }
            if known["state"] is None:
                if stands:
                    found[""].append(task_id)
                elif listed is not None:
                    repairs.append(["ZREM", listed[0], task_id])
                continue
            if self._stranded(known, waiting):
                found[known["agent"] or ""].append(task_id)
            repairs += self._repairs(task_id, known, listed)
        added_to = dict.fromkeys(command[1] for command in repairs if command[0] == "ZADD")
        repairs += [["PEXPIRE", key, self._kept] for key in added_to]
        await self._store.pipeline(repairs)

    def _stranded(self, known: dict[str, str | None], waiting: int) -> bool:
        """Say whether a task has something to do, and nobody works on it."""
        now = time.time_ns() // 1_000_000
        # By this process's clock, so with a margin; a hint too many is harmless.
        left = int(known["lease_end"] or 0) - now
        if (
            known["holder"]
            and -self._lease_ms
            < left
            <= int(known["lease_length"] or self._lease_ms) + self._lease_ms
        ):
            return False
        if known["terminal"]:
            return known["cleanup"] is not None
        return waiting > 0 or any(known[flag] is not None for flag in _FLAGS)

    def _repairs(
        self, task_id: str, known: dict[str, str | None], listed: tuple[str, State] | None
    ) -> list[Command]:
        """Return what puts the lists right for a task, but for their lifetimes."""
        state = State(known["state"] or "")
        if known["answer"]:  # no list has it
            about = {kind: known[kind] or "" for kind in ("owner", "context", "agent")}
            return forgetting(self._keys, task_id, **about)
        commands = self._deadlines.mending(
            task_id,
            agent=known["agent"] or "",
            state=state,
            since=_number(known["since"]),
            created=_number(known["created"]),
        )
        now = time.time_ns() // 1_000_000
        if self._keeps and known["terminal"] and not known["archived"]:
            commands += ended(self._keys, task_id, now, lifetime=self._kept)
        if listed is not None:
            if listed[1] is state:
                return commands
            commands.append(["ZREM", listed[0], task_id])
        if known["owner"] and not state.terminal:
            active = self._keys.index("active", known["owner"])
            commands.append(["ZADD", active, "NX", time.time_ns() // 1_000_000, task_id])
        lists = [
            ("owner", known["owner"]),
            ("context", known["context"]),
            ("agent", known["agent"]),
        ]
        for kind, value in [*lists, in_state(known["agent"] or "", state)]:
            key = self._keys.index(kind, value or "")
            commands.append(["ZADD", key, "NX", now, task_id])
        return commands


def _number(told: str | None) -> int | None:
    return int(told) if told else None
