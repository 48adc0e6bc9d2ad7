"""Webhooks: where a task's events are pushed to, and how far each has been told.

The log is the outbox. Beside each webhook stands the position of the last event that it has taken, and since when it
fails if it does: so a process that dies loses nothing, and the next one goes on from there. Who pushes a task has
taken its webhooks under a name of its own; what another one notes after that is refused. A webhook that was given
up is kept as a dead letter: what it was told last, and why it was given up. It can be made a webhook again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Literal

import orjson

from a2a_streaming.backbone.connection import Script, Store
from a2a_streaming.backbone.durability import Durability, Proof
from a2a_streaming.backbone.keys import Keys
from a2a_streaming.backbone.outbox import Outbox
from a2a_streaming.settings import Settings
from a2a_streaming.task import Json

_PUT, _DELETE = Script("push_put"), Script("push_delete")
_TAKE, _NOTE = Script("push_take"), Script("push_note")


@dataclass(frozen=True, slots=True)
class Failing:
    """How a webhook fails.

    Args:
        since: Since when, ms since 1970.
        tries: How often it was tried since.
        until: When it is tried next, ms since 1970.
        reason: Why the last try failed.
    """

    since: int
    tries: int
    until: int
    reason: str


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where a task's events are pushed to.

    Args:
        task_id: The task.
        id: The webhook's id, its own within the task.
        config: As the client set it: `url`, and `token` and `authentication` if there are any (A2A 1.0 JSON).
        dialect: The dialect in which it wants to be told.
        told: The position of the last event that it has taken; empty to begin with the log's first.
        setting: Which setting of this id it is; empty before it is set.
        failing: How it fails; None while it doesn't.
    """

    task_id: str
    id: str
    config: Json
    dialect: str
    told: str = ""
    setting: str = ""
    failing: Failing | None = None

    def kept(self) -> bytes:
        """Return what is kept of it, as JSON."""
        return orjson.dumps({"config": self.config, "dialect": self.dialect})


class Noted(IntEnum):
    """What came of noting something."""

    OK = 1
    GONE = 0
    """The webhook is gone, or was set again."""
    LOST = -1
    """Somebody else has taken the task's webhooks."""


class Webhooks:
    """Keeps webhooks.

    Args:
        store: Redis.
        keys: Names of keys.
        settings: Lifetimes.
        outbox: The list of tasks with webhooks.
        durability: Waits for replicas.
    """

    def __init__(
        self,
        store: Store,
        keys: Keys,
        settings: Settings,
        outbox: Outbox,
        durability: Durability,
    ) -> None:
        self._store = store
        self._keys = keys
        self._outbox = outbox
        self._durability = durability
        self._lifetime = max(settings.listed_ttl, settings.push_dead_ttl) * 1000

    async def put(self, webhook: Webhook) -> None:
        """Set a webhook; one of the same id is replaced.

        Raises:
            Unavailable: Redis is away, or too few of its replicas have it.
        """
        args = [webhook.id, webhook.kept(), webhook.told, self._lifetime]
        # On the list before, so that a crash between can't leave it out; and behind, in case that who looked
        # between found nothing to push.
        await self._outbox.enlist(webhook.task_id)
        key = self._keys.push(webhook.task_id)
        setting = await self._store.script(_PUT, [key], args)
        await self._outbox.enlist(webhook.task_id)
        await self._durability.confirm(
            Proof(
                webhook.task_id,
                ["HMGET", key, f"set:{webhook.id}"],
                lambda reply: int(reply[0] or 0) >= setting,  # a later one has come behind it
            )
        )

    async def of_task(self, task_id: str) -> list[Webhook]:
        """Return a task's webhooks, in the order of their ids.

        Raises:
            Unavailable: Redis is away.
        """
        flat = await self._store.call("HGETALL", self._keys.push(task_id))
        return _webhooks(task_id, _fields(flat))

    async def take(self, task_id: str, holder: str) -> tuple[str, list[Webhook]]:
        """Take a task's webhooks, to push to them.

        Args:
            task_id: The task.
            holder: Who takes them.

        Returns:
            How often they have changed, and the webhooks, in the order of their ids.

        Raises:
            Unavailable: Redis is away.
        """
        flat = await self._store.script(_TAKE, [self._keys.push(task_id)], [holder])
        fields = _fields(flat)
        return fields.get("changed", b"").decode(), _webhooks(task_id, fields)

    async def changes(self, task_ids: Sequence[str]) -> list[tuple[str, str]]:
        """Return of each of these tasks who has taken its webhooks, and how often they have changed.

        Raises:
            Unavailable: Redis is away.
        """
        replies = await self._store.pipeline(
            [["HMGET", self._keys.push(task), "holder", "changed"] for task in task_ids]
        )
        return [((holder or b"").decode(), (times or b"").decode()) for holder, times in replies]

    async def delete(self, task_id: str, webhook: str) -> None:
        """Delete a webhook, if it is there; nothing is kept of it.

        Raises:
            Unavailable: Redis is away, or too few of its replicas know of it.
        """
        key = self._keys.push(task_id)
        await self._store.script(_DELETE, [key], [webhook])
        await self._durability.confirm(
            Proof(task_id, ["HMGET", key, f"hook:{webhook}"], lambda reply: reply == [None])
        )

    async def may_tell(self, webhook: Webhook, holder: str) -> Noted:
        """Say whether a webhook may be posted to, by who has taken it.

        Raises:
            Unavailable: Redis is away.
        """
        return await self._note(webhook, holder, "may", b"")

    async def told(self, webhook: Webhook, holder: str, position: str) -> Noted:
        """Note that a webhook has taken an event.

        Raises:
            Unavailable: Redis is away.
        """
        return await self._note(webhook, holder, "told", position.encode())

    async def failed(self, webhook: Webhook, holder: str, failing: Failing) -> Noted:
        """Note that a webhook hasn't taken an event.

        Raises:
            Unavailable: Redis is away.
        """
        return await self._note(webhook, holder, "fail", orjson.dumps(failing))

    async def give_up(self, webhook: Webhook, holder: str, told: str, failing: Failing) -> Noted:
        """Make a dead letter of a webhook.

        Args:
            webhook: The webhook.
            holder: Who has taken it.
            told: The position of the last event that it has taken.
            failing: How it has failed, last at `until`.

        Raises:
            Unavailable: Redis is away.
        """
        letter = {
            "failing": failing,
            "told": told,
            "config": webhook.config,
            "dialect": webhook.dialect,
        }
        index = self._keys.dead_letters
        # On the list first: what is on it without a letter is taken off by who reads it.
        await self._store.pipeline(
            [
                ["ZADD", index, failing.until, f"{webhook.task_id} {webhook.id}"],
                ["PEXPIRE", index, self._lifetime],
            ]
        )
        return await self._note(webhook, holder, "dead", orjson.dumps(letter))

    async def _note(
        self,
        webhook: Webhook,
        holder: str,
        what: Literal["may", "told", "fail", "dead"],
        said: bytes,
    ) -> Noted:
        key = self._keys.push(webhook.task_id)
        args = [webhook.id, holder, webhook.setting, what, said, self._lifetime]
        return Noted(await self._store.script(_NOTE, [key], args))


def _fields(flat: list[bytes]) -> dict[str, bytes]:
    return {flat[n].decode(): flat[n + 1] for n in range(0, len(flat), 2)}


def _webhooks(task_id: str, fields: dict[str, bytes]) -> list[Webhook]:
    found: list[Webhook] = []
    for one in sorted(key.removeprefix("hook:") for key in fields if key.startswith("hook:")):
        kept: dict[str, Any] = orjson.loads(fields[f"hook:{one}"])
        fails = fields.get(f"fail:{one}")
        found.append(
            Webhook(
                task_id,
                one,
                **kept,
                told=fields.get(f"told:{one}", b"").decode(),
                setting=fields.get(f"set:{one}", b"").decode(),
                failing=Failing(**orjson.loads(fails)) if fails else None,
            )
        )
    return found
