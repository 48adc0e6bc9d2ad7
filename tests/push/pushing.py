"""Tasks with webhooks, and processes that push, without a server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import redis.asyncio

from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.backbone.webhooks import Webhook
from a2a_streaming.backbone.writer import LogWriter
from a2a_streaming.feeds import Feeds
from a2a_streaming.push import KeyRing, Pusher, Sender
from a2a_streaming.task import State
from receivers import Receiver
from tasks import status, until, writing


@asynccontextmanager
async def pushing(manager: RedisManager, **more: Any) -> AsyncIterator[Pusher]:
    """A process that pushes."""
    settings = manager.settings
    feeds = Feeds(manager)
    feeds.start()
    sender = Sender(settings, KeyRing(settings, manager.signing_keys))
    pusher = Pusher(manager, feeds, sender, **more)
    await pusher.start()
    try:
        yield pusher
    finally:
        await pusher.aclose()
        await feeds.aclose()


async def hooked(
    manager: RedisManager, task: str, *receivers: Receiver, dialect: str = "1.0"
) -> LogWriter:
    """A new task with a webhook at each receiver, `hook0` and so on; what writes to its log."""
    writer = await writing(manager, task)
    for number, receiver in enumerate(receivers):
        await hook(manager, task, receiver, f"hook{number}", dialect)
    return writer


async def hook(
    manager: RedisManager, task: str, receiver: Receiver, name: str = "hook0", dialect: str = "1.0"
) -> None:
    """Set a webhook, to be told the whole log."""
    await manager.webhooks.put(Webhook(task, name, {"url": receiver.url}, dialect))


async def says(writer: LogWriter, *words: str) -> None:
    """Let a task's run say something, each in an event of its own."""
    for word in words:
        await writer.append(status(State.WORKING, word, task=writer.task["id"]))


async def ends(writer: LogWriter) -> None:
    """Let a task complete, saying "done"."""
    await writer.append(status(State.COMPLETED, "done", task=writer.task["id"]))


async def until_settled(raw: redis.asyncio.Redis) -> None:
    """Wait until nothing is left to be pushed."""

    async def is_settled() -> bool:
        return not await raw.zcard("index:push")

    await until(is_settled)
