"""Bookmarks: whoever relays a stream goes on where the attempt before it stood."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import redis.asyncio

from a2a_streaming import Run
from a2a_streaming.event import artifact_event
from a2a_streaming.settings import Settings
from a2a_streaming.task import State
from agents import (
    after_a_crash,
    artifacts_of,
    dies,
    messages_of,
    mortal,
    never,
    working,
)
from tasks import is_whole


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """No lease lapses and nothing is swept, unless a test lets it."""
    return settings.model_copy(update={"lease_seconds": 60.0})


async def test_an_event_with_a_bookmark_stays_and_is_stored_together_with_it(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    source = [f"line {n}" for n in range(6)]
    began_at: list[Any] = []

    async def relays(run: Run) -> None:
        place = run.bookmark("source")
        began_at.append(place)
        await run.working(f"relaying, attempt {run.attempt}")  # is said in each attempt
        for n in range(place["line"] if place else 0, len(source)):
            if n == 3:
                await dies(run)
            await run.working(source[n], bookmark=("source", {"line": n + 1}))
        assert run.bookmark("source") == {"line": len(source)}
        assert run.bookmark("another") is None
        await run.complete("end")

    async with after_a_crash(settings, raw, relays) as desk:
        task = await desk.until(State.COMPLETED)
        assert began_at == [None, {"line": 3}]
        assert [*messages_of(task)] == [
            "hello",
            *source[:3],
            "relaying, attempt 2",
            *source[3:],
            "end",
        ]
        await desk.is_settled()


async def test_an_artifact_that_is_relayed_with_bookmarks_goes_on_where_it_stood(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async def relays(run: Run) -> None:
        for n in range(run.bookmark("child") or 0, 5):
            if n == 2:
                await dies(run)
            chunk = {"artifactId": "of the child", "name": "talk", "parts": [{"text": str(n)}]}
            event = artifact_event(run.task_id, run.context_id, chunk, index=0, append=n > 0)
            await run.emit(event, wait=n % 2 == 0, bookmark=("child", n + 1))
        await run.complete()

    async with after_a_crash(settings, raw, relays) as desk:
        assert artifacts_of(await desk.until(State.COMPLETED)) == {"talk": "01234"}
        await desk.is_settled()


async def test_wherever_a_relay_dies_each_line_is_told_once(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    lines = [f"line {n}" for n in range(60)]
    reached = [asyncio.Event() for _ in lines]

    async def relays(run: Run) -> None:
        for n in range(run.bookmark("at") or 0, len(lines)):
            reached[n].set()
            await run.working(lines[n], bookmark=("at", n + 1))
        await run.complete("end")

    async with working(settings, raw, never, role="front") as desk:
        await desk.send()
        for n in range(6):
            async with mortal(settings, raw, relays) as process:
                await reached[8 * n + 5].wait()
                for _ in range(n):
                    await asyncio.sleep(0)
                await process.crash()
            await is_whole(desk.manager)
            await desk.take_over()
        async with working(settings, raw, relays, role="worker"):
            task = await desk.until(State.COMPLETED)
        assert [*messages_of(task)] == ["hello", *lines, "end"]
        await desk.is_settled()
