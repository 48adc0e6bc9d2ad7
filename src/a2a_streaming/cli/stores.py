"""The store that a command works on: the Redis that is named, or the embedded one, for as long as it takes."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from a2a_streaming.backbone.embedded import EmbeddedStore
from a2a_streaming.settings import Settings


@asynccontextmanager
async def store_url(settings: Settings) -> AsyncGenerator[str]:
    """Give the store's URL; the embedded one runs as long as it is used.

    Args:
        settings: The settings.

    Raises:
        StoreUnavailable: The embedded store doesn't start.
    """
    if settings.redis_url:
        yield settings.redis_url
        return
    async with EmbeddedStore(settings.data_dir, server=settings.redis_server or None) as store:
        yield store.url
