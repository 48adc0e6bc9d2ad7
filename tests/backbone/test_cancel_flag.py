"""The cancel flag: whoever holds or takes the lease is told, and the task is ended by one of them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import redis.asyncio

from a2a_streaming.backbone.log import Grant, NoLease, Renewal
from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.backbone.writer import LogWriter
from a2a_streaming.settings import Settings
from a2a_streaming.task import State
from tasks import (
    accepted,
    asked,
    connected,
    lapse,
    leased,
    meta_of,
    status,
)


@pytest.fixture
async def manager(settings: Settings) -> AsyncIterator[RedisManager]:
    async with connected(settings) as manager:
        yield manager


async def test_a_cancel_takes_a_task_that_waits_for_a_worker_or_for_its_customer(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    for task in ("t1", "t2"):
        await accepted(manager, task)
    await asked(manager, await leased(manager, "t2"))
    queued = await manager.log.lease("t1", "desk", purpose="cancel")
    waiting = await manager.log.lease("t2", "desk", purpose="cancel")
    assert isinstance(queued, Grant)
    assert isinstance(waiting, Grant)
    assert queued.canceled
    assert waiting.canceled
    assert queued.entry is not None
    assert waiting.entry is None
    assert (await meta_of(raw, manager))["attempts"] == "0"


async def test_a_cancel_tells_the_holder_of_a_live_lease(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    pubsub = raw.pubsub()
    await pubsub.subscribe(manager.keys.control)
    assert await pubsub.get_message(timeout=5) is not None
    await accepted(manager)
    writer = LogWriter(manager.log, grant := await leased(manager))
    for _ in range(2):
        refused = await manager.log.lease("t1", "desk", purpose="cancel")
        assert isinstance(refused, NoLease)
        assert refused.reason == "BUSY"
        told = await pubsub.get_message(ignore_subscribe_messages=True, timeout=5)
        assert told is not None
        assert told["data"] == b"t1"
    assert await manager.log.renew([grant]) == [Renewal.CANCEL]
    assert not writer.canceled
    await writer.append(status())
    assert writer.canceled
    await pubsub.aclose()


async def test_whoever_takes_over_a_task_to_be_canceled_is_told_so(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    await accepted(manager)
    await leased(manager)
    await manager.log.lease("t1", "desk", purpose="cancel")
    await lapse(raw, manager)
    assert (await leased(manager, holder="w2")).canceled


async def test_a_cancel_isnt_lost_between_two_turns(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    await accepted(manager)
    grant = await leased(manager)
    refused = await manager.log.lease("t1", "desk", purpose="cancel")
    assert isinstance(refused, NoLease)
    writer = await asked(manager, grant)  # its holder asked before it heard of the cancel
    assert writer.canceled
    assert (await meta_of(raw, manager))["holder"] == "w1"  # so that it can end the task itself
    await writer.append(status(State.CANCELED))
    assert await manager.log.lease("t1", "w2") == NoLease("TERMINAL", state=State.CANCELED)


async def test_a_task_to_be_canceled_has_something_to_do_without_a_message(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    await accepted(manager)
    await asked(manager, await leased(manager))
    canceller = await manager.log.lease("t1", "desk", purpose="cancel")
    assert isinstance(canceller, Grant)  # and dies
    await lapse(raw, manager)
    grant = await leased(manager, holder="w2")
    assert grant.canceled
    assert grant.entry is None
