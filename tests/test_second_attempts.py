"""Second attempts: a process dies in a turn, and another begins the turn again."""

from __future__ import annotations

import asyncio

import httpx2
import pytest
import redis.asyncio

from a2a_streaming import Run, create_app
from a2a_streaming.settings import Settings
from a2a_streaming.task import State
from agents import (
    Scripted,
    after_a_crash,
    artifacts_of,
    dies,
    messages_of,
    mortal,
    never,
    raises,
    text_of,
    true,
    working,
)
from conftest import serving
from streams import called, message, streaming
from tasks import is_whole, log_of


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """No lease lapses and nothing is swept, unless a test lets it."""
    return settings.model_copy(update={"lease_seconds": 60.0})


async def test_a_half_artifact_is_emptied_and_then_the_task_is_told_without_it(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async def works(run: Run) -> None:
        async with run.artifact("label") as label:
            await label.write(f"attempt {run.attempt}")
            await dies(run)
        await run.complete()

    async with after_a_crash(settings, raw, works) as desk:
        task = await desk.until(State.COMPLETED)
        assert artifacts_of(task) == {"label": "attempt 2"}
        log = [event.payload for event in await log_of(desk.manager)]
        emptied, told = log[3:5]
        half = log[1]["artifactUpdate"]["artifact"]
        assert emptied["artifactUpdate"]["append"] is False
        assert emptied["artifactUpdate"]["artifact"] == {
            "artifactId": half["artifactId"],
            "name": "label",
            "parts": [],
        }
        assert told["task"]["status"]["state"] == State.WORKING
        assert told["task"]["artifacts"] == []
        [again] = task["artifacts"]
        assert again["artifactId"] == half["artifactId"]
        await desk.is_settled()


async def test_nothing_is_emptied_where_there_is_no_half_artifact(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async def works(run: Run) -> None:
        await dies(run)
        await run.complete()

    async with after_a_crash(settings, raw, works) as desk:
        await desk.until(State.COMPLETED)
        kinds = [event.kind for event in await log_of(desk.manager)]
        assert kinds == ["task", "status", "task", "status"]
        await desk.is_settled()


async def test_what_the_first_attempt_said_is_gone_but_for_what_finished_steps_said(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async def works(run: Run) -> None:
        async def finished() -> str:
            await run.working(f"looking {run.attempt}")
            await run.attach("found", f"order {run.attempt}")
            return "A-7"

        async def unfinished() -> None:
            await run.working(f"paying {run.attempt}")
            await dies(run)

        await run.working(f"hello {run.attempt}")
        order = await run.step("look", finished)
        await run.step("pay", unfinished)
        await run.complete(f"paid {order}")

    async with after_a_crash(settings, raw, works) as desk:
        task = await desk.until(State.COMPLETED)
        assert [*messages_of(task)] == ["hello", "looking 1", "hello 2", "paying 2", "paid A-7"]
        assert artifacts_of(task) == {"found": "order 1"}
        await desk.is_settled()


async def test_an_artifact_that_a_finished_step_has_left_open_stays(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async def works(run: Run) -> None:
        async def begins() -> None:
            await run.artifact("label").write(f"attempt {run.attempt}")

        await run.step("begin", begins)
        await dies(run)
        await run.complete()

    async with after_a_crash(settings, raw, works) as desk:
        assert artifacts_of(await desk.until(State.COMPLETED)) == {"label": "attempt 1"}
        await desk.is_settled()


async def test_a_finished_artifact_stands_as_it_was_and_isnt_sent_again(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    finished: list[bool] = []

    async def works(run: Run) -> None:
        async with run.artifact("letter") as letter:
            finished.append(letter.finished)
            await letter.write(f"Dear {run.attempt}")
            await letter.write(", yours")
        await run.attach("note", f"note {run.attempt}")
        async with run.artifact("half") as half:
            finished.append(half.finished)
            await half.write(f"half {run.attempt}")
            await dies(run)
        await run.attach("note", f"another note {run.attempt}")
        await run.complete()

    async with after_a_crash(settings, raw, works) as desk:
        before = len(await log_of(desk.manager))
        task = await desk.until(State.COMPLETED)
        assert finished == [False, False, True, False]
        assert [text_of(artifact) for artifact in task["artifacts"]] == [
            "Dear 1, yours",
            "note 1",
            "half 2",
            "another note 2",
        ]
        log = await log_of(desk.manager)
        sent = [e.payload["artifactUpdate"]["artifact"] for e in log if e.kind == "artifact"]
        assert [text_of(artifact) for artifact in sent if artifact["name"] == "letter"] == [
            "Dear 1",
            ", yours",
            "",
        ]
        assert before < len(log)
        await desk.is_settled()


async def test_an_artifact_that_is_left_by_an_error_isnt_finished(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async def works(run: Run) -> None:
        try:
            async with run.artifact("label") as label:
                await label.write(f"attempt {run.attempt}")
                await (raises(run) if run.attempt == 1 else true(None))
        except LookupError:
            await dies(run)
        await run.complete()

    async with after_a_crash(settings, raw, works) as desk:
        assert artifacts_of(await desk.until(State.COMPLETED)) == {"label": "attempt 2"}
        await desk.is_settled()


async def test_what_earlier_turns_made_and_what_the_customer_said_stays(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async def works(run: Run) -> None:
        await run.attach("note", f"{run.text} {run.attempt}")
        await run.working(f"thinking of {run.text}")
        if run.text != "two":
            await run.input_required(f"{run.text}?")
            return
        async with run.artifact("half") as half:
            await half.write(f"half {run.attempt}")
            await dies(run)
        await run.complete("done")

    async with working(settings, raw, never, role="front") as desk:
        async with mortal(settings, raw, works) as first:
            await desk.send("one")
            await desk.until(State.INPUT_REQUIRED)
            await desk.send("two")
            await desk.until_said("ready")
            await desk.send("three")  # still in the inbox
            await first.crash()
        await desk.take_over()
        async with working(settings, raw, works, role="worker"):
            task = await desk.until(State.COMPLETED)
        assert [text_of(artifact) for artifact in task["artifacts"]] == ["one 1", "two 1", "half 2"]
        assert [*messages_of(task)] == [
            *("one", "thinking of one", "one?"),
            *("two", "thinking of two", "three", "done"),
        ]
        await desk.is_settled()


async def test_the_story_folds_to_the_task_wherever_a_process_dies(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    reached = [asyncio.Event() for _ in range(40)]

    async def works(run: Run) -> None:
        for n in range(40):
            async with run.artifact(f"a{n}") as artifact:
                if not artifact.finished:
                    reached[n].set()
                await artifact.write("x" * 1000)
                await run.working(f"said {n}")
                await artifact.write("y" * 1000)
        await run.complete("done")

    async with working(settings, raw, never, role="front") as desk:
        await desk.send()
        for n in range(8):
            async with mortal(settings, raw, works) as process:
                await reached[4 * n].wait()
                for _ in range(n):  # it may die at any moment
                    await asyncio.sleep(0)
                await process.crash()
            await is_whole(desk.manager)
            await desk.take_over()
        async with working(settings, raw, works, role="worker"):
            task = await desk.until(State.COMPLETED)
        assert artifacts_of(task) == {f"a{n}": "x" * 1000 + "y" * 1000 for n in range(40)}
        assert len(task["artifacts"]) == 40
        await desk.is_settled()


async def test_a_watcher_of_the_first_dialect_sees_the_emptied_artifact_and_its_repetition(
    settings: Settings, raw: redis.asyncio.Redis, http: httpx2.AsyncClient
) -> None:
    async def works(run: Run) -> None:
        async with run.artifact("label") as label:
            await label.write(f"attempt {run.attempt}")
            await dies(run)
        await run.complete("done")

    # Its own worker is a process like any other; the task is in the other's hands first.
    async with (
        mortal(settings, raw, works) as first,
        working(settings, raw, never, role="front") as desk,
    ):
        await desk.send()
        await desk.until_said("ready")
        app = create_app(Scripted(works), settings=settings)
        async with serving(app) as served:
            url = f"{served.url}/"
            async with streaming(http, url, "tasks/resubscribe", "t1") as told:
                seen = [await anext(told) for _ in range(3)]
                await first.crash()
                await desk.take_over()
                seen += [frame async for frame in told]
            again = await called(http, url, "tasks/sendSubscribe", "t1", message("hello"))
    artifacts = [frame.data["artifact"] for frame in seen if "artifact" in frame.data]
    assert [(one.get("append"), text_of(one)) for one in artifacts] == [
        (None, "attempt 1"),
        (False, ""),
        (None, "attempt 2"),
        (True, ""),
    ]
    assert {one["index"] for one in artifacts} == {0}
    assert seen[-1].data["status"]["state"] == "completed"
    assert again == seen
