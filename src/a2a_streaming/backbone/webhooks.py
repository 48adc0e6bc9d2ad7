"""Webhooks: where a task's events are pushed to, and how far each has been told.

The log is the outbox. Beside each webhook stands the position of the last event that it has taken, so a
process that dies loses nothing: the next one goes on from there, and may tell one event twice.
"""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from a2a_streaming.backbone.connection import Script, Store
from a2a_streaming.backbone.keys import Keys
from a2a_streaming.settings import Settings
from a2a_streaming.task import Json

_CLAIM, _ADVANCE = Script("push_claim"), Script("push_advance")


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where a task's events are pushed to.

    Args:
        task_id: The task.
        id: The webhook's id, its own within the task.
        config: As the client set it: `url`, and `token` and `authentication` if there are any (A2A 1.0 JSON).
        dialect: The dialect in which it wants to be told.
        told: The position of the last event that it has taken; empty to begin with the log's first.
    """

    task_id: str
    id: str
    config: Json
    dialect: str
    told: str = ""


class Webhooks:
    """Keeps webhooks.

    Args:
        store: Redis.
        keys: Names of keys.
        settings: Lifetimes.
    """

    def __init__(self, store: Store, keys: Keys, settings: Settings) -> None:
        self._store = store
        self._keys = keys
        self._lifetime = settings.listed_ttl * 1000

    async def put(self, webhook: Webhook) -> None:
        """Set a webhook; one of the same id is replaced.

        Raises:
            Unavailable: Redis is away.
        """
        key, index = self._keys.push(webhook.task_id), self._keys.pushing
        kept = {"config": webhook.config, "dialect": webhook.dialect}
        # The list first: a task in it that has no webhook is taken out again by who looks.
        await self._store.pipeline(
            [
                ["ZADD", index, 0, webhook.task_id],
                ["PEXPIRE", index, self._lifetime],
                [
                    "HSET",
                    key,
                    f"hook:{webhook.id}",
                    orjson.dumps(kept),
                    f"told:{webhook.id}",
                    webhook.told,
                ],
                ["PEXPIRE", key, self._lifetime],
            ]
        )

    async def of_task(self, task_id: str) -> list[Webhook]:
        """Return a task's webhooks, in the order of their ids.

        Raises:
            Unavailable: Redis is away.
        """
        flat: list[bytes] = await self._store.call("HGETALL", self._keys.push(task_id))
        fields = {flat[n].decode(): flat[n + 1] for n in range(0, len(flat), 2)}
        hooks = [key.removeprefix("hook:") for key in fields if key.startswith("hook:")]
        return [
            Webhook(
                task_id,
                one,
                **orjson.loads(fields[f"hook:{one}"]),
                told=fields.get(f"told:{one}", b"").decode(),
            )
            for one in sorted(hooks)
        ]

    async def delete(self, task_id: str, webhook: str) -> None:
        """Delete a webhook, if it is there.

        Raises:
            Unavailable: Redis is away.
        """
        key = self._keys.push(task_id)
        await self._store.call("HDEL", key, f"hook:{webhook}", f"told:{webhook}")

    async def advance(self, webhook: Webhook, told: str) -> bool:
        """Remember how far a webhook has been told.

        Returns:
            Whether it is still there.

        Raises:
            Unavailable: Redis is away.
        """
        key = self._keys.push(webhook.task_id)
        there = await self._store.script(_ADVANCE, [key], [webhook.id, told, self._lifetime])
        return bool(there)

    async def claim(self, *, seconds: float, count: int) -> list[str]:
        """Take tasks with something to push, so that nobody else pushes it meanwhile.

        Args:
            seconds: For how long.
            count: The most tasks.

        Raises:
            Unavailable: Redis is away.
        """
        taken = await self._store.script(_CLAIM, [self._keys.pushing], [int(seconds * 1000), count])
        return [task.decode() for task in taken]

    async def renew(self, task_ids: list[str], *, seconds: float) -> None:
        """Keep tasks for longer.

        Raises:
            Unavailable: Redis is away.
        """
        seconds_now, micros = await self._store.call("TIME")
        until = int(seconds_now) * 1000 + int(micros) // 1000 + int(seconds * 1000)
        index = self._keys.pushing
        await self._store.pipeline(
            [
                *(["ZADD", index, "XX", until, task] for task in task_ids),
                ["PEXPIRE", index, self._lifetime],
            ]
        )

    async def let_go(self, task_id: str) -> None:
        """Let others take a task at once.

        Raises:
            Unavailable: Redis is away.
        """
        await self._store.call("ZADD", self._keys.pushing, "XX", 0, task_id)

    async def settle(self, task_id: str) -> None:
        """Take a task off the list: nothing is left to be pushed.

        Raises:
            Unavailable: Redis is away.
        """
        await self._store.call("ZREM", self._keys.pushing, task_id)
