"""Exports: a task's story, or the whole trail, as lines that form a chain; and what is told of each access.

    {"kind": "task", …}       whose task it is
    {"kind": "snapshot", …}   the task as it is now
    {"kind": "event", …}      each event of its log that is still there, with its position
    {"kind": "access", …}     who did what with it, of those whose it isn't
    {"kind": "end", …}        how many lines stand before

Read by `a2a-streaming audit --verify`; `a2a_streaming.chain` says what is chained how.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

import orjson

from a2a_streaming.archive import Story
from a2a_streaming.archive.story import FORMAT, event_entry, lines_of
from a2a_streaming.backbone.audit import Entry
from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.chain import Chain
from a2a_streaming.errors import TaskNotFound
from a2a_streaming.event import timestamp
from a2a_streaming.position import Position
from a2a_streaming.redaction import Redactor
from a2a_streaming.task import Json

_PAGE = 500


class Exports:
    """Writes them.

    Args:
        manager: Redis.
        redactor: Takes out of what was said what nobody needs to read; None to leave it.
    """

    def __init__(self, manager: RedisManager, redactor: Redactor | None) -> None:
        self._manager = manager
        self._redactor = redactor

    async def of_task(
        self, task_id: str, chain: Chain, accesses: Iterable[Entry] = ()
    ) -> AsyncIterator[bytes]:
        """Return the lines of a task that Redis has, without the end.

        Args:
            task_id: The task, by its stored id.
            chain: The chain that they are part of.
            accesses: What was noted of it.

        Raises:
            TaskNotFound: There is nothing left of it.
            Unavailable: Redis is away.
        """
        manager = self._manager
        about = await manager.census.about(task_id)
        snapshot = await manager.snapshots.get(task_id)
        if about is None or snapshot is None:
            raise TaskNotFound(task_id)
        meta, _ = about
        header: Json = {
            "kind": "task",
            "format": FORMAT,
            "id": task_id,
            **{
                name: meta.get(name, "")
                for name in ("owner", "agent", "context", "dialect", "state")
            },
            "created": int(meta["created"]) if "created" in meta else None,
            "exported": timestamp(),
        }
        yield chain.line(orjson.dumps(header))
        task = self._without(snapshot.task)
        told = {"kind": "snapshot", "position": str(snapshot.position), "task": task}
        yield chain.line(orjson.dumps(told))
        after: Position | None = None
        while page := await manager.census.events(task_id, after, count=_PAGE):
            for position, data in page:
                yield chain.line(event_entry(position, self._event(data)))
            after = page[-1][0]
        for entry in accesses:
            yield chain.line(access_entry(entry))

    def of_story(
        self, story: Story, chain: Chain, accesses: Iterable[Entry] = ()
    ) -> Iterable[bytes]:
        """Return the lines of an archived task, without the end; arguments as for `of_task`."""
        told = Story(
            id=story.id,
            owner=story.owner,
            agent=story.agent,
            context=story.context,
            dialect=story.dialect,
            state=story.state,
            created=story.created,
            task=self._without(story.task),
            position=story.position,
            events=[(position, self._event(data)) for position, data in story.events],
        )
        yield from lines_of(told, chain, exported=timestamp())
        for entry in accesses:
            yield chain.line(access_entry(entry))

    async def of_trail(self, chain: Chain, *, after: str = "") -> AsyncIterator[bytes]:
        """Return the lines of all that was noted, without the end.

        Args:
            chain: The chain that they are part of.
            after: The id of the last entry that is known; empty for the beginning.

        Raises:
            Unavailable: Redis is away.
        """
        async for entry in self._manager.audit.trail(after=after):
            yield chain.line(access_entry(entry))

    def _event(self, data: bytes) -> bytes:
        return data if not self._redactor else orjson.dumps(self._without(orjson.loads(data)))

    def _without(self, told: Json) -> Json:
        return self._redactor.value(told) if self._redactor else told


def access_entry(entry: Entry) -> bytes:
    """Return what a line says of an access."""
    return orjson.dumps({"kind": "access", "id": entry.id, **entry.fields, "at": entry.at})
