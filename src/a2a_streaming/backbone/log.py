"""Writing: the scripts that grant leases and append events, with types.

Each method is one call of one script in `lua/`, where every key, argument and answer is described.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Literal

import orjson

from a2a_streaming.backbone.connection import Command, Script, Store
from a2a_streaming.backbone.durability import Proof
from a2a_streaming.backbone.inbox import InboxEntry
from a2a_streaming.backbone.keys import Keys
from a2a_streaming.errors import InvalidTransition, NewerFormat
from a2a_streaming.event import check_format, load
from a2a_streaming.position import Position
from a2a_streaming.settings import Settings
from a2a_streaming.tally import Tally
from a2a_streaming.task import Json, State, apply

_LEASE, _APPEND = Script("lease"), Script("append")
_RENEW, _RELEASE = Script("renew"), Script("release")


@dataclass(slots=True)
class Grant:
    """A lease on a task, with all that its holder needs to go on.

    Args:
        task_id: The task, by its stored id.
        holder: Who holds the lease.
        epoch: Its fencing token.
        previous_epoch: The token before it.
        base: The log's last position when it was granted.
        attempt: Which attempt at the waiting message this is, from 1.
        canceled: Whether the task is to be canceled.
        escalated: Whether its agent is to escalate it.
        damaged: Whether Redis has lost parts of the task, so that it can only be ended.
        task_ended: Whether the task has ended; then the lease is for cleaning up.
        begun: Whether a run has had its lease before, so that an agent may have begun something.
        owner: Whose task it is.
        agent: Whose it is to do.
        context: Its context.
        entry: The message that waits first; None if there is none.
        steps: What earlier attempts at that message have stored: results of finished steps, and bookmarks; by name.
        task: The task, folded up to `base`.
        tail_bytes: Bytes of events after the stored snapshot.
        age: How long ago the task had been accepted then, ms; None if that isn't known.
        granted: When it was granted, s, by this process's own clock.
    """

    task_id: str
    holder: str
    epoch: int
    previous_epoch: int
    base: Position
    attempt: int
    canceled: bool
    escalated: bool
    damaged: bool
    task_ended: bool
    begun: bool
    owner: str
    agent: str
    context: str
    entry: InboxEntry | None
    steps: dict[str, bytes]
    task: Json
    tail_bytes: int
    age: float | None = None
    granted: float = field(default_factory=time.monotonic)
    constants: tuple[Sequence[str], Command] | None = None
    """Keys and arguments that all calls of the append script under it have in common, once there was one."""

    @property
    def told_id(self) -> str:
        """The id by which the task's owner and all its events know it."""
        return self.task["id"]

    @property
    def elapsed(self) -> float | None:
        """How long ago the task was accepted, ms; None if that isn't known."""
        return None if self.age is None else self.age + (time.monotonic() - self.granted) * 1000


@dataclass(frozen=True, slots=True)
class NoLease:
    """Why there is no lease.

    Args:
        reason: `GONE`, `DAMAGED` (see `restore.py`), `TERMINAL`, `IDLE` (nothing to do) or `BUSY`.
        state: With `TERMINAL`, how the task ended.
        seconds: With `BUSY`, how long the other's lease still lasts unless it is renewed.
    """

    reason: Literal["GONE", "DAMAGED", "TERMINAL", "IDLE", "BUSY"]
    state: State | None = None
    seconds: float = 0.0


@dataclass(slots=True)
class Batch:
    """Events for one call of the append script, and what hangs on them.

    Args:
        number: How many calls of the script there were before under this lease.
        offset: The log's last offset before them.
        events: Their JSON.
        state: The state after them; None if they leave it.
        settles: Id of the message whose turn they end; None if the turn goes on.
        waiting: With a terminal state: messages that the writer knows to be in the inbox.
        cleanup: With a terminal state: whether the agent has something to clean up afterwards.
        answer: With a terminal state: whether a message alone is the task's answer, so that no list has it.
        snapshot: The task after them, JSON; None to store none.
        steps: Results of steps: each one's field, and its JSON.
        escalated: Whether the turn that they end has answered an escalation.
    """

    number: int
    offset: int
    events: Sequence[bytes]
    state: State | None = None
    settles: str | None = None
    waiting: int = 0
    cleanup: bool = False
    answer: bool = False
    snapshot: bytes | None = None
    steps: Sequence[tuple[str, bytes]] = ()
    escalated: bool = False


@dataclass(frozen=True, slots=True)
class Appended:
    """What the append script answered.

    Args:
        code: `OK`, `FENCED`, `TERMINAL`, `BEHIND` or `INBOX`, as `lua/append.lua` says.
        canceled: Whether the task is to be canceled.
        escalated: Whether its agent is to escalate it.
        following: The message whose turn is next; the lease goes on with it.
        history_lost: Whether the history had been lost, so that a snapshot is due.
        number: With `BEHIND`, the first call that Redis has lost.
        waiting: With `INBOX`, the messages in it.
    """

    code: Literal["OK", "FENCED", "TERMINAL", "BEHIND", "INBOX"]
    canceled: bool = False
    escalated: bool = False
    following: InboxEntry | None = None
    history_lost: bool = False
    number: int = 0
    waiting: tuple[InboxEntry, ...] = ()


_APPENDED = Appended("OK")
_CANCEL, _ESCALATE = b"1", b"e"
"""How the scripts say what is to become of a task."""


class Renewal(Enum):
    """What the renewal of a lease says."""

    OK = auto()
    CANCEL = auto()
    """It is renewed, and the task is to be canceled."""
    ESCALATE = auto()
    """It is renewed, and the task is to be escalated."""
    LOST = auto()
    """It is another's."""


_RENEWALS = {b"": Renewal.OK, _CANCEL: Renewal.CANCEL, _ESCALATE: Renewal.ESCALATE}


class Log:
    """The scripts that write.

    Args:
        store: Redis.
        keys: Names of keys.
        settings: Lifetimes and limits.
        tally: Where what is written is counted; one of its own if None.
    """

    def __init__(
        self, store: Store, keys: Keys, settings: Settings, tally: Tally | None = None
    ) -> None:
        self.tally = tally or Tally()
        self._store = store
        self._keys = keys
        self._settings = settings
        self._open_ttl = settings.open_ttl * 1000
        self._lease_ms = int(settings.lease_seconds * 1000)

    def canceled(self, task_id: str) -> Proof:
        """Return how it is seen that a task is to be canceled, or has ended."""
        return Proof(task_id, ["HMGET", self._keys.meta(task_id), "cancel", "terminal"], any)

    async def lease(
        self, task_id: str, holder: str, *, purpose: Literal["run", "cancel"] = "run"
    ) -> Grant | NoLease:
        """Take the lease on a task, if there is something to do and nobody holds it.

        Args:
            task_id: The task.
            holder: Who takes it; a name of its own for each attempt to take one.
            purpose: `cancel` sets the task's cancel flag first, and takes a task that has nothing to do.

        Raises:
            NewerFormat: A newer version has written the task than this process reads.
            Unavailable: Redis is away.
        """
        code, *rest = await self._store.script(
            _LEASE,
            self._keys.task(task_id),
            [
                holder,
                self._lease_ms,
                random.getrandbits(20),
                purpose,
                self._open_ttl,
                self._keys.control,
                task_id,
            ],
        )
        match code:
            case b"GRANTED":
                return await self._readable(_grant(task_id, holder, rest), rest)
            case b"TERMINAL":
                return NoLease("TERMINAL", state=State(rest[0].decode()))
            case b"BUSY":
                return NoLease("BUSY", seconds=float(rest[0]) / 1000)
            case _:
                return NoLease(code.decode())

    async def _readable(self, grant: Grant, told: list[Any]) -> Grant:
        """Return a lease with its task; give it back at once if a newer version has written the task."""
        stored, tail = told[_STORED], told[_TAIL]
        try:
            kept: Json | None = orjson.loads(stored) if stored else None
            check_format(kept)
            task = fold(kept["task"] if kept else None, [event for _, (_, event) in tail])
        except NewerFormat:
            await self.release(grant)
            raise
        if task is None:
            grant.damaged = True
        else:
            grant.task = task
        return grant

    async def append(self, grant: Grant, batch: Batch) -> Appended:
        """Append events under a lease.

        Raises:
            Unavailable: Redis is away; call again with the same batch, it is carried out once.
        """
        keys, constants = grant.constants or self._constants(grant)
        code, *rest = await self._store.script(
            _APPEND,
            keys,
            [*constants, batch.number, batch.offset, *_beside(batch), *batch.events],
        )
        match code:
            case b"OK":
                flag, following, lost = rest
                if not (flag or following or lost):
                    return _APPENDED
                return Appended(
                    "OK",
                    canceled=flag == _CANCEL,
                    escalated=flag == _ESCALATE,
                    following=InboxEntry.parse(following) if following else None,
                    history_lost=bool(lost),
                )
            case b"BEHIND":
                return Appended("BEHIND", number=int(rest[0]))
            case b"INBOX":
                return Appended("INBOX", waiting=tuple(InboxEntry.parse(entry) for entry in rest))
            case _:
                return Appended(code.decode())

    def _constants(self, grant: Grant) -> tuple[Sequence[str], Command]:
        settings = self._settings
        rare = (
            grant.previous_epoch,
            self._lease_ms,
            settings.history_maxlen,
            self._open_ttl,
            settings.history_ttl * 1000,
            settings.snapshot_ttl * 1000,
        )
        grant.constants = (
            self._keys.task(grant.task_id),
            [
                str(grant.epoch),
                grant.holder,
                str(grant.base),
                " ".join(map(str, rare)),
            ],
        )
        return grant.constants

    async def renew(self, grants: Sequence[Grant]) -> list[Renewal]:
        """Renew leases, all in one round trip.

        Raises:
            Unavailable: Redis is away.
        """
        replies = await self._store.scripts(
            _RENEW,
            [
                (
                    self._keys.task(grant.task_id)[:5],
                    [grant.epoch, grant.holder, self._lease_ms, self._open_ttl],
                )
                for grant in grants
            ],
        )
        return [
            _RENEWALS[r[1]] if isinstance(r, list) and r[0] == b"OK" else Renewal.LOST  # pyright: ignore[reportUnknownArgumentType] - Redis' replies carry no types
            for r in replies
        ]

    async def release(self, grant: Grant, *, cleaned: bool = False) -> None:
        """Give a lease back before its turn's end, so that another process goes on at once.

        Args:
            grant: The lease.
            cleaned: Whether what was to be cleaned up after the task's end is.

        Raises:
            Unavailable: Redis is away.
        """
        await self._store.script(
            _RELEASE,
            [self._keys.meta(grant.task_id)],
            [grant.epoch, grant.holder, "1" if cleaned else ""],
        )


def _beside(batch: Batch) -> Command:
    """Return the arguments that tell what a batch has beside its events."""
    state, steps = batch.state, batch.steps
    if state is None and batch.settles is None and batch.snapshot is None and not steps:
        return ("",)
    ending = "" if state is None or not state.terminal else "message" if batch.answer else "1"
    return [
        "1",
        state.value if state else "",
        ending,
        batch.settles or "",
        batch.waiting,
        "1" if batch.cleanup else "e" if batch.escalated else "",
        batch.snapshot or b"",
        len(steps),
        *(part for step in steps for part in step),
    ]


def fold(task: Json | None, events: Sequence[bytes]) -> Json | None:
    """Fold events onto a task; None if they don't: parts of the history are lost.

    Raises:
        NewerFormat: They were written by a newer version than this process.
    """
    try:
        for event in events:
            task = apply(task, load(event))
    except (ValueError, InvalidTransition):
        return None
    return task


_STORED, _TAIL = 13, 14
"""Where the snapshot and the events after it stand in what grants a lease."""


def _grant(task_id: str, holder: str, reply: list[Any]) -> Grant:
    """Return a lease, without its task yet."""
    (
        epoch,
        previous,
        last,
        attempts,
        cancel,
        owner,
        agent,
        context,
        damaged,
        ended,
        begun,
        head,
        kept,
        _,
        tail,
        age,
    ) = reply
    entry = InboxEntry.parse(head) if head else None
    return Grant(
        task_id=task_id,
        holder=holder,
        epoch=int(epoch),
        previous_epoch=int(previous),
        base=Position.parse(last),
        attempt=int(attempts),
        canceled=cancel == _CANCEL,
        escalated=cancel == _ESCALATE,
        damaged=bool(damaged),
        task_ended=bool(ended),
        begun=bool(begun),
        owner=owner.decode(),
        agent=agent.decode(),
        context=context.decode(),
        entry=entry,
        steps=_steps_of(entry, kept) if entry is not None else {},
        task=_bare_task(task_id, context.decode()),
        tail_bytes=sum(len(event) for _, (_, event) in tail),
        age=float(age) if age else None,
    )


def _steps_of(entry: InboxEntry, kept: list[bytes]) -> dict[str, bytes]:
    """Return what the turn of one message has stored, of what all turns have."""
    prefix = f"{entry.message_id} "
    found = zip(kept[::2], kept[1::2], strict=True)
    return {
        field.decode().removeprefix(prefix): result
        for field, result in found
        if field.startswith(prefix.encode())
    }


def _bare_task(task_id: str, context: str) -> Json:
    """Return what is left of a task when neither its snapshot nor its whole history is."""
    return {"id": task_id, "contextId": context, "status": {"state": State.WORKING.value}}
