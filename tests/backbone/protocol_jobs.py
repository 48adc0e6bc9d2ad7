"""Processes at work on a task whose every call of a script stands still until it is let through.

So whoever drives them decides in which order the scripts run, what gets lost on the way, and when a
process dies. A job does what a worker and its turns do, with an agent that the messages themselves tell
what to do; its writer is the real one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeVar

import orjson
import pytest

from a2a_streaming.backbone.connection import Store
from a2a_streaming.backbone.inbox import InboxEntry
from a2a_streaming.backbone.keys import Keys
from a2a_streaming.backbone.log import Appended, Batch, Grant, Log, NoLease
from a2a_streaming.backbone.writer import LogWriter
from a2a_streaming.errors import Fenced, Unavailable
from a2a_streaming.event import artifact_event, message, status_event, task_event, text_part
from a2a_streaming.settings import Settings
from a2a_streaming.task import Json, State, mentions

T = TypeVar("T")


class Hurried(asyncio.SelectorEventLoop):
    """An event loop whose clock is put forward instead of waiting a pause out."""

    ahead = 0.0

    def time(self) -> float:
        return super().time() + self.ahead


class Plan(NamedTuple):
    """What a message has the agent do; the same in every attempt."""

    events: int
    steps: int
    eager: bool
    """Whether it emits without waiting, so that calls carry several writes."""
    ends: bool
    """Whether it ends the task, or asks for more."""

    @classmethod
    def told(cls, said: Json) -> Plan:
        """Read it from a message."""
        return cls(*orjson.loads(said["parts"][0]["text"])[1:])

    def text(self, content: str) -> str:
        """Return a message's text."""
        return orjson.dumps([content, *self]).decode()


@dataclass(eq=False)
class Call:
    """One call of a script, or a read, on its way to Redis and back."""

    job: Job
    kind: Literal["lease", "append", "release"]
    carry_out: Callable[[], Awaitable[Any]]
    batch: Batch | None
    reply: asyncio.Future[Any]
    caller: asyncio.Task[Any] | None
    grant: Grant | None = None
    answer: Any = None
    carried_out: bool = False
    job_waits: bool = True


class GatedLog(Log):
    """A process's way to the scripts; each call waits for `Call.reply`."""

    job: Job

    async def lease(
        self, task_id: str, holder: str, *, purpose: Literal["run", "cancel"] = "run"
    ) -> Grant | NoLease:
        ask = super().lease
        return await self._gate("lease", lambda: ask(task_id, holder, purpose=purpose))

    async def append(self, grant: Grant, batch: Batch) -> Appended:
        send = super().append
        return await self._gate("append", lambda: send(grant, batch), batch)

    async def release(self, grant: Grant, *, cleaned: bool = False) -> None:
        give_back = super().release
        await self._gate("release", lambda: give_back(grant, cleaned=cleaned))

    async def _gate(
        self,
        kind: Literal["lease", "append", "release"],
        carry_out: Callable[[], Awaitable[T]],
        batch: Batch | None = None,
    ) -> T:
        assert self.job.pending is None, "a process has two calls under way"
        reply: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        task = asyncio.current_task()
        call = Call(self.job, kind, carry_out, batch, reply, task, self.job.grant)
        self.job.pending = call
        return await reply


@dataclass(frozen=True)
class Acknowledged:
    """What a writer was told that Redis has."""

    number: int
    events: list[tuple[str, bytes]]
    steps: dict[str, bytes]


@dataclass(eq=False)
class Job:
    """A process at work on a task: a worker's, or one that cancels for a customer."""

    holder: str
    purpose: Literal["run", "cancel"]
    task_id: str
    log: GatedLog
    receipts: dict[str, str]
    """The system of record: idempotency key → receipt."""
    grant: Grant | None = None
    writer: LogWriter | None = None
    pending: Call | None = None
    answered: bool = False
    """Whether the turn's end is on its way."""
    acknowledged: list[Acknowledged] = field(default_factory=list[Acknowledged])
    last: Any = None
    """The last answer that it got."""
    _said: int = 0

    @classmethod
    def start(
        cls,
        holder: str,
        purpose: Literal["run", "cancel"],
        task_id: str,
        redis: tuple[Store, Keys, Settings],
        receipts: dict[str, str],
    ) -> Job:
        """Set a process to work."""
        log = GatedLog(*redis)
        job = log.job = cls(holder, purpose, task_id, log, receipts)
        job.main = asyncio.create_task(job._work() if purpose == "run" else job._cancel())
        return job

    def __post_init__(self) -> None:
        self.main: asyncio.Task[None]

    @property
    def finished(self) -> bool:
        """Whether it has nothing more to do."""
        return self.main.done() and self.pending is None

    @property
    def at_rest(self) -> bool:
        """Whether its writer has nothing under way, so that its fold is of what Redis has confirmed."""
        return self.pending is None and self.writer is not None

    async def until_still(self) -> None:
        """Let it go on to its next call, or to its end."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, Hurried)
        for turns in range(1000):
            if turns > 4 and (self.pending is not None or self.main.done()):
                break
            loop.ahead += 1
            await asyncio.sleep(0)
        else:
            raise AssertionError(f"{self.holder} hangs")

    async def cease(self) -> Call | None:
        """End the process with all that it knows; returns the call that it had under way."""
        call, self.pending = self.pending, None
        tasks = {self.main, call.caller if call is not None else self.main} - {None}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return call

    async def switch(self, what: Literal["drain", "cancel"]) -> None:
        """Stop the agent, whatever it is doing: the process drains, or the task is canceled."""
        if self.main.done() or self.writer is None or (what == "cancel" and self.answered):
            return
        program = self._hand_over() if what == "drain" else self._end_as_canceled(self.writer)
        old, self.main = self.main, asyncio.create_task(program)
        if self.pending is not None and self.pending.caller is old:
            self.pending = None
        old.cancel()
        await asyncio.gather(old, return_exceptions=True)
        await self.until_still()

    # What a process does

    async def _work(self) -> None:
        grant = await self._lease()
        if grant is None or self.writer is None:
            return
        writer = self.writer
        if grant.task_ended:
            with pytest.raises(Fenced):
                await writer.append(step=("too late", b"1"))
            await self._release(cleaned=True)
            return
        steps = grant.steps
        while True:
            entry = grant.entry
            if writer.canceled or (entry is None and not writer.escalated):
                await self._end_as_canceled(writer)
                return
            if writer.escalated:
                await self._escalate(writer, entry)
            elif entry is not None:
                await self._turn(writer, entry, steps)
            flagged = writer.canceled or writer.escalated
            if writer.state.terminal or (grant.entry is None and not flagged):
                return
            steps = {}

    async def _cancel(self) -> None:
        grant = await self._lease()
        if grant is not None and self.writer is not None:
            await self.writer.append(self._status(State.CANCELED), cleanup=grant.base.offset > 1)

    async def _turn(self, writer: LogWriter, entry: InboxEntry, steps: dict[str, bytes]) -> None:
        self.answered = False
        if not mentions(writer.task, entry.message_id):
            begin = status_event(self.task_id, "c1", State.WORKING, entry.message)
            await writer.append(begin)
        elif writer.position.offset > 1:
            await writer.append(_begin_again(writer.task))
        plan = Plan.told(entry.message)
        for n in range(plan.events):
            await writer.append(self._chunk() if n else self._status(), wait=not plan.eager)
            await asyncio.sleep(0)
        for n in range(plan.steps):
            name = f"s{n}"
            key = f"{self.task_id}:{entry.message_id}:{name}"
            if name in steps:
                assert orjson.loads(steps[name]) == self.receipts[key]
                continue
            receipt = self.receipts.setdefault(key, f"receipt {len(self.receipts)}")
            with_it = [self._status()] if n else []
            step = (f"{entry.message_id} {name}", orjson.dumps(receipt))
            await writer.append(*with_it, step=step)
        end = State.COMPLETED if plan.ends else State.INPUT_REQUIRED
        self.answered = True
        said = self._status(end, f"answer to {entry.message_id}")
        await writer.append(said, settles=entry.message_id)

    async def _escalate(self, writer: LogWriter, entry: InboxEntry | None) -> None:
        """Hand the task over, in the place of a turn or while it waits."""
        writer.escalating = True
        if entry is not None and not mentions(writer.task, entry.message_id):
            await writer.append(status_event(self.task_id, "c1", State.WORKING, entry.message))
        self.answered = True
        settles = entry.message_id if entry is not None else "nothing"
        text = f"answer to {settles}" if entry is not None else "handed over"
        await writer.append(self._status(State.INPUT_REQUIRED, text), settles=settles)
        writer.escalating = False

    async def _end_as_canceled(self, writer: LogWriter) -> None:
        self.answered = True
        await writer.append(self._status(State.CANCELED))

    async def _hand_over(self) -> None:
        assert self.writer is not None
        await self.writer.drain()
        await self._release()

    async def _lease(self) -> Grant | None:
        lease = await self._insist(
            lambda: self.log.lease(self.task_id, self.holder, purpose=self.purpose)
        )
        if not isinstance(lease, Grant):
            return None
        self.grant = lease
        self.writer = LogWriter(self.log, lease, retry_seconds=1e9)
        return lease

    async def _release(self, *, cleaned: bool = False) -> None:
        assert self.grant is not None
        with contextlib.suppress(Unavailable):  # the lease runs out
            await self.log.release(self.grant, cleaned=cleaned)

    async def _insist(self, ask: Callable[[], Coroutine[Any, Any, T]]) -> T:
        while True:
            with contextlib.suppress(Unavailable):
                return await ask()

    # What an agent says

    def _status(self, state: State = State.WORKING, text: str = "…") -> Json:
        self._said += 1
        said_id = f"{self.holder}.{self._said}"
        said = message(
            "agent", [text_part(text)], task_id=self.task_id, context_id="c1", message_id=said_id
        )
        return status_event(self.task_id, "c1", state, said)

    def _chunk(self) -> Json:
        self._said += 1
        parts = [text_part(f"{self.holder}.{self._said}")]
        artifact: Json = {"artifactId": "a", "parts": parts}
        return artifact_event(self.task_id, "c1", artifact, index=0, append=True)


def _begin_again(task: Json) -> Json:
    """Return the event that a second attempt begins with: the task without its artifacts."""
    begun = {key: value for key, value in task.items() if key != "artifacts"}
    begun["status"] = {"state": State.WORKING.value}
    if "message" in task["status"]:
        begun["history"] = [*task.get("history", ()), task["status"]["message"]]
    return task_event(begun)
