"""Pushing: a process reads the tasks that have webhooks, and posts each event to them, in order.

At least once: the position in the header `A2A-Event-Position` tells repetitions apart. A receiver that
fails is tried again, with growing pauses, and holds up nobody but itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import random

import httpx2
import orjson

from a2a_streaming import metrics
from a2a_streaming.addresses import resolve
from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.backbone.webhooks import Webhook
from a2a_streaming.errors import TaskNotFound, Unavailable
from a2a_streaming.event import Event
from a2a_streaming.feeds import Feeds
from a2a_streaming.position import Position
from a2a_streaming.session import Reset, StreamSession
from a2a_streaming.task import Json
from a2a_streaming.telemetry import get_logger
from a2a_streaming.wire import legacy, modern

_log = get_logger(__name__)

POSITION_HEADER = "A2A-Event-Position"
TOKEN_HEADER = "X-A2A-Notification-Token"  # noqa: S105 - a header's name (specification 1.0, section 6.6)
_LOOK = 0.5
"""Seconds between looks for tasks that nobody pushes."""
_HELD = 10.0
"""Seconds for which a process holds a task without a sign of life."""
_TASKS = 256
"""The most tasks that a process pushes at once."""
_PAUSE, _LONGEST_PAUSE = 0.5, 60.0


class Pusher:
    """Pushes events to webhooks, for as long as it runs.

    Args:
        manager: Redis.
        feeds: The process's feeds.
    """

    def __init__(self, manager: RedisManager, feeds: Feeds) -> None:
        self._manager = manager
        self._webhooks = manager.webhooks
        self._feeds = feeds
        self._held: dict[str, asyncio.Task[None]] = {}
        self._loop: asyncio.Task[None] | None = None
        settings = manager.settings
        self._patience = settings.push_retry_seconds
        self._private = settings.push_private
        self._timeout = settings.push_timeout
        self._client: httpx2.AsyncClient

    async def start(self) -> None:
        """Begin."""
        self._client = await asyncio.to_thread(self._make_client)  # it reads certificates
        self._loop = asyncio.create_task(self._look(), name="push")

    def _make_client(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(follow_redirects=False, timeout=self._timeout, trust_env=False)

    async def aclose(self) -> None:
        """Stop; what is left to push, another process goes on with."""
        if self._loop is None:
            return
        held = [*self._held]
        tasks = [self._loop, *self._held.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(Unavailable):
            for task_id in held:
                await self._webhooks.let_go(task_id)
        await self._client.aclose()

    async def _look(self) -> None:
        renewed = _now()
        while True:
            try:
                if self._held and _now() - renewed > _HELD / 3:
                    await self._webhooks.renew([*self._held], seconds=_HELD)
                    renewed = _now()
                room = _TASKS - len(self._held)
                for task_id in (
                    await self._webhooks.claim(seconds=_HELD, count=room) if room else ()
                ):
                    if task_id not in self._held:
                        job = asyncio.create_task(self._push(task_id), name=f"push {task_id}")
                        self._held[task_id] = job
                        job.add_done_callback(lambda _, task_id=task_id: self._held.pop(task_id))
            except Unavailable:
                _log.debug("Redis is away; webhooks wait")
            await asyncio.sleep(_LOOK)

    async def _push(self, task_id: str) -> None:
        """Push a task to all its webhooks, to its end; those that come later are taken in."""
        pushing: dict[str, asyncio.Task[bool]] = {}
        try:
            while True:
                for webhook in await self._webhooks.of_task(task_id):
                    if webhook.id not in pushing:
                        pushing[webhook.id] = asyncio.create_task(self._tell(webhook))
                if all(one.done() for one in pushing.values()):
                    break
                await asyncio.wait(pushing.values(), timeout=_LOOK)
            if all(one.result() for one in pushing.values()):
                await self._webhooks.settle(task_id)
        except Unavailable:
            return  # it falls to whoever looks first when Redis is back
        except Exception:
            _log.exception("pushing failed", task=task_id)
        finally:
            for one in pushing.values():
                one.cancel()
            await asyncio.gather(*pushing.values(), return_exceptions=True)

    async def _tell(self, webhook: Webhook) -> bool:
        """Tell a webhook all that follows; returns whether the task has ended, or the webhook is gone."""
        after = Position.parse(webhook.told) if webhook.told else None
        try:
            async with StreamSession(
                self._manager, self._feeds, webhook.task_id, after=after
            ) as session:
                while True:
                    newest = session.newest
                    if newest is not None and newest.state is not None and newest.state.terminal:
                        return True  # it has ended, and the webhook knows
                    got = await session.next(_HELD)
                    if isinstance(got, Reset):
                        body = _tell_task(webhook.dialect, got.task)
                        if not await self._deliver(webhook, body, got.position):
                            return True
                        continue
                    for event in got:
                        told = await self._body(webhook, event)
                        if not await self._deliver(webhook, told, event.position):
                            return True
                        if event.state is not None and event.state.terminal:
                            return True
        except TaskNotFound:
            return True

    async def _body(self, webhook: Webhook, event: Event) -> bytes | None:
        """Return what a webhook is told of an event: 1.0 the event, others the task at each status."""
        if webhook.dialect == "1.0":
            return event.data
        if event.state is None:
            return None
        snapshot = await self._manager.snapshots.get(webhook.task_id)
        return _tell_task(webhook.dialect, snapshot.task) if snapshot is not None else None

    async def _deliver(self, webhook: Webhook, body: bytes | None, position: Position) -> bool:
        """Post one event until it is taken; returns whether the webhook is to hear more."""
        pause, begun = _PAUSE, _now()
        while body is not None:
            reason = await self._post(webhook, body, position)
            if reason is None:
                break
            metrics.PUSHES.labels("failed").inc()
            if _now() - begun > self._patience:
                _log.error(
                    "gave up on a webhook", task=webhook.task_id, webhook=webhook.id, reason=reason
                )
                metrics.PUSHES.labels("given up").inc()
                await self._webhooks.delete(webhook.task_id, webhook.id)
                return False
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(pause * 2, _LONGEST_PAUSE)
            if not await self._is_there(webhook):
                return False
        else:
            return await self._webhooks.advance(webhook, str(position))
        metrics.PUSHES.labels("delivered").inc()
        return await self._webhooks.advance(webhook, str(position))

    async def _is_there(self, webhook: Webhook) -> bool:
        return any(one.id == webhook.id for one in await self._webhooks.of_task(webhook.task_id))

    async def _post(self, webhook: Webhook, body: bytes, position: Position) -> str | None:
        """Post once; returns why it failed."""
        config = webhook.config
        modern = webhook.dialect == "1.0"
        headers = {
            "content-type": "application/a2a+json" if modern else "application/json",
            POSITION_HEADER: str(position),
        }
        if token := config.get("token"):
            headers[TOKEN_HEADER] = token
        match config.get("authentication"):
            case {"scheme": str(scheme), **rest} if scheme:
                headers["authorization"] = f"{scheme} {rest.get('credentials', '')}".strip()
            case _:
                pass
        try:
            url = httpx2.URL(config["url"])
            # The address that was checked is the one that is spoken to, whatever the name resolves to next.
            address = await resolve(config["url"], private=self._private)
            headers["host"] = url.netloc.decode()
            response = await self._client.post(
                url.copy_with(host=address),
                content=body,
                headers=headers,
                extensions={"sni_hostname": url.host},
            )
        except (httpx2.HTTPError, ValueError, OSError) as error:
            return f"{type(error).__name__}: {error}"
        return None if response.is_success else f"HTTP {response.status_code}"


def _tell_task(dialect: str, task: Json) -> bytes:
    if dialect == "0.1":
        return orjson.dumps(legacy.tell_task(task, history_length=None))
    if dialect == "0.3":
        return modern.tell_v03_task(task)
    return orjson.dumps({"task": modern.tell_task(task)})


def _now() -> float:
    """Return the time by the event loop's clock, in seconds."""
    return asyncio.get_running_loop().time()
