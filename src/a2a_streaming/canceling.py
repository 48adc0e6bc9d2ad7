"""Ending a task because somebody wants it ended: at once where nobody works on it, by its run where somebody does."""

from __future__ import annotations

import asyncio
import contextlib
import uuid

from a2a_streaming.backbone.log import Grant
from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.backbone.writer import LogWriter
from a2a_streaming.errors import Fenced, TaskNotCancelable, TaskNotFound
from a2a_streaming.event import message, status_event, text_part
from a2a_streaming.feeds import Feeds
from a2a_streaming.position import Position
from a2a_streaming.session import Reset, StreamSession
from a2a_streaming.task import State


class Canceling:
    """Cancels one agent's tasks.

    Args:
        manager: Redis.
        feeds: The process's feeds.
        agent: The agent's name.
    """

    def __init__(self, manager: RedisManager, feeds: Feeds, agent: str) -> None:
        self._manager = manager
        self._feeds = feeds
        self._agent = agent
        self._work = manager.work(agent)

    async def cancel(self, task_id: str, told_id: str) -> None:
        """Cancel a task; returns when it has ended, or when its run had all the time that it may take.

        Args:
            task_id: The task, by its stored id.
            told_id: The id by which the caller knows it.

        Raises:
            TaskNotFound: It is gone.
            TaskNotCancelable: It has ended.
            Unavailable: Redis is away, or too few of its replicas know of it.
        """
        await self._cancel(task_id, told_id)
        await self._manager.durability.confirm(self._manager.log.canceled(task_id))

    async def _cancel(self, task_id: str, told_id: str) -> None:
        meta = await self._manager.snapshots.meta(task_id)
        if meta is None:
            raise TaskNotFound(told_id)
        # Noted first: should this process die with the lease in its hands, the sweep finds the task.
        await self._manager.index.open(self._agent, task_id)
        lease = await self._manager.log.lease(
            task_id, f"cancel-{uuid.uuid4().hex}", purpose="cancel"
        )
        if isinstance(lease, Grant):
            try:
                await self._end(lease)
            except Fenced:  # somebody else has taken the task; the flag tells them to end it
                await self._wait_for_end(task_id, meta.last)
        elif lease.state is not None:
            raise TaskNotCancelable(told_id, lease.state.label)
        elif lease.reason == "GONE":
            raise TaskNotFound(told_id)
        else:
            await self._wait_for_end(task_id, meta.last)
            # Its process is dead, and no other took it over: its lease has ended by now.
            again = await self._manager.log.lease(
                task_id, f"cancel-{uuid.uuid4().hex}", purpose="cancel"
            )
            if isinstance(again, Grant):
                with contextlib.suppress(Fenced):
                    await self._end(again)

    async def _end(self, grant: Grant) -> None:
        """End a task on which nobody works."""
        writer = LogWriter(self._manager.log, grant)
        was = writer.state
        told = grant.told_id
        said = message(
            "agent",
            [text_part("This request was canceled.")],
            task_id=told,
            context_id=grant.context,
        )
        # The agent hears of it if it has begun anything: by a worker, as this process may have none.
        begun = grant.begun or grant.base.offset > 1
        await writer.append(status_event(told, grant.context, State.CANCELED, said), cleanup=begun)
        await self._manager.index.record(
            grant.task_id,
            owner=grant.owner,
            context=grant.context,
            agent=self._agent,
            state=State.CANCELED,
            was=was,
            then=self._manager.deadlines.disarming(grant.task_id, agent=self._agent),
        )
        if begun:
            await self._work.hint(grant.task_id)
        else:
            await self._manager.index.settle(self._agent, grant.task_id)

    async def _wait_for_end(self, task_id: str, after: Position) -> None:
        """Wait for a run to stop: it has `cancel_seconds`, and its lease if its process is dead."""
        settings = self._manager.settings
        loop = asyncio.get_running_loop()
        deadline = loop.time() + settings.cancel_seconds + 2 * settings.lease_seconds
        session = StreamSession(self._manager, self._feeds, task_id, after=after)
        async with session:
            while (left := deadline - loop.time()) > 0:
                got = await session.next(left)
                if isinstance(got, Reset):
                    return
                if any(event.state is not None and event.state.terminal for event in got):
                    return
