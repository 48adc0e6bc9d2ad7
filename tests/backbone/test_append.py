"""The append script: all of a call or nothing, by the holder of the lease alone."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import redis.asyncio

from a2a_streaming.backbone.log import Appended
from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.backbone.writer import LogWriter
from a2a_streaming.errors import InvalidTransition
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
    status,
    stored_steps,
    turn_of,
)


@pytest.fixture
async def manager(settings: Settings) -> AsyncIterator[RedisManager]:
    async with connected(settings) as manager:
        yield manager


# What is appended


async def test_events_are_appended_in_order_at_dense_offsets_under_the_leases_epoch(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    await accepted(manager)
    grant = await leased(manager)
    calls = [batch(1, status(text="a"), status(text="b"), state=State.WORKING)]
    calls.append(batch(3, status(text="c"), number=1))
    for call in calls:
        assert await manager.log.append(grant, call) == Appended("OK")
    log = await log_of(manager)
    assert [event.data for event in log[1:]] == [data for call in calls for data in call.events]
    assert {event.position.epoch for event in log[1:]} == {grant.epoch}
    meta = await meta_of(raw, manager)
    assert meta["last"] == str(log[-1].position) == f"{grant.epoch}-4"
    assert meta["state"] == State.WORKING


async def test_offsets_are_dense_over_epochs(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    await accepted(manager)
    offset = 1
    epochs: list[int] = []
    for _ in range(5):
        grant = await leased(manager)
        epochs.append(grant.epoch)
        assert grant.base.offset == offset
        for number in range(3):
            call = batch(offset, status(), number=number)
            assert (await manager.log.append(grant, call)).code == "OK"
            offset += 1
        await lapse(raw, manager)
    log = await log_of(manager)
    assert len(log) == 16
    assert [event.position.epoch for event in log[1:]] == [e for e in epochs for _ in range(3)]
    meta = await meta_of(raw, manager)
    assert [meta[f"e:{epoch}"] for epoch in epochs] == ["2", "5", "8", "11", "14"]


@pytest.mark.one_server("plain Pub/Sub")
async def test_what_is_published_is_what_stands_in_the_history_with_its_predecessor(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    pubsub = raw.pubsub()
    await pubsub.subscribe(manager.keys.channel("t1"))
    await accepted(manager)
    grant = await leased(manager)
    await manager.log.append(grant, batch(1, status(text="ä\n"), status(text="b")))
    await manager.log.append(grant, batch(3, status(text="c"), number=1))
    published: list[bytes] = []
    while len(published) < 4:
        got = await pubsub.get_message(ignore_subscribe_messages=True, timeout=5)
        if got is not None:
            published.append(got["data"])
    await pubsub.aclose()
    log = await log_of(manager)
    previous = ["0-0", *(str(event.position) for event in log)]
    assert published == [
        f"{before} {event.position} ".encode() + event.data
        for before, event in zip(previous, log, strict=False)
    ]


async def test_a_steps_result_is_stored_with_its_events_or_not_at_all(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    await accepted(manager)
    grant = await leased(manager)
    done = batch(1, status(text="paid"), step=("m pay", b'"receipt"'))
    assert (await manager.log.append(grant, done)).code == "OK"
    assert await stored_steps(manager, "t1", "m") == {"pay": b'"receipt"'}
    assert len(await log_of(manager)) == 2
    await lapse(raw, manager)
    await leased(manager, holder="w2")
    late = batch(2, status(text="paid again"), number=1, step=("m pay2", b'"receipt"'))
    assert (await manager.log.append(grant, late)).code == "FENCED"
    assert await stored_steps(manager, "t1", "m") == {"pay": b'"receipt"'}
    assert len(await log_of(manager)) == 2


async def test_one_call_stores_the_results_of_many_steps(manager: RedisManager) -> None:
    await accepted(manager)
    grant = await leased(manager)
    steps = [("m one", b"1"), ("m two", b'"\r\n \xc3\xa4"'), ("m three", b"[]"), ("n one", b"4")]
    assert await manager.log.append(grant, batch(1, status(), steps=steps)) == Appended("OK")
    found = await stored_steps(manager, "t1", "m")
    assert found == {"one": b"1", "two": b'"\r\n \xc3\xa4"', "three": b"[]"}
    assert len(await log_of(manager)) == 2
    more = batch(2, number=1, steps=[("m one", b"5"), ("m four", b"6")])
    assert await manager.log.append(grant, more) == Appended("OK")
    assert await stored_steps(manager, "t1", "m") == found | {"one": b"5", "four": b"6"}
    assert len(await log_of(manager)) == 2


async def test_a_settled_turn_makes_room_for_the_next_one_under_the_same_lease(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    await accepted(manager)
    await accepted(manager, text="more")
    grant = await leased(manager)
    first = await manager.log.append(grant, batch(1, status(), settles=turn_of(grant)))
    assert first.following is not None
    assert first.following.message["parts"] == [{"text": "more"}]
    assert (await meta_of(raw, manager))["holder"] == "w1"
    settling = batch(2, status(), number=1, settles=first.following.message_id)
    second = await manager.log.append(grant, settling)
    assert second == Appended("OK")
    assert "holder" not in await meta_of(raw, manager)


async def test_a_message_that_isnt_first_in_the_inbox_isnt_removed(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    await accepted(manager)
    grant = await leased(manager)
    answer = await manager.log.append(grant, batch(1, status(), settles="another"))
    assert answer.following == grant.entry
    assert await raw.llen(manager.keys.inbox("t1")) == 1


# Who may append


async def test_a_writer_whose_lease_another_has_is_fenced(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    await accepted(manager)
    idle = await leased(manager)
    await lapse(raw, manager)
    zombie = await leased(manager, holder="w2")
    assert (await manager.log.append(zombie, batch(1, status()))).code == "OK"
    await lapse(raw, manager)
    grant = await leased(manager, holder="w3")

    async def are_fenced() -> None:
        before = await everything(raw)
        for offset in (1, 2, 3):
            assert (await manager.log.append(idle, batch(offset, status()))).code == "FENCED"
        for offset, number in ((2, 1), (3, 1), (3, 2)):
            late = ending(zombie, offset, State.COMPLETED, number=number)
            assert (await manager.log.append(zombie, late)).code == "FENCED"
            step = batch(offset, number=number, step=("m late", b"1"))
            assert (await manager.log.append(zombie, step)).code == "FENCED"
        assert await everything(raw) == before

    await are_fenced()
    assert (await manager.log.append(grant, batch(2, status()))).code == "OK"
    await are_fenced()
    assert len(await log_of(manager)) == 3


@pytest.mark.parametrize("how", ["settled", "released"])
async def test_a_writer_that_has_given_its_lease_back_is_fenced(
    manager: RedisManager, raw: redis.asyncio.Redis, how: str
) -> None:
    await accepted(manager)
    grant = await leased(manager)
    call = ending(grant, 1, State.INPUT_REQUIRED) if how == "settled" else batch(1, status())
    assert await manager.log.append(grant, call) == Appended("OK")
    if how == "released":
        await manager.log.release(grant)
    before = await everything(raw)
    for late in (
        batch(2, status(text="one more thing"), number=1),
        batch(2, number=1, step=("m late", b"1")),
        ending(grant, 2, State.COMPLETED, number=1),
    ):
        assert await manager.log.append(grant, late) == Appended("FENCED")
    assert await everything(raw) == before


async def test_nothing_follows_on_a_terminal_event(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    await accepted(manager)
    grant = await leased(manager)
    end = ending(grant, 1, State.COMPLETED)
    assert (await manager.log.append(grant, end)) == Appended("OK")
    before = await everything(raw)
    for call in (
        batch(2, status(), number=1),
        ending(grant, 2, State.FAILED, number=1),
        batch(2, number=1, step=("m late", b"1")),
    ):
        assert await manager.log.append(grant, call) == Appended("TERMINAL")
    assert await everything(raw) == before


async def test_a_lost_task_is_not_written_to(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    await accepted(manager)
    grant = await leased(manager)
    await raw.flushall()
    assert (await manager.log.append(grant, batch(1, status()))).code == "FENCED"
    assert await raw.dbsize() == 0
    await accepted(manager)  # the same id, but another task
    assert (await manager.log.append(grant, batch(1, status()))).code == "FENCED"
    assert len(await log_of(manager)) == 1


# What else holds of it


async def test_a_redis_that_forgot_the_scripts_learns_them_again(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    await accepted(manager)
    grant = await leased(manager)
    writer = LogWriter(manager.log, grant)
    for n in range(10):
        await raw.script_flush()
        await writer.append(status(text=str(n)))
    await raw.script_flush()
    await accepted(manager, text="more")
    assert len(await log_of(manager)) == 11
    await is_whole(manager)


async def test_whether_to_cancel_is_told_with_each_answer(manager: RedisManager) -> None:
    await accepted(manager)
    grant = await leased(manager)
    assert not (await manager.log.append(grant, batch(1, status()))).canceled
    await manager.log.lease("t1", "desk", purpose="cancel")
    assert (await manager.log.append(grant, batch(2, status(), number=1))).canceled


async def test_a_terminal_event_is_the_writers_last(manager: RedisManager) -> None:
    await accepted(manager)
    writer = LogWriter(manager.log, await leased(manager))
    await writer.append(status(State.FAILED))
    for state in State:
        with pytest.raises(InvalidTransition):
            await writer.append(status(state))
    assert len(await log_of(manager)) == 2
