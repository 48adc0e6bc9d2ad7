"""What those who oversee tasks ask of all of them: counts and pages of lists, work queues, all that is known of one.

No cost here grows with the number of tasks: counts are lists' sizes, pages begin where the one before ended.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, NamedTuple

import orjson

from a2a_streaming.backbone.connection import CommandFailed, Store
from a2a_streaming.backbone.index import in_state
from a2a_streaming.backbone.keys import WORKERS, Keys
from a2a_streaming.position import Position
from a2a_streaming.task import Json, State

BUSY = (State.SUBMITTED, State.WORKING)
"""The states in which a task is to move on by itself: in others it waits for its customer, or has ended."""
_FIELDS = ("owner", "agent", "context", "state", "last", "attempts", "created", "answer")


class Queue(NamedTuple):
    """An agent's work queue.

    Args:
        agent: The agent.
        waiting: Hints that no worker has taken.
        pending: Hints of tasks that workers have taken, and not settled.
        oldest_ms: For how long the oldest that waits does so; None if none waits.
    """

    agent: str
    waiting: int
    pending: int
    oldest_ms: int | None


class Row(NamedTuple):
    """A task in a table.

    Args:
        id: Its stored id.
        changed: When it changed last, ms since 1970.
        owner: Whose it is.
        agent: Whose it is to do.
        context: Its context.
        state: Its state.
        events: How many events its log has had.
        attempts: How often its waiting message has been begun.
        created: When it was accepted, ms since 1970; None if that isn't known.
        text: The words that began it; empty if they aren't kept any more.
    """

    id: str
    changed: int
    owner: str
    agent: str
    context: str
    state: State
    events: int
    attempts: int
    created: int | None
    text: str


class Census:
    """Reads across tasks.

    Args:
        store: Redis.
        keys: Names of keys.
    """

    def __init__(self, store: Store, keys: Keys) -> None:
        self._store = store
        self._keys = keys

    async def states(self, agents: Sequence[str]) -> dict[str, dict[str, int]]:
        """Return how many tasks of each agent are in each state, by the lists; what is none is left out.

        Raises:
            Unavailable: Redis is away.
        """
        pairs = [(agent, state) for agent in agents for state in State]
        sizes = await self._store.pipeline(
            [["ZCARD", self._keys.index(*in_state(*pair))] for pair in pairs]
        )
        found: dict[str, dict[str, int]] = {agent: {} for agent in agents}
        for (agent, state), size in zip(pairs, sizes, strict=True):
            if size:
                found[agent][state.label] = size
        return found

    async def silent(self, agents: Sequence[str], *, seconds: float) -> int:
        """Return how many tasks that are to move on by themselves haven't for a while.

        Raises:
            Unavailable: Redis is away.
        """
        before = time.time_ns() // 1_000_000 - int(seconds * 1000)
        lists = [self._keys.index(*in_state(agent, state)) for agent in agents for state in BUSY]
        return sum(
            await self._store.pipeline([["ZCOUNT", one, "-inf", f"({before}"] for one in lists])
        )

    async def queues(self, agents: Sequence[str]) -> list[Queue]:
        """Return how the agents' work queues stand.

        Raises:
            Unavailable: Redis is away.
        """
        works = [self._keys.work(agent) for agent in agents]
        replies = await self._store.pipeline(
            [
                ["TIME"],
                *(["XLEN", work] for work in works),
                *(["XINFO", "GROUPS", work] for work in works),
            ]
        )
        now = int(replies[0][0]) * 1000 + int(replies[0][1]) // 1000
        lengths, groups = replies[1 : 1 + len(works)], replies[1 + len(works) :]
        taken = [_group(one) for one in groups]
        nexts = await self._store.pipeline(
            [
                ["XRANGE", work, f"({last}", "+", "COUNT", 1]
                for work, (_, last) in zip(works, taken, strict=True)
            ]
        )
        found: list[Queue] = []
        for agent, length, (pending, _), following in zip(
            agents, lengths, taken, nexts, strict=True
        ):
            if not following or isinstance(following, CommandFailed):
                found.append(Queue(agent, 0, pending, None))
                continue
            oldest = now - int(following[0][0].partition(b"-")[0])
            found.append(Queue(agent, max(1, length - pending), pending, max(0, oldest)))
        return found

    async def page(
        self,
        lists: Sequence[tuple[str, str]],
        *,
        count: int,
        before: tuple[int, str] | None = None,
        until: int | None = None,
        since: int | None = None,
    ) -> list[tuple[int, str]]:
        """Return tasks that are in any of some lists, the latest change first.

        Args:
            lists: Kind and value of each, as `Index` names them; a task is in one of them.
            count: The most tasks.
            before: Where the page before ended: a change, and the task's id.
            until: Leave out what has changed since then, ms; None for nothing.
            since: Leave out what hasn't changed since then, ms; None for nothing.

        Returns:
            When each changed last, ms, and its stored id.

        Raises:
            Unavailable: Redis is away.
        """
        found = [await self._of_one(one, count, before, (since, until)) for one in lists]
        return list(islice(heapq.merge(*found, reverse=True), count))

    async def size(self, one: tuple[str, str], *, since: int | None) -> int:
        """Return how many tasks are on a list.

        Args:
            one: Its kind and value, as `Index` names them.
            since: Leave out what hasn't changed since then, ms; None for nothing.

        Raises:
            Unavailable: Redis is away.
        """
        least = "-inf" if since is None else since
        return int(await self._store.call("ZCOUNT", self._keys.index(*one), least, "+inf"))

    async def _of_one(
        self,
        one: tuple[str, str],
        count: int,
        before: tuple[int, str] | None,
        between: tuple[int | None, int | None],
    ) -> list[tuple[int, str]]:
        key = self._keys.index(*one)
        since, until = between
        least = "-inf" if since is None else str(since)
        most = "+inf" if until is None else f"({until}"
        if before is not None and (until is None or before[0] < until):
            most = str(before[0])
        found: list[tuple[int, str]] = []
        skip = 0
        while len(found) < count:  # many may have changed in the same moment
            reply = await self._store.call(
                *("ZREVRANGEBYSCORE", key, most, least, "WITHSCORES", "LIMIT", skip, count)
            )
            pairs = [
                (int(at), task.decode()) for task, at in zip(reply[::2], reply[1::2], strict=True)
            ]
            found += [pair for pair in pairs if before is None or pair < before]
            if len(pairs) < count:
                break
            skip += count
        return found[:count]

    async def rows(self, tasks: Iterable[tuple[int, str]]) -> list[Row]:
        """Return what a table says of tasks; those that are gone, or are none but a message, are left out.

        Args:
            tasks: When each changed last, ms, and its stored id.

        Raises:
            Unavailable: Redis is away.
        """
        tasks = list(tasks)
        replies = await self._store.pipeline(
            [
                *(["HMGET", self._keys.meta(task), *_FIELDS] for _, task in tasks),
                *(["XRANGE", self._keys.stream(task), "-", "+", "COUNT", 1] for _, task in tasks),
            ]
        )
        metas, firsts = replies[: len(tasks)], replies[len(tasks) :]
        rows: list[Row] = []
        for (changed, task), values, first in zip(tasks, metas, firsts, strict=True):
            owner, agent, context, state, last, attempts, created, answer = (
                None if value is None else value.decode() for value in values
            )
            if state is None or answer is not None:
                continue
            rows.append(
                Row(
                    task,
                    changed,
                    owner or "",
                    agent or "",
                    context or "",
                    State(state),
                    Position.parse(last or "0-0").offset,
                    int(attempts or 0),
                    int(created) if created else None,
                    _words(first),
                )
            )
        return rows

    async def about(self, task_id: str) -> tuple[dict[str, str], int] | None:
        """Return all of a task's meta, and how many messages wait in its inbox; None if there is no such task.

        Raises:
            Unavailable: Redis is away.
        """
        meta, waiting = await self._store.pipeline(
            [["HGETALL", self._keys.meta(task_id)], ["LLEN", self._keys.inbox(task_id)]]
        )
        if not meta:
            return None
        pairs = zip(meta[::2], meta[1::2], strict=True)
        return {field.decode(): value.decode() for field, value in pairs}, int(waiting)

    async def stored(self, task_id: str) -> dict[str, bytes]:
        """Return what a task's turns have stored, by field: `<message id> <kind> <name>`.

        Raises:
            Unavailable: Redis is away.
        """
        kept = await self._store.call("HGETALL", self._keys.steps(task_id))
        return {field.decode(): value for field, value in zip(kept[::2], kept[1::2], strict=True)}

    async def events(
        self, task_id: str, after: Position | None, *, count: int
    ) -> list[tuple[Position, bytes]]:
        """Return what a task's log still has behind a position, also where its beginning is trimmed.

        Args:
            task_id: The task.
            after: The position; None for what there is first.
            count: The most events.

        Raises:
            Unavailable: Redis is away.
        """
        start = "-" if after is None else f"({after}"
        entries = await self._store.call(
            "XRANGE", self._keys.stream(task_id), start, "+", "COUNT", count
        )
        return [(Position.of_entry(entry), fields[1]) for entry, fields in entries]


def _group(reply: Any) -> tuple[int, str]:
    """Return how many hints a queue's workers have taken, and the last one; of none if there is no group."""
    if isinstance(reply, CommandFailed):
        return 0, "0-0"
    for group in reply:
        told = dict(zip(group[::2], group[1::2], strict=True))
        if told[b"name"] == WORKERS.encode():
            return int(told[b"pending"]), told[b"last-delivered-id"].decode()
    return 0, "0-0"


def _words(entries: Any) -> str:
    """Return the words that began a task, of its log's first entry."""
    if not entries or isinstance(entries, CommandFailed):
        return ""
    task: Json = orjson.loads(entries[0][1][1]).get("task") or {}
    said: list[Json] = task.get("history") or []
    return " ".join(part["text"] for one in said[:1] for part in one["parts"] if "text" in part)
