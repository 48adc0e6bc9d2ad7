"""Sentinel: a task's story holds when another server becomes the primary."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
import redis.asyncio

from a2a_streaming.backbone.connection import Store
from a2a_streaming.backbone.formation import SentinelFacts
from a2a_streaming.errors import StoreUnavailable, Unavailable
from a2a_streaming.settings import Settings
from servers import Server, Watched, sentinel, until, wanted
from tasks import connected
from topologies.watched import TASK, apart, watched


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
        # An old primary that lives is written to for up to a second yet, and that is lost.
        await apart(lambda: until_written(store.primary(), it.desk.manager.keys.stream(TASK)))
        await it.until_seen()
    if how == "killed":
        await apart(before.start)
    await apart(store.follow)


def until_written(server: Server, stream: str) -> None:
    """Wait until our processes have written at a server, which follows no other."""
    length = server.do("XLEN", stream)
    until(lambda: server.do("XLEN", stream) > length, "nobody writes at the next primary", 40)


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


async def test_a_primary_that_says_nothing_counts_as_away_also_for_reads_that_block() -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(b"+OK\r\n")  # to its greeting, and no more
        asked.append(await reader.read(1000))
        await held.wait()
        writer.close()

    async def knowing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        fields = ["ip", "127.0.0.1", "port", str(port_of(primary)), "config-epoch", "1"]
        told = "*6\r\n" + "".join(f"${len(text)}\r\n{text}\r\n" for text in fields)
        while command := await reader.read(1000):
            writer.write(told.encode() if b"SENTINEL" in command else b"+OK\r\n")
        writer.close()

    asked: list[bytes] = []
    held = asyncio.Event()
    async with (
        await asyncio.start_server(mute, "127.0.0.1", 0) as primary,
        await asyncio.start_server(knowing, "127.0.0.1", 0) as one,
    ):
        store = Store(f"redis+sentinel://127.0.0.1:{port_of(one)}/tasks", timeout=0.2)
        try:
            with pytest.raises(Unavailable):
                async with asyncio.timeout(10):
                    await store.dedicated("work")
            assert b"ROLE" in asked[0]
        finally:
            held.set()
            await store.aclose()


def port_of(server: asyncio.Server) -> int:
    """The port that a server was given."""
    return server.sockets[0].getsockname()[1]
