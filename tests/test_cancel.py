"""Cancel: whoever works on a task, and wherever it stands, it ends, once."""

from __future__ import annotations

import asyncio

import pytest
import redis.asyncio

from a2a_streaming import Run
from a2a_streaming.caller import Caller
from a2a_streaming.errors import RunEnded, TaskNotCancelable, TaskNotFound
from a2a_streaming.settings import Settings
from a2a_streaming.task import State
from agents import (
    Notes,
    hangs,
    last_words,
    messages_of,
    mortal,
    never,
    stubborn,
    true,
    working,
)
from tasks import log_of, until


async def test_a_queued_task_is_canceled_at_once_and_never_run(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async with working(settings, raw, never, role="front") as desk:
        await desk.send()
        await desk.send("and this")
        task = await desk.cancel()
        assert task["status"]["state"] == State.CANCELED
        assert last_words(task) == "This request was canceled."
        assert "and this" in [text for _, text in await desk.story()]
        async with working(settings, raw, never, never) as later:  # nothing was begun
            await later.is_settled()


async def test_a_running_task_is_canceled_and_its_agent_may_clean_up(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    seen = Notes()

    async def works(run: Run) -> None:
        seen.note("began")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await run.working("almost stopped")  # what it does here isn't cut short
            seen.note("stopped")
            raise

    async def cleans(run: Run) -> None:
        with pytest.raises(RunEnded):
            await run.working("cleaning")
        with pytest.raises(RunEnded):
            await run.complete("after all")
        seen.note(f"cleaned {run.text} {(await desk.get())['status']['state']}")

    async with working(settings, raw, works, cleans) as desk:
        await desk.send()
        await seen.until("began")
        task = await desk.cancel()
        assert [*messages_of(task)] == ["hello", "almost stopped", "This request was canceled."]
        assert seen.lines == ["began", "stopped", f"cleaned hello {State.WORKING}"]
        await desk.is_settled()
        with pytest.raises(TaskNotCancelable, match="canceled"):
            await desk.cancel()
        assert seen.lines[2:] == [f"cleaned hello {State.WORKING}"]


async def test_a_task_that_runs_in_another_process_is_canceled(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async with (
        working(settings, raw, hangs, role="worker"),
        working(settings, raw, never, role="front") as desk,
    ):
        await desk.send()
        await until(lambda: raw.hexists(desk.manager.keys.meta("t1"), "holder"))
        assert (await desk.cancel())["status"]["state"] == State.CANCELED
        await desk.is_settled()


async def test_a_task_that_hangs_is_canceled_and_told_nothing_more(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    began, let_go = asyncio.Event(), asyncio.Event()
    late = Notes()

    async def works(run: Run) -> None:
        await stubborn(began, let_go)(run)
        try:
            await run.complete("after all")
        except RunEnded:
            late.note("refused")
            raise

    async with working(settings, raw, works, cancel_seconds=0.2) as desk:
        await desk.send()
        await began.wait()
        assert (await desk.cancel())["status"]["state"] == State.CANCELED
        let_go.set()
        await late.until("refused")
        await desk.is_settled()


async def test_a_task_whose_worker_is_dead_is_canceled_when_its_lease_has_ended(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    cleaned = Notes()

    async def works(run: Run) -> None:
        await run.working("ready")
        await hangs(run)

    async def cleans(run: Run) -> None:
        cleaned.note(run.text)

    quick = settings.model_copy(update={"lease_seconds": 0.8})
    async with working(quick, raw, never, role="front") as desk:
        await desk.send()
        async with mortal(quick, raw, works) as dead:
            await desk.until_said("ready")
            await dead.crash()
        async with working(quick, raw, never, cleans, role="worker"):
            assert (await desk.cancel())["status"]["state"] == State.CANCELED
            await desk.is_settled()
    assert cleaned.lines == ["hello"]


async def test_a_task_whose_workers_are_all_dead_is_canceled_too(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    cleaned = Notes()

    async def works(run: Run) -> None:
        await run.working("ready")
        await hangs(run)

    async def cleans(run: Run) -> None:
        cleaned.note(run.text)

    quick = settings.model_copy(update={"lease_seconds": 0.5, "cancel_seconds": 0.2})
    async with working(quick, raw, never, role="front") as desk:
        await desk.send()
        async with mortal(quick, raw, works) as dead:
            await desk.until_said("ready")
            await dead.crash()
        assert (await desk.cancel())["status"]["state"] == State.CANCELED
        await desk.has_ended_once()
        async with working(quick, raw, never, cleans, role="worker"):
            await desk.is_settled()
    assert cleaned.lines == ["hello"]


async def test_a_cancel_whose_process_dies_is_carried_out_by_the_next_worker(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    began, let_go = asyncio.Event(), asyncio.Event()
    async with working(settings, raw, never, role="front", lease_seconds=60.0) as desk:
        await desk.send()
        async with mortal(settings, raw, stubborn(began, let_go), lease_seconds=60.0) as dying:
            await began.wait()
            canceling = asyncio.create_task(desk.cancel())
            await until(lambda: raw.hexists(desk.manager.keys.meta("t1"), "cancel"))
            await dying.crash()
        await desk.take_over()
        async with working(settings, raw, never, role="worker"):
            assert (await canceling)["status"]["state"] == State.CANCELED
            await desk.is_settled()
        let_go.set()


async def test_a_cancel_that_comes_while_its_process_drains_is_carried_out(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    began, let_go = asyncio.Event(), asyncio.Event()
    cleaned = Notes()

    async def cleans(run: Run) -> None:
        cleaned.note(run.task_id)

    async with working(settings, raw, never, role="front", lease_seconds=60.0) as desk:
        await desk.send()
        async with working(
            settings, raw, stubborn(began, let_go), role="worker", lease_seconds=60.0
        ) as draining:
            await began.wait()
            closing = asyncio.create_task(draining.node.drain())
            await until(lambda: true(draining.node.draining))
            canceling = asyncio.create_task(desk.cancel())
            await closing
        async with working(settings, raw, never, cleans, role="worker"):
            assert (await canceling)["status"]["state"] == State.CANCELED
            await desk.is_cleaned_up()
        let_go.set()


async def test_a_task_whose_agent_asks_when_it_is_canceled_is_canceled(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    began = asyncio.Event()

    async def asks_instead(run: Run) -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await run.input_required("Are you sure?")

    async with working(settings, raw, asks_instead) as desk:
        await desk.send()
        await began.wait()
        assert (await desk.cancel())["status"]["state"] == State.CANCELED
        assert [state for state, _ in await desk.story()] == [
            State.SUBMITTED,
            State.INPUT_REQUIRED,
            State.CANCELED,
        ]
        await desk.is_settled()


async def test_a_task_whose_agent_answers_in_spite_of_the_cancel_has_completed(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    began = asyncio.Event()

    async def answers(run: Run) -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await run.complete("done in spite of it")

    async with working(settings, raw, answers, never) as desk:
        await desk.send()
        await began.wait()
        with pytest.raises(TaskNotCancelable, match="completed"):
            await desk.cancel()
        assert last_words(await desk.get()) == "done in spite of it"
        await desk.is_settled()


async def test_a_task_that_has_ended_or_isnt_there_cant_be_canceled(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async def completes(run: Run) -> None:
        await run.complete("done")

    async with working(settings, raw, completes, never) as desk:
        await desk.send()
        await desk.until(State.COMPLETED)
        before = await log_of(desk.manager)
        with pytest.raises(TaskNotCancelable, match="completed"):
            await desk.cancel()
        assert len(await log_of(desk.manager)) == len(before)
        with pytest.raises(TaskNotFound):
            await desk.cancel("t2")


async def test_who_may_not_see_a_task_cant_cancel_it(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async with working(settings, raw, never, role="front") as desk:
        await desk.send()
        for task, owner in (("t1", "bob"), ("t2", "")):
            with pytest.raises(TaskNotFound):
                await desk.service.cancel(task, caller=Caller(owner))
        assert (await desk.get())["status"]["state"] == State.SUBMITTED
