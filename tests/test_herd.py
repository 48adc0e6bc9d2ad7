"""Many watchers of one task in one process, and what they cost Redis."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest
import redis.asyncio

from a2a_streaming.caller import ANYBODY
from a2a_streaming.feeds import Feeds
from a2a_streaming.service import TaskService
from a2a_streaming.settings import Settings
from tasks import accepted, connected

WATCHERS = 1000
UNCOUNTED = {"cmdstat_publish", "cmdstat_info", "cmdstat_config|resetstat", "cmdstat_ping"}


@pytest.mark.one_server("counts its commands")
async def test_a_thousand_watchers_that_come_back_together_cost_redis_about_one_read(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async with AsyncExitStack() as stack:
        manager = await stack.enter_async_context(connected(settings))
        feeds = Feeds(manager)
        feeds.start()
        stack.push_async_callback(feeds.aclose)
        service = TaskService(manager, feeds, "echo")
        await accepted(manager)
        await raw.config_resetstat()

        async def come_back() -> None:
            session = await service.watch("t1", caller=ANYBODY)
            await stack.enter_async_context(session)
            assert len(await session.next(5)) == 1  # pyright: ignore[reportArgumentType] - no reset here

        await asyncio.gather(*(come_back() for _ in range(WATCHERS)))
        stats = await raw.info("commandstats")
        calls = {name: stat["calls"] for name, stat in stats.items() if name not in UNCOUNTED}
        assert sum(calls.values()) < 30, calls
        assert (await raw.info("clients"))["connected_clients"] < 25
        assert await manager.subscriptions.count("t1") == WATCHERS
    assert await raw.zcard("subscriptions:{t1}") == 0
