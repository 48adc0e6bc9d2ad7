"""Lists of tasks by owner, by context, by agent, by agent and state, and of those with something to do.

They stand in other slots than the tasks, so they are written beside them: idempotently, before the
answer leaves; what a crash left out is put right by the sweep.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from a2a_streaming.backbone.connection import Command, Store
from a2a_streaming.backbone.keys import Keys
from a2a_streaming.settings import Settings
from a2a_streaming.task import State


class Index:
    """Keeps the lists.

    Args:
        store: Redis.
        keys: Names of keys.
        settings: Lifetimes.
    """

    def __init__(self, store: Store, keys: Keys, settings: Settings) -> None:
        self._store = store
        self._keys = keys
        self._ttl = settings.open_ttl * 1000
        self._kept = settings.listed_ttl * 1000
        self._keeps = settings.keeps

    async def record(
        self,
        task_id: str,
        *,
        owner: str,
        context: str,
        agent: str,
        state: State,
        was: State | None,
        then: Sequence[Command] = (),
    ) -> None:
        """Note that a task has changed.

        Args:
            task_id: The task.
            owner: Its owner.
            context: Its context.
            agent: Its agent.
            state: The state that it is in.
            was: The state that it was in; None if it is new.
            then: Commands to be carried out behind, in the same round trip.

        Raises:
            Unavailable: Redis is away.
        """
        now = time.time_ns() // 1_000_000
        commands: list[Command] = []
        for kind, value in _lists(owner, context, agent, state):
            key = self._keys.index(kind, value)
            commands.append(["ZADD", key, now, task_id])
            commands.append(["ZREMRANGEBYSCORE", key, "-inf", now - self._kept])
            commands.append(["PEXPIRE", key, self._kept])
        if was is not None and was is not state:
            commands.append(["ZREM", self._keys.index(*in_state(agent, was)), task_id])
        if state.terminal and self._keeps:
            commands += ended(self._keys, task_id, now, lifetime=self._kept)
        commands += self.having(task_id, owner=owner, state=state)
        await self._store.pipeline([*commands, *then])

    def having(self, task_id: str, *, owner: str, state: State) -> list[Command]:
        """Return the commands that note whether a task is one of its owner's open ones; none for who has no name.

        Args:
            task_id: The task.
            owner: Its owner.
            state: The state that it is in.
        """
        if not owner:
            return []
        key = self._keys.index("active", owner)
        if state.terminal:
            return [["ZREM", key, task_id]]
        now = time.time_ns() // 1_000_000
        return [["ZADD", key, now, task_id], ["PEXPIRE", key, self._kept]]

    async def active(self, owner: str) -> int:
        """Return how many tasks an owner has open, as the lists tell it.

        Raises:
            Unavailable: Redis is away.
        """
        return int(await self._store.call("ZCARD", self._keys.index("active", owner)))

    def moving(
        self, task_id: str, *, owner: str, context: str, agent: str, state: State
    ) -> list[Command]:
        """Return the commands that note that a task moves on in its state; arguments as for `record`.

        They add it to no list: it may have left its state meanwhile.
        """
        now = time.time_ns() // 1_000_000
        lists = _lists(owner, context, agent, state)
        return [["ZADD", self._keys.index(*one), "XX", now, task_id] for one in lists]

    async def forget(self, task_id: str, *, owner: str, context: str, agent: str) -> None:
        """Take a task out of all lists.

        Args:
            task_id: The task.
            owner: Its owner.
            context: Its context.
            agent: Its agent.

        Raises:
            Unavailable: Redis is away.
        """
        await self._store.pipeline(
            forgetting(self._keys, task_id, owner=owner, context=context, agent=agent)
        )

    async def tasks(
        self, lists: Sequence[tuple[str, str]], *, changed_after: int | None = None
    ) -> list[tuple[int, str]]:
        """Return the tasks that are in all of some lists, the latest change first.

        The cost is that of the shortest of them.

        Args:
            lists: Kind and value of each: `("owner", …)`, `("context", …)`, `("agent", …)`, `in_state(…)`.
            changed_after: Leave out what hasn't changed since, ms; None for all.

        Returns:
            When each changed last, ms, and its id.

        Raises:
            Unavailable: Redis is away.
        """
        keys = [self._keys.index(kind, value) for kind, value in lists]
        sizes = await self._store.pipeline([["ZCARD", key] for key in keys])
        shortest, *others = [key for _, key in sorted(zip(sizes, keys, strict=True))]
        since = f"({changed_after}" if changed_after is not None else "-inf"
        reply = await self._store.call("ZRANGEBYSCORE", shortest, since, "+inf", "WITHSCORES")
        found = dict(zip(reply[::2], map(int, reply[1::2]), strict=True))
        for key in others:
            ids = list(found)
            if not ids:
                return []
            scores = await self._store.call("ZMSCORE", key, *ids)
            found = {i: found[i] for i, score in zip(ids, scores, strict=True) if score is not None}
        return sorted(((at, task_id.decode()) for task_id, at in found.items()), reverse=True)

    async def open(self, agent: str, *task_ids: str, then: Sequence[Command] = ()) -> None:
        """Note that tasks have something to do, and were looked at now.

        Args:
            agent: Their agent.
            task_ids: The tasks.
            then: Commands to be carried out behind, in the same round trip.

        Raises:
            Unavailable: Redis is away.
        """
        await self._store.pipeline([*self.opening(agent, *task_ids), *then])

    def opening(self, agent: str, *task_ids: str) -> list[Command]:
        """Return the commands that note that tasks have something to do."""
        key = self._keys.index("open", agent)
        now = time.time_ns() // 1_000_000
        added: list[Command] = [["ZADD", key, now, task_id] for task_id in task_ids]
        return [*added, ["PEXPIRE", key, self._ttl]]

    async def settle(self, agent: str, task_id: str) -> None:
        """Note that a task has nothing to do.

        Raises:
            Unavailable: Redis is away.
        """
        await self._store.call("ZREM", self._keys.index("open", agent), task_id)

    async def latest(self, kind: str, value: str) -> tuple[int, str] | None:
        """Return the task of a list that changed last; None if the list is empty.

        Args:
            kind: What the list is of, as in `tasks`.
            value: Which one.

        Returns:
            When it changed, ms, and its id.

        Raises:
            Unavailable: Redis is away.
        """
        key = self._keys.index(kind, value)
        found = await self._store.call("ZRANGE", key, 0, 0, "REV", "WITHSCORES")
        return (int(found[1]), found[0].decode()) if found else None

    async def unlisted(self, agent: str, task_ids: Sequence[str]) -> list[str]:
        """Return those tasks that aren't on the list of what has something to do.

        Raises:
            Unavailable: Redis is away.
        """
        if not task_ids:
            return []
        scores = await self._store.call("ZMSCORE", self._keys.index("open", agent), *task_ids)
        found = zip(task_ids, scores, strict=True)
        return list(dict.fromkeys(task_id for task_id, score in found if score is None))

    async def neglected(self, agent: str, *, seconds: float, count: int = 100) -> list[str]:
        """Return tasks with something to do at which nobody has looked for a while, oldest first.

        Raises:
            Unavailable: Redis is away.
        """
        before = time.time_ns() // 1_000_000 - int(seconds * 1000)
        key = self._keys.index("open", agent)
        found: list[bytes] = await self._store.call(
            "ZRANGEBYSCORE", key, "-inf", before, "LIMIT", 0, count
        )
        return [task_id.decode() for task_id in found]


def forgetting(keys: Keys, task_id: str, *, owner: str, context: str, agent: str) -> list[Command]:
    """Return what takes a task out of all lists; arguments as for `Index.forget`."""
    about = [("owner", owner), ("active", owner), ("context", context), ("agent", agent)]
    lists = [*about, *(in_state(agent, state) for state in State)]
    return [["ZREM", keys.index(kind, value), task_id] for kind, value in lists]


def ended(keys: Keys, task_id: str, now: int, *, lifetime: int) -> list[Command]:
    """Return what puts a task on the list of those that have ended: see `ended.py`.

    Args:
        keys: Names of keys.
        task_id: The task.
        now: The time, ms since 1970.
        lifetime: The list's, ms.
    """
    return [["ZADD", keys.ended, "NX", now, task_id], ["PEXPIRE", keys.ended, lifetime]]


def in_state(agent: str, state: State) -> tuple[str, str]:
    """Return kind and value of the list of an agent's tasks in one state."""
    return "state", f"{agent}:{state.label}"


def _lists(owner: str, context: str, agent: str, state: State) -> list[tuple[str, str]]:
    """Return kind and value of each list that a task is in."""
    return [("owner", owner), ("context", context), ("agent", agent), in_state(agent, state)]
