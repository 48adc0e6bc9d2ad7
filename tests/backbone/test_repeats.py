"""Calls that come again: their reply was lost, or Redis lost what they did."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator

import pytest
import redis.asyncio
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from a2a_streaming.backbone.log import Appended, Renewal
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
    log_of,
    meta_of,
    saved,
    status,
    stored_steps,
    story,
    turn_of,
)


@pytest.fixture
async def manager(settings: Settings) -> AsyncIterator[RedisManager]:
    async with connected(settings) as manager:
        yield manager


# Calls whose reply was lost


@pytest.mark.parametrize(
    "kind", ["plain", "events with a step", "step", "steps", "settling", "followed", "terminal"]
)
async def test_a_call_that_is_repeated_is_answered_the_same_and_changes_nothing(
    manager: RedisManager, raw: redis.asyncio.Redis, kind: str
) -> None:
    await accepted(manager)
    if kind == "followed":
        await accepted(manager, text="more")
    grant = await leased(manager)
    call = {
        "plain": batch(1, status(), status(), state=State.WORKING),
        "events with a step": batch(1, status(), step=("m look", b"1")),
        "step": batch(1, step=("m look", b"1")),
        "steps": batch(1, steps=[("m look", b"1"), ("m pay", b"2")]),
        "settling": ending(grant, 1, State.INPUT_REQUIRED),
        "followed": ending(grant, 1, State.INPUT_REQUIRED),
        "terminal": ending(grant, 1, State.COMPLETED),
    }[kind]
    first = await manager.log.append(grant, call)
    assert first.code == "OK"
    assert (first.following is not None) == (kind == "followed")
    before = await everything(raw)
    for _ in range(3):
        assert await manager.log.append(grant, call) == first
    assert await everything(raw) == before


async def test_a_repeated_call_is_known_whatever_has_happened_since(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    await accepted(manager)
    old = await leased(manager)
    call = ending(old, 1, State.INPUT_REQUIRED)
    assert (await manager.log.append(old, call)).code == "OK"
    await accepted(manager, text="more")
    grant = await leased(manager, holder="w2")
    before = await everything(raw)
    assert await manager.log.append(old, call) == Appended("OK")  # and not: go on with "more"
    assert await everything(raw) == before
    assert (await manager.log.append(grant, batch(2, status()))).code == "OK"
    assert await manager.log.append(old, call) == Appended("OK")
    end = ending(grant, 3, State.COMPLETED, number=1)
    assert (await manager.log.append(grant, end)).code == "OK"
    assert await manager.log.append(old, call) == Appended("OK")
    assert len(await log_of(manager)) == 4


async def test_a_repeated_call_is_known_also_when_the_history_was_lost_after_it(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    await accepted(manager)
    grant = await leased(manager)
    call = batch(1, status())
    assert (await manager.log.append(grant, call)).code == "OK"
    await raw.delete(manager.keys.stream("t1"))
    assert (await manager.log.append(grant, call)).code == "OK"
    assert (await meta_of(raw, manager))["last"] == f"{grant.epoch}-2"


@pytest.mark.parametrize("kind", ["event", "step"])
async def test_a_call_is_known_by_its_number_however_many_came_after_it(
    manager: RedisManager, raw: redis.asyncio.Redis, kind: str
) -> None:
    await accepted(manager)
    grant = await leased(manager)
    calls = [
        batch(1 + n, status(text=str(n)), number=n)
        if kind == "event"
        else batch(1, number=n, step=("m look", b"%d" % n))
        for n in range(12)  # 9 and 10: numbers, which as text would compare the other way round
    ]
    for call in calls:
        assert await manager.log.append(grant, call) == Appended("OK")
    before = await everything(raw)
    for call in calls:
        assert await manager.log.append(grant, call) == Appended("OK")
    assert await everything(raw) == before


# Tails that Redis lost


async def test_a_writer_is_told_that_redis_lost_its_last_events(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    await accepted(manager)
    grant = await leased(manager)
    calls = [batch(1 + n, status(text=str(n)), number=n) for n in range(3)]
    await manager.log.append(grant, calls[0])
    replica = await saved(raw, manager)
    for call in calls[1:]:
        await manager.log.append(grant, call)
    before = await log_of(manager)
    await replica.restore()
    assert await manager.log.append(grant, batch(4, status(), number=3)) == Appended(
        "BEHIND", number=1
    )
    for call in calls[1:]:
        assert await manager.log.append(grant, call) == Appended("OK")
    assert story(await log_of(manager)) == story(before)


@pytest.mark.parametrize("grant_lost", [False, True])
async def test_a_writer_is_told_that_redis_lost_a_step_alone(
    manager: RedisManager, raw: redis.asyncio.Redis, grant_lost: bool
) -> None:
    await accepted(manager)
    before_the_lease = await saved(raw, manager)
    grant = await leased(manager)
    replica = await saved(raw, manager)
    paid = batch(1, step=("m pay", b"1"))
    assert await manager.log.append(grant, paid) == Appended("OK")
    await (before_the_lease if grant_lost else replica).restore()
    before = await everything(raw)
    for late in (batch(1, status(), number=1), batch(1, number=1, step=("m look", b"2"))):
        assert await manager.log.append(grant, late) == Appended("BEHIND", number=0)
    assert await everything(raw) == before
    assert await manager.log.append(grant, paid) == Appended("OK")
    assert await manager.log.append(grant, batch(1, status(), number=1)) == Appended("OK")
    assert await stored_steps(manager, "t1", "m") == {"pay": b"1"}
    assert (await meta_of(raw, manager))["holder"] == "w1"
    assert await manager.log.renew([grant]) == [Renewal.OK]


async def test_a_grant_that_redis_lost_is_restored_by_the_first_call_under_it(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    await accepted(manager)
    old = await leased(manager)
    for number in range(3):
        call = batch(1 + number, status(), number=number)
        assert await manager.log.append(old, call) == Appended("OK")
    await lapse(raw, manager)
    replica = await saved(raw, manager)
    grant = await leased(manager, holder="w2")
    await replica.restore()
    assert await manager.log.append(grant, batch(4, status())) == Appended("OK")
    meta = await meta_of(raw, manager)
    assert (meta["epoch"], meta["holder"], meta["calls"]) == (str(grant.epoch), "w2", "1")
    late = batch(4, status(), number=3)
    assert await manager.log.append(old, late) == Appended("FENCED")
    assert await manager.log.append(grant, batch(5, status(), number=1)) == Appended("OK")


OPERATIONS = st.lists(st.sampled_from(["event", "two", "step", "settle", "large"]), max_size=8)


@hypothesis_settings(max_examples=40)
@given(kept=OPERATIONS, lost=OPERATIONS, grant_lost=st.booleans())
async def test_a_writer_repairs_a_lost_tail_with_the_same_events_at_the_same_positions(
    settings: Settings, raw: redis.asyncio.Redis, kept: list[str], lost: list[str], grant_lost: bool
) -> None:
    async with connected(settings) as manager:
        task = uuid.uuid4().hex
        turns = ["first", *(f"m{n}" for n, op in enumerate([*kept, *lost]) if op == "settle")]
        for text in turns:
            await accepted(manager, task, text)
        before_the_lease = await saved(raw, manager, task)
        grant = await leased(manager, task)
        writer = LogWriter(manager.log, grant)
        steps = 0

        async def does(operation: str) -> None:
            nonlocal steps
            match operation:
                case "event":
                    await writer.append(status(task=task))
                case "two":
                    await asyncio.gather(*(writer.append(status(task=task)) for _ in range(2)))
                case "step":
                    steps += 1
                    await writer.append(step=(f"m {steps}", b"%d" % steps))
                case "settle":
                    assert await writer.append(
                        status(State.INPUT_REQUIRED, task=task), settles=turn_of(grant)
                    )
                case _:
                    await writer.append(status(text="x" * 20_000, task=task))

        for operation in kept:
            await does(operation)
        replica = await saved(raw, manager, task)
        for operation in lost:
            await does(operation)
        told = await log_of(manager, task)
        await (before_the_lease if grant_lost else replica).restore()
        await writer.append(status(text="and on", task=task))
        log = await log_of(manager, task)
        assert story(log[:-1]) == story(told)
        await is_whole(manager, task)
        assert await manager.inbox.waiting(task) == 1  # the turn that goes on
        meta = await meta_of(raw, manager, task)
        assert (meta["holder"], meta["epoch"]) == ("w1", str(grant.epoch))
        [_] = await manager.log.renew([grant])
        found = await stored_steps(manager, task, "m")
        assert found == {str(n): b"%d" % n for n in range(1, 1 + steps)}
        await writer.append(status(State.COMPLETED, task=task))
        await is_whole(manager, task)


@pytest.mark.parametrize("then", ["event", "step", "end"])
async def test_a_step_that_redis_lost_is_stored_again_before_what_comes_next(
    manager: RedisManager, raw: redis.asyncio.Redis, then: str
) -> None:
    await accepted(manager)
    writer = LogWriter(manager.log, await leased(manager))
    replica = await saved(raw, manager)
    await writer.append(step=("m pay", b"1"))
    await writer.append(step=("m post", b"2"))
    await replica.restore()
    stored = {"pay": b"1", "post": b"2"}
    match then:
        case "event":
            await writer.append(status(text="and on"))
        case "step":
            await writer.append(step=("m look", b"3"))
            stored["look"] = b"3"
        case _:
            await writer.append(status(State.COMPLETED))
    assert await stored_steps(manager, "t1", "m") == stored
    await is_whole(manager)


@pytest.mark.parametrize("has_written", [False, True])
async def test_a_lost_tail_isnt_repaired_once_another_run_has_begun(
    manager: RedisManager, raw: redis.asyncio.Redis, has_written: bool
) -> None:
    await accepted(manager)
    writer = LogWriter(manager.log, await leased(manager))
    await writer.append(status(text="a"))
    replica = await saved(raw, manager)
    for text in "bcd":
        await writer.append(status(text=text))
    await replica.restore()
    await lapse(raw, manager)
    other = LogWriter(manager.log, await leased(manager, holder="w2"))
    if has_written:
        for text in "wxyz":
            await other.append(status(text=text))
    before = await log_of(manager)
    with pytest.raises(Fenced):
        await writer.append(status(text="e"))
    assert story(await log_of(manager)) == story(before)
    await other.append(status(State.COMPLETED))
    await is_whole(manager)


async def test_a_tail_of_a_run_before_cant_be_repaired(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    await accepted(manager)
    before = LogWriter(manager.log, await leased(manager))
    await before.append(status(text="a"))
    replica = await saved(raw, manager)
    await before.append(status(text="b"))
    await lapse(raw, manager)
    writer = LogWriter(manager.log, await leased(manager, holder="w2"))
    await writer.append(status(text="c"))
    await replica.restore()
    with pytest.raises(Fenced):
        await writer.append(status(text="d"))
    assert len(await log_of(manager)) == 2


async def test_a_writer_whose_memory_doesnt_reach_back_gives_up(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    await accepted(manager)
    writer = LogWriter(manager.log, await leased(manager))
    replica = await saved(raw, manager)
    for _ in range(6):
        await writer.append(status(text="x" * 1024 * 1024))
    await replica.restore()
    with pytest.raises(Fenced):
        await writer.append(status())
    assert len(await log_of(manager)) == 1
