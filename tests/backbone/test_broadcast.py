"""Live broadcast: a hint, but one that says when it may have missed something."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest
import redis.asyncio

from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.event import Event
from a2a_streaming.settings import Settings
from tasks import connected, contiguous, log_of, status, story, until, writing


@pytest.fixture
async def manager(settings: Settings) -> AsyncIterator[RedisManager]:
    async with connected(settings) as manager:
        yield manager


class Ear:
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.interruptions = 0
        self._changed = asyncio.Event()

    def received(self, events: Sequence[Event]) -> None:
        self.events += events
        self._changed.set()

    def interrupted(self) -> None:
        self.interruptions += 1
        self._changed.set()

    async def until(self, condition: Callable[[Ear], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition(self):
                self._changed.clear()
                await self._changed.wait()


async def pubsub_clients(raw: redis.asyncio.Redis) -> int:
    return len(await raw.client_list(_type="pubsub"))


@pytest.mark.one_server("plain Pub/Sub, and its clients")
async def test_a_join_returns_when_redis_has_confirmed_it_so_that_nothing_after_it_is_missed(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    writer = await writing(manager)
    for _ in range(20):
        ear = Ear()
        await manager.broadcast.join("t1", ear)
        subscribed: Any = await raw.pubsub_numsub(manager.keys.channel("t1"))
        assert subscribed[0][1] == 1
        await writer.append(status(text="live"))
        await ear.until(lambda ear: len(ear.events) == 1)
        manager.broadcast.leave("t1", ear)


async def test_what_is_heard_is_what_the_history_holds(manager: RedisManager) -> None:
    writer = await writing(manager)
    ear = Ear()
    await manager.broadcast.join("t1", ear)
    await asyncio.gather(*(writer.append(status(text=f"{n}\n ä")) for n in range(200)))
    await ear.until(lambda ear: len(ear.events) == 200)
    log = await log_of(manager)
    assert story(ear.events) == story(log[1:])
    contiguous(ear.events, after=1)
    assert ear.events[0].previous == log[0].position


async def test_each_listener_hears_its_own_task_alone(manager: RedisManager) -> None:
    ears: dict[str, Ear] = {}
    for task in ("t1", "t2", "t3"):
        ears[task] = Ear()
        await manager.broadcast.join(task, ears[task])
    for task in ears:
        await (await writing(manager, task)).append(status(task=task, text=task))
    for task, ear in ears.items():
        await ear.until(lambda ear: len(ear.events) == 2)
        assert story(ear.events) == story(await log_of(manager, task))
        assert ear.events[0].previous is None


async def test_who_has_left_hears_nothing_and_leaves_no_subscription(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    writer = await writing(manager)
    gone, other = Ear(), Ear()
    await manager.broadcast.join("t1", gone)
    await manager.broadcast.join("t2", other)
    manager.broadcast.leave("t1", gone)
    manager.broadcast.leave("t1", gone)  # twice does no harm

    async def is_unsubscribed() -> bool:
        found: Any = await raw.pubsub_numsub(manager.keys.channel("t1"))
        return found[0][1] == 0

    await until(is_unsubscribed)
    await writer.append(status())
    await (await writing(manager, "t2")).append(status(task="t2"))
    await other.until(lambda ear: len(ear.events) == 2)
    assert gone.events == []


async def test_who_leaves_late_doesnt_take_the_next_listener_along(manager: RedisManager) -> None:
    writer = await writing(manager)
    before, after = Ear(), Ear()
    await manager.broadcast.join("t1", before)
    await manager.broadcast.join("t1", after)
    manager.broadcast.leave("t1", before)
    await writer.append(status())
    await after.until(lambda ear: len(ear.events) == 1)


async def test_leaving_and_joining_at_once_ends_subscribed(manager: RedisManager) -> None:
    writer = await writing(manager)
    ear = Ear()
    await manager.broadcast.join("t1", ear)
    for _ in range(30):
        next_ear = Ear()
        manager.broadcast.leave("t1", ear)
        await manager.broadcast.join("t1", next_ear)
        ear = next_ear
    await writer.append(status())
    await ear.until(lambda ear: bool(ear.events) or ear.interruptions > 0)


@pytest.mark.one_server("plain Pub/Sub, and its clients")
async def test_a_killed_connection_is_replaced_and_listeners_are_told_that_they_may_have_missed_something(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    writers = {task: await writing(manager, task) for task in ("t1", "t2")}
    ears = {task: Ear() for task in writers}
    for task, ear in ears.items():
        await manager.broadcast.join(task, ear)
    for round_ in range(1, 4):
        assert await raw.client_kill_filter(_type="pubsub") == 1
        for task, ear in ears.items():
            heard = len(ear.events)
            await ear.until(lambda ear, n=round_: ear.interruptions >= n)
            await writers[task].append(status(task=task, text=f"after {round_}"))
            await ear.until(lambda ear, n=heard: len(ear.events) > n)
    assert await pubsub_clients(raw) == 1
    assert manager.broadcast.healthy


async def test_who_joins_while_the_connection_is_broken_is_joined_when_it_is_back(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    writer = await writing(manager)
    for _ in range(10):
        ear = Ear()
        await raw.client_kill_filter(_type="pubsub")
        await manager.broadcast.join("t1", ear)
        await writer.append(status())
        await ear.until(lambda ear: bool(ear.events) or ear.interruptions > 0)
        manager.broadcast.leave("t1", ear)


@pytest.mark.one_server("plain Pub/Sub, and its clients")
async def test_a_message_nobody_can_read_is_a_reason_to_look_into_the_log(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    writer = await writing(manager)
    ear = Ear()
    await manager.broadcast.join("t1", ear)
    junk = ["", "junk", "1-1 x {}", "a b c", b"\xff \xff \xff", "1-1 18446744073709551616-1 {}"]
    for payload in junk:
        await raw.publish(manager.keys.channel("t1"), payload)
    await raw.publish(manager.keys.control, b"\xff")
    await ear.until(lambda ear: ear.interruptions == len(junk))
    await writer.append(status())
    await ear.until(lambda ear: len(ear.events) == 1)


async def test_whoever_wants_to_is_told_of_a_cancel(manager: RedisManager) -> None:
    told: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
    manager.broadcast.on_control(lambda does, task: told.put_nowait((does, task)))
    await writing(manager)
    ear = Ear()
    await manager.broadcast.join("t1", ear)  # the connection is up
    await manager.log.lease("t1", "desk", purpose="cancel")
    async with asyncio.timeout(20):
        assert await told.get() == ("cancel", "t1")


@pytest.mark.one_server("plain Pub/Sub, and its clients")
async def test_a_thousand_channels_take_one_connection(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    ears = {f"t{n}": Ear() for n in range(1000)}
    await asyncio.gather(*(manager.broadcast.join(task, ear) for task, ear in ears.items()))
    assert await pubsub_clients(raw) == 1
    assert await raw.client_kill_filter(_type="pubsub") == 1
    for ear in ears.values():
        await ear.until(lambda ear: ear.interruptions == 1)
    assert await pubsub_clients(raw) == 1
    for task, ear in ears.items():
        manager.broadcast.leave(task, ear)


@pytest.mark.one_server("plain Pub/Sub, and its clients")
async def test_a_process_that_closes_leaves_nothing_behind(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async def alone() -> bool:
        return len(await raw.client_list()) == 1

    tasks = asyncio.all_tasks()
    for _ in range(10):
        async with connected(settings) as manager:
            ear = Ear()
            joining = manager.broadcast.join("t1", ear)
            await asyncio.sleep(0)
        await joining
    await until(alone)
    assert asyncio.all_tasks() == tasks


@pytest.mark.one_server("plain Pub/Sub, and its clients")
async def test_health_comes_back_with_the_connection(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    async def healthy() -> bool:
        return manager.broadcast.healthy

    await until(healthy)
    await raw.client_kill_filter(_type="pubsub")
    await until(healthy)
    assert await until(lambda: pubsub_clients(raw)) == 1
