"""What clients ask of a task's webhooks, whatever dialect they ask it in."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable
from typing import Protocol

from a2a_streaming.addresses import resolve
from a2a_streaming.backbone.keys import check_id
from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.backbone.webhooks import Webhook
from a2a_streaming.caller import Caller
from a2a_streaming.errors import InvalidParams, PushNotificationNotSupported, TaskNotFound
from a2a_streaming.metrics import LIMITED
from a2a_streaming.task import Json

_HEADER = re.compile(r"[\x20-\x7e]{1,4096}")


class Authorize(Protocol):
    """Checks that a task is the caller's; raises TaskNotFound if not."""

    def __call__(self, task_id: str, caller: Caller, does: str) -> Awaitable[str]:
        """Check it, and return its stored id."""
        ...


class TaskWebhooks:
    """Webhooks of one agent's tasks.

    Args:
        manager: Redis.
        authorize: Checks that a task is the caller's.
    """

    def __init__(self, manager: RedisManager, authorize: Authorize) -> None:
        self._manager = manager
        self._authorize = authorize

    async def set(
        self, task_id: str, config: Json, *, caller: Caller, dialect: str, told: str
    ) -> Webhook:
        """Have a task's events pushed to a webhook.

        Args:
            task_id: The task.
            config: Its `id` and `url`, and `token` and `authentication` if there are any (A2A 1.0 JSON).
            caller: Who asks.
            dialect: The dialect in which it wants to be told.
            told: The position after which it is told what happens; empty for the log's beginning.

        Raises:
            TaskNotFound: There is no such task of this caller and agent.
            InvalidParams: It isn't a webhook to which this server pushes, or there are too many.
            PushNotificationNotSupported: The operator has switched webhooks off.
            Unavailable: Redis is away, or too few of its replicas have it.
        """
        stored = await self._authorize(task_id, caller, "set a webhook")
        await self.check(config)
        webhook_id = check_id(config["id"], "The configuration's id")
        limit = self._manager.settings.push_limit
        others = [
            one for one in await self._manager.webhooks.of_task(stored) if one.id != webhook_id
        ]
        if len(others) >= limit:
            LIMITED.labels("webhooks").inc()
            raise InvalidParams(
                f"The task has {limit} webhooks already. Delete one first; the operator can raise A2A_PUSH_LIMIT."
            )
        kept = {key: config[key] for key in ("url", "token", "authentication") if key in config}
        webhook = Webhook(stored, webhook_id, kept, dialect, told)
        await self._manager.webhooks.put(webhook)
        return webhook

    async def check(self, config: Json) -> None:
        """Check that this server pushes to a webhook.

        Raises:
            InvalidParams: It doesn't; the text says why.
            PushNotificationNotSupported: The operator has switched webhooks off.
        """
        self._check_on()
        authentication: Json = config.get("authentication") or {}
        for name, said in [("token", config.get("token")), *authentication.items()]:
            if said and not _HEADER.fullmatch(str(said)):
                raise InvalidParams(
                    f"The webhook's {name} goes in a header: send at most 4096 visible ASCII characters."
                )
        settings = self._manager.settings
        try:
            async with asyncio.timeout(settings.push_timeout):
                await resolve(str(config.get("url", "")), settings.push_reach)
        except ValueError as error:
            raise InvalidParams(f"The webhook's URL can't be used: {error}") from error
        except OSError:
            pass  # what can't be resolved now may be later: it is checked again before each call

    async def of_task(self, task_id: str, *, caller: Caller) -> list[Webhook]:
        """Return a task's webhooks.

        Raises:
            TaskNotFound: There is no such task of this caller and agent.
            PushNotificationNotSupported: The operator has switched webhooks off.
            Unavailable: Redis is away.
        """
        self._check_on()
        stored = await self._authorize(task_id, caller, "read webhooks")
        return await self._manager.webhooks.of_task(stored)

    async def delete(self, task_id: str, webhook: str, *, caller: Caller) -> None:
        """Delete a webhook, if it is there.

        Raises:
            TaskNotFound: There is no such task of this caller and agent.
            PushNotificationNotSupported: The operator has switched webhooks off.
            Unavailable: Redis is away, or too few of its replicas have it.
        """
        self._check_on()
        stored = await self._authorize(task_id, caller, "delete a webhook")
        await self._manager.webhooks.delete(stored, webhook)

    async def end_of_log(self, task_id: str, *, caller: Caller) -> str:
        """Return the position of a task's last event.

        Raises:
            TaskNotFound: There is no such task of this caller and agent.
            PushNotificationNotSupported: The operator has switched webhooks off.
            Unavailable: Redis is away.
        """
        self._check_on()
        stored = await self._authorize(task_id, caller, "set a webhook")
        meta = await self._manager.snapshots.meta(stored)
        if meta is None:
            raise TaskNotFound(task_id)
        return str(meta.last)

    def _check_on(self) -> None:
        if not self._manager.settings.push:
            raise PushNotificationNotSupported(
                "This agent sends no push notifications; its card says so. Follow the task's stream."
            )
