"""The history's length: trimmed where a snapshot covers it, begun anew where it was lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis.asyncio

from a2a_streaming.backbone.log import Appended
from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.backbone.writer import LogWriter
from a2a_streaming.errors import HistoryLost
from a2a_streaming.settings import Settings
from a2a_streaming.task import State
from tasks import (
    accepted,
    batch,
    connected,
    folded,
    leased,
    log_of,
    meta_of,
    status,
)


@pytest.fixture
async def manager(settings: Settings) -> AsyncIterator[RedisManager]:
    async with connected(settings) as manager:
        yield manager


async def test_history_is_trimmed_when_a_snapshot_covers_it_and_never_before(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async with connected(settings, history_maxlen=50) as manager:
        await accepted(manager)
        grant = await leased(manager)
        stream = manager.keys.stream("t1")
        offset = 1
        for number in range(10):
            call = batch(offset, *(status(text=str(n)) for n in range(100)), number=number)
            await manager.log.append(grant, call)
            offset += 100
        assert await raw.xlen(stream) == 1001
        task = folded(await log_of(manager))
        covering = batch(offset, status(text="last"), number=10, snapshot=b'{"id":"t1"}')
        await manager.log.append(grant, covering)
        assert await raw.xlen(stream) < 300
        assert task is not None
        snapshot = await manager.snapshots.get("t1")
        assert snapshot is not None
        assert snapshot.position.offset == 1002
        with pytest.raises(HistoryLost, match="trimmed"):
            await manager.history.page("t1", None)


async def test_what_was_trimmed_is_in_the_snapshot(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async with connected(settings, history_maxlen=20) as manager:
        await accepted(manager)
        writer = LogWriter(manager.log, await leased(manager))
        stream = manager.keys.stream("t1")
        for n in range(60):
            await asyncio.gather(*(writer.append(status(text=f"{n} {m}")) for m in range(20)))
            entries: Any = await raw.xrange(stream, count=1)
            first = entries[0][0].decode()
            covered = (await meta_of(raw, manager))["snapshot"]
            assert int(first.partition("-")[2]) <= int(covered.partition("-")[2]) + 1
            snapshot = await manager.snapshots.get("t1")
            assert snapshot is not None
            assert snapshot.task == writer.task
        assert await raw.xlen(stream) < 1200


async def test_a_history_that_was_lost_is_begun_anew_with_a_lifetime(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    await accepted(manager)
    grant = await leased(manager)
    stream = manager.keys.stream("t1")
    await manager.log.append(grant, batch(1, status()))
    await raw.delete(stream)
    call = batch(2, status(), status(), number=1)
    assert await manager.log.append(grant, call) == Appended("OK", history_lost=True)
    assert await raw.xlen(stream) == 2
    assert await raw.pttl(stream) > 0
    assert await manager.log.append(grant, batch(4, status(), number=2)) == Appended("OK")


async def test_a_history_that_was_lost_goes_on_with_a_lifetime_and_a_snapshot(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    await accepted(manager)
    grant = await leased(manager)
    writer = LogWriter(manager.log, grant)
    for n in range(5):
        await writer.append(status(text=f"a long way {n}"))
    stream = manager.keys.stream("t1")
    await raw.delete(stream)
    await writer.append(status(text="go on"))
    assert await raw.xlen(stream) == 1
    assert await raw.pttl(stream) > 0
    await writer.drain()
    assert (await meta_of(raw, manager))["snapshot"] == f"{grant.epoch}-7"
    snapshot = await manager.snapshots.get("t1")
    assert snapshot is not None
    assert snapshot.task == writer.task
    await writer.append(status(text="and on"))
    with pytest.raises(HistoryLost, match="trimmed"):
        await manager.history.page("t1", None)
    await writer.append(status(State.COMPLETED))
    snapshot = await manager.snapshots.get("t1")
    assert snapshot is not None
    assert snapshot.task == writer.task
