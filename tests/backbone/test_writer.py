"""The writer: what it folds is what the log says, and what it costs is what the events weigh."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import orjson
import pytest
import redis.asyncio
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.backbone.snapshots import Snapshot
from a2a_streaming.backbone.writer import LogWriter
from a2a_streaming.errors import Fenced, InvalidTransition
from a2a_streaming.event import Event, artifact_event, data_part, encode, text_part
from a2a_streaming.settings import Settings
from a2a_streaming.task import TRANSITIONS, Json, State, apply
from tasks import (
    accepted,
    connected,
    folded,
    is_whole,
    lapse,
    leased,
    log_of,
    meta_of,
    said,
    status,
    stored_steps,
    story,
    turn_of,
    writing,
)


@pytest.fixture
async def manager(settings: Settings) -> AsyncIterator[RedisManager]:
    async with connected(settings) as manager:
        yield manager


async def calls_of(raw: redis.asyncio.Redis, command: str) -> int:
    """How often Redis has executed a command."""
    found: Any = await raw.info("commandstats")
    return found.get(f"cmdstat_{command}", {}).get("calls", 0)


def chunk(name: str, *parts: Json, append: bool = True) -> Json:
    """A piece of an artifact."""
    whole = {"artifactId": name, "name": name, "parts": list(parts)}
    return artifact_event("t1", "c1", whole, index=0, append=append)


def holds(snapshot: Snapshot, log: Sequence[Event]) -> None:
    """The snapshot is the log's fold up to its position, and with what follows, the whole log's."""
    place = snapshot.position.offset
    assert log[place - 1].position == snapshot.position
    assert snapshot.task == folded(log[:place])
    task = orjson.loads(orjson.dumps(snapshot.task))
    for event in log[place:]:
        task = apply(task, event.payload)
    assert task == folded(log)


def spoken(state: State, text: str | None, metadata: Json) -> Json:
    """A status event with metadata."""
    event = status(state, text)
    event["statusUpdate"]["metadata"].update(metadata)
    return event


# Whatever is appended

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.just("x" * 9000)
NUMBERS = st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False)
PART = TEXTS.map(text_part) | st.dictionaries(TEXTS, NUMBERS, max_size=3).map(data_part)
OPEN = st.sampled_from([State.WORKING, State.INPUT_REQUIRED, State.AUTH_REQUIRED])
METADATA = st.dictionaries(st.sampled_from("ab"), NUMBERS, max_size=2)
EVENT = st.one_of(
    st.builds(spoken, OPEN, st.none() | TEXTS, METADATA),
    st.builds(
        lambda name, parts, append: chunk(name, *parts, append=append),
        st.sampled_from("abc"),
        st.lists(PART, max_size=3),
        st.booleans(),
    ),
)
ENDS = [status(State.COMPLETED, "bye"), status(State.FAILED, "bye"), {"message": said("bye")}]
GROUPS = st.lists(
    st.tuples(st.sampled_from(["wait", "at once", "leave"]), st.lists(EVENT)), max_size=8
)


@hypothesis_settings(max_examples=60)
@given(groups=GROUPS, end=st.none() | st.sampled_from(ENDS))
async def test_the_log_holds_what_was_appended_and_every_snapshot_is_its_fold(
    manager: RedisManager,
    raw: redis.asyncio.Redis,
    groups: list[tuple[str, list[Json]]],
    end: Json | None,
) -> None:
    await raw.flushall()
    writer = await writing(manager)
    appended: list[Json] = []
    snapshots: list[Snapshot | None] = []

    async def look() -> None:
        snapshots.append(await manager.snapshots.get("t1"))

    for how, group in groups:
        appended += group
        if how == "at once":
            await asyncio.gather(*(writer.append(event) for event in group), look(), look())
        for event in group if how != "at once" else []:
            await writer.append(event, wait=how == "wait")
        await look()
    if end is not None:
        appended.append(end)
        await writer.append(end)
    await writer.drain()
    await look()
    log = await log_of(manager, page=7)
    assert [event.data for event in log[1:]] == [encode(event) for event in appended]
    assert writer.task == folded(log)
    assert snapshots[-1] == Snapshot(writer.task, log[-1].position)
    for snapshot in snapshots:
        assert snapshot is not None
        holds(snapshot, log)


async def test_a_reader_beside_the_writer_sees_folds_of_the_log_alone(
    settings: Settings,
) -> None:
    async with (
        connected(settings, history_maxlen=100) as one,
        connected(settings, history_maxlen=100) as other,
    ):
        writer = await writing(one)
        events: list[Json] = [{"task": orjson.loads(orjson.dumps(writer.task))}]
        seen: list[Snapshot | None] = []
        done = asyncio.Event()

        async def reads() -> None:
            while not done.is_set():
                seen.append(await other.snapshots.get("t1"))

        async def writes() -> None:
            for n in range(60):
                group = [status(text=f"{n} {m} " + "x" * 200) for m in range(20)]
                events.extend(group)
                await asyncio.gather(*(writer.append(event) for event in group))
            done.set()

        await asyncio.gather(reads(), writes())
        folds: dict[int, Json] = {}
        task = None
        wanted = {snapshot.position.offset for snapshot in seen if snapshot is not None}
        for offset, event in enumerate(events, 1):
            task = apply(task, orjson.loads(encode(event)))
            if offset in wanted:
                folds[offset] = orjson.loads(orjson.dumps(task))
        for snapshot in seen:
            assert snapshot is not None
            assert snapshot.task == folds[snapshot.position.offset]
        offsets = [snapshot.position.offset for snapshot in seen if snapshot is not None]
        assert offsets == sorted(offsets)


async def test_what_a_caller_does_to_its_objects_later_changes_nothing(
    manager: RedisManager,
) -> None:
    writer = await writing(manager)
    data: dict[str, Any] = {"rows": [1]}
    event = chunk("a", data_part(data), append=False)
    await writer.append(event)
    data["rows"].append(2)
    event["artifactUpdate"]["artifact"]["parts"].clear()
    await writer.append(status(State.COMPLETED))
    await is_whole(manager)
    assert writer.task["artifacts"][0]["parts"] == [data_part({"rows": [1]})]


async def test_a_caller_that_is_cancelled_has_appended_all_the_same(manager: RedisManager) -> None:
    writer = await writing(manager)
    caller = asyncio.create_task(writer.append(status(text="a")))
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    assert caller.cancelled()
    await writer.drain()
    assert len(await log_of(manager)) == 2
    await is_whole(manager)


# Many at once


async def test_what_is_appended_at_once_goes_together_and_in_order(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    writer = await writing(manager)
    before = await calls_of(raw, "evalsha")

    async def caller(name: str) -> None:
        for n in range(20):
            await writer.append(status(text=f"{name} {n}"), wait=n % 3 == 0)

    await asyncio.gather(*(caller(f"caller{n}") for n in range(25)))
    await writer.drain()
    assert await calls_of(raw, "evalsha") - before < 100
    log = await log_of(manager)
    texts = [event.message["parts"][0]["text"] for event in log if event.message]
    assert len(texts) == 500
    for n in range(25):
        mine = [text for text in texts if text.startswith(f"caller{n} ")]
        assert mine == [f"caller{n} {m}" for m in range(20)]
    await is_whole(manager)


async def test_steps_are_stored_with_what_came_before_and_may_share_a_call(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    writer = await writing(manager)
    before = await calls_of(raw, "evalsha")
    await asyncio.gather(
        writer.append(status(text="a")),
        writer.append(step=("m one", b"1")),
        writer.append(step=("m two", b"2")),
        writer.append(status(text="b"), step=("m three", b"3")),
        writer.append(status(text="c")),
    )
    assert await calls_of(raw, "evalsha") - before == 1
    assert await stored_steps(manager, "t1", "m") == {"one": b"1", "two": b"2", "three": b"3"}
    assert len(await log_of(manager)) == 4


async def test_of_a_step_that_is_stored_twice_in_a_call_the_later_result_stands(
    manager: RedisManager,
) -> None:
    writer = await writing(manager)
    results = (b"%d" % n for n in range(5))
    await asyncio.gather(*(writer.append(step=("m one", result)) for result in results))
    assert await stored_steps(manager, "t1", "m") == {"one": b"4"}


async def test_each_event_is_appended_once_also_when_connections_break_all_the_time(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    writer = await writing(manager)
    texts = [str(n) for n in range(300)]
    for n, text in enumerate(texts):
        await writer.append(status(text=text), wait=n % 5 == 0)
        if n % 7 == 0:
            await raw.client_kill_filter(_type="normal", skipme=True)
    await writer.drain()
    log = await log_of(manager)
    assert [event.message["parts"][0]["text"] for event in log if event.message] == texts
    await is_whole(manager)


# Refusals


async def test_a_fenced_writer_fails_whoever_waits_and_whoever_comes_later(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    writer = await writing(manager)
    await writer.append(status(text="a"))
    await lapse(raw, manager)
    other = LogWriter(manager.log, await leased(manager, holder="w2"))
    waiting = [
        *(writer.append(status(text=str(n))) for n in range(10)),
        writer.append(step=("m look", b"1")),
        writer.append(status(State.COMPLETED)),
    ]
    failed = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(error) for error in failed} == {Fenced}
    for later in (
        writer.append(status(text="later")),
        writer.append(status(text="later"), wait=False),
        writer.drain(),
    ):
        with pytest.raises(Fenced):
            await later
    assert len(await log_of(manager)) == 2
    await other.append(status(State.COMPLETED))
    await is_whole(manager)


@pytest.mark.parametrize("how", ["settled", "released"])
async def test_a_writer_that_has_given_its_lease_back_writes_no_more(
    manager: RedisManager, how: str
) -> None:
    await accepted(manager)
    grant = await leased(manager)
    writer = LogWriter(manager.log, grant)
    if how == "settled":
        await writer.append(status(State.INPUT_REQUIRED, "What?"), settles=turn_of(grant))
        assert writer.released
    else:
        await writer.append(status(text="a"))
        await manager.log.release(grant)
    before = await log_of(manager)
    with pytest.raises(Fenced):
        await writer.append(status(text="one more thing"))
    with pytest.raises(Fenced):
        await writer.append(step=("m look", b"1"))
    assert story(await log_of(manager)) == story(before)
    assert await stored_steps(manager, "t1", "m") == {}
    await is_whole(manager)


async def test_a_step_that_comes_with_a_tasks_end_takes_nothing_from_its_snapshot(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    writer = await writing(manager)
    await asyncio.gather(
        writer.append(status(State.COMPLETED, "bye")),
        writer.append(step=("m late", b"1")),
        return_exceptions=True,
    )
    stored: Any = await raw.get(manager.keys.snapshot("t1"))
    assert orjson.loads(stored)["task"]["status"]["state"] == State.COMPLETED


async def test_who_doesnt_wait_learns_with_the_next_call_that_the_writer_is_fenced(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    writer = await writing(manager)
    await lapse(raw, manager)
    await leased(manager, holder="w2")
    await writer.append(status(text="a"), wait=False)
    with pytest.raises(Fenced):
        await writer.drain()
    with pytest.raises(Fenced):
        await writer.append(status(text="b"), wait=False)


REFUSED = [(now, then) for now in State for then in State if then not in TRANSITIONS[now]]


@pytest.mark.parametrize(("now", "then"), REFUSED, ids=lambda state: state.label)
async def test_an_illegal_transition_appends_nothing(
    manager: RedisManager, now: State, then: State
) -> None:
    writer = await writing(manager)
    if now is not State.SUBMITTED:
        await writer.append(status(now, "so far"))
    before, task = await log_of(manager), orjson.dumps(writer.task)
    with pytest.raises(InvalidTransition):
        await writer.append(status(then, "no"))
    with pytest.raises(InvalidTransition):
        await writer.append(status(State.WORKING, "yes, but"), status(State.SUBMITTED, "no"))
    assert orjson.dumps(writer.task) == task
    assert story(await log_of(manager)) == story(before)
    await is_whole(manager)
    if not now.terminal:
        await writer.append(status(State.COMPLETED, "bye"))
        await is_whole(manager)


@pytest.mark.parametrize(
    "value", [{1, 2}, 2**70, object(), "\ud800", {1: 2}], ids=lambda value: type(value).__name__
)
async def test_what_is_no_json_appends_nothing_and_the_writer_goes_on(
    manager: RedisManager, value: Any
) -> None:
    writer = await writing(manager)
    with pytest.raises(TypeError):
        await writer.append(chunk("a", data_part(value), append=False))
    with pytest.raises(TypeError):
        await writer.append(status(text="yes, but"), chunk("a", data_part(value)))
    await writer.append(status(State.COMPLETED, "bye"))
    assert len(await log_of(manager)) == 2
    await is_whole(manager)


async def test_whoever_wants_to_know_is_told_of_each_change_of_state(
    manager: RedisManager,
) -> None:
    await accepted(manager)
    told: list[tuple[State, State]] = []

    async def on_state(now: State, was: State) -> None:
        told.append((now, was))

    grant = await leased(manager)
    writer = LogWriter(manager.log, grant, on_state=on_state)
    for state in (State.WORKING, State.WORKING, State.INPUT_REQUIRED, State.COMPLETED):
        await writer.append(status(state))
        await writer.append(chunk("a", text_part("x"))) if not state.terminal else None
    assert told == [
        (State.WORKING, State.SUBMITTED),
        (State.INPUT_REQUIRED, State.WORKING),
        (State.COMPLETED, State.INPUT_REQUIRED),
    ]


# What it costs


async def test_snapshots_cost_a_small_multiple_of_the_events_whatever_the_tasks_size(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    writer = await writing(manager)
    key, meta = manager.keys.snapshot("t1"), manager.keys.meta("t1")
    sets = await calls_of(raw, "set")
    stored: dict[str, int] = {}
    told = 0
    for n in range(500):
        events = [chunk("a", text_part(f"{n} {m} " + "x" * 50)) for m in range(10)]
        told += sum(len(encode(event)) for event in events)
        await asyncio.gather(*(writer.append(event) for event in events))
        position: Any = await raw.hget(meta, "snapshot")
        stored.setdefault(position, await raw.strlen(key))
    await writer.append(status(State.COMPLETED))
    stored["at the end"] = await raw.strlen(key)
    assert await calls_of(raw, "set") - sets == len(stored) - 1  # the first one is the task's own
    assert len(stored) < 40
    assert sum(stored.values()) < 4 * told
    await is_whole(manager)


async def test_readers_fold_a_small_share_of_the_task(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    writer = await writing(manager)
    stream = manager.keys.stream("t1")
    for n in range(100):
        events = [chunk("a", text_part("x" * 1000)) for _ in range(10)]
        await asyncio.gather(*(writer.append(event) for event in events))
        if n % 10 == 9:
            position = (await meta_of(raw, manager))["snapshot"]
            tail: Any = await raw.xrange(stream, f"({position}", "+")
            weight = sum(len(fields[b"e"]) for _, fields in tail)
            assert weight <= max(16 * 1024, len(orjson.dumps(writer.task)))


async def test_a_snapshot_is_stored_when_a_turn_ends(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    await accepted(manager)
    grant = await leased(manager)
    writer = LogWriter(manager.log, grant)
    await writer.append(status(text="small"))
    first = (await meta_of(raw, manager))["snapshot"]
    assert first != str((await log_of(manager))[-1].position)
    await writer.append(status(State.INPUT_REQUIRED), settles=turn_of(grant))
    stored: Any = await raw.get(manager.keys.snapshot("t1"))
    last = (await log_of(manager))[-1]
    assert orjson.loads(stored) == {
        "position": str(last.position),
        "about": {"owner": "", "agent": "echo", "context": "c1", "dialect": "0.1"},
        "task": writer.task,
    }
