"""The store that a command works on: the Redis that is named, or the embedded one, for as long as it takes."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from a2a_streaming.backbone.embedded import EmbeddedStore
from a2a_streaming.errors import StoreUnavailable
from a2a_streaming.settings import Settings


@asynccontextmanager
async def store_url(settings: Settings) -> AsyncGenerator[str]:
    """Give the store's URL; the embedded one runs as long as it is used.

    Args:
        settings: The settings.

    Raises:
        StoreUnavailable: The embedded store doesn't start, or replicas are asked of it.
    """
    if settings.redis_url:
        yield settings.redis_url
        return
    if settings.redis_replicas:
        raise StoreUnavailable(
            f"A2A_REDIS_REPLICAS is {settings.redis_replicas}, and the embedded store has no replicas. Set A2A_REDIS_URL, or"
            " leave A2A_REDIS_REPLICAS away."
        )
    async with EmbeddedStore(settings.data_dir, server=settings.redis_server or None) as store:
        yield store.url
