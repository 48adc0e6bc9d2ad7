"""Deadlines: when each task with limits is to be looked at, and what is known of it then.

An open task has one entry: the time of its first deadline. It is written beside the lists of tasks when a task changes its
state, never with an event. Whoever looks finds what is due, and nothing else: so the cost is that of what is due,
however many tasks there are.

Entries may be early, never late: one that exists is only ever moved forward by who writes a change (`LT`), and is put off
by who has looked. An early look finds nothing, and puts the entry where it belongs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import orjson

from a2a_streaming.backbone.claims import claim_due
from a2a_streaming.backbone.connection import Command, CommandFailed, Store
from a2a_streaming.backbone.keys import Keys
from a2a_streaming.backbone.snapshots import Snapshots
from a2a_streaming.position import Position
from a2a_streaming.settings import Settings
from a2a_streaming.sla import (
    DEFAULT,
    Facts,
    Policy,
    Raised,
    Waiting,
    first_look,
    occasion,
    priority_of,
)
from a2a_streaming.task import HANDOVER, Json, State

_FIELDS = ("agent", "context", "state", "created", "since", "last", "terminal")
_HUMAN, _NUMBER, _ACKNOWLEDGED = "human", "n:", "a:"
PRIORITY = "priority"
"""Key in a task's metadata that says its priority."""


class Deadlines:
    """Keeps them.

    Args:
        store: Redis.
        keys: Names of keys.
        settings: Lifetimes.
        snapshots: Reads tasks.
    """

    def __init__(self, store: Store, keys: Keys, settings: Settings, snapshots: Snapshots) -> None:
        self._store = store
        self._keys = keys
        self._snapshots = snapshots
        self._kept = settings.listed_ttl * 1000
        self.policy: Policy = DEFAULT
        """The limits; read when the process starts."""

    def arming(
        self, task_id: str, *, agent: str, state: State, since: int, created: int | None
    ) -> list[Command]:
        """Return the commands that note when a task is to be looked at, now that its state has changed.

        Args:
            task_id: The task.
            agent: Its agent.
            state: The state that it is in.
            since: Since when, ms since 1970.
            created: When it was accepted, ms since 1970; None if that isn't known.
        """
        if state.terminal:
            return self.disarming(task_id, agent=agent)
        noted = self._noted("LT", task_id, Facts(agent, "", state, created, since))
        return [*noted, ["PEXPIRE", self._keys.due, self._kept]] if noted else []

    def disarming(self, task_id: str, *, agent: str) -> list[Command]:
        """Return the commands that take a task that has ended off the list."""
        return [["ZREM", self._keys.due, task_id]] if self.policy.of(agent) else []

    def mending(
        self, task_id: str, *, agent: str, state: State, since: int | None, created: int | None
    ) -> list[Command]:
        """Return the commands that put an open task on the list, should a crash have left it out.

        But for the list's lifetime; arguments as for `arming`.
        """
        if state.terminal:
            return []
        return self._noted("NX", task_id, Facts(agent, "", state, created, since or created))

    def _noted(self, how: str, task_id: str, facts: Facts) -> list[Command]:
        look = first_look(self.policy, facts)
        return [] if look is None else [["ZADD", self._keys.due, how, look, task_id]]

    async def wait(self, task_id: str, waiting: Waiting) -> None:
        """Note that a task waits for a person for too long; again and again, if need be.

        Args:
            task_id: The task, by its stored id.
            waiting: Its wait.

        Raises:
            Unavailable: Redis is away.
        """
        raised, due = self._keys.raised(task_id), self._keys.due
        await self._store.pipeline(
            [
                ["HSET", raised, _HUMAN, orjson.dumps(asdict(waiting))],
                ["PEXPIRE", raised, self._kept],
                ["ZADD", due, "LT", waiting.due, task_id],
                ["PEXPIRE", due, self._kept],
            ]
        )

    async def claim(self, *, seconds: float, count: int) -> tuple[int, list[str]]:
        """Take tasks that are due, so that nobody else looks at them meanwhile.

        Args:
            seconds: For how long.
            count: The most tasks.

        Returns:
            The time, ms since 1970, and the tasks.

        Raises:
            Unavailable: Redis is away.
        """
        return await claim_due(self._store, self._keys.due, seconds=seconds, count=count)

    async def known(self, task_ids: Sequence[str]) -> list[tuple[Facts, Raised]]:
        """Return what is known of tasks, and what was raised for each.

        Raises:
            Unavailable: Redis is away.
        """
        commands: list[Command] = []
        for task_id in task_ids:
            commands.append(["HMGET", self._keys.meta(task_id), *_FIELDS])
            commands.append(["HGETALL", self._keys.raised(task_id)])
        replies = await self._store.pipeline(commands)
        return [
            await self._facts(task_id, values, kept)
            for task_id, values, kept in zip(task_ids, replies[::2], replies[1::2], strict=True)
        ]

    async def settle(self, looked: Sequence[tuple[str, Facts, int | None]]) -> None:
        """Note when tasks are to be looked at again.

        One whose state has changed since is looked at anew at once: what was noted with the change may be lost here.

        Args:
            looked: Each task, what was known of it, and when to look again, ms since 1970; None for never.

        Raises:
            Unavailable: Redis is away.
        """
        due = self._keys.due
        commands: list[Command] = []
        for task_id, _, look in looked:
            put: Command = ["ZREM", due, task_id] if look is None else ["ZADD", due, "XX", look, task_id]  # fmt: skip
            commands += [put, ["HMGET", self._keys.meta(task_id), *_FIELDS]]
        replies = await self._store.pipeline(commands)
        moved: list[Command] = [
            ["ZADD", due, "LT", 0, task_id]
            for (task_id, facts, _), values in zip(looked, replies[1::2], strict=True)
            if _stands(_told(values)) != _stands(facts)
        ]
        if moved:
            await self._store.pipeline([*moved, ["PEXPIRE", due, self._kept]])

    async def stands(self, task_id: str) -> Facts:
        """Return what is known of one task; raises as `known` does."""
        [(facts, _)] = await self.known([task_id])
        return facts

    async def _facts(self, task_id: str, values: Any, kept: Any) -> tuple[Facts, Raised]:
        facts = _told(values)
        raised, waiting = _raised(kept)
        needed = self.policy.by_priority and facts.state is not None and not facts.state.terminal
        if facts.state is not None and facts.state.terminal:
            waiting = None
        known_of = waiting is not None and self._was_raised(waiting, raised)
        if needed or known_of:
            snapshot = await self._snapshots.get(task_id)
            metadata: Json = snapshot.task.get("metadata", {}) if snapshot is not None else {}
            facts = replace(facts, priority=priority_of(metadata.get(PRIORITY)))
            if known_of and not _waits(metadata, waiting):
                # Who raised it first had the queue's word; from then on the task's own counts.
                await self._store.call("HDEL", self._keys.raised(task_id), _HUMAN)
                waiting = None
        return replace(facts, waiting=waiting), raised

    def _was_raised(self, waiting: Waiting, raised: Raised) -> bool:
        limits = [limit for limit in self.policy.limits if limit.measure == "human"]
        return any(occasion(limit.name, waiting.since) in raised.numbers for limit in limits)


def acknowledging(keys: Keys, task_id: str, limit: str, since: int) -> list[Command]:
    """Return the commands that keep an occasion from being raised again.

    Args:
        keys: Names of keys.
        task_id: The task.
        limit: The limit's name.
        since: When what it measures began, ms since 1970.
    """
    return [["HSET", keys.raised(task_id), f"{_ACKNOWLEDGED}{occasion(limit, since)}", "1"]]


def _told(values: Any) -> Facts:
    if isinstance(values, CommandFailed):
        return Facts("")  # a key of that name that isn't ours
    agent, context, state, created, since, last, terminal = (
        value.decode() if isinstance(value, bytes) else None for value in values
    )
    if agent is None or state is None or last is None:
        return Facts(agent or "")
    accepted = int(created) if created else None
    return Facts(
        agent,
        context or "",
        State(state),
        accepted,
        int(since) if since else accepted,
        # After the end as well: an event of a run, or that of whoever ended it.
        begun=bool(terminal) or Position.parse(last).offset > 1,
    )


def _raised(kept: Any) -> tuple[Raised, Waiting | None]:
    pairs = zip(kept[::2], kept[1::2], strict=True)
    fields = {field.decode(): value for field, value in pairs}
    numbers = {
        name.removeprefix(_NUMBER): int(value)
        for name, value in fields.items()
        if name.startswith(_NUMBER)
    }
    seen = (name.removeprefix(_ACKNOWLEDGED) for name in fields if name.startswith(_ACKNOWLEDGED))
    human = fields.get(_HUMAN)
    return Raised(numbers, frozenset(seen)), Waiting(**orjson.loads(human)) if human else None


def _waits(metadata: Json, waiting: Waiting | None) -> bool:
    """Say whether a task still waits for a person, with the ticket that it is known to wait with."""
    match metadata.get(HANDOVER):
        case {"ticket": str(ticket), "state": "waiting"}:
            return waiting is not None and ticket == waiting.ticket
        case _:
            return False


def _stands(facts: Facts) -> tuple[State | None, int | None]:
    return facts.state, facts.since
