"""Redis Cluster: a task's story holds wherever its slot is, and wherever it goes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import httpx2
import pytest
import redis.asyncio

from a2a_streaming import create_app
from a2a_streaming.backbone.formation import ClusterFacts
from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.backbone.slots import slot_of_key
from a2a_streaming.errors import StoreUnavailable
from a2a_streaming.settings import Settings
from apps.greeting import GreetingAgent
from conftest import serving
from servers import Cluster, Server, cluster, until, wanted
from streams import called, frames, message, streaming
from tasks import connected, offer
from tasks import until as eventually
from topologies.watched import TASK, apart, watched


@pytest.fixture(scope="module")
def store() -> Iterator[Cluster]:
    """Three primaries, each with a replica."""
    with cluster(wanted().binary, replicas=1, node_timeout=600) as servers:
        yield servers


@pytest.fixture(scope="module")
def redis_url(store: Cluster) -> str:
    """Its address."""
    return store.url


@pytest.fixture
def slot(settings: Settings) -> int:
    """The slot of the task that is watched."""
    return slot_of_key(f"{settings.key_prefix}task:{{{TASK}}}")


def primaries(store: Cluster) -> list[Server]:
    """Those that take writes."""
    return [one for one in store.servers if one.do("ROLE")[0] == b"master"]


def elsewhere(store: Cluster, slot: int) -> Server:
    """A primary that doesn't have a slot."""
    owner = store.owner(slot)
    return next(one for one in primaries(store) if one is not owner)


def move_by_hand(store: Cluster, slot: int) -> None:
    """Move a slot as redis-cli does, key by key."""
    source, target = store.owner(slot), elsewhere(store, slot)
    to = target.do("CLUSTER", "MYID")
    target.do("CLUSTER", "SETSLOT", slot, "IMPORTING", source.do("CLUSTER", "MYID"))
    source.do("CLUSTER", "SETSLOT", slot, "MIGRATING", to)
    while keys := source.do("CLUSTER", "GETKEYSINSLOT", slot, 2):
        source.do("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)
    for one in (target, source, *primaries(store)):
        one.do("CLUSTER", "SETSLOT", slot, "NODE", to)


def move_at_once(store: Cluster, slot: int) -> None:
    """Move a slot as Valkey 9 does by itself."""
    source, target = store.owner(slot), elsewhere(store, slot)
    to = target.do("CLUSTER", "MYID")
    source.do("CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", slot, slot, "NODE", to)
    until(lambda: store.owner(slot) is target, "the slot didn't move")


async def test_a_tasks_story_is_told_by_every_process(
    settings: Settings, http: httpx2.AsyncClient
) -> None:
    apps = [create_app(GreetingAgent(), settings=settings) for _ in range(2)]
    async with serving(apps[0]) as one, serving(apps[1]) as other:
        told: list[list[tuple[str, str]]] = []
        for n in range(6):  # in slots of all servers
            send = ("tasks/sendSubscribe", f"task-{n}", message("you"))
            async with streaming(http, f"{one.url}/", *send) as live:
                seen = [frame async for frame in live]
            again = await called(http, f"{other.url}/", "tasks/resubscribe", f"task-{n}")
            assert frames(seen) == frames(again)
            told.append(frames(seen))
    assert all("completed" in story[-1][1] for story in told)


@pytest.mark.parametrize("how", ["by hand", "at once"])
async def test_a_slot_moves_in_the_middle_of_a_story_without_gap_or_double(
    how: str, settings: Settings, raw: redis.asyncio.Redis, store: Cluster, slot: int
) -> None:
    if how == "at once" and not await _can_move_at_once(store):
        pytest.skip("this server moves slots by hand alone")
    move = move_by_hand if how == "by hand" else move_at_once
    async with watched(settings, raw) as it:
        for _ in range(2):  # there, and elsewhere again
            await apart(lambda: move(store, slot))
            await it.until_seen()
        assert not it.resets


async def _can_move_at_once(store: Cluster) -> bool:
    told = await asyncio.to_thread(store.servers[0].do, "CLUSTER", "HELP")
    return any(line.startswith(b"MIGRATESLOTS") for line in told)


async def test_a_listener_follows_its_channel_to_another_server(
    settings: Settings, raw: redis.asyncio.Redis, store: Cluster, slot: int
) -> None:
    async with watched(settings, raw) as it:
        source = await asyncio.to_thread(store.owner, slot)
        channel = it.desk.manager.keys.channel(TASK)
        await apart(lambda: move_by_hand(store, slot))
        target = await asyncio.to_thread(store.owner, slot)
        assert source is not target

        async def is_heard_there() -> bool:
            counted = [
                await asyncio.to_thread(one.do, "PUBSUB", "SHARDNUMSUB", channel)
                for one in (source, target)
            ]
            return [count for _, count in counted] == [0, 1]

        await eventually(is_heard_there)


async def test_what_all_processes_are_told_reaches_each_of_them(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async with connected(settings) as one, connected(settings) as other:
        heard: list[tuple[str, str]] = []
        for manager in (one, other):
            manager.broadcast.on_control(lambda does, task: heard.append((does, task)))

        async def is_ready() -> bool:
            return one.broadcast.healthy and other.broadcast.healthy

        await eventually(is_ready)
        await one._store.call("PUBLISH", one.keys.control, "cancel t1")

        async def is_told() -> bool:
            return heard == [("cancel", "t1")] * 2

        await eventually(is_told)


async def test_walks_go_over_all_servers(settings: Settings, raw: redis.asyncio.Redis) -> None:
    async with connected(settings) as manager:
        names = {f"node:{n}" for n in range(60)}
        for name in names:
            await raw.set(name, "1", ex=60)
        assert await manager.health.size() >= len(names)
        found = await manager.health.keys(1000)
        assert found.complete
        assert found.looked_at >= len(names)
        assert await _scanned(manager) >= names


async def _scanned(manager: RedisManager) -> set[str]:
    """All keys, a few at a time."""
    cursor, found = b"0", set[str]()
    while True:
        cursor, names = await manager._store.scan(cursor, match="*", count=5)
        found |= {name.decode() for name in names}
        if cursor == b"0":
            return found


async def test_the_doctor_looks_at_each_server(
    settings: Settings, raw: redis.asyncio.Redis, store: Cluster
) -> None:
    async with connected(settings) as manager:
        assert await manager.health.formation() == ClusterFacts(3, 0)
        servers = await manager.health.redis()
    assert {one.server for one in servers} == {one.address for one in primaries(store)}
    assert all(one.info["cluster_enabled"] == "1" and one.config for one in servers)


async def test_an_address_of_another_set_up_is_refused(
    settings: Settings, raw: redis.asyncio.Redis, store: Cluster
) -> None:
    alone = settings.model_copy(update={"redis_url": f"redis://{store.servers[0].address}"})
    with pytest.raises(StoreUnavailable, match=r"one server of a cluster.*redis\+cluster://"):
        async with connected(alone):
            pass


async def test_a_primary_is_killed_and_its_replica_takes_over_in_the_middle_of_a_story(
    settings: Settings, raw: redis.asyncio.Redis, store: Cluster, slot: int
) -> None:
    async with watched(settings, raw) as it:
        killed = await asyncio.to_thread(store.owner, slot)
        await apart(killed.kill)
        await apart(lambda: until(lambda: store.owner(slot) is not killed, "nobody took over"))
        await it.until_seen()
    await apart(killed.start)
    await apart(killed.until_up)


async def test_what_is_acknowledged_is_at_a_replica_wherever_its_slot_is_by_then(
    settings: Settings, raw: redis.asyncio.Redis, store: Cluster, slot: int
) -> None:
    async with connected(settings, redis_replicas=1, redis_replicas_ms=5000) as manager:
        offers = [offer(TASK), *(offer(f"task-{n}") for n in range(20))]  # in slots of all servers
        for one in offers:
            await manager.inbox.accept(one)
        await asyncio.gather(*(manager.inbox.confirm(one) for one in offers))
        await apart(lambda: move_by_hand(store, slot))
        await asyncio.gather(*(manager.inbox.confirm(one) for one in offers))
        metas = {manager.keys.meta(one.task_id) for one in offers}
        assert await asyncio.to_thread(at_replicas, store, "task:*:meta") >= metas


def at_replicas(store: Cluster, pattern: str) -> set[str]:
    """The keys that replicas have."""
    replicas = [one for one in store.servers if one.do("ROLE")[0] != b"master"]
    return {key.decode() for one in replicas for key in one.do("KEYS", pattern)}
