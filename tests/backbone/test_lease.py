"""The right to write: who gets it, when it ends, and that its token is never handed out twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import redis.asyncio

from a2a_streaming.backbone.log import Grant, NoLease, Renewal
from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.backbone.writer import LogWriter
from a2a_streaming.errors import Fenced
from a2a_streaming.settings import Settings
from a2a_streaming.task import State
from tasks import (
    accepted,
    asked,
    batch,
    connected,
    folded,
    lapse,
    leased,
    lifetimes,
    log_of,
    meta_of,
    now_ms,
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


async def test_a_waiting_message_gets_a_lease_with_all_that_its_holder_needs(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    created = await accepted(manager)
    grant = await leased(manager, holder="w1")
    assert (grant.task_id, grant.holder, grant.context, grant.owner) == ("t1", "w1", "c1", "")
    assert (grant.agent, grant.attempt) == ("echo", 1)
    assert (grant.canceled, grant.damaged, grant.task_ended) == (False, False, False)
    assert created.position is not None
    assert grant.base == created.position
    assert grant.previous_epoch == created.position.epoch
    assert grant.epoch > grant.previous_epoch
    assert grant.entry is not None
    assert grant.entry.message == grant.task["history"][0]
    assert grant.task == folded(await log_of(manager))
    meta = await meta_of(raw, manager)
    assert (meta["holder"], meta["epoch"]) == ("w1", str(grant.epoch))
    assert meta[f"e:{grant.epoch}"] == "2"  # the offset at which its events begin
    assert 0 < int(meta["lease_end"]) - await now_ms(raw) <= 2000


async def test_a_lease_brings_the_task_as_it_is_also_where_no_snapshot_is_yet(
    manager: RedisManager,
) -> None:
    await accepted(manager)
    first = await leased(manager)
    events = [status(text=f"{n}") for n in range(20)]
    await manager.log.append(first, batch(1, *events, state=State.WORKING))
    await manager.log.release(first)
    grant = await leased(manager)
    log = await log_of(manager)
    assert grant.task == folded(log)
    assert grant.base == log[-1].position
    assert grant.tail_bytes == sum(len(event.data) for event in log[1:])


async def test_a_live_lease_is_its_holders_alone(manager: RedisManager) -> None:
    await accepted(manager)
    await leased(manager, holder="w1")
    for holder in ("w2", "w", "w10", "W1"):
        refused = await manager.log.lease("t1", holder)
        assert isinstance(refused, NoLease)
        assert refused.reason == "BUSY"
        assert 0 < refused.seconds <= 2


async def test_who_asks_again_because_the_reply_was_lost_is_granted_anew_at_no_cost(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    await accepted(manager)
    unheard = await leased(manager)
    for _ in range(10):
        grant = await leased(manager)
        assert grant.attempt == 1
        assert grant.epoch > unheard.epoch
        assert grant.previous_epoch == unheard.epoch
        assert (grant.base, grant.entry, grant.task) == (unheard.base, unheard.entry, unheard.task)
        assert await manager.log.renew([unheard, grant]) == [Renewal.LOST, Renewal.OK]
        late = batch(1, status(), number=0)
        assert (await manager.log.append(unheard, late)).code == "FENCED"
        unheard = grant
    assert (await manager.log.append(unheard, batch(1, status()))).code == "OK"
    assert (await meta_of(raw, manager))["attempts"] == "1"
    assert isinstance(await manager.log.lease("t1", "w2"), NoLease)


async def test_who_asks_again_is_granted_the_task_as_it_has_become(manager: RedisManager) -> None:
    await accepted(manager)
    writer = LogWriter(manager.log, await leased(manager))
    await writer.append(status(text="a"), step=("m look", b"1"))
    grant = await leased(manager)
    assert grant.base == writer.position
    assert grant.task == writer.task
    with pytest.raises(Fenced):
        await writer.append(status(text="b"))
    await LogWriter(manager.log, grant).append(status(text="c"))  # its calls count from 0 again
    assert len(await log_of(manager)) == 3


async def test_who_asks_again_after_its_lease_has_lapsed_has_begun_another_attempt(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    await accepted(manager)
    await leased(manager)
    await lapse(raw, manager)
    assert (await leased(manager)).attempt == 2


async def test_of_many_who_ask_at_once_one_gets_the_lease(settings: Settings) -> None:
    async with connected(settings) as one, connected(settings) as other:
        await accepted(one)
        answers = await asyncio.gather(
            *(one.log.lease("t1", f"one/{n}") for n in range(25)),
            *(other.log.lease("t1", f"other/{n}") for n in range(25)),
        )
    assert sum(isinstance(answer, Grant) for answer in answers) == 1
    refused = {answer.reason for answer in answers if isinstance(answer, NoLease)}
    assert refused == {"BUSY"}


async def test_a_task_with_nothing_to_do_is_idle(manager: RedisManager) -> None:
    await accepted(manager)
    await asked(manager, await leased(manager))
    assert await manager.log.lease("t1", "w2") == NoLease("IDLE")


@pytest.mark.parametrize("purpose", ["run", "cancel"])
async def test_a_task_that_has_ended_says_how(manager: RedisManager, purpose: str) -> None:
    await accepted(manager)
    await LogWriter(manager.log, await leased(manager)).append(status(State.REJECTED))
    refused = await manager.log.lease(
        "t1", "w2", purpose="cancel" if purpose == "cancel" else "run"
    )
    assert refused == NoLease("TERMINAL", state=State.REJECTED)


async def test_a_task_that_isnt_there_is_gone(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    assert await manager.log.lease("t1", "w1") == NoLease("GONE")
    assert await manager.log.lease("t1", "w1", purpose="cancel") == NoLease("GONE")
    assert await raw.dbsize() == 0


@pytest.mark.parametrize("left", ["the history's end", "nothing"])
async def test_a_task_of_which_too_much_is_lost_is_granted_as_damaged_so_that_it_can_end(
    manager: RedisManager, raw: redis.asyncio.Redis, left: str
) -> None:
    await accepted(manager)
    first = await leased(manager)
    await manager.log.append(first, batch(1, status()))
    await manager.log.release(first)
    await raw.delete(manager.keys.snapshot("t1"))
    if left == "nothing":
        await raw.delete(manager.keys.stream("t1"))
    else:
        await raw.xtrim(manager.keys.stream("t1"), maxlen=1, approximate=False)
    grant = await leased(manager, holder="w2")
    assert (grant.damaged, grant.canceled, grant.task_ended) == (True, False, False)
    assert (grant.owner, grant.agent, grant.context) == ("", "echo", "c1")
    assert grant.entry == first.entry
    assert grant.base.offset == 2
    assert (grant.task["id"], grant.task["contextId"]) == ("t1", "c1")
    await LogWriter(manager.log, grant).append(status(State.FAILED, "sorry"))
    snapshot = await manager.snapshots.get("t1")
    assert snapshot is not None
    assert snapshot.task["status"]["state"] == State.FAILED
    assert snapshot.position.offset == 4  # the message that nobody had begun, and the end
    assert await manager.log.lease("t1", "w3") == NoLease("TERMINAL", state=State.FAILED)
    await lifetimes(raw)


@pytest.mark.parametrize("lost", ["snapshot", "stream"])
async def test_a_task_that_still_folds_isnt_damaged(
    manager: RedisManager, raw: redis.asyncio.Redis, lost: str
) -> None:
    await accepted(manager)
    told = await leased(manager)
    await manager.log.release(told)
    await raw.delete(getattr(manager.keys, lost)("t1"))
    grant = await leased(manager)
    assert not grant.damaged
    assert grant.task == told.task


async def test_an_expired_lease_is_granted_anew_and_its_old_holder_is_fenced(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    await accepted(manager)
    zombie = LogWriter(manager.log, old := await leased(manager, holder="w1"))
    await zombie.append(status(text="alive"))
    await lapse(raw, manager)
    grant = await leased(manager, holder="w2")
    assert (grant.attempt, grant.entry) == (2, old.entry)
    before = await log_of(manager)
    assert grant.base == before[-1].position
    with pytest.raises(Fenced):
        await zombie.append(status(text="still alive"))
    assert await manager.log.renew([old]) == [Renewal.LOST]
    await manager.log.release(old)
    assert story(await log_of(manager)) == story(before)
    assert (await meta_of(raw, manager))["holder"] == "w2"
    await LogWriter(manager.log, grant).append(status(State.COMPLETED))


async def test_an_expired_lease_still_writes_as_long_as_nobody_else_has_one(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    await accepted(manager)
    writer = LogWriter(manager.log, grant := await leased(manager))
    await lapse(raw, manager)
    await writer.append(status())
    assert await manager.log.renew([grant]) == [Renewal.OK]
    assert isinstance(await manager.log.lease("t1", "w2"), NoLease)


async def test_a_lease_that_ends_absurdly_late_is_dead(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    await accepted(manager)
    old = await leased(manager)
    late = await now_ms(raw) + 3_600_000  # the clock stepped back by an hour since it was granted
    await raw.hset(manager.keys.meta("t1"), "lease_end", str(late))
    grant = await leased(manager, holder="w2")
    assert grant.epoch > old.epoch


async def test_a_lease_lives_as_long_as_its_own_length_says_whoever_asks(
    settings: Settings,
) -> None:
    async with connected(settings, lease_seconds=60) as slow, connected(settings) as quick:
        await accepted(slow)
        grant = await leased(slow)
        assert isinstance(await quick.log.lease("t1", "w2"), NoLease)
        assert await slow.log.renew([grant]) == [Renewal.OK]
        assert isinstance(await quick.log.lease("t1", "w2"), NoLease)


async def test_epochs_always_grow(manager: RedisManager, raw: redis.asyncio.Redis) -> None:
    await accepted(manager)
    grants = []
    for _ in range(20):
        grants.append(await leased(manager))
        await lapse(raw, manager)
    epochs = [grant.epoch for grant in grants]
    assert epochs == sorted(set(epochs))
    assert [grant.previous_epoch for grant in grants[1:]] == epochs[:-1]


async def test_an_epoch_is_never_handed_out_twice_also_when_redis_lost_its_last_writes(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    await accepted(manager)
    # Epochs ahead of the clock: as if Redis' clock had stepped back, so that it is of no help.
    ahead = (await now_ms(raw) + 3_600_000) * 1000
    await raw.hset(manager.keys.meta("t1"), "epoch", str(ahead))
    replica = await saved(raw, manager)
    lost = await leased(manager)
    await replica.restore()
    grant = await leased(manager)
    assert min(lost.epoch, grant.epoch) > ahead
    assert lost.epoch != grant.epoch
    with pytest.raises(Fenced):
        await LogWriter(manager.log, lost).append(status())


async def test_attempts_are_counted_until_a_step_or_the_next_message(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    async def died() -> Grant:
        await lapse(raw, manager)
        return await leased(manager)

    await accepted(manager)
    await accepted(manager, text="more")
    grant = await leased(manager)
    assert grant.attempt == 1
    for attempt in (2, 3):
        grant = await died()
        assert grant.attempt == attempt
    writer = LogWriter(manager.log, grant)
    await writer.append(status())
    grant = await died()
    assert grant.attempt == 4  # an event is no progress
    writer = LogWriter(manager.log, grant)
    await writer.append(step=(f"{turn_of(grant)} look", b"1"))
    grant = await died()
    assert grant.attempt == 2
    writer = LogWriter(manager.log, grant)
    await writer.append(status(), settles=turn_of(grant))
    grant = await died()
    assert grant.attempt == 2  # the first was under the lease before
    writer = LogWriter(manager.log, grant)
    await writer.append(status(State.INPUT_REQUIRED), settles=turn_of(grant))
    await accepted(manager, text="and more")
    assert (await leased(manager)).attempt == 1


async def test_a_lease_given_back_is_free_at_once_and_costs_no_attempt(
    manager: RedisManager,
) -> None:
    await accepted(manager)
    for holder in ("w1", "w2", "w3"):
        grant = await leased(manager, holder=holder)
        assert grant.attempt == 1
        await manager.log.release(grant)
    grant = await leased(manager)
    await manager.log.append(grant, batch(1, step=(f"{turn_of(grant)} look", b"1")))
    await manager.log.release(grant)
    assert (await leased(manager)).attempt == 1


async def test_a_turn_finds_the_steps_of_its_own_message_alone(manager: RedisManager) -> None:
    await accepted(manager)
    grant = await leased(manager)
    turns = [("m1", "look"), ("m1", "a b"), ("m10", "look"), ("m1:m1", "look")]
    for n, (message_id, name) in enumerate(turns):
        step = (f"{message_id} {name}", b"%d" % n)
        assert (await manager.log.append(grant, batch(1, number=n, step=step))).code == "OK"
    assert await stored_steps(manager, "t1", "m1") == {"look": b"0", "a b": b"1"}
    assert await stored_steps(manager, "t1", "m10") == {"look": b"2"}
    assert await stored_steps(manager, "t1", "m") == {}
    assert await stored_steps(manager, "t2", "m1") == {}
