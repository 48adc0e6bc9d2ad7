"""What clients ask of an agent's tasks, whatever dialect they ask it in."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from a2a_streaming.accepting import read_token
from a2a_streaming.archive import Archive
from a2a_streaming.archived import ArchivedTasks
from a2a_streaming.backbone.index import in_state
from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.backbone.snapshots import Snapshot
from a2a_streaming.caller import Caller
from a2a_streaming.canceling import Canceling
from a2a_streaming.errors import TaskNotCancelable, TaskNotFound
from a2a_streaming.feeds import Feeds
from a2a_streaming.ownership import authorize, may_see
from a2a_streaming.position import Position
from a2a_streaming.retelling import ArchivedSession
from a2a_streaming.sending import Sender, Sent
from a2a_streaming.session import Reset, StreamSession
from a2a_streaming.task import Json, State, answered_by_message, state_of
from a2a_streaming.telemetry import bind, get_logger
from a2a_streaming.webhooks import TaskWebhooks

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list of tasks.

    Args:
        tasks: The tasks as they are now (A2A 1.0 JSON), the latest change first.
        total: How many there are on all pages.
        next_token: Where the next page begins; empty on the last.
    """

    tasks: list[Json]
    total: int
    next_token: str


class TaskService:
    """One agent's tasks.

    Args:
        manager: Redis.
        feeds: The process's feeds.
        agent: The agent's name.
        may_answer_with_message: Whether a task may turn out to be none, but a message alone.
        archive: Where tasks are that Redis has forgotten; None for nowhere.
    """

    def __init__(
        self,
        manager: RedisManager,
        feeds: Feeds,
        agent: str,
        *,
        may_answer_with_message: bool = False,
        archive: Archive | None = None,
    ) -> None:
        self.may_answer_with_message = may_answer_with_message
        self._manager = manager
        self._feeds = feeds
        self._agent = agent
        self._archived = ArchivedTasks(archive, manager.audit, agent=agent)
        self._canceling = Canceling(manager, feeds, agent)
        sender = Sender(manager, feeds, agent)
        self.send = sender.send
        """Accepts a customer's message; see `Sender.send`."""
        self.aclose = sender.aclose
        """Waits until workers are woken for all that was accepted."""
        self.webhooks = TaskWebhooks(manager, self.authorize)
        """Where tasks' events are pushed to."""

    async def get(self, task_id: str, *, caller: Caller) -> Json:
        """Return a task as it is now (A2A 1.0 JSON), or as it was archived.

        Raises:
            TaskNotFound: There is no such task of this caller and agent.
            Unavailable: Redis is away, or the archive.
        """
        try:
            return await self.read(await self.authorize(task_id, caller, "get"), task_id)
        except TaskNotFound:
            story = await self._archived.find(task_id, caller, "get")
            if story is None:
                raise
            return {**story.task, "id": task_id}

    async def read(self, stored: str, task_id: str) -> Json:
        """Return a task that its caller was found to see; see `authorize` and `watch`.

        Args:
            stored: The task, by its stored id.
            task_id: The id by which the caller knows it, and is told it.

        Raises:
            TaskNotFound: There is nothing left of it.
            Unavailable: Redis is away.
        """
        task = (await self.snapshot(stored, task_id)).task
        return task if task["id"] == task_id else {**task, "id": task_id}

    async def snapshot(self, stored: str, task_id: str) -> Snapshot:
        """Return a task that its caller was found to see, and where its log ends; arguments as for `read`.

        Raises:
            TaskNotFound: There is nothing left of it.
            Unavailable: Redis is away.
        """
        snapshot = await self._manager.snapshots.get(stored)
        if snapshot is None:
            raise TaskNotFound(task_id)
        return snapshot

    async def list(
        self,
        *,
        caller: Caller,
        context: str | None = None,
        state: State | None = None,
        changed_after: int | None = None,
        token: str | None = None,
        size: int,
    ) -> Page:
        """List tasks, the latest change first.

        Args:
            caller: Who asks; an operator sees everybody's.
            context: Those of one context alone.
            state: Those in one state alone.
            changed_after: Those alone that have changed since, ms since 1970.
            token: Where the page begins, by the page before it; None for the first.
            size: The most tasks of the page.

        Raises:
            InvalidParams: The token is none.
            Unavailable: Redis is away.
        """
        # The list of a state is of one agent already.
        wanted = [("agent", self._agent) if state is None else in_state(self._agent, state)]
        if caller.sees_all:
            await self._manager.audit.note(caller, "list", "*", "*")
        else:
            wanted.append(("owner", caller.owner))
        if context is not None:
            wanted.append(("context", context))
        before = None if token is None else read_token(token)
        if len(wanted) == 1:
            rest, total = await self._of_all(wanted[0], changed_after, before, size + 1)
        else:
            found = await self._manager.index.tasks(wanted, changed_after=changed_after)
            if caller.task:
                found = [one for one in found if one[1] == caller.stored_id(caller.task)]
            rest = [one for one in found if before is None or one < before]
            total = len(found)
        page, more = rest[:size], len(rest) > size
        snapshots = [await self._manager.snapshots.get(task_id) for _, task_id in page]
        return Page(
            [
                # An operator uses stored ids: two owners may have chosen the same one.
                {**one.task, "id": task_id} if caller.sees_all else one.task
                for (_, task_id), one in zip(page, snapshots, strict=True)
                if one and not answered_by_message(one.task)
            ],
            total,
            "{}.{}".format(*page[-1]) if more else "",
        )

    async def _of_all(
        self,
        one: tuple[str, str],
        changed_after: int | None,
        before: tuple[int, str] | None,
        count: int,
    ) -> tuple[list[tuple[int, str]], int]:
        """Return a page of one whole list, and how many are on it: at a cost that doesn't grow with them."""
        since = None if changed_after is None else changed_after + 1
        census = self._manager.census
        page = await census.page([one], count=count, before=before, since=since)
        return page, await census.size(one, since=since)

    async def born(self, task_id: str, *, caller: Caller) -> str | None:
        """Return the dialect in which a task was born; None if there is no such task of this caller and agent.

        Raises:
            Unavailable: Redis is away.
        """
        stored = caller.stored_id(task_id)
        meta = await self._feeds.meta(stored)
        if meta is None:
            story = await self._archived.find(task_id, caller, "")
            return story.dialect if story is not None else None
        if meta.agent != self._agent:
            return None
        return meta.dialect if await may_see(self._manager, stored, meta, caller) else None

    async def watch(
        self,
        task_id: str,
        *,
        caller: Caller,
        after: Position | None = None,
        malformed: bool = False,
        from_snapshot: bool = False,
    ) -> StreamSession:
        """Return a session that reads a task from a position on, or an archived one; the caller enters it.

        Args:
            task_id: The task.
            caller: Who asks.
            after: The last position that they have seen; None to begin at the task's beginning.
            malformed: Whether they sent a position that can't be read.
            from_snapshot: Whether to begin with the task as it is now.

        Raises:
            TaskNotFound: There is no such task of this owner and agent.
            Unavailable: Redis is away.
        """
        try:
            stored = await self.authorize(task_id, caller, "watch")
        except TaskNotFound:
            story = await self._archived.find(task_id, caller, "watch")
            if story is None:
                raise
            bind(task=story.id)
            return ArchivedSession(
                *(self._manager, self._feeds, story),
                after=after,
                malformed=malformed,
                from_snapshot=from_snapshot,
            )
        return self.watch_stored(
            stored, after=after, malformed=malformed, from_snapshot=from_snapshot
        )

    async def standing(self, session: StreamSession, task_id: str) -> Snapshot:
        """Return the task of a session as it is now, or as it was archived.

        Args:
            session: The session, as `watch` returned it.
            task_id: The id by which the caller knows the task.

        Raises:
            TaskNotFound: There is nothing left of it.
            Unavailable: Redis is away.
        """
        if isinstance(session, ArchivedSession):
            return session.standing
        return await self.snapshot(session.task_id, task_id)

    def watch_stored(
        self,
        stored: str,
        *,
        after: Position | None,
        malformed: bool = False,
        from_snapshot: bool = False,
    ) -> StreamSession:
        """Return a session that reads a task that its caller was found to see, as by `send`; the caller enters it.

        Args:
            stored: The task, by its stored id.
            after: The last position that they have seen; None to begin at the task's beginning.
            malformed: Whether they sent a position that can't be read.
            from_snapshot: Whether to begin with the task as it is now.
        """
        return StreamSession(
            self._manager,
            self._feeds,
            stored,
            after=after,
            malformed=malformed,
            from_snapshot=from_snapshot,
        )

    async def wait_for_turn(self, sent: Sent, *, seconds: float, first: bool = False) -> Json:
        """Wait until the turn of a message has ended, and return the task.

        Args:
            sent: What `send` returned.
            seconds: How long to wait; the task is returned as it is then.
            first: Whether to wait only for the task's second event, which shows whether it is one.

        Raises:
            TaskNotFound: The task was forgotten in the meantime.
            Unavailable: Redis is away.
        """
        if seconds > 0:
            await self._wait(sent, seconds, first=first)
        return (await self.snapshot(sent.task_id, sent.task_id)).task

    async def _wait(self, sent: Sent, seconds: float, *, first: bool) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        turn = sent.turn
        session = self.watch_stored(sent.task_id, after=sent.after)
        async with session:
            while (left := deadline - loop.time()) > 0:
                got = await session.next(left)
                if isinstance(got, Reset):
                    break  # a reset: the snapshot tells how it stands
                ended = False
                if first and session.position is not None and session.position.offset > 1:
                    break
                for event in got:
                    if turn is not None and (said := event.message) and said["messageId"] == turn:
                        turn = None
                    state = event.state
                    ended = state is not None and (
                        state.terminal or (turn is None and state.interrupted)
                    )
                if ended and session.at_end:
                    break

    async def cancel(self, task_id: str, *, caller: Caller) -> Json:
        """Cancel a task, and return it as it is then.

        A run that works on it is told to stop; this waits for it as long as it may take.

        Raises:
            TaskNotFound: There is no such task of this caller and agent.
            TaskNotCancelable: The task has ended, or ended well while it was being canceled.
            Unavailable: Redis is away.
        """
        stored = await self.authorize(task_id, caller, "cancel")
        await self._canceling.cancel(stored, task_id)
        task = await self.read(stored, task_id)
        state = state_of(task)
        if state.terminal and state is not State.CANCELED:
            raise TaskNotCancelable(task_id, state.label)
        return task

    async def authorize(self, task_id: str, caller: Caller, does: str) -> str:
        """Check that a task is there, this agent's, and the caller's: else it is "not found".

        Args:
            task_id: The task, by the id that the caller knows it by.
            caller: Who asks.
            does: What they want to do with it, for the audit.

        Returns:
            The id under which it is stored.

        Raises:
            InvalidParams: The id can't be one.
            TaskNotFound: It isn't there for them.
            Unavailable: Redis is away.
        """
        stored = await authorize(
            self._manager, self._feeds, task_id, caller, does, agent=self._agent
        )
        bind(task=stored)
        return stored
