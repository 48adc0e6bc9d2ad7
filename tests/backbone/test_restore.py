"""A task whose meta is lost: it is brought back to where it can be ended, and nobody's late write counts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import orjson
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
    asked,
    batch,
    connected,
    everything,
    is_whole,
    leased,
    lifetimes,
    log_of,
    meta_of,
    now_ms,
    offer,
    status,
    story,
)

DAMAGED = NoLease("DAMAGED")


@pytest.fixture
async def manager(settings: Settings) -> AsyncIterator[RedisManager]:
    async with connected(settings) as manager:
        yield manager


async def begun(manager: RedisManager) -> LogWriter:
    """A task of Ann's on which a run is at work: some events, of which no snapshot tells."""
    await manager.inbox.accept(offer(owner="ann", agent="desk", context="c7"))
    writer = LogWriter(manager.log, await leased(manager))
    for text in "abc":
        await writer.append(status(text=text), step=(f"m {text}", b"1"))
    return writer


async def lose(raw: redis.asyncio.Redis, manager: RedisManager, *names: str) -> None:
    """Lose some of a task's keys."""
    keys = [getattr(manager.keys, name)("t1") for name in names]
    assert await raw.delete(*keys) == len(names)


@pytest.mark.parametrize("purpose", ["run", "cancel"])
@pytest.mark.parametrize("left", ["stream", "snapshot", "both"])
async def test_a_task_whose_meta_is_lost_is_damaged_whoever_wants_the_lease(
    manager: RedisManager, raw: redis.asyncio.Redis, left: str, purpose: str
) -> None:
    await begun(manager)
    await lose(raw, manager, "meta", *({"stream", "snapshot"} - {left} if left != "both" else ()))
    before = await everything(raw)
    lease = await manager.log.lease("t1", "w2", purpose="run" if purpose == "run" else "cancel")
    assert lease == DAMAGED
    assert await everything(raw) == before


async def test_a_restored_task_is_as_it_was_and_can_be_ended(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    writer = await begun(manager)
    before = await manager.snapshots.meta("t1")
    log = await log_of(manager)
    await lose(raw, manager, "meta")
    await manager.restore("t1")
    assert await manager.snapshots.meta("t1") == before
    assert story(await log_of(manager)) == story(log)
    await is_whole(manager)
    grant = await leased(manager, holder="w2")
    assert (grant.damaged, grant.task_ended, grant.canceled, grant.attempt) == (
        True,
        False,
        False,
        1,
    )
    assert (grant.owner, grant.agent, grant.context) == ("ann", "desk", "c7")
    assert (grant.base, grant.task) == (writer.position, writer.task)
    assert grant.entry is not None  # the inbox wasn't lost
    await LogWriter(manager.log, grant).append(status(State.FAILED, "sorry"))
    assert await manager.log.lease("t1", "w3") == NoLease("TERMINAL", state=State.FAILED)
    await is_whole(manager)
    assert "damaged" not in await meta_of(raw, manager)
    await lifetimes(raw)


async def test_a_restored_task_is_damaged_until_it_has_ended_also_with_an_empty_inbox(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    await accepted(manager)
    await asked(manager, await leased(manager))
    await lose(raw, manager, "meta")
    await manager.restore("t1")
    for n in range(3):
        grant = await leased(manager, holder=f"w{n}")
        assert (grant.damaged, grant.entry) == (True, None)
        await manager.log.release(grant)
    canceller = await manager.log.lease("t1", "desk", purpose="cancel")
    assert isinstance(canceller, Grant)
    assert canceller.damaged
    await LogWriter(manager.log, canceller).append(status(State.CANCELED))
    assert await manager.log.lease("t1", "w9") == NoLease("TERMINAL", state=State.CANCELED)


async def test_whoever_wrote_before_the_meta_was_lost_is_fenced(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    writer = await begun(manager)
    old = await manager.log.lease("t1", "w1")  # the same name, and its latest epoch
    assert isinstance(old, Grant)
    await lose(raw, manager, "meta")

    async def are_fenced() -> None:
        before = await everything(raw)
        for late in (batch(4, status()), batch(4, step=("m late", b"1"))):
            assert await manager.log.append(old, late) == Appended("FENCED")
        assert await manager.log.renew([old]) == [Renewal.LOST]
        await manager.log.release(old)
        assert await everything(raw) == before

    await are_fenced()
    await manager.restore("t1")
    await are_fenced()
    grant = await leased(manager, holder="w2")
    await are_fenced()
    with pytest.raises(Fenced):
        await writer.append(status(text="d"))
    await LogWriter(manager.log, grant).append(status(State.FAILED))
    await are_fenced()
    await is_whole(manager)


async def test_epochs_grow_over_a_loss_also_when_the_clock_has_stepped_back(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    await accepted(manager)
    ahead = (await now_ms(raw) + 3_600_000) * 1000
    await raw.hset(manager.keys.meta("t1"), "epoch", str(ahead))
    await LogWriter(manager.log, await leased(manager)).append(status(text="a"))
    last = (await log_of(manager))[-1].position
    assert last.epoch > ahead
    await lose(raw, manager, "meta")
    await manager.restore("t1")
    grant = await leased(manager, holder="w2")
    assert grant.epoch > grant.previous_epoch > last.epoch
    await LogWriter(manager.log, grant).append(status(State.FAILED))
    await is_whole(manager)


@pytest.mark.parametrize("state", [State.COMPLETED, State.CANCELED], ids=lambda state: state.label)
@pytest.mark.parametrize("left", ["stream", "snapshot", "both"])
async def test_a_task_that_had_ended_stays_ended(
    manager: RedisManager, raw: redis.asyncio.Redis, state: State, left: str
) -> None:
    writer = await begun(manager)
    await writer.append(status(state, "bye"))
    kept = await raw.pttl(manager.keys.meta("t1")) + 60_000
    await lose(raw, manager, "meta", *({"stream", "snapshot"} - {left} if left != "both" else ()))
    before = await everything(raw)
    await manager.restore("t1")
    assert await manager.log.lease("t1", "w2") == NoLease("TERMINAL", state=state)
    assert await manager.log.lease("t1", "w2", purpose="cancel") == NoLease("TERMINAL", state=state)
    assert "damaged" not in await meta_of(raw, manager)
    assert (await lifetimes(raw))[manager.keys.meta("t1")] <= kept
    after = await everything(raw)
    assert {key: after[key] for key in before} == before
    snapshot = await manager.snapshots.get("t1")
    assert snapshot is not None
    assert snapshot.task["status"]["state"] == state


async def test_a_task_that_had_ended_stays_ended_also_when_its_beginning_is_lost(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    writer = await begun(manager)
    await writer.append(status(State.COMPLETED, "bye"))
    await lose(raw, manager, "meta", "snapshot")
    await raw.xtrim(manager.keys.stream("t1"), maxlen=2, approximate=False)
    await manager.restore("t1")
    lease = await manager.log.lease("t1", "w2")
    assert lease == NoLease("TERMINAL", state=State.COMPLETED)


@pytest.mark.parametrize("trimmed", [False, True])
async def test_a_task_that_has_lost_its_snapshot_too_is_nobodys_and_ends_all_the_same(
    manager: RedisManager, raw: redis.asyncio.Redis, trimmed: bool
) -> None:
    writer = await begun(manager)
    await lose(raw, manager, "meta", "snapshot")
    if trimmed:
        await raw.xtrim(manager.keys.stream("t1"), maxlen=2, approximate=False)
    await manager.restore("t1")
    for owner in ("", "ann", "bob"):
        answer = await manager.inbox.accept(offer(owner=owner, agent="desk", text="more"))
        assert (answer.code, answer.position, answer.state) == ("UNKNOWN", None, None)
    grant = await leased(manager, holder="w2")
    assert (grant.damaged, grant.agent, grant.base) == (True, "", writer.position)
    if not trimmed:
        assert grant.task == writer.task
    await LogWriter(manager.log, grant).append(status(State.FAILED, "sorry"))
    snapshot = await manager.snapshots.get("t1")
    assert snapshot is not None
    assert snapshot.task["status"]["state"] == State.FAILED
    assert await manager.log.lease("t1", "w3") == NoLease("TERMINAL", state=State.FAILED)
    await lifetimes(raw)


async def test_a_task_of_which_the_snapshot_alone_is_left_goes_on_from_there(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    await accepted(manager)
    writer = await asked(manager, await leased(manager))
    await lose(raw, manager, "meta", "stream")
    await manager.restore("t1")
    grant = await leased(manager, holder="w2")
    assert (grant.damaged, grant.base, grant.task) == (True, writer.position, writer.task)
    await LogWriter(manager.log, grant).append(status(State.FAILED, "sorry"))
    snapshot = await manager.snapshots.get("t1")
    assert snapshot is not None
    assert snapshot.position.offset == writer.position.offset + 1
    assert snapshot.task["status"]["state"] == State.FAILED
    await lifetimes(raw)


async def test_messages_that_come_in_for_a_damaged_task_are_in_its_log_when_it_ends(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    await begun(manager)
    await lose(raw, manager, "meta")
    late = offer(owner="ann", agent="desk", text="are you there?")
    assert (await manager.inbox.accept(late)).code == "DAMAGED"
    await manager.restore("t1")
    assert (await manager.inbox.accept(late)).code == "ACCEPTED"
    assert (await manager.inbox.accept(late)).code == "JOINED"
    await LogWriter(manager.log, await leased(manager, holder="w2")).append(status(State.FAILED))
    told = [event.message["messageId"] for event in await log_of(manager) if event.message]
    assert late.message["messageId"] in told
    await is_whole(manager)


async def test_restoring_again_changes_nothing(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    await begun(manager)
    whole = await everything(raw)
    await manager.restore("t1")  # nothing is lost
    assert await everything(raw) == whole
    await lose(raw, manager, "meta")
    await manager.restore("t1")
    restored = await everything(raw)
    await manager.restore("t1")
    assert await everything(raw) == restored
    grant = await leased(manager, holder="w2")
    await manager.restore("t1")
    assert (await manager.log.append(grant, batch(4, status()))).code == "OK"
    await LogWriter(manager.log, await leased(manager, holder="w2")).append(status(State.FAILED))
    over = await everything(raw)
    await manager.restore("t1")
    assert await everything(raw) == over


async def test_of_many_who_restore_at_once_and_take_the_lease_one_ends_the_task(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async with connected(settings) as one, connected(settings) as other:
        for _ in range(10):
            await raw.flushall()
            await begun(one)
            await lose(raw, one, "meta")

            async def ends(manager: RedisManager, holder: str) -> str:
                await manager.restore("t1")
                lease = await manager.log.lease("t1", holder)
                if isinstance(lease, NoLease):
                    return lease.reason
                await LogWriter(manager.log, lease).append(status(State.FAILED, "sorry"))
                return "ENDED"

            workers = [(manager, f"{n}") for n, manager in enumerate((one, other) * 6)]
            answers = await asyncio.gather(*(ends(*worker) for worker in workers))
            assert answers.count("ENDED") == 1
            assert set(answers) <= {"ENDED", "BUSY", "TERMINAL"}
            log = await log_of(one)
            assert [event.state for event in log].count(State.FAILED) == 1
            await is_whole(one)


async def test_nothing_is_made_of_a_task_of_which_nothing_is_left(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    await manager.restore("t1")
    assert await raw.dbsize() == 0
    await begun(manager)
    await lose(raw, manager, "meta", "stream", "snapshot")
    before = await everything(raw)  # its inbox and its steps
    await manager.restore("t1")
    assert await everything(raw) == before
    assert await manager.log.lease("t1", "w1") == NoLease("GONE")


async def test_a_restored_tasks_keys_live_as_long_as_an_open_tasks(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async with connected(settings, open_ttl=1000) as manager:
        await begun(manager)
        await lose(raw, manager, "meta")
        for key in manager.keys.task("t1")[1:5]:
            await raw.pexpire(key, 20_000)
        await manager.restore("t1")
        left = await lifetimes(raw)
        assert set(left) == set(manager.keys.task("t1")[:5])
        assert min(left.values()) > 20_000
        assert max(left.values()) <= 1_000_000


async def test_a_snapshot_tells_whose_the_task_is_whatever_they_are_called(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    owner = 'ä "quoted" \\ \n \u2028 / 😀 {}'
    await manager.inbox.accept(offer(owner=owner, agent="echo", context="c7"))
    before = await manager.snapshots.meta("t1")
    for _ in range(2):  # the second snapshot is the append script's
        await lose(raw, manager, "meta")
        await manager.restore("t1")
        assert await manager.snapshots.meta("t1") == before
        grant = await leased(manager)
        assert grant.owner == owner
        kept = batch(1, snapshot=await _stored_task(raw, manager))
        assert (await manager.log.append(grant, kept)).code == "OK"


async def _stored_task(raw: redis.asyncio.Redis, manager: RedisManager) -> bytes:
    snapshot = await manager.snapshots.get("t1")
    assert snapshot is not None
    return orjson.dumps(snapshot.task)
