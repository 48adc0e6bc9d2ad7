"""Attempts: how often a turn is begun, and what becomes of a task that nobody can finish."""

from __future__ import annotations

import pytest
import redis.asyncio

from a2a_streaming import Run
from a2a_streaming.settings import Settings
from a2a_streaming.task import State
from agents import (
    Notes,
    dies,
    hangs,
    last_words,
    mortal,
    never,
    working,
)
from tasks import until


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """No lease lapses and nothing is swept, unless a test lets it."""
    return settings.model_copy(update={"lease_seconds": 60.0})


async def test_a_finished_step_starts_the_count_of_attempts_anew(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    attempts: list[int] = []

    async def works(run: Run) -> None:
        attempts.append(run.attempt)
        for n in range(5):
            if n == len(attempts):  # a step a process, then it dies
                await run.working(f"ready {n}")
                await hangs(run)
            await run.step(f"step {n}", lambda: None)
        await run.complete()

    async with working(settings, raw, never, role="front", max_attempts=2) as desk:
        await desk.send()
        for n in range(1, 5):
            async with mortal(settings, raw, works, max_attempts=2) as process:
                await desk.until_said(f"ready {n}")
                await process.crash()
            await desk.take_over()
        async with working(settings, raw, works, role="worker", max_attempts=2):
            await desk.until(State.COMPLETED)
            await desk.is_settled()
    assert attempts == [1, 2, 2, 2, 2]


async def test_over_the_most_attempts_a_task_fails_with_a_reason_and_its_agent_cleans_up(
    settings: Settings, raw: redis.asyncio.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    attempts: list[int] = []
    cleaned: list[tuple[int, str]] = []

    async def works(run: Run) -> None:
        attempts.append(run.attempt)
        await run.working(f"ready {run.attempt}")
        await hangs(run)

    async def cleans(run: Run) -> None:
        cleaned.append((run.attempt, run.text))

    async with working(settings, raw, never, role="front") as desk:
        await desk.send()
        for n in (1, 2, 3):
            async with mortal(settings, raw, works, max_attempts=3) as process:
                await desk.until_said(f"ready {n}")
                await process.crash()
            await desk.take_over()
        async with working(settings, raw, works, cleans, role="worker", max_attempts=3):
            task = await desk.until(State.FAILED)
            assert last_words(task) == (
                "We tried this several times and couldn't finish it. Please try again later."
            )
            await desk.is_settled()
    assert attempts == [1, 2, 3]
    assert cleaned == [(4, "hello")]
    assert "gave up on a turn" in caplog.text


async def test_an_agent_cleans_up_also_where_no_attempt_has_said_anything(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    reserved, released = Notes(), Notes()

    async def works(run: Run) -> None:
        await run.step("reserve", reserved.note, run.task_id)
        await hangs(run)

    async def cleans(run: Run) -> None:
        released.note(run.task_id)

    async with working(settings, raw, never, role="front") as desk:
        await desk.send()
        async with mortal(settings, raw, works) as process:
            await until(lambda: raw.exists(desk.manager.keys.steps("t1")))
            await process.crash()
        await desk.take_over()
        async with working(settings, raw, works, cleans, role="worker", max_attempts=1):
            await desk.until(State.FAILED)
            await desk.is_settled()
    assert (reserved.lines, released.lines) == (["t1"], ["t1"])


async def test_a_lease_that_lapses_by_itself_is_taken_over(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async def works(run: Run) -> None:
        await dies(run)
        await run.complete(f"attempt {run.attempt}")

    quick = settings.model_copy(update={"lease_seconds": 0.8})
    async with working(quick, raw, never, role="front") as desk:
        await desk.send()
        async with mortal(quick, raw, works) as first:
            await desk.until_said("ready")
            await first.crash()
        async with working(quick, raw, works, role="worker"):
            assert last_words(await desk.until(State.COMPLETED)) == "attempt 2"
            await desk.is_settled()
