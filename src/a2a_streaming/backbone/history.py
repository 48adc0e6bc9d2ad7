"""Replayable history: the task's log, read in pages."""

from __future__ import annotations

from typing import Any

from a2a_streaming.backbone.connection import CommandFailed, Store
from a2a_streaming.backbone.keys import Keys
from a2a_streaming.errors import HistoryLost
from a2a_streaming.event import Event
from a2a_streaming.position import Position


class History:
    """Reads tasks' logs.

    Args:
        store: Redis.
        keys: Names of keys.
    """

    def __init__(self, store: Store, keys: Keys) -> None:
        self._store = store
        self._keys = keys

    async def page(self, task_id: str, after: Position | None, *, count: int = 500) -> list[Event]:
        """Read the events that follow on a position.

        Args:
            task_id: The task.
            after: The position; None for the log's start.
            count: The most events to return.

        Returns:
            Events in order, contiguous from `after` on; none if it is the log's end.

        Raises:
            HistoryLost: The log doesn't hold the position (any more), so what follows can't be told.
            Unavailable: Redis is away.
        """
        stream = self._keys.stream(task_id)
        # Read from the position itself: only a log that still contains it can tell what follows.
        start, limit = (str(after), count + 1) if after else ("-", count)
        entries = await self._store.call("XRANGE", stream, start, "+", "COUNT", limit)
        if after is not None:
            if not entries or Position.of_entry(entries[0][0]) != after:
                raise HistoryLost(task_id, await self._reason(task_id, after))
            entries = entries[1:]
        events = _events(after, entries)
        if after is None and (not events or events[0].position.offset != 1):
            raise HistoryLost(task_id, "trimmed" if events else "gone")
        return events

    async def newest(self, task_id: str, *, count: int = 64) -> tuple[Position | None, list[Event]]:
        """Read the log's end.

        Args:
            task_id: The task.
            count: The most events to return.

        Returns:
            The position before them (None for the log's start), and the events, oldest first.

        Raises:
            HistoryLost: The task has no history.
            Unavailable: Redis is away.
        """
        stream = self._keys.stream(task_id)
        entries = await self._store.call("XREVRANGE", stream, "+", "-", "COUNT", count + 1)
        if not entries:
            raise HistoryLost(task_id, "gone")
        entries.reverse()
        before = None
        if Position.of_entry(entries[0][0]).offset != 1:
            before, entries = Position.of_entry(entries[0][0]), entries[1:]
        return before, _events(before, entries)

    async def lasts(self, task_ids: list[str]) -> list[Position | None]:
        """Return where the logs of many tasks end, in one round trip; None for one that is gone.

        Raises:
            Unavailable: Redis is away.
        """
        replies = await self._store.pipeline(
            [["HGET", self._keys.meta(task_id), "last"] for task_id in task_ids]
        )
        return [Position.of_entry(r) if isinstance(r, bytes) else None for r in replies]

    async def _reason(self, task_id: str, after: Position) -> str:
        """Say why a position can't be continued."""
        stream = self._keys.stream(task_id)
        first, last = await self._store.pipeline(
            [
                ["XRANGE", stream, "-", "+", "COUNT", 1],
                ["XREVRANGE", stream, "+", "-", "COUNT", 1],
            ]
        )
        if isinstance(first, CommandFailed) or not first:
            return "gone"
        if after.offset < Position.of_entry(first[0][0]).offset:
            return "trimmed"
        if after.offset > Position.of_entry(last[0][0]).offset:
            return "future"
        return "forked"


def _events(previous: Position | None, entries: list[Any]) -> list[Event]:
    events: list[Event] = []
    for entry_id, fields in entries:
        position = Position.of_entry(entry_id)
        events.append(Event(position, previous, fields[1]))
        previous = position
    return events
