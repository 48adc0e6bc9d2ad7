"""Hints: each wakes one worker, stays until its task is settled, and outlives the worker that took it."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis.asyncio

from a2a_streaming.backbone.keys import WORKERS
from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.backbone.work import Hint, Work
from a2a_streaming.settings import Settings
from tasks import connected, lifetimes, now_ms, until


@pytest.fixture
async def manager(settings: Settings) -> AsyncIterator[RedisManager]:
    async with connected(settings, lease_seconds=600) as manager:  # hints are aged instead
        yield manager


@pytest.fixture
async def work(manager: RedisManager) -> AsyncIterator[Work]:
    work = manager.work("echo")
    await work.prepare()
    yield work
    await work.aclose()


KEY = "work:echo"


async def holders(raw: redis.asyncio.Redis) -> dict[str, set[str]]:
    """Which worker holds which hints."""
    pending: list[Any] = await raw.xpending_range(KEY, WORKERS, "-", "+", 10_000)
    held: dict[str, set[str]] = {}
    for one in pending:
        held.setdefault(one["consumer"].decode(), set()).add(one["message_id"].decode())
    return held


async def workers(raw: redis.asyncio.Redis) -> set[str]:
    """The group's workers."""
    found: list[Any] = await raw.xinfo_consumers(KEY, WORKERS)
    return {one["name"].decode() for one in found}


async def taken(work: Work, worker: str, *tasks: str) -> list[Hint]:
    """Hints that a worker was handed."""
    await work.hint(*tasks)
    hints = await work.next(worker, len(tasks))
    assert [hint.task_id for hint in hints] == [*tasks]
    return hints


async def silent(raw: redis.asyncio.Redis, worker: str, *hints: Hint) -> None:
    """Let a worker have been silent about its hints for an hour."""
    items = [hint.item for hint in hints]
    await raw.execute_command("XCLAIM", KEY, WORKERS, worker, 0, *items, "IDLE", 3_600_000)


# Taking them


async def test_each_hint_is_handed_to_one_worker_in_order(manager: RedisManager) -> None:
    one, other = manager.work("echo"), manager.work("echo")
    await one.prepare()
    await one.hint(*(f"t{n}" for n in range(20)))
    first = await one.next("w1", 5)
    second = await other.next("w2", 100)
    assert [hint.task_id for hint in [*first, *second]] == [f"t{n}" for n in range(20)]
    assert await one.next("w1", 5) == []
    await one.aclose()
    await other.aclose()


async def test_agents_have_hints_of_their_own(manager: RedisManager, work: Work) -> None:
    desk = manager.work("desk")
    await desk.prepare()
    await desk.hint("t1")
    assert await work.next("w1", 5) == []
    assert [hint.task_id for hint in await desk.next("w1", 5)] == ["t1"]
    await desk.aclose()


async def test_a_hint_that_came_before_any_worker_is_found(manager: RedisManager) -> None:
    work = manager.work("echo")
    await work.hint("t1")
    assert await work.next("w1", 5) == []  # there was no group yet
    assert [hint.task_id for hint in await work.next("w1", 5)] == ["t1"]
    await work.aclose()


async def test_a_worker_is_woken_by_a_hint(work: Work, raw: redis.asyncio.Redis) -> None:
    waits = asyncio.create_task(work.next("w1", 5))

    async def is_blocked() -> bool:
        info: Any = await raw.info("clients")
        return info["blocked_clients"] == 1

    await until(is_blocked)
    await work.hint("t1")
    assert [hint.task_id for hint in await waits] == ["t1"]


async def test_a_settled_hint_is_gone_for_good(work: Work, raw: redis.asyncio.Redis) -> None:
    hints = await taken(work, "w1", "t1", "t2")
    await silent(raw, "w1", *hints)
    await work.done(hints[0].item)
    await work.done(hints[0].item)
    await work.done()
    assert await work.reclaim("w2", 10) == [hints[1]]
    assert await raw.xlen(KEY) == 1
    await lifetimes(raw)


# Keeping them


async def test_a_silent_workers_hints_are_taken_over_after_a_leases_length(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async with connected(settings, lease_seconds=0.2) as manager:
        work = manager.work("echo")
        await work.prepare()
        hints = await taken(work, "w1", "t1", "t2")
        assert await until(lambda: work.reclaim("w2", 10)) == hints
        assert await holders(raw) == {"w2": {hint.item for hint in hints}}
        await work.aclose()


async def test_a_worker_that_renews_its_hints_keeps_them(
    work: Work, raw: redis.asyncio.Redis
) -> None:
    kept, dropped = await taken(work, "w1", "kept", "dropped")
    await silent(raw, "w1", kept, dropped)
    await work.renew("w1", [kept.item])
    assert await work.reclaim("w2", 10) == [dropped]
    for _ in range(3):
        await silent(raw, "w1", kept)
        await work.renew("w1", [kept.item])
        assert await work.reclaim("w2", 10) == []
    assert await holders(raw) == {"w1": {kept.item}, "w2": {dropped.item}}
    await silent(raw, "w1", kept)
    assert await work.reclaim("w2", 10) == [kept]


async def test_renewing_a_settled_hint_doesnt_bring_it_back(
    work: Work, raw: redis.asyncio.Redis
) -> None:
    one, other = await taken(work, "w1", "t1", "t2")
    await work.done(one.item)
    await work.renew("w1", [one.item, other.item])
    assert await holders(raw) == {"w1": {other.item}}
    await work.renew("w1", [])
    await raw.delete(KEY)
    await work.renew("w1", [other.item])  # lost, and no matter
    assert await raw.dbsize() == 0


async def test_renewing_a_hint_doesnt_hand_it_out_again(
    work: Work, raw: redis.asyncio.Redis
) -> None:
    [hint] = await taken(work, "w1", "t1")
    for _ in range(5):
        await work.renew("w1", [hint.item])
    [pending] = await raw.xpending_range(KEY, WORKERS, "-", "+", 10)
    assert pending["times_delivered"] == 1
    assert await work.next("w2", 10) == []


# Taking them over


@pytest.mark.parametrize("count", [1, 3, 10])
async def test_a_dropped_hint_is_found_behind_many_that_are_worked_on(
    work: Work, raw: redis.asyncio.Redis, count: int
) -> None:
    live = 25 * count  # one look of Redis' goes past ten times `count`
    await taken(work, "w1", *(f"live{n}" for n in range(live)))
    dropped = await taken(work, "w2", *(f"dropped{n}" for n in range(count)))
    await silent(raw, "w2", *dropped)
    assert await work.reclaim("w3", count) == dropped
    assert await work.reclaim("w3", count) == []


async def test_every_dropped_hint_is_found_in_the_end_however_many_are_worked_on(
    work: Work, raw: redis.asyncio.Redis
) -> None:
    dropped: list[Hint] = []
    for n in range(5):
        await taken(work, "w1", *(f"live{n}.{m}" for m in range(1000)))
        dropped += await taken(work, "w2", f"dropped{n}")
    await silent(raw, "w2", *dropped)
    found: list[Hint] = []
    for _ in range(50):
        got = await work.reclaim("w3", 1)
        assert len(got) <= 1
        found += got
    assert found == dropped


async def test_no_more_is_taken_over_than_a_worker_has_room_for(
    work: Work, raw: redis.asyncio.Redis
) -> None:
    hints = await taken(work, "w1", *(f"t{n}" for n in range(30)))
    await silent(raw, "w1", *hints)
    found: list[Hint] = []
    while len(found) < 30:
        got = await work.reclaim(f"w{len(found)}", 7)
        assert 0 < len(got) <= 7
        found += got
    assert found == hints


async def test_hints_whose_entries_are_lost_are_passed_over(
    work: Work, raw: redis.asyncio.Redis
) -> None:
    hints = await taken(work, "w1", *(f"t{n}" for n in range(20)))
    await silent(raw, "w1", *hints)
    await raw.xdel(KEY, *(hint.item for hint in hints[:19]))
    assert await work.reclaim("w2", 1) == [hints[19]]
    held = await holders(raw)
    if (await raw.info("server"))["redis_version"].startswith("6."):
        assert hints[19].item in held["w2"]  # before Redis 7.0 the lost ones stay pending, too
    else:
        assert held == {"w2": {hints[19].item}}


async def test_a_stream_that_was_lost_is_made_again_by_whoever_looks(
    work: Work, raw: redis.asyncio.Redis
) -> None:
    hints = await taken(work, "w1", "t1")
    await raw.delete(KEY)
    assert await work.reclaim("w2", 5) == []
    await work.done(hints[0].item)
    await work.hint("t2")
    assert [hint.task_id for hint in await work.next("w2", 5)] == ["t2"]
    await lifetimes(raw)


# Workers that are gone


def _crc64(data: bytearray) -> int:
    """The checksum of a dump: CRC-64/Jones, reflected."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x95AC9329AC4BC9B5 if crc & 1 else 0)
    return crc


async def age(raw: redis.asyncio.Redis, worker: str, *, minutes: int) -> None:
    """Have a worker been seen last so long ago: Redis' own note of it, in the stream's dump."""
    if (await raw.info("server"))["redis_version"].startswith(("6.", "7.0")):
        pytest.skip("before Redis 7.2 a dump tells less of a worker")
    dump: Any = await raw.dump(KEY)
    body = bytearray(dump[:-8])
    name = worker.encode()
    place = body.index(bytes([len(name)]) + name) + 1 + len(name)
    seen = await now_ms(raw) - minutes * 60_000
    body[place : place + 16] = struct.pack("<qq", seen, seen)  # tried last, and had success last
    await raw.restore(KEY, 3_600_000, bytes(body) + struct.pack("<Q", _crc64(body)), replace=True)


async def test_workers_that_have_been_silent_for_long_and_hold_nothing_are_forgotten(
    work: Work, raw: redis.asyncio.Redis
) -> None:
    [held] = await taken(work, "loaded-worker", "t1")
    [done] = await taken(work, "emptied-worker", "t2")
    await work.done(done.item)
    for worker in ("living-worker", "quiet-worker", "dead-worker"):
        await raw.xgroup_createconsumer(KEY, WORKERS, worker)
    for worker in ("loaded-worker", "emptied-worker", "dead-worker"):
        await age(raw, worker, minutes=60)
    await age(raw, "quiet-worker", minutes=5)
    assert len(await workers(raw)) == 5
    await work.forget_the_dead()
    assert await workers(raw) == {"loaded-worker", "living-worker", "quiet-worker"}
    assert await holders(raw) == {"loaded-worker": {held.item}}
    assert await work.reclaim("living-worker", 5) == []  # it was aged, its hint wasn't


async def test_a_worker_that_finds_nothing_to_do_is_alive(
    work: Work, raw: redis.asyncio.Redis
) -> None:
    for worker, looks in (("waits-worker", work.next), ("looks-worker", work.reclaim)):
        await raw.xgroup_createconsumer(KEY, WORKERS, worker)
        await age(raw, worker, minutes=60)
        assert await looks(worker, 1) == []
    await work.forget_the_dead()
    assert await workers(raw) == {"waits-worker", "looks-worker"}


async def test_a_worker_that_does_nothing_but_renew_is_alive(
    work: Work, raw: redis.asyncio.Redis
) -> None:
    [hint] = await taken(work, "busy-worker", "t1")
    await age(raw, "busy-worker", minutes=60)
    await work.renew("busy-worker", [hint.item])
    await work.done(hint.item)
    await work.forget_the_dead()
    assert await workers(raw) == {"busy-worker"}


async def test_a_forgotten_worker_that_comes_back_is_a_worker_again(
    work: Work, raw: redis.asyncio.Redis
) -> None:
    await raw.xgroup_createconsumer(KEY, WORKERS, "dead-worker")
    await age(raw, "dead-worker", minutes=60)
    await work.forget_the_dead()
    assert await workers(raw) == set()
    await taken(work, "dead-worker", "t1")


async def test_there_is_nobody_to_forget_where_there_is_no_group(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    await manager.work("echo").forget_the_dead()
    assert await raw.dbsize() == 0


async def test_a_worker_that_leaves_gives_its_hints_to_others_at_once(
    work: Work, raw: redis.asyncio.Redis
) -> None:
    await taken(work, "w1", "t1", "t2")
    await taken(work, "w2", "t3")
    await work.give_up("w1")
    await work.give_up("w3")
    assert {*await holders(raw)} == {"w2"}
    assert {hint.task_id for hint in await work.next("w2", 10)} == {"t1", "t2"}
    await lifetimes(raw)
