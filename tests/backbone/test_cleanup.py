"""After a task's end: its lease is granted once more, for the agent to clean up, and nothing is written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import redis.asyncio

from a2a_streaming.backbone.log import Appended, Grant, NoLease, Renewal
from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.backbone.writer import LogWriter
from a2a_streaming.errors import Fenced
from a2a_streaming.settings import Settings
from a2a_streaming.task import State
from tasks import (
    accepted,
    batch,
    connected,
    ending,
    everything,
    is_whole,
    lapse,
    leased,
    lifetimes,
    log_of,
    meta_of,
    offer,
    saved,
    status,
    story,
)

OVER = NoLease("TERMINAL", state=State.CANCELED)


@pytest.fixture
async def manager(settings: Settings) -> AsyncIterator[RedisManager]:
    async with connected(settings) as manager:
        yield manager


async def ended(manager: RedisManager, *, holder: str = "w1") -> Grant:
    """A task that has ended with something to clean up; returns the lease under which it ended."""
    await accepted(manager)
    grant = await leased(manager, holder=holder)
    await LogWriter(manager.log, grant).append(status(State.CANCELED, "bye"), cleanup=True)
    return grant


async def test_a_task_that_has_ended_with_nothing_to_clean_up_is_over(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    await accepted(manager)
    await LogWriter(manager.log, await leased(manager)).append(status(State.CANCELED))
    assert await manager.log.lease("t1", "w2") == OVER
    assert "cleanup" not in await meta_of(raw, manager)


async def test_a_task_that_has_ended_is_granted_once_more_for_cleaning_up(
    manager: RedisManager,
) -> None:
    old = await ended(manager)
    grant = await leased(manager, holder="w2")
    log = await log_of(manager)
    assert grant.task_ended
    assert (grant.attempt, grant.entry, grant.canceled, grant.damaged) == (1, None, False, False)
    assert (grant.owner, grant.agent, grant.context) == ("", "echo", "c1")
    assert grant.base == log[-1].position
    assert grant.epoch > old.epoch
    assert grant.task["status"]["state"] == State.CANCELED
    refused = await manager.log.lease("t1", "w3")
    assert isinstance(refused, NoLease)
    assert refused.reason == "BUSY"
    await manager.log.release(grant, cleaned=True)
    assert await manager.log.lease("t1", "w3") == OVER


async def test_nothing_is_appended_while_a_task_is_cleaned_up(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    old = await ended(manager)
    grant = await leased(manager, holder="w2")
    before = await everything(raw)
    for call in (
        batch(grant.base.offset, status()),
        batch(grant.base.offset, step=("m late", b"1")),
        batch(grant.base.offset, snapshot=b"{}"),
        batch(grant.base.offset, status(State.FAILED), state=State.FAILED),
    ):
        assert await manager.log.append(grant, call) == Appended("TERMINAL")
    with pytest.raises(Fenced):
        await LogWriter(manager.log, grant).append(step=("m late", b"1"))
    late = batch(grant.base.offset, status(), number=1)
    assert (await manager.log.append(old, late)).code == "FENCED"
    assert (await manager.inbox.accept(offer(text="late"))).code == "TERMINAL"
    assert await everything(raw) == before
    await is_whole(manager)


async def test_what_a_process_died_of_cleaning_up_is_tried_again(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    await ended(manager)
    for attempt in (1, 2, 3):
        grant = await leased(manager, holder=f"w{attempt}")
        assert (grant.attempt, grant.task_ended) == (attempt, True)
        assert isinstance(await manager.log.lease("t1", "other"), NoLease)
        await lapse(raw, manager)
    grant = await leased(manager, holder="last")
    await manager.log.release(grant, cleaned=True)
    assert await manager.log.lease("t1", "other") == OVER


async def test_a_lease_given_back_before_it_is_cleaned_up_is_granted_at_once(
    manager: RedisManager,
) -> None:
    await ended(manager)
    for n in range(3):
        grant = await leased(manager, holder=f"w{n}")
        assert grant.attempt == 1
        await manager.log.release(grant)
    await manager.log.release(await leased(manager), cleaned=True)
    assert await manager.log.lease("t1", "w2") == OVER


async def test_who_has_lost_the_lease_cant_say_that_it_is_cleaned_up(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    writer = await ended(manager)
    slow = await leased(manager, holder="slow")
    await lapse(raw, manager)
    grant = await leased(manager, holder="w2")
    for late in (writer, slow):
        await manager.log.release(late, cleaned=True)
        assert "cleanup" in await meta_of(raw, manager)
        assert await manager.log.renew([late]) == [Renewal.LOST]
    assert await manager.log.renew([grant]) == [Renewal.OK]
    await manager.log.release(grant, cleaned=True)
    await manager.log.release(grant, cleaned=True)  # its reply was lost
    assert await manager.log.lease("t1", "w3") == OVER


async def test_a_cancel_of_a_task_that_is_cleaned_up_finds_it_ended(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    await ended(manager)
    assert await manager.log.lease("t1", "desk", purpose="cancel") == OVER
    grant = await leased(manager, holder="w2")
    assert await manager.log.lease("t1", "desk", purpose="cancel") == OVER
    assert "cancel" not in await meta_of(raw, manager)
    assert await manager.log.renew([grant]) == [Renewal.OK]


async def test_of_many_who_want_to_clean_up_one_does(manager: RedisManager) -> None:
    await ended(manager)
    answers = await asyncio.gather(*(manager.log.lease("t1", f"w{n}") for n in range(25)))
    assert sum(isinstance(answer, Grant) for answer in answers) == 1


async def test_a_terminal_call_that_is_repeated_doesnt_ask_for_cleaning_up_again(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    await accepted(manager)
    old = await leased(manager)
    end = ending(old, 1, State.CANCELED, cleanup=True)
    assert await manager.log.append(old, end) == Appended("OK")
    assert await manager.log.append(old, end) == Appended("OK")
    await manager.log.release(await leased(manager, holder="w2"), cleaned=True)
    before = await everything(raw)
    assert await manager.log.append(old, end) == Appended("OK")
    assert await everything(raw) == before
    assert await manager.log.lease("t1", "w3") == OVER


async def test_that_it_is_cleaned_up_may_be_lost_and_is_done_once_more(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    await ended(manager)
    replica = await saved(raw, manager)
    before = await log_of(manager)
    await manager.log.release(await leased(manager, holder="w2"), cleaned=True)
    await replica.restore()
    await manager.log.release(await leased(manager, holder="w3"), cleaned=True)
    assert await manager.log.lease("t1", "w4") == OVER
    assert story(await log_of(manager)) == story(before)


async def test_an_ended_tasks_lifetimes_stay_whoever_cleans_up(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async with connected(settings, open_ttl=1000, history_ttl=100, snapshot_ttl=5000) as manager:
        await ended(manager)
        meta, stream, snapshot, *_ = manager.keys.task("t1")

        async def are_those_of_an_ended_task() -> None:
            left = await lifetimes(raw)
            assert left[stream] <= 100_000
            assert 1_000_000 < left[snapshot] <= 5_000_000
            assert 1_000_000 < left[meta] <= 5_000_000

        await are_those_of_an_ended_task()
        grant = await leased(manager, holder="w2")
        await are_those_of_an_ended_task()
        assert await manager.log.renew([grant]) == [Renewal.OK]
        await are_those_of_an_ended_task()
        await manager.log.release(grant, cleaned=True)
        await are_those_of_an_ended_task()


async def test_a_task_to_clean_up_has_ended_also_when_what_it_was_cant_be_told(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    await ended(manager)
    await raw.delete(manager.keys.snapshot("t1"))
    await raw.xtrim(manager.keys.stream("t1"), maxlen=1, approximate=False)
    grant = await leased(manager, holder="w2")
    assert grant.task_ended
