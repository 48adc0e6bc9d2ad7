"""Drain: a process that ends hands over what it has, at once, and nothing is lost or told twice."""

from __future__ import annotations

import asyncio

import pytest
import redis.asyncio

from a2a_streaming import Run
from a2a_streaming.errors import RunEnded
from a2a_streaming.settings import Settings
from a2a_streaming.task import State
from agents import (
    Notes,
    artifacts_of,
    echo,
    hangs,
    messages_of,
    never,
    stubborn,
    true,
    working,
)
from tasks import is_whole, log_of, story, until


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """A lease that doesn't lapse in a test: what is handed over is handed over at once."""
    return settings.model_copy(update={"lease_seconds": 60.0})


async def test_what_runs_is_handed_over_without_spending_an_attempt(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    attempts: list[tuple[str, int]] = []
    gate = asyncio.Event()
    looked = Notes()

    async def works(run: Run) -> None:
        attempts.append((run.task_id, run.attempt))
        await run.step("look", looked.note, run.task_id)
        await gate.wait()
        await run.complete("done")

    async with working(settings, raw, works) as other:
        tasks = [f"t{n}" for n in range(10)]
        async with working(settings, raw, works) as one:
            for task in tasks:
                await one.send(task=task)
            await until(lambda: true(len(looked.lines) == 10))
        await until(lambda: true(len(set(attempts)) == 10 and len(attempts) > 10))
        gate.set()
        for task in tasks:
            await other.until(State.COMPLETED, task=task)
            await other.is_settled(task)
    assert {attempt for _, attempt in attempts} == {1}
    assert sorted(looked.lines) == tasks


async def test_however_often_a_turn_is_handed_over_it_is_the_first_attempt_and_told_once(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    attempts: list[int] = []

    async def works(run: Run) -> None:
        attempts.append(run.attempt)
        await run.step("look", lambda: None)
        async with run.artifact("label") as label:
            await label.write(f"process {len(attempts)}")
            await run.working(f"ready {len(attempts)}")
            if len(attempts) < 8:
                await hangs(run)
        await run.complete("done")

    async with working(settings, raw, never, role="front") as desk:
        await desk.send()
        for n in range(1, 8):
            async with working(settings, raw, works, role="worker", max_attempts=2):
                await desk.until_said(f"ready {n}")
            await is_whole(desk.manager)
        async with working(settings, raw, works, role="worker", max_attempts=2):
            task = await desk.until(State.COMPLETED)
            await desk.is_settled()
    assert attempts == [1] * 8
    assert artifacts_of(task) == {"label": "process 8"}
    assert [*messages_of(task)] == ["hello", "ready 8", "done"]


async def test_a_process_that_drains_finishes_what_is_just_ending(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    began = asyncio.Event()

    async def completes(run: Run) -> None:
        began.set()
        try:
            await hangs(run)
        except asyncio.CancelledError:
            await run.complete("just done")

    async with working(settings, raw, never, role="front") as desk:
        async with working(settings, raw, completes):
            await desk.send()
            await began.wait()
        assert (await desk.get())["status"]["state"] == State.COMPLETED
        await desk.is_settled()


async def test_an_agent_that_doesnt_stop_is_left_behind_and_another_begins_the_first_attempt(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    """The hand-over waits for it neither until it stops nor for the time that a cancel allows."""
    began, let_go = asyncio.Event(), asyncio.Event()
    seen = Notes()

    async def stays(run: Run) -> None:
        await stubborn(began, let_go)(run)
        for call in (run.working("a zombie's word"), run.complete("a zombie's last word")):
            with pytest.raises(RunEnded):
                await call
        seen.note("refused")

    async def answers(run: Run) -> None:
        seen.note(f"attempt {run.attempt}")
        await run.complete("done")

    slow = settings.model_copy(update={"cancel_seconds": 3600.0})
    async with working(slow, raw, never, role="front") as desk:
        await desk.send()
        async with working(slow, raw, stays, role="worker"):
            await began.wait()
        async with working(slow, raw, answers, role="worker"):
            await desk.until(State.COMPLETED)
            before = story(await log_of(desk.manager))
            let_go.set()  # only now
            await seen.until("refused")
            await desk.is_settled()
        assert story(await log_of(desk.manager)) == before
        assert [text for _, text in await desk.story()] == [None, "done"]
    assert seen.lines == ["attempt 1", "refused"]


async def test_nothing_is_written_by_a_run_that_was_handed_over(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    """Not by its step either, which ends later."""
    began, let_go = asyncio.Event(), asyncio.Event()
    refused = Notes()

    async def works(run: Run) -> None:
        if began.is_set():
            await run.step("look", lambda: "the second's")
            await hangs(run)
        try:
            await run.step("look", stubborn(began, let_go), run)
        except RunEnded:
            refused.note("step")

    async with working(settings, raw, never, role="front") as desk:
        await desk.send()
        async with working(settings, raw, works, role="worker"):
            await began.wait()
        async with working(settings, raw, works, role="worker"):
            steps = desk.manager.keys.steps("t1")
            await until(lambda: raw.exists(steps))
            stored = await raw.hgetall(steps)
            before = story(await log_of(desk.manager))
            let_go.set()
            await refused.until("step")
            assert await raw.hgetall(steps) == stored
            assert [*stored.values()] == [b'"the second\'s"']
            assert story(await log_of(desk.manager)) == before
            await desk.cancel()


async def test_what_was_written_before_the_hand_over_is_in_the_log(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    began = asyncio.Event()

    async def works(run: Run) -> None:
        if began.is_set():
            await run.complete("done")
            return
        async with run.artifact("talk") as talk:
            for n in range(200):
                await talk.write(f"{n} ")  # returns before Redis has it
            began.set()
            await hangs(run)

    async with working(settings, raw, never, role="front") as desk:
        await desk.send()
        async with working(settings, raw, works, role="worker"):
            await began.wait()
        events = [event.payload for event in await log_of(desk.manager)][1:]
        parts = [event["artifactUpdate"]["artifact"]["parts"][0]["text"] for event in events]
        assert parts == [f"{n} " for n in range(200)]
        async with working(settings, raw, works, role="worker"):
            assert artifacts_of(await desk.until(State.COMPLETED)) == {}
            await desk.is_settled()


async def test_a_process_that_drains_takes_nothing_new(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    began, let_go = asyncio.Event(), asyncio.Event()
    taken = Notes()

    async def works(run: Run) -> None:
        taken.note(run.task_id)
        if run.task_id == "t1" and not let_go.is_set():
            await stubborn(began, let_go)(run)
        await run.complete("done")

    async with working(settings, raw, never, role="front") as desk:
        async with working(settings, raw, works, role="worker") as draining:
            await desk.send()
            await began.wait()
            closing = asyncio.create_task(draining.node.drain())
            await until(lambda: true(draining.node.draining))
            for n in range(2, 12):
                await desk.send(task=f"t{n}")
            await closing
            assert taken.lines == ["t1"]
            assert await raw.xlen(desk.manager.keys.work("scripted")) == 11
            let_go.set()
        async with working(settings, raw, works, role="worker"):
            for n in range(1, 12):
                await desk.until(State.COMPLETED, task=f"t{n}")
            await desk.is_settled()
    assert sorted(taken.lines) == sorted(["t1", *(f"t{n}" for n in range(1, 12))])


async def test_what_waits_for_room_is_handed_over_too(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    began = Notes()

    async def works(run: Run) -> None:
        began.note(run.task_id)
        await hangs(run)

    tasks = [f"t{n}" for n in range(12)]
    async with working(settings, raw, never, role="front") as desk:
        for task in tasks:
            await desk.send(task=task)
        async with working(settings, raw, works, role="worker", max_runs=2):
            await until(lambda: true(len(began.lines) == 2))
        async with working(settings, raw, echo, role="worker"):
            for task in tasks:
                await desk.until(State.COMPLETED, task=task)
            await desk.is_settled()


async def test_no_task_is_lost_when_all_processes_drain_and_a_new_one_starts(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    steps = Notes()

    async def works(run: Run) -> None:
        for n in range(6):
            await run.step(f"s{n}", steps.note, f"{run.task_id} {n}")
            await run.working(f"did {n}")
        await run.complete("done")

    tasks = [f"t{n}" for n in range(40)]
    async with working(settings, raw, never, role="front") as desk:
        for generation in range(4):
            sends = [desk.send(task=task) for task in tasks[10 * generation : 10 * generation + 10]]
            async with (
                working(settings, raw, works, role="worker"),
                working(settings, raw, works, role="worker"),
            ):
                await asyncio.gather(*sends)
                await until(lambda n=generation: true(len(steps.lines) > 50 * n))
        async with working(settings, raw, works, role="worker"):
            for task in tasks:
                done = await desk.until(State.COMPLETED, task=task)
                assert [*messages_of(done)] == ["hello", *(f"did {n}" for n in range(6)), "done"]
                await desk.has_ended_once(task)
            await desk.until_done()
    assert set(steps.lines) == {f"{task} {n}" for task in tasks for n in range(6)}
