"""The append script: all of a call or nothing, once, by the holder of the lease alone."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis.asyncio
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from a2a_streaming.backbone.log import Appended, Batch, Grant
from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.backbone.writer import LogWriter
from a2a_streaming.errors import Fenced, HistoryLost, InvalidTransition
from a2a_streaming.settings import Settings
from a2a_streaming.task import State
from tasks import (
    accepted,
    batch,
    connected,
    folded,
    is_whole,
    lapse,
    leased,
    log_of,
    meta_of,
    offer,
    saved,
    status,
    story,
    turn_of,
)

SNAPSHOT = b'{"id":"t1"}'


@pytest.fixture
async def manager(settings: Settings) -> AsyncIterator[RedisManager]:
    async with connected(settings) as manager:
        yield manager


async def everything(raw: redis.asyncio.Redis) -> dict[bytes, bytes | None]:
    return {key: await raw.dump(key) async for key in raw.scan_iter()}


def ending(grant: Grant, offset: int, state: State) -> Batch:
    """A turn's last call."""
    return batch(
        offset,
        status(state, "bye"),
        state=state,
        settles=turn_of(grant),
        waiting=1,
        snapshot=SNAPSHOT,
    )


# What is appended


async def test_events_are_appended_in_order_at_dense_offsets_under_the_leases_epoch(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    await accepted(manager)
    grant = await leased(manager)
    calls = [batch(1, status(text="a"), status(text="b"), state=State.WORKING)]
    calls.append(batch(3, status(text="c")))
    for call in calls:
        assert await manager.log.append(grant, call) == Appended("OK")
    log = await log_of(manager)
    assert [event.data for event in log[1:]] == [data for call in calls for data in call.events]
    assert {event.position.epoch for event in log[1:]} == {grant.epoch}
    meta = await meta_of(raw, manager)
    assert (meta["offset"], meta["last"]) == ("4", str(log[-1].position))
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
        for _ in range(3):
            assert (await manager.log.append(grant, batch(offset, status()))).code == "OK"
            offset += 1
        await lapse(raw, manager)
    log = await log_of(manager)
    assert len(log) == 16
    assert [event.position.epoch for event in log[1:]] == [e for e in epochs for _ in range(3)]
    meta = await meta_of(raw, manager)
    assert [meta[f"e:{epoch}"] for epoch in epochs] == ["2", "5", "8", "11", "14"]


async def test_what_is_published_is_what_stands_in_the_history_with_its_predecessor(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    pubsub = raw.pubsub()
    await pubsub.subscribe(manager.keys.channel("t1"))
    await accepted(manager)
    grant = await leased(manager)
    await manager.log.append(grant, batch(1, status(text="ä\n"), status(text="b")))
    await manager.log.append(grant, batch(3, status(text="c")))
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
    done = batch(1, status(text="paid"), step=("m:pay", b'"receipt"'))
    assert (await manager.log.append(grant, done)).code == "OK"
    assert await manager.log.steps("t1", "m") == {"pay": b'"receipt"'}
    assert len(await log_of(manager)) == 2
    await lapse(raw, manager)
    await leased(manager, holder="w2")
    late = batch(2, status(text="paid again"), step=("m:pay2", b'"receipt"'))
    assert (await manager.log.append(grant, late)).code == "FENCED"
    assert await manager.log.steps("t1", "m") == {"pay": b'"receipt"'}
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
    second = await manager.log.append(grant, batch(2, status(), settles=first.following.message_id))
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
        for offset in (2, 3):
            late = ending(zombie, offset, State.COMPLETED)
            assert (await manager.log.append(zombie, late)).code == "FENCED"
            step = batch(offset, step=("m:late", b"1"))
            assert (await manager.log.append(zombie, step)).code == "FENCED"
        assert await everything(raw) == before

    await are_fenced()
    assert (await manager.log.append(grant, batch(2, status()))).code == "OK"
    await are_fenced()
    assert len(await log_of(manager)) == 3


async def test_nothing_follows_on_a_terminal_event(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    await accepted(manager)
    grant = await leased(manager)
    end = ending(grant, 1, State.COMPLETED)
    assert (await manager.log.append(grant, end)) == Appended("OK")
    before = await everything(raw)
    for call in (
        batch(2, status()),
        ending(grant, 2, State.FAILED),
        batch(2, step=("m:late", b"1")),
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


# Calls whose reply was lost


@pytest.mark.parametrize(
    "kind", ["plain", "events with a step", "step", "settling", "followed", "terminal"]
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
        "events with a step": batch(1, status(), step=("m:look", b"1")),
        "step": batch(1, step=("m:look", b"1")),
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
    grant = await leased(manager, holder="w1")  # the same process, but another run
    before = await everything(raw)
    assert await manager.log.append(old, call) == Appended("OK")  # and not: go on with "more"
    assert await everything(raw) == before
    assert (await manager.log.append(grant, batch(2, status()))).code == "OK"
    assert await manager.log.append(old, call) == Appended("OK")
    assert (await manager.log.append(grant, ending(grant, 3, State.COMPLETED))).code == "OK"
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
    assert (await meta_of(raw, manager))["offset"] == "2"


# Tails that Redis lost


async def test_a_writer_is_told_that_redis_lost_its_last_events(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    await accepted(manager)
    grant = await leased(manager)
    calls = [batch(offset, status(text=str(offset))) for offset in (1, 2, 3)]
    await manager.log.append(grant, calls[0])
    replica = await saved(raw, manager)
    for call in calls[1:]:
        await manager.log.append(grant, call)
    before = await log_of(manager)
    await replica.restore()
    assert await manager.log.append(grant, batch(4, status())) == Appended("BEHIND", offset=2)
    for call in calls[1:]:
        assert await manager.log.append(grant, call) == Appended("OK")
    assert story(await log_of(manager)) == story(before)


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
                    await writer.append(step=(f"m:{steps}", b"%d" % steps))
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
        # A step alone leaves no trace by which its loss could be noticed; events after it do.
        await writer.append(status(text="and on", task=task))
        log = await log_of(manager, task)
        assert story(log[:-1]) == story(told)
        await is_whole(manager, task)
        assert await manager.inbox.waiting(task) == 1  # the turn that goes on
        meta = await meta_of(raw, manager, task)
        assert (meta["holder"], meta["epoch"]) == ("w1", str(grant.epoch))
        [_] = await manager.log.renew([grant])
        repeated = [*kept, *lost] if grant_lost else lost
        noticed = max((n for n, op in enumerate(repeated) if op != "step"), default=-1)
        unnoticed = len(repeated) - 1 - noticed if noticed >= 0 else len(repeated)
        found = await manager.log.steps(task, "m")
        assert {str(n) for n in range(1, 1 + steps - unnoticed)} <= set(found)
        await writer.append(status(State.COMPLETED, task=task))
        await is_whole(manager, task)


async def test_a_step_that_redis_lost_is_stored_again_with_the_events_after_it(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    await accepted(manager)
    writer = LogWriter(manager.log, await leased(manager))
    replica = await saved(raw, manager)
    await writer.append(step=("m:pay", b"1"))
    await writer.append(status(text="paid"))
    await replica.restore()
    await writer.append(status(text="and on"))
    assert await manager.log.steps("t1", "m") == {"pay": b"1"}


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


# Messages that come in before the end


async def test_messages_that_came_in_are_written_before_the_terminal_event(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    await accepted(manager)
    grant = await leased(manager)
    writer = LogWriter(manager.log, grant)
    await writer.append(status(text="working on it"))
    for text in ("one more thing", "and another"):
        await accepted(manager, text=text)
    await writer.append(status(State.COMPLETED, "bye"), settles=turn_of(grant))
    log = await log_of(manager)
    told = [event.message["parts"][0]["text"] for event in log[1:] if event.message]
    assert told == ["working on it", "one more thing", "and another", "bye"]
    assert [event.state for event in log[2:]] == [
        State.WORKING,
        State.WORKING,
        State.COMPLETED,
    ]
    assert writer.task == folded(log)
    await is_whole(manager)
    assert not await raw.exists(manager.keys.inbox("t1"))


async def test_messages_nobody_has_begun_are_in_the_log_of_a_canceled_task(
    manager: RedisManager,
) -> None:
    await accepted(manager)
    for text in ("b", "c"):
        await accepted(manager, text=text)
    grant = await manager.log.lease("t1", "desk", purpose="cancel")
    assert isinstance(grant, Grant)
    await LogWriter(manager.log, grant).append(status(State.CANCELED))
    log = await log_of(manager)
    assert [event.state for event in log] == [
        State.SUBMITTED,
        State.WORKING,
        State.WORKING,
        State.CANCELED,
    ]
    await is_whole(manager)


async def test_a_terminal_event_waits_until_every_message_is_known(manager: RedisManager) -> None:
    await accepted(manager)
    grant = await leased(manager)
    end = ending(grant, 1, State.COMPLETED)
    seen: list[str] = []
    for text in ("b", "c"):
        await accepted(manager, text=text)
        answer = await manager.log.append(grant, end)
        assert answer.code == "INBOX"
        seen = [entry.message["parts"][0]["text"] for entry in answer.waiting]
    assert seen == ["hello", "b", "c"]
    assert len(await log_of(manager)) == 1


async def test_messages_sent_while_a_task_ends_are_in_its_log_or_refused(
    manager: RedisManager,
) -> None:
    for round_ in range(10):
        task = f"t{round_}"
        await accepted(manager, task)
        grant = await leased(manager, task)
        writer = LogWriter(manager.log, grant)
        offers = [offer(task, f"m{n}", message_id=f"m{n}") for n in range(12)]

        async def ends(writer: LogWriter = writer, grant: Grant = grant) -> None:
            end = status(State.COMPLETED, "bye", task=grant.task_id)
            await writer.append(end, settles=turn_of(grant))

        sends = [manager.inbox.accept(each) for each in offers]
        _, *answers = await asyncio.gather(*sends[:6], ends(), *sends[6:])
        codes = {answer.code for answer in answers if answer is not None}
        assert codes <= {"ACCEPTED", "TERMINAL"}
        log = await log_of(manager, task)
        assert log[-1].state is State.COMPLETED
        told = {event.message["messageId"] for event in log if event.message}
        for each in offers:
            again = await manager.inbox.accept(each)
            assert (again.code == "JOINED") == (each.message["messageId"] in told)
        await is_whole(manager, task)


# History


async def test_history_is_trimmed_when_a_snapshot_covers_it_and_never_before(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async with connected(settings, history_maxlen=50) as manager:
        await accepted(manager)
        grant = await leased(manager)
        stream = manager.keys.stream("t1")
        offset = 1
        for _ in range(10):
            call = batch(offset, *(status(text=str(n)) for n in range(100)))
            await manager.log.append(grant, call)
            offset += 100
        assert await raw.xlen(stream) == 1001
        task = folded(await log_of(manager))
        covering = batch(offset, status(text="last"), snapshot=b'{"id":"t1"}')
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
    call = batch(2, status(), status())
    assert await manager.log.append(grant, call) == Appended("OK", history_lost=True)
    assert await raw.xlen(stream) == 2
    assert await raw.pttl(stream) > 0
    assert await manager.log.append(grant, batch(4, status())) == Appended("OK")


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
    assert (await manager.log.append(grant, batch(2, status()))).canceled


async def test_a_terminal_event_is_the_writers_last(manager: RedisManager) -> None:
    await accepted(manager)
    writer = LogWriter(manager.log, await leased(manager))
    await writer.append(status(State.FAILED))
    for state in State:
        with pytest.raises(InvalidTransition):
            await writer.append(status(state))
    assert len(await log_of(manager)) == 2
