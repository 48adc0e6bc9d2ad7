"""Sending: how a customer's message gets into its task's inbox, once, and wakes a worker."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from a2a_streaming import tracing
from a2a_streaming.accepting import (
    TRACE,
    check_depth,
    fingerprint,
    first_message_id,
    new_context_id,
    new_task_id,
    refusal,
)
from a2a_streaming.backbone.connection import Command
from a2a_streaming.backbone.deadlines import PRIORITY
from a2a_streaming.backbone.inbox import Accepted, Offer
from a2a_streaming.backbone.keys import check_id
from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.caller import Caller, Role
from a2a_streaming.errors import TooManyRequests, Unavailable, UnsupportedOperation
from a2a_streaming.event import Event, encode, message, new_task, task_event, timestamp
from a2a_streaming.feed import Feed
from a2a_streaming.feeds import Feeds
from a2a_streaming.metrics import LIMITED
from a2a_streaming.ownership import may_see
from a2a_streaming.position import Position
from a2a_streaming.sla import PRIORITIES, priority_of
from a2a_streaming.task import INTERNAL, Json, State
from a2a_streaming.telemetry import bind, get_logger

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


class Sender:
    """Accepts messages for one agent's tasks.

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
        self._waking: set[asyncio.Task[None]] = set()

    async def send(  # noqa: PLR0913 - all that a message comes with
        self,
        parts: list[Json],
        *,
        caller: Caller,
        task_id: str | None,
        context: str | None,
        message_id: str | None = None,
        message_metadata: Json | None = None,
        message_extras: Json | None = None,
        notes: Json | None = None,
        task_metadata: Json | None = None,
        dialect: str,
        watched: bool = False,
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
            notes: What this server notes with it, under the key in its metadata that is ours alone.
            task_metadata: Metadata for a new task.
            dialect: The dialect it came in.
            watched: Whether its sender is about to watch its turn, so that it needn't wait for the worker's hint.

        Raises:
            InvalidParams: The ids don't fit what there is, or the message's was sent with other content.
            TaskNotFound: There is no such task, and a client doesn't choose ids of tasks together with those
                of messages.
            UnsupportedOperation: The task has ended, or isn't the one that the caller came for.
            InboxFull: Too many messages wait.
            TooManyRequests: The owner has too many tasks open.
            Unavailable: Redis is away, or too few of its replicas have the message; send again.
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
        await self._check_room(owner, stored, may_create=may_create)
        context_id = context or new_context_id(stored)
        bind(task=stored, context=context_id)
        said = message(
            "user",
            parts,
            task_id=told,
            context_id=context_id,
            message_id=message_id,
            metadata=_noted(message_metadata, caller, owner, notes or {}),
        ) | (message_extras or {})
        content = fingerprint(parts, message_metadata)
        first = said if message_id else said | {"messageId": first_message_id(stored, content)}
        offer = Offer(
            owner=owner,
            agent=self._agent,
            task_id=stored,
            task=new_task(
                told,
                context_id,
                first,
                at=timestamp(),
                metadata=self._allowed(_bare(task_metadata or {}), caller),
            ),
            message=said,
            fingerprint=content,
            context=context,
            by_content=message_id is None,
            may_create=may_create,
            dialect=dialect,
        )
        check_depth(offer.task)
        feed = (
            self._feeds.open(stored) if watched else None
        )  # it listens by when there is an answer
        # Noted first: should this process die right after the message is accepted, the sweep finds it.
        noted = self._manager.index.opening(self._agent, stored)
        accepted = await self._manager.inbox.accept(offer, behind=noted)
        if accepted.code not in ("CREATED", "ACCEPTED", "JOINED"):
            raise refusal(told, accepted, self._manager.settings.inbox_limit)
        waking = accepted.state is not None and not accepted.state.terminal
        if feed is None:
            if waking:
                await self._wake(offer, accepted)
        else:
            if accepted.code == "CREATED" and accepted.position is not None:
                feed.begin(Event(accepted.position, None, encode(task_event(offer.task))))
            if waking:  # the sender needn't wait for it to see the first event
                waker = asyncio.create_task(self._wake(offer, accepted, feed), name="wake")
                self._waking.add(waker)
                waker.add_done_callback(self._waking.discard)
        await self._manager.inbox.confirm(offer)  # a worker may be at it meanwhile
        turn = said["messageId"] if accepted.before is not None else None
        return Sent(stored, accepted.before, turn)

    async def aclose(self) -> None:
        """Wait until workers are woken for all that was accepted."""
        if self._waking:
            await asyncio.wait(self._waking)

    def _allowed(self, metadata: Json, caller: Caller) -> Json:
        """Return what a client says of a task, with no higher a priority than customers may give."""
        most = self._manager.settings.client_priority
        asked = priority_of(metadata.get(PRIORITY))
        if caller.role is not Role.CUSTOMER or caller.actor:  # an agent acts for a customer
            return metadata
        is_higher = PRIORITIES.index(asked) < PRIORITIES.index(most)
        return {**metadata, PRIORITY: most} if is_higher else metadata

    async def _check_room(self, owner: str, stored: str, *, may_create: bool) -> None:
        """Check that an owner may have one task more, should this be a new one.

        Who sends several at once may get a few more than the limit: it is there to keep one owner from filling Redis.

        Raises:
            TooManyRequests: They have too many open.
            Unavailable: Redis is away.
        """
        limit = self._manager.settings.limit_tasks
        if not owner or not may_create or await self._manager.index.active(owner) < limit:
            return
        if await self._manager.snapshots.meta(stored) is not None:
            return  # it is there already
        LIMITED.labels("tasks").inc()
        raise TooManyRequests(
            f"You have {limit} tasks open. Answer or cancel some; the operator can raise A2A_LIMIT_TASKS.",
            retry_after=30,
        )

    async def _owner_of(self, stored: str, caller: Caller) -> str:
        """Return whose task a message is for: the caller's, or one that their role opens to them."""
        if not caller.sees_all and caller.role is not Role.AGENT:
            return caller.owner
        meta = await self._feeds.meta(stored)
        if meta is None or not await may_see(self._manager, stored, meta, caller, "send"):
            return caller.owner
        if meta.owner != caller.owner:
            await self._manager.audit.note(caller, "send", stored, meta.owner)
        return meta.owner

    def _deadline(self, task_id: str, state: State) -> list[Command]:
        """Return what notes when a new task is to be looked at, if it has limits."""
        now = time.time_ns() // 1_000_000
        return self._manager.deadlines.arming(
            task_id, agent=self._agent, state=state, since=now, created=now
        )

    async def _wake(self, offer: Offer, accepted: Accepted, feed: Feed | None = None) -> None:
        """Write the lists, then wake a worker; for a joined task again, should a crash have left it out."""
        if feed is not None:
            await feed.listening()
        task_id, state = offer.task_id, accepted.state
        if accepted.code == "JOINED" and state is State.WORKING:
            return
        try:
            if accepted.code == "CREATED" and state is not None:
                self._manager.tally.begun[self._agent] += 1
                self._manager.tally.events += 1  # the log's first: that there is a task
                await self._manager.index.record(
                    task_id,
                    owner=offer.owner,
                    context=offer.task["contextId"],
                    agent=self._agent,
                    state=state,
                    was=None,
                    then=[*self._deadline(task_id, state), *self._work.hinting(task_id)],
                )
            else:
                await self._work.hint(task_id)
        except Unavailable:
            # The message is accepted all the same; the sweep finds it when Redis is back.
            _log.warning("Redis went away between a message and its hint", task=task_id)


def _noted(metadata: Json | None, caller: Caller, owner: str, notes: Json) -> Json:
    """Return a message's metadata with notes of ours, which no client makes: which person answers there, and the trace."""
    bare = _bare(metadata or {})
    if trace := tracing.carrier():  # which the runs follow on, wherever and whenever they are
        notes = {**notes, TRACE: trace}
    if caller.role in (Role.AGENT, Role.OPERATOR) and (caller.owner != owner or not owner):
        notes = {**notes, "human": caller.owner}
    return {**bare, INTERNAL: notes} if notes else bare


def _bare(metadata: Json) -> Json:
    return {key: value for key, value in metadata.items() if key != INTERNAL}
