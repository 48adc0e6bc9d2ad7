"""Which server it is, and whether it is too old: by what INFO tells."""

from __future__ import annotations

import pytest
import redis.asyncio

from a2a_streaming.backbone.product import is_too_old, parse_info, product_of, version_of
from a2a_streaming.errors import StoreUnavailable
from a2a_streaming.settings import Settings
from tasks import connected

VALKEY = b"# Server\r\nredis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.1.8\r\n"


@pytest.mark.parametrize(
    ("told", "product", "version", "too_old"),
    [
        (b"# Server\r\nredis_version:6.0.20\r\n", "redis", "6.0.20", True),
        (b"redis_version:5.0.14\r\n", "redis", "5.0.14", True),
        (b"redis_version:6.2.0\r\n", "redis", "6.2.0", False),
        (b"redis_version:8.0.2\r\n", "redis", "8.0.2", False),
        (b"redis_version:255.255.255\r\n", "redis", "255.255.255", False),
        (VALKEY, "valkey", "8.1.8", False),
        (b"role:master\r\n", "redis", "?", False),
    ],
)
def test_a_server_is_known_by_its_info(
    told: bytes, product: str, version: str, too_old: bool
) -> None:
    info = parse_info(told)
    assert (product_of(info), version_of(info), is_too_old(info)) == (product, version, too_old)


async def test_a_server_that_would_evict_tasks_is_refused_at_the_start(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    try:
        await raw.config_set("maxmemory-policy", "allkeys-lru")
        async with connected(settings) as manager:
            await manager.ping()  # without a limit it evicts nothing
        await raw.config_set("maxmemory", "1gb")
        with pytest.raises(StoreUnavailable, match="Set maxmemory-policy to noeviction"):
            async with connected(settings):
                pass
    finally:
        await raw.config_set("maxmemory", "0")
        await raw.config_set("maxmemory-policy", "noeviction")
