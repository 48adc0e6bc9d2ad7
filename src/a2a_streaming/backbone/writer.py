"""The writer: the one who holds a task's lease, folds the log in memory and appends to it.

What arrives while one call to Redis is in flight goes together in the next: latency stays one round
trip, and throughput grows with load. A snapshot is stored when a turn ends, and when the events since
the last one weigh a fair share of it: so the cost of an event is the event's size, whatever the
task's size, and what a reader must fold stays small.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

import orjson

from a2a_streaming.backbone.inbox import InboxEntry
from a2a_streaming.backbone.log import Appended, Batch, Grant, Log
from a2a_streaming.errors import Fenced, Unavailable
from a2a_streaming.event import encode, status_event
from a2a_streaming.position import Position
from a2a_streaming.task import Json, State, apply, check_transition, mentions, state_of

_SNAPSHOT_MIN = 16 * 1024
_BATCH_BYTES = 1024 * 1024
_BACKLOG_BYTES = 256 * 1024
_MESSAGE = b'{"message":'
_MEMORY_BYTES = 4 * 1024 * 1024


@dataclass(slots=True)
class _Write:
    """What one caller wants appended."""

    events: Sequence[bytes]
    state: State | None
    settles: str | None
    cleanup: bool
    step: tuple[str, bytes] | None
    done: asyncio.Future[InboxEntry | None] | None = None
    """Who waits for it; None if nobody does."""
    size: int = field(init=False)

    def __post_init__(self) -> None:
        self.size = sum(map(len, self.events)) + (len(self.step[1]) if self.step else 0)

    @property
    def answer(self) -> bool:
        """Whether the last event is a message that is the task's whole answer."""
        return bool(self.events) and self.events[-1].startswith(_MESSAGE)

    @property
    def alone(self) -> bool:
        """Whether nothing may come after it in its batch."""
        return self.settles is not None or self.terminal

    @property
    def terminal(self) -> bool:
        return self.state is not None and self.state.terminal


class LogWriter:
    """Appends to one task's log, under one lease.

    Args:
        log: The scripts.
        grant: The lease.
        on_state: Awaited with the new state and the one before, when the task has changed its state.
        retry_seconds: How long to go on trying while Redis is away.
    """

    def __init__(
        self,
        log: Log,
        grant: Grant,
        *,
        on_state: Callable[[State, State], Awaitable[None]] | None = None,
        retry_seconds: float = 60.0,
    ) -> None:
        self._log = log
        self._grant = grant
        self._on_state = on_state
        self._stored_state = state_of(grant.task)
        self._retry_seconds = retry_seconds
        self.task: Json = grant.task
        """The task as folded so far; to be read only."""
        self.canceled = grant.canceled
        """Whether Redis has said that the task is to be canceled."""
        self.escalated = grant.escalated
        """Whether Redis has said that the task is to be escalated."""
        self.escalating = False
        """Whether the turn that is under way does so."""
        self.released = False
        """Whether the lease was given back with the last event: no turn follows under it."""
        self._last = grant.base
        self._calls = 0
        self._queue: deque[_Write] = deque()
        self._backlog = 0
        self._flusher: asyncio.Task[None] | None = None
        self._memory: deque[Batch] = deque()
        self._memory_bytes = 0
        self._since = grant.tail_bytes
        self._snapshot_bytes = 0
        self._snapshot_due = False
        self._failure: Exception | None = None

    @property
    def state(self) -> State:
        """The state that the task is in, by what has been written or will be next."""
        return state_of(self.task)

    @property
    def position(self) -> Position:
        """Where the log ends, as far as Redis has confirmed it."""
        return self._last

    async def append(
        self,
        *events: Json,
        settles: str | None = None,
        cleanup: bool = False,
        step: tuple[str, bytes] | None = None,
        wait: bool = True,
    ) -> InboxEntry | None:
        """Append events, and what hangs on them, in one piece.

        Args:
            events: StreamResponse objects.
            settles: Id of the message whose turn they end; None if the turn goes on.
            cleanup: Whether the agent has something to clean up after the task's end.
            step: A step's field and its result's JSON.
            wait: Whether to return only when Redis has them. If not, errors come with a later call,
                and this one waits only while too much is on its way.

        Returns:
            With `settles`: the message whose turn is next under this lease, if there is one.

        Raises:
            InvalidTransition: An event's state can't follow on the task's; nothing is appended.
            TypeError: An event is no JSON; nothing is appended.
            Fenced: The lease is lost.
            Unavailable: Redis was away for longer than `retry_seconds`.
        """
        if self._failure is not None:
            raise self._failure
        encoded = [encode(event) for event in events]
        state = self._state_after(events)
        for data in encoded:
            # Folded as everybody else will read it: what the caller does to its objects later, and
            # what JSON can't hold, must not make this fold another than theirs.
            self.task = apply(self.task, orjson.loads(data))
        write = _Write(encoded, state, settles, cleanup, step)
        self._queue.append(write)
        self._backlog += write.size
        if wait or self._backlog > _BACKLOG_BYTES:
            write.done = asyncio.get_running_loop().create_future()
        if self._flusher is None:
            self._flusher = asyncio.create_task(self._flush(), name=f"write {self._grant.task_id}")
        return await write.done if write.done is not None else None

    def _state_after(self, events: Sequence[Json]) -> State | None:
        """Check the states that events put the task into, before any of them is applied; return the last."""
        state = last = None
        for event in events:
            if "artifactUpdate" in event:
                continue
            state = state or self.state
            if "statusUpdate" in event:
                last = State(event["statusUpdate"]["status"]["state"])
                check_transition(state, last)
            elif "task" in event:
                last = state_of(event["task"])
            elif "message" in event:
                last = State.COMPLETED
                check_transition(state, last)
            state = last
        return last

    async def drain(self) -> None:
        """Wait until Redis has all that was appended.

        Raises:
            Fenced: The lease is lost.
            Unavailable: Redis was away for too long.
        """
        while self._flusher is not None:
            await asyncio.shield(self._flusher)
        if self._failure is not None:
            raise self._failure

    async def _flush(self) -> None:
        try:
            while self._queue or self._snapshot_due:
                writes = self._take()
                try:
                    following = await self._commit(writes)
                except Exception as error:  # whatever it is, nobody may wait for ever
                    self._fail(error, writes)
                    return
                for write in writes:
                    if write.done is not None and not write.done.done():
                        write.done.set_result(following if write.settles is not None else None)
                if not self._queue:
                    await asyncio.sleep(0)  # who waited for these may have more at once
        finally:
            self._flusher = None

    def _take(self) -> list[_Write]:
        """Take from the queue what goes together; an empty write if only a snapshot is due."""
        if not self._queue:
            return [_Write((), None, None, False, None)]
        writes: list[_Write] = []
        size = 0
        while self._queue and (not writes or size + self._queue[0].size <= _BATCH_BYTES):
            write = self._queue.popleft()
            writes.append(write)
            size += write.size
            if write.alone:
                break
        self._backlog -= size
        return writes

    def _batch(self, writes: list[_Write]) -> Batch:
        """Make one call of what goes together."""
        last = writes[-1]
        if len(writes) == 1:
            events, state = last.events, last.state
            steps = () if last.step is None else (last.step,)
        else:
            events = [event for write in writes for event in write.events]
            state = next((write.state for write in reversed(writes) if write.state), None)
            steps = [write.step for write in writes if write.step is not None]
        self._since += sum(map(len, events))
        snapshot = None
        due = (
            self._snapshot_due
            or last.settles is not None
            or self._since >= max(_SNAPSHOT_MIN, self._snapshot_bytes)
        )
        # The fold is ahead by the events that wait; none waits behind a task's end.
        if last.terminal or (due and not self._queue):
            snapshot = orjson.dumps(self.task)
        return Batch(
            number=self._calls,
            offset=self._last.offset,
            events=events,
            state=state,
            settles=last.settles,
            waiting=self._waiting() if last.terminal else 0,
            cleanup=last.cleanup,
            answer=last.answer,
            snapshot=snapshot,
            steps=steps,
            escalated=self.escalating and last.settles is not None,
        )

    async def _commit(self, writes: list[_Write]) -> InboxEntry | None:
        last = writes[-1]
        batch = self._batch(writes)
        answer = await self._send(batch)
        if answer.code == "INBOX":
            batch, answer = await self._write_late(batch, answer.waiting)
        if answer.code != "OK":
            raise Fenced(self._grant.task_id, self._grant.epoch)
        self._calls += 1
        if batch.events:
            self._count(len(batch.events))
            self._last = Position(self._grant.epoch, self._last.offset + len(batch.events))
        self._remember(batch)
        if batch.snapshot is not None:
            self._since, self._snapshot_bytes = 0, len(batch.snapshot)
        self._snapshot_due = answer.history_lost and batch.snapshot is None
        self.canceled = self.canceled or answer.canceled
        self.escalated = (self.escalated and not batch.escalated) or answer.escalated
        if last.settles is not None:
            self._grant.entry = answer.following
            stays = answer.canceled or answer.escalated
            self.released = answer.following is None and not stays
        if last.terminal:
            self.released = True
        was, now = self._stored_state, batch.state
        if now is not None and now is not was:
            self._stored_state = now
            if now.terminal:
                self._log.tally.task_ended(self._grant.agent, now.label, self._grant.elapsed)
            if self._on_state is not None:
                await self._on_state(now, was)
        return answer.following

    def _count(self, events: int) -> None:
        tally, grant = self._log.tally, self._grant
        tally.events += events
        # Nothing but the task's acceptance stands before what this lease writes first.
        if self._last.offset == 1 and self._last is grant.base and grant.age is not None:
            tally.first_event.add(grant.elapsed or 0.0)

    async def _write_late(
        self, batch: Batch, waiting: Sequence[InboxEntry]
    ) -> tuple[Batch, Appended]:
        """Write messages that came in before the terminal event into the log, then that event.

        The fold already ends in the terminal event, so the late messages go into its history here.
        """
        task = self.task
        history: list[Json] = task.setdefault("history", [])
        told = len(history)
        while True:
            del history[told:]
            late = [e.message for e in waiting if not mentions(task, e.message_id)]
            history.extend(late)
            events = [
                encode(status_event(task["id"], task["contextId"], State.WORKING, said))
                for said in late
            ]
            whole = replace(
                batch,
                events=[*batch.events[:-1], *events, batch.events[-1]],
                waiting=len(waiting),
                snapshot=orjson.dumps(task),
            )
            answer = await self._send(whole)
            if answer.code != "INBOX":
                return whole, answer
            waiting = answer.waiting

    async def _send(self, batch: Batch) -> Appended:
        """Send a batch, through short absences of Redis and lost tails."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._retry_seconds
        pause = 0.05
        while True:
            try:
                answer = await self._log.append(self._grant, batch)
                if answer.code != "BEHIND":
                    return answer
                await self._repeat_lost(answer.number)
            except Unavailable:
                if loop.time() + pause > deadline:
                    raise
                await asyncio.sleep(pause)
                pause = min(pause * 2, 1.0)

    async def _repeat_lost(self, number: int) -> None:
        """Append again what Redis lost in a failover: the same events at the same positions."""
        lost = [batch for batch in self._memory if batch.number >= number]
        if not lost or lost[0].number != number:
            raise Fenced(
                self._grant.task_id, self._grant.epoch
            )  # memory doesn't reach back that far
        for batch in lost:
            answer = await self._log.append(self._grant, batch)
            if answer.code == "BEHIND":
                return  # lost once more: the call that comes next hears from where
            if answer.code != "OK":
                raise Fenced(self._grant.task_id, self._grant.epoch)

    def _waiting(self) -> int:
        """Return how many messages of the inbox are in the log already: the one whose turn it is."""
        entry = self._grant.entry
        return 1 if entry is not None and mentions(self.task, entry.message_id) else 0

    def _remember(self, batch: Batch) -> None:
        self._memory.append(batch)
        self._memory_bytes += _weight(batch)
        while self._memory_bytes > _MEMORY_BYTES and len(self._memory) > 1:
            self._memory_bytes -= _weight(self._memory.popleft())

    def _fail(self, error: Exception, writes: list[_Write]) -> None:
        self._failure = error
        for write in [*writes, *self._queue]:
            if write.done is not None and not write.done.done():
                write.done.set_exception(error)
        self._queue.clear()
        self._backlog = 0


def _weight(batch: Batch) -> int:
    results = sum(len(result) for _, result in batch.steps)
    return sum(map(len, batch.events)) + len(batch.snapshot or b"") + results
