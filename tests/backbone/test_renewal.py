"""Renewing a lease: it lasts, the task's keys live on, and its holder hears of a cancel."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import redis.asyncio

from a2a_streaming.backbone.log import Renewal
from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.settings import Settings
from tasks import (
    accepted,
    asked,
    batch,
    connected,
    lapse,
    leased,
    meta_of,
)


@pytest.fixture
async def manager(settings: Settings) -> AsyncIterator[RedisManager]:
    async with connected(settings) as manager:
        yield manager


async def test_renewing_moves_the_end_and_says_whether_to_cancel(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    for task in ("t1", "t2", "t3"):
        await accepted(manager, task)
    grants = [await leased(manager, task) for task in ("t1", "t2", "t3")]
    end = int((await meta_of(raw, manager))["lease_end"])
    await raw.hset(manager.keys.meta("t1"), "lease_end", str(end - 500))
    await manager.log.lease("t2", "desk", purpose="cancel")
    await lapse(raw, manager, "t3")
    await leased(manager, "t3", holder="w2")
    assert await manager.log.renew(grants) == [Renewal.OK, Renewal.CANCEL, Renewal.LOST]
    assert int((await meta_of(raw, manager))["lease_end"]) >= end
    assert await manager.log.renew([]) == []


async def test_renewing_keeps_an_open_tasks_keys_alive(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    await accepted(manager)
    grant = await leased(manager)
    await manager.log.append(grant, batch(1, step=("m look", b"1")))
    keys = manager.keys.task("t1")[:5]
    for key in keys:
        await raw.pexpire(key, 20_000)
    await manager.log.renew([grant])
    assert min([await raw.pttl(key) for key in keys]) > 20_000


async def test_a_lease_that_was_given_back_cant_be_renewed(manager: RedisManager) -> None:
    await accepted(manager)
    grant = await leased(manager)
    await asked(manager, grant)
    assert await manager.log.renew([grant]) == [Renewal.LOST]


async def test_renewing_survives_a_redis_that_forgot_the_script(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    await accepted(manager)
    grant = await leased(manager)
    await raw.script_flush()
    assert await manager.log.renew([grant]) == [Renewal.OK]
    await raw.script_flush()
    await manager.log.release(grant)
    await raw.script_flush()
    assert (await leased(manager)).attempt == 1
