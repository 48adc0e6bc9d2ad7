"""What somebody who oversees tasks does to one: revoke its run's lease, or ask its agent to escalate it.

Each is one script, so that it is done or not, whoever dies. `intervening.py` is what calls them.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias, cast

import orjson

from a2a_streaming.backbone.connection import Script, Store
from a2a_streaming.backbone.durability import Proof
from a2a_streaming.backbone.keys import Keys
from a2a_streaming.task import Json, State

_REVOKE, _ESCALATE = Script("revoke"), Script("escalate")


@dataclass(frozen=True, slots=True)
class Escalation:
    """What an agent is asked when a task is to be escalated.

    Args:
        id: Its own id: asked again under the same, it is done once.
        by: Who asks, as audits name them; empty without authentication.
        reason: Why, in words for the person who takes over.
        at: When, ms since 1970.
    """

    id: str
    by: str
    reason: str
    at: int

    @classmethod
    def new(cls, by: str, reason: str, *, id: str = "") -> Escalation:  # noqa: A002 - what it is called
        """Make one; arguments as above, without an id one of its own."""
        return cls(id or uuid.uuid4().hex, by, reason, time.time_ns() // 1_000_000)

    def told(self) -> Json:
        """Return it as the task's metadata tell it, under `ESCALATED`."""
        return asdict(self)


ESCALATED = "escalated"
"""Key in a task's metadata that tells who had it escalated, and why."""

Code: TypeAlias = Literal[
    "GONE", "DAMAGED", "TERMINAL", "ONCE", "IDLE", "WAITING", "REVOKED", "ASKED", "DONE"
]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a script found.

    Args:
        code: See the script.
        state: The state of a task that has ended, or for which nothing is to be done.
        busy: Whether somebody holds the task's lease or, of one that was revoked, held it.
    """

    code: Code
    state: State | None = None
    busy: bool = False


class Interventions:
    """The scripts, with types.

    Args:
        store: Redis.
        keys: Names of keys.
    """

    def __init__(self, store: Store, keys: Keys) -> None:
        self._store = store
        self._keys = keys

    async def revoke(self, task_id: str, *, once: str, asked: str = "") -> Outcome:
        """Take a task's lease away, and tell its holder, so that another attempt begins when a worker is woken.

        Args:
            task_id: The task.
            once: The step by which an agent that can't be run twice marks that it has begun to emit.
            asked: An id: asked again under the same, it is done once; empty if who asks again means it.

        Raises:
            Unavailable: Redis is away.
        """
        code, *rest = await self._store.script(_REVOKE, self._keys.task(task_id)[:5], [once, asked])
        if code == b"REVOKED":
            # It finds out by itself when it renews, or writes: this is only sooner.
            await self._store.call("PUBLISH", self._keys.control, f"retry {task_id}")
        state = State(rest[0].decode()) if code in (b"TERMINAL", b"IDLE") else None
        return Outcome(cast("Code", code.decode()), state, code == b"REVOKED")

    async def escalate(self, task_id: str, asked: Escalation) -> Outcome:
        """Ask a task's agent to escalate it, and tell who holds its lease, if somebody does.

        Args:
            task_id: The task.
            asked: What is asked.

        Raises:
            Unavailable: Redis is away.
        """
        code, *rest = await self._store.script(
            _ESCALATE, self._keys.task(task_id)[:3], [orjson.dumps(asdict(asked)), asked.id]
        )
        if code == b"TERMINAL":
            return Outcome("TERMINAL", State(rest[0].decode()))
        busy = code == b"ASKED" and bool(rest[0])
        if busy:
            await self._store.call("PUBLISH", self._keys.control, f"escalate {task_id}")
        return Outcome(cast("Code", code.decode()), busy=busy)

    def asked_under(self, task_id: str, asked: str) -> Proof:
        """Return how it is seen that an escalation was asked for under an id."""
        return Proof(task_id, ["HMGET", self._keys.meta(task_id), f"did:{asked}"], any)

    async def asked(self, task_id: str) -> Escalation | None:
        """Return what the agent is asked; None if nobody asks any more.

        Raises:
            Unavailable: Redis is away.
        """
        stored = await self._store.call("HGET", self._keys.meta(task_id), "escalate")
        return None if stored is None else Escalation(**orjson.loads(stored))

    async def forget(self, task_id: str) -> None:
        """Ask no more: the agent can't.

        Raises:
            Unavailable: Redis is away.
        """
        await self._store.call("HDEL", self._keys.meta(task_id), "escalate")
