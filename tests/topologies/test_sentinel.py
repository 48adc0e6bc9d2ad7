"""Sentinel: a task's story holds when another server becomes the primary."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
import redis.asyncio

from a2a_streaming.backbone.formation import SentinelFacts
from a2a_streaming.errors import StoreUnavailable
from a2a_streaming.settings import Settings
from servers import Watched, sentinel, until, wanted
from tasks import connected
from topologies.watched import apart, watched


@pytest.fixture(scope="module")
def store() -> Iterator[Watched]:
    """A primary, its replica, and a sentinel."""
    with sentinel(wanted().binary) as servers:
        yield servers


@pytest.fixture(scope="module")
def redis_url(store: Watched) -> str:
    """Its address."""
    return store.url


@pytest.mark.parametrize("how", ["asked for", "killed"])
async def test_a_story_goes_on_at_the_next_primary(
    how: str, settings: Settings, raw: redis.asyncio.Redis, store: Watched
) -> None:
    async with watched(settings, raw) as it:
        before = await asyncio.to_thread(store.primary)
        if how == "killed":
            await apart(before.kill)
        else:
            await apart(lambda: store.sentinels[0].do("SENTINEL", "FAILOVER", "tasks"))
        await apart(lambda: until(lambda: store.primary() is not before, "nobody took over"))
        await it.until_seen()
    if how == "killed":
        await apart(before.start)
    await apart(store.follow)


async def test_the_doctor_looks_at_the_sentinels(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async with connected(settings) as manager:
        facts = await manager.health.formation()
        assert facts == SentinelFacts(1, 0, 1, 1, 1, 1, "")


async def test_a_service_that_no_sentinel_watches_is_named(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    with pytest.raises(StoreUnavailable, match="don't watch 'others'"):
        async with connected(settings, redis_url=settings.redis_url.replace("tasks", "others")):
            pass
