"""What clients ask of an agent's tasks, whatever dialect they ask it in."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from a2a_streaming.accepting import (
    check_depth,
    fingerprint,
    new_context_id,
    new_task_id,
    read_token,
    refusal,
)
from a2a_streaming.backbone.inbox import Accepted, Offer
from a2a_streaming.backbone.keys import check_id
from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.backbone.snapshots import Meta
from a2a_streaming.caller import Caller, Role
from a2a_streaming.canceling import Canceling
from a2a_streaming.errors import (
    TaskNotCancelable,
    TaskNotFound,
    Unavailable,
    UnsupportedOperation,
)
from a2a_streaming.event import message, new_task, timestamp
from a2a_streaming.feeds import Feeds
from a2a_streaming.position import Position
from a2a_streaming.session import Reset, StreamSession
from a2a_streaming.task import (
    INTERNAL,
    Json,
    State,
    answered_by_message,
    is_handed_over,
    state_of,
)
from a2a_streaming.telemetry import get_logger
from a2a_streaming.webhooks import TaskWebhooks

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Sent:
    """Where the story of a message that was sent begins.

    Args:
        task_id: The task, by its stored id.
        after: The position before it; None for the task's beginning.
        turn: The id of the message, where it is a follow-up: its turn begins with the status that
            carries it. None where the message began the task.
    """

    task_id: str
    after: Position | None
    turn: str | None


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
    """

    def __init__(
        self,
        manager: RedisManager,
        feeds: Feeds,
        agent: str,
        *,
        may_answer_with_message: bool = False,
    ) -> None:
        self.may_answer_with_message = may_answer_with_message
        self._manager = manager
        self._feeds = feeds
        self._agent = agent
        self._work = manager.work(agent)
        self._canceling = Canceling(manager, feeds, agent)
        self.webhooks = TaskWebhooks(manager, self.authorize)
        """Where tasks' events are pushed to."""

    async def send(
        self,
        parts: list[Json],
        *,
        caller: Caller,
        task_id: str | None,
        context: str | None,
        message_id: str | None = None,
        message_metadata: Json | None = None,
        message_extras: Json | None = None,
        task_metadata: Json | None = None,
        dialect: str,
    ) -> Sent:
        """Accept a customer's message: begin a task, follow up on one, or join what it began before.

        Sending is idempotent. With a `message_id` the same message is known by it, for as long as its task
        lives: owner, task, context and message id as sent. Without one a task's first message is known by
        its content, and each later one is a message of its own.

        Args:
            parts: The message's parts (A2A 1.0 JSON).
            caller: Who sends it.
            task_id: The task, by an id that the client knows or chose; None to begin one with a new id.
            context: The context as the client sent it; None if it sent none.
            message_id: The message's id, if the client chose one.
            message_metadata: The message's metadata.
            message_extras: What else the message has: `referenceTaskIds`, `extensions`.
            task_metadata: Metadata for a new task.
            dialect: The dialect it came in.

        Raises:
            InvalidParams: The ids don't fit what there is, or the message's was sent with other content.
            TaskNotFound: There is no such task, and a client doesn't choose ids of tasks together with those
                of messages.
            UnsupportedOperation: The task has ended, or isn't the one that the caller came for.
            InboxFull: Too many messages wait.
            Unavailable: Redis is away; send again.
        """
        if context is not None:
            check_id(context, "The session's id")
        if message_id is not None:
            check_id(message_id, "The message's id")
        may_create = task_id is None or (message_id is None and caller.may_create(task_id))
        owner = caller.owner
        if caller.task not in ("", task_id):
            raise UnsupportedOperation(
                f"Who comes by a link speaks in task {caller.task!r} alone: name it with the message."
            )
        if task_id is None:
            stored = told = caller.made_id(new_task_id(owner, self._agent, context, message_id))
        else:
            told = check_id(task_id, "The task's id")
            stored = caller.stored_id(told)
            owner = await self._owner_of(stored, caller)
        context_id = context or new_context_id(stored)
        said = message(
            "user",
            parts,
            task_id=told,
            context_id=context_id,
            message_id=message_id,
            metadata=_noted(message_metadata, caller, owner),
        ) | (message_extras or {})
        offer = Offer(
            owner=owner,
            agent=self._agent,
            task_id=stored,
            task=new_task(
                told, context_id, said, at=timestamp(), metadata=_bare(task_metadata or {})
            ),
            message=said,
            fingerprint=fingerprint(parts, message_metadata),
            context=context,
            by_content=message_id is None,
            may_create=may_create,
            dialect=dialect,
        )
        check_depth(offer.task)
        # Noted first: should this process die right after the message is accepted, the sweep finds it.
        await self._manager.index.open(self._agent, stored)
        accepted = await self._manager.inbox.accept(offer)
        if accepted.code not in ("CREATED", "ACCEPTED", "JOINED"):
            raise refusal(told, accepted, self._manager.settings.inbox_limit)
        if accepted.state is not None and not accepted.state.terminal:
            await self._wake(offer, accepted)
        turn = said["messageId"] if accepted.before is not None else None
        return Sent(stored, accepted.before, turn)

    async def get(self, task_id: str, *, caller: Caller) -> Json:
        """Return a task as it is now (A2A 1.0 JSON).

        Raises:
            TaskNotFound: There is no such task of this caller and agent.
            Unavailable: Redis is away.
        """
        return await self.read(await self.authorize(task_id, caller, "get"), task_id)

    async def read(self, stored: str, task_id: str) -> Json:
        """Return a task that its caller was found to see; see `authorize` and `watch`.

        Args:
            stored: The task, by its stored id.
            task_id: The id by which the caller knows it, and is told it.

        Raises:
            TaskNotFound: There is nothing left of it.
            Unavailable: Redis is away.
        """
        snapshot = await self._manager.snapshots.get(stored)
        if snapshot is None:
            raise TaskNotFound(task_id)
        return snapshot.task if snapshot.task["id"] == task_id else {**snapshot.task, "id": task_id}

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
        wanted = [("agent", self._agent)]
        if caller.sees_all:
            await self._note(caller, "list", "*", "*")
        else:
            wanted.append(("owner", caller.owner))
        if context is not None:
            wanted.append(("context", context))
        if state is not None:
            wanted.append(("state", state.label))
        found = await self._manager.index.tasks(wanted, changed_after=changed_after)
        if caller.task:
            found = [one for one in found if one[1] == caller.stored_id(caller.task)]
        rest = found if token is None else [one for one in found if one < read_token(token)]
        page, more = rest[:size], len(rest) > size
        snapshots = [await self._manager.snapshots.get(task_id) for _, task_id in page]
        return Page(
            [
                # An operator uses stored ids: two owners may have chosen the same one.
                {**one.task, "id": task_id} if caller.sees_all else one.task
                for (_, task_id), one in zip(page, snapshots, strict=True)
                if one and not answered_by_message(one.task)
            ],
            len(found),
            "{}.{}".format(*page[-1]) if more else "",
        )

    async def born(self, task_id: str, *, caller: Caller) -> str | None:
        """Return the dialect in which a task was born; None if there is no such task of this caller and agent.

        Raises:
            Unavailable: Redis is away.
        """
        stored = caller.stored_id(task_id)
        meta = await self._feeds.meta(stored)
        if meta is None or meta.agent != self._agent:
            return None
        return meta.dialect if await self._may_see(stored, meta, caller) else None

    async def watch(
        self,
        task_id: str,
        *,
        caller: Caller,
        after: Position | None = None,
        malformed: bool = False,
        from_snapshot: bool = False,
    ) -> StreamSession:
        """Return a session that reads a task from a position on; the caller enters it.

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
        return StreamSession(
            self._manager,
            self._feeds,
            await self.authorize(task_id, caller, "watch"),
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
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        turn = sent.turn
        session = StreamSession(self._manager, self._feeds, sent.task_id, after=sent.after)
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
        snapshot = await self._manager.snapshots.get(sent.task_id)
        if snapshot is None:
            raise TaskNotFound(sent.task_id)
        return snapshot.task

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
        check_id(task_id, "The task's id")
        stored = caller.stored_id(task_id)
        meta = await self._feeds.meta(stored)
        known = meta is not None and meta.agent == self._agent and caller.task in ("", task_id)
        if not known or meta is None or not await self._may_see(stored, meta, caller, does):
            raise TaskNotFound(task_id)
        if meta.owner != caller.owner:
            await self._note(caller, does, stored, meta.owner)
        return stored

    async def _may_see(self, stored: str, meta: Meta, caller: Caller, does: str = "get") -> bool:
        """Say whether a task is there for a caller: their own, all for operators, its queue for an agent.

        A person who answers customers reads and writes to what is handed over to people, as the task's
        metadata say, for as long as it is; nothing else.
        """
        if caller.may_see(meta.owner):
            return True
        if caller.role is not Role.AGENT or does not in ("get", "watch", "send"):
            return False
        snapshot = await self._manager.snapshots.get(stored)
        return snapshot is not None and is_handed_over(snapshot.task)

    async def _owner_of(self, stored: str, caller: Caller) -> str:
        """Return whose task a message is for: the caller's, or one that their role opens to them."""
        if not caller.sees_all and caller.role is not Role.AGENT:
            return caller.owner
        meta = await self._feeds.meta(stored)
        if meta is None or not await self._may_see(stored, meta, caller, "send"):
            return caller.owner
        if meta.owner != caller.owner:
            await self._note(caller, "send", stored, meta.owner)
        return meta.owner

    async def _note(self, caller: Caller, does: str, task_id: str, owner: str) -> None:
        await self._manager.audit.note(
            actor=caller.actor or caller.owner,
            role=caller.role.value,
            does=does,
            task_id=task_id,
            owner=owner,
        )

    async def _wake(self, offer: Offer, accepted: Accepted) -> None:
        """Write the lists, then wake a worker; for a joined task again, should a crash have left it out."""
        task_id, state = offer.task_id, accepted.state
        if accepted.code == "JOINED" and state is State.WORKING:
            return
        try:
            if accepted.code == "CREATED" and state is not None:
                await self._manager.index.record(
                    task_id,
                    owner=offer.owner,
                    context=offer.task["contextId"],
                    agent=self._agent,
                    state=state,
                    was=None,
                )
            await self._work.hint(task_id)
        except Unavailable:
            # The message is accepted all the same; the sweep finds it when Redis is back.
            _log.warning("Redis went away between a message and its hint", task=task_id)


def _noted(metadata: Json | None, caller: Caller, owner: str) -> Json:
    """Return a message's metadata with a note of ours, which no client makes: which person answers there."""
    bare = _bare(metadata or {})
    if caller.role is Role.AGENT and (caller.owner != owner or not owner):
        return {**bare, INTERNAL: {"human": caller.owner}}
    return bare


def _bare(metadata: Json) -> Json:
    return {key: value for key, value in metadata.items() if key != INTERNAL}
