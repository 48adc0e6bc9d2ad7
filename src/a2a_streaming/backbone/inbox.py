"""The inbox: how a customer's message gets to a task, once.

The inbox is the truth; the work item that follows it is a hint. `lua/accept.lua` describes the script.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import orjson

from a2a_streaming.backbone.connection import Command, Script, Store
from a2a_streaming.backbone.durability import Durability, Proof
from a2a_streaming.backbone.keys import Keys
from a2a_streaming.position import Position
from a2a_streaming.settings import Settings
from a2a_streaming.task import Json, State

_ACCEPT = Script("accept")

AcceptCode: TypeAlias = Literal[
    "CREATED",
    "ACCEPTED",
    "JOINED",
    "UNKNOWN",
    "AGENT",
    "CONTEXT",
    "CONFLICT",
    "TERMINAL",
    "FULL",
    "DAMAGED",
]


@dataclass(frozen=True, slots=True)
class Offer:
    """A customer's message, on its way into a task's inbox.

    Args:
        owner: Whose task it is.
        agent: Which agent it is for.
        task_id: The id under which the task is stored.
        task: The task as it is if this message creates it (A2A 1.0 JSON). Its first message is this one, under an id
            of its own if the sender gave none.
        message: The message (A2A 1.0 JSON).
        fingerprint: Digest of the message's content.
        context: The context as the client sent it; None if it sent none.
        by_content: Whether a task's first message is known by its content, not by its id.
        may_create: Whether it may create the task.
        dialect: The dialect it came in.
    """

    owner: str
    agent: str
    task_id: str
    task: Json
    message: Json
    fingerprint: str
    context: str | None
    by_content: bool
    may_create: bool
    dialect: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of an offer.

    Args:
        code: See `lua/accept.lua`.
        position: The log's last position at that moment; None where there is no task to tell of.
        state: The task's state at that moment, likewise.
        before: The position before the message's turn; None if it began the task.
    """

    code: AcceptCode
    position: Position | None
    state: State | None
    before: Position | None = None


@dataclass(frozen=True, slots=True)
class InboxEntry:
    """A message that waits for its turn.

    Args:
        message_id: Its id.
        message: The message (A2A 1.0 JSON).
    """

    message_id: str
    message: Json

    @classmethod
    def parse(cls, entry: bytes) -> InboxEntry:
        """Read an entry of the inbox: the id, a newline, the message."""
        message_id, _, message = entry.partition(b"\n")
        return cls(message_id.decode(), orjson.loads(message))


class Inbox:
    """Where customers' messages are accepted.

    Args:
        store: Redis.
        keys: Names of keys.
        settings: Lifetimes and limits.
        durability: Waits for replicas.
    """

    def __init__(
        self, store: Store, keys: Keys, settings: Settings, durability: Durability
    ) -> None:
        self._store = store
        self._keys = keys
        self._settings = settings
        self._durability = durability

    async def accept(self, offer: Offer, *, behind: Sequence[Command] = ()) -> Accepted:
        """Accept a customer's message into its task's inbox.

        Args:
            offer: The message.
            behind: Commands to be carried out before, in the same round trip.

        Raises:
            Unavailable: Redis is away; whether the message was accepted is unknown, so send it again.
        """
        code, position, state, before = await self._store.script_behind(
            behind,
            _ACCEPT,
            self._keys.task(offer.task_id),
            [
                offer.owner,
                offer.agent,
                offer.task["contextId"],
                offer.context or "",
                offer.message["messageId"],
                offer.fingerprint,
                orjson.dumps(offer.message),
                "task" if offer.by_content else "message",
                "1" if offer.may_create else "",
                offer.dialect,
                orjson.dumps(offer.task),
                self._settings.open_ttl * 1000,
                self._settings.inbox_limit,
                random.getrandbits(20),
                offer.task["history"][0]["messageId"],
            ],
        )
        return Accepted(
            code.decode(),
            Position.parse(position) if position else None,
            State(state.decode()) if state else None,
            Position.parse(before) if before else None,
        )

    async def confirm(self, offer: Offer) -> None:
        """Return when a message that was accepted, now or before, is at as many replicas as the settings ask for.

        Args:
            offer: The message.

        Raises:
            Unconfirmed: It isn't, or not in time.
        """
        if self._durability.on:
            await self._durability.confirm(self._proof(offer))

    def _proof(self, offer: Offer) -> Proof:
        fields = (f"m:{offer.message['messageId']}", "first")
        known = offer.fingerprint.encode()

        def holds(reply: list[bytes | None]) -> bool:
            by_id, first = reply
            return (by_id or b"").startswith(known) or (offer.by_content and first == known)

        return Proof(offer.task_id, ["HMGET", self._keys.meta(offer.task_id), *fields], holds)

    async def waiting(self, task_id: str) -> int:
        """Return how many of a task's messages aren't settled yet.

        Raises:
            Unavailable: Redis is away.
        """
        return int(await self._store.call("LLEN", self._keys.inbox(task_id)))
