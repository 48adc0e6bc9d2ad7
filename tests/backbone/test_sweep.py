"""The sweep: finds every task that has something to do while nobody works on it, and puts the lists right."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis.asyncio

from a2a_streaming.backbone.index import in_state
from a2a_streaming.backbone.log import Grant
from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.backbone.writer import LogWriter
from a2a_streaming.settings import Settings
from a2a_streaming.task import State
from tasks import (
    accepted,
    asked,
    connected,
    everything,
    lapse,
    leased,
    lifetimes,
    now_ms,
    offer,
    said,
    status,
)

LONG_AGO = 60_000


@pytest.fixture
async def manager(settings: Settings) -> AsyncIterator[RedisManager]:
    async with connected(settings) as manager:
        yield manager


async def found(manager: RedisManager) -> dict[str, set[str]]:
    """What the sweep's next page tells; a few tasks are one page."""
    page = await manager.sweep.page("echo")
    assert all(page.values())
    return {agent: set(tasks) for agent, tasks in page.items()}


async def listed(raw: redis.asyncio.Redis, manager: RedisManager) -> dict[str, set[str]]:
    """The lists of tasks, by what they are of."""
    prefix = f"{manager.keys.prefix}index:"
    lists: dict[str, set[str]] = {}
    async for key in raw.scan_iter(match=f"{prefix}*"):
        members: list[Any] = await raw.zrange(key, 0, -1)
        lists[key.decode().removeprefix(prefix)] = {member.decode() for member in members}
    return lists


async def lose_the_lists(raw: redis.asyncio.Redis) -> None:
    async for key in raw.scan_iter(match="*index:*"):
        await raw.delete(key)


async def recorded(manager: RedisManager, task: str = "t1", state: State = State.SUBMITTED) -> None:
    """A task in the lists."""
    await manager.index.record(task, owner="", context="c1", agent="echo", state=state, was=None)


# What it finds


@pytest.mark.parametrize("listing", ["listed", "lists lost", "never listed"])
async def test_a_task_whose_hint_was_lost_is_found_listed_or_not(
    manager: RedisManager, raw: redis.asyncio.Redis, listing: str
) -> None:
    await accepted(manager)
    if listing != "never listed":
        await recorded(manager)
        await manager.index.open("echo", "t1")
    if listing == "lists lost":
        await lose_the_lists(raw)
    for _ in range(3):
        assert await found(manager) == {"echo": {"t1"}}


async def test_a_task_is_found_by_its_own_agent(manager: RedisManager) -> None:
    agents = {"t1": "echo", "t2": "desk", "t3": "desk", "t4": "shop"}
    for task, agent in agents.items():
        await manager.inbox.accept(offer(task, agent=agent))
    assert await found(manager) == {"echo": {"t1"}, "desk": {"t2", "t3"}, "shop": {"t4"}}


async def test_a_task_on_which_somebody_works_isnt_found_until_the_lease_has_lapsed(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    await accepted(manager)
    grant = await leased(manager)
    assert await found(manager) == {}
    await lapse(raw, manager, ms=LONG_AGO)
    assert await found(manager) == {"echo": {"t1"}}
    await manager.log.renew([grant])
    assert await found(manager) == {}
    await manager.log.release(grant)
    assert await found(manager) == {"echo": {"t1"}}


async def test_a_task_whose_lease_ends_absurdly_late_is_found(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    await accepted(manager)
    await leased(manager)
    late = await now_ms(raw) + 3_600_000  # the clock stepped back by an hour since it was granted
    await raw.hset(manager.keys.meta("t1"), "lease_end", str(late))
    assert await found(manager) == {"echo": {"t1"}}
    assert isinstance(await manager.log.lease("t1", "w2"), Grant)  # as whoever is told can take it


async def test_a_task_that_waits_for_its_customer_isnt_found(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    await accepted(manager)
    await asked(manager, await leased(manager))
    assert await found(manager) == {}
    await accepted(manager, text="more")
    assert await found(manager) == {"echo": {"t1"}}


async def test_a_task_that_has_ended_isnt_found(manager: RedisManager) -> None:
    await accepted(manager)
    await LogWriter(manager.log, await leased(manager)).append(status(State.COMPLETED))
    assert await found(manager) == {}


async def test_a_task_that_is_to_be_canceled_is_found_though_no_message_waits(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    await accepted(manager)
    await asked(manager, await leased(manager))
    canceller = await manager.log.lease("t1", "desk", purpose="cancel")
    assert isinstance(canceller, Grant)
    assert await found(manager) == {}
    await lapse(raw, manager, ms=LONG_AGO)  # the canceller died
    assert await found(manager) == {"echo": {"t1"}}
    grant = await leased(manager, holder="w2")
    await LogWriter(manager.log, grant).append(status(State.CANCELED))
    assert await found(manager) == {}


async def test_a_task_that_has_ended_is_found_until_it_is_cleaned_up(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    await accepted(manager)
    writer = LogWriter(manager.log, await leased(manager))
    await writer.append(status(State.CANCELED), cleanup=True)
    assert await found(manager) == {"echo": {"t1"}}
    grant = await leased(manager, holder="w2")
    assert await found(manager) == {}
    await lapse(raw, manager, ms=LONG_AGO)  # it died cleaning up
    assert await found(manager) == {"echo": {"t1"}}
    grant = await leased(manager, holder="w3")
    await manager.log.release(grant, cleaned=True)
    assert await found(manager) == {}


@pytest.mark.parametrize("left", ["stream", "snapshot", "both"])
@pytest.mark.parametrize("is_listed", [False, True])
async def test_a_task_whose_meta_is_lost_is_found_under_no_agent_then_under_its_own(
    manager: RedisManager, raw: redis.asyncio.Redis, left: str, is_listed: bool
) -> None:
    await accepted(manager)
    await asked(manager, await leased(manager))
    if is_listed:
        await recorded(manager, state=State.INPUT_REQUIRED)
    lost = {"stream", "snapshot"} - {left} if left != "both" else set[str]()
    for name in ("meta", *lost):
        await raw.delete(getattr(manager.keys, name)("t1"))
    for _ in range(2):
        assert await found(manager) == {"": {"t1"}}
    await manager.restore("t1")
    agent = "" if left == "stream" else "echo"  # the snapshot tells whose it was
    assert await found(manager) == {agent: {"t1"}}
    grant = await leased(manager, holder="w2")
    assert await found(manager) == {}
    await LogWriter(manager.log, grant).append(status(State.FAILED))
    assert await found(manager) == {}


async def test_a_task_of_which_nothing_is_left_isnt_found(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    await accepted(manager)
    await recorded(manager)
    await raw.delete(*(manager.keys.task("t1")[:3]))  # its inbox stands
    assert await found(manager) == {}


# The lists


async def test_missing_entries_are_added_back_with_lifetimes(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    await manager.inbox.accept(offer("t1", owner="ann", agent="echo", context="c1"))
    await manager.inbox.accept(offer("t2", owner="bob", agent="desk", context="c2"))
    for task, context in (("t3", "c3"), ("t4", "c4")):
        await manager.inbox.accept(offer(task, owner="ann", agent="echo", context=context))
    await asked(manager, await leased(manager, "t3"))
    await LogWriter(manager.log, await leased(manager, "t4")).append(
        status(State.COMPLETED, task="t4")
    )
    await manager.sweep.page("echo")
    assert await listed(raw, manager) == {
        "owner:ann": {"t1", "t3", "t4"},
        "owner:bob": {"t2"},
        "active:ann": {"t1", "t3"},
        "active:bob": {"t2"},
        "agent:echo": {"t1", "t3", "t4"},
        "agent:desk": {"t2"},
        "context:c1": {"t1"},
        "context:c2": {"t2"},
        "context:c3": {"t3"},
        "context:c4": {"t4"},
        "state:echo:submitted": {"t1"},
        "state:desk:submitted": {"t2"},
        "state:echo:input-required": {"t3"},
        "state:echo:completed": {"t4"},
    }
    await lifetimes(raw)


async def test_entries_of_the_wrong_state_are_removed(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    await accepted(manager)
    await recorded(manager, state=State.SUBMITTED)
    await recorded(manager, state=State.WORKING)  # a crash left out to remove the first
    await recorded(manager, "gone", state=State.AUTH_REQUIRED)
    await asked(manager, await leased(manager))
    await manager.sweep.page("echo")
    lists = await listed(raw, manager)
    states = {name: tasks for name, tasks in lists.items() if name.startswith("state:")}
    assert states == {"state:echo:input-required": {"t1"}}


async def test_a_task_that_a_message_alone_answered_is_taken_off_every_list(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    await accepted(manager)
    writer = LogWriter(manager.log, await leased(manager))
    await recorded(manager)
    await writer.append({"message": said("hello")}, settles=writer.task["history"][0]["messageId"])
    assert any("t1" in tasks for tasks in (await listed(raw, manager)).values())
    await found(manager)
    assert not any("t1" in tasks for tasks in (await listed(raw, manager)).values())


async def test_lists_that_are_right_stay_as_they_are(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    await accepted(manager)
    await recorded(manager)
    before = await everything(raw)
    for _ in range(3):
        await manager.sweep.page("echo")
    assert await everything(raw) == before


async def test_looking_changes_nothing_of_a_task(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    await accepted(manager)
    before = {key: await raw.dump(key) for key in manager.keys.task("t1")[:5]}
    await manager.sweep.page("echo")
    assert {key: await raw.dump(key) for key in manager.keys.task("t1")[:5]} == before


# Many tasks


async def many(manager: RedisManager, count: int) -> set[str]:
    """As many tasks, each with a message that waits."""
    tasks = [f"t{n}" for n in range(count)]
    for start in range(0, count, 500):
        some = tasks[start : start + 500]
        await asyncio.gather(*(manager.inbox.accept(offer(task)) for task in some))
    return set(tasks)


@pytest.mark.parametrize("is_listed", [False, True])
async def test_many_tasks_are_found_over_several_pages_again_and_again(
    manager: RedisManager, raw: redis.asyncio.Redis, is_listed: bool
) -> None:
    tasks = await many(manager, 3000)
    if is_listed:
        await asyncio.gather(*(recorded(manager, task) for task in tasks))
    for _ in range(2):
        pages: list[set[str]] = []
        while set().union(*pages) != tasks:
            pages.append((await found(manager)).get("echo", set()))
            assert len(pages) < 50
        assert len(pages) > 1
        assert all(page < tasks for page in pages)
    assert (await listed(raw, manager))["state:echo:submitted"] == tasks


async def test_a_page_is_a_part_of_the_tasks_however_many_there_are(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    pipeline = raw.pipeline(transaction=False)
    tasks = [f"t{n}" for n in range(8000)]
    for task in tasks:
        fields = {"state": State.WORKING.value, "owner": "", "context": "c1", "agent": "echo"}
        pipeline.hset(manager.keys.meta(task), mapping={**fields, "cancel": "1"})
        pipeline.zadd(manager.keys.index(*in_state("echo", State.WORKING)), {task: 1})
    await pipeline.execute()
    seen: set[str] = set()
    pages = 0
    while len(seen) < len(tasks):
        page = (await found(manager))["echo"]
        assert len(page) < 5000
        seen |= page
        pages += 1
        assert pages < 50
    assert pages > 1


# Its own tasks alone


@pytest.mark.parametrize(
    ("one", "other"),
    [("", "shop:"), ("a.b+", "acb"), ("a.b+", "a.bb"), ("(a|b)$", "a"), ("^a", "a"), ("x", "xx")],
)
async def test_installations_that_share_a_redis_find_their_own_tasks_alone(
    settings: Settings, raw: redis.asyncio.Redis, one: str, other: str
) -> None:
    async with (
        connected(settings, key_prefix=one) as mine,
        connected(settings, key_prefix=other) as theirs,
    ):
        for manager, own in ((mine, "mine"), (theirs, "theirs")):
            for task in (own, "both"):
                await accepted(manager, task)
        await raw.delete(theirs.keys.meta("both"))
        for _ in range(2):
            assert await found(mine) == {"echo": {"mine", "both"}}
            assert await found(theirs) == {"echo": {"theirs"}, "": {"both"}}
        assert (await listed(raw, mine))["state:echo:submitted"] == {"mine", "both"}
        assert (await listed(raw, theirs))["state:echo:submitted"] == {"theirs"}


@pytest.mark.parametrize("task", ["a:meta", "x:stream", "..", "~t@1=+-", ":", "t" * 128])
async def test_a_task_is_found_whatever_it_is_called(
    manager: RedisManager, raw: redis.asyncio.Redis, task: str
) -> None:
    await accepted(manager, task)
    await accepted(manager, "other")
    assert await found(manager) == {"echo": {task, "other"}}
    await raw.delete(manager.keys.meta(task))
    assert await found(manager) == {"": {task}, "echo": {"other"}}


async def test_other_keys_that_look_alike_are_passed_over(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    await accepted(manager)
    for name in ("task:{t2}:push", "task:t3:meta", "task:{t4", "task:{}:meta", "xtask:{t5}:meta"):
        await raw.set(name, "x", px=60_000)
    await raw.set("task:{t6}:inbox", "x", px=60_000)
    assert await found(manager) == {"echo": {"t1"}}
