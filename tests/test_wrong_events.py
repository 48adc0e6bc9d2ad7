"""Wrong events: refused before anything of them is in the task."""

from __future__ import annotations

from typing import Any

import pytest
import redis.asyncio

from a2a_streaming import Run
from a2a_streaming.event import data_part, status_event
from a2a_streaming.settings import Settings
from a2a_streaming.task import State
from agents import last_words, working
from tasks import is_whole

WRONG: dict[str, Any] = {
    "empty": {},
    "of no kind": {"something": {}},
    "a list": {"statusUpdate": []},
    "status without a state": {"statusUpdate": {"status": {}}},
    "status of no known state": {"statusUpdate": {"status": {"state": "dancing"}}},
    "artifact without an id": {"artifactUpdate": {"artifact": {"parts": []}}},
    "artifact without anything": {"artifactUpdate": {}},
    "appended artifact without parts": {"artifactUpdate": {"append": True, "artifact": {}}},
    "message without an id": {
        "statusUpdate": {"status": {"state": State.WORKING.value, "message": {"parts": []}}}
    },
    "task without a status": {"task": {"id": "t1"}},
    "no JSON": {"statusUpdate": {"status": {"state": State.WORKING.value}, "x": {1, 2}}},
    "not even an object": "hello",
}


@pytest.mark.parametrize("event", WRONG.values(), ids=WRONG.keys())
async def test_an_agent_that_emits_a_wrong_event_fails_and_the_log_stays_whole(
    settings: Settings, raw: redis.asyncio.Redis, event: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def emits(run: Run) -> None:
        await run.working("on it")
        await run.emit(event)

    async with working(settings, raw, emits, lease_seconds=60.0) as desk:
        await desk.send()
        assert "Something went wrong" in last_words(await desk.until(State.FAILED))
        await desk.is_settled()
    [line] = [r for r in caplog.records if r.getMessage() == "the agent failed: it raised"]
    assert line.exc_info


@pytest.mark.parametrize("event", WRONG.values(), ids=WRONG.keys())
async def test_an_agent_that_has_emitted_a_wrong_event_may_go_on(
    settings: Settings, raw: redis.asyncio.Redis, event: Any
) -> None:
    async def emits(run: Run) -> None:
        with pytest.raises(Exception):  # noqa: B017, PT011 - what it raises is the other test's subject
            await run.emit(event)
        assert not run.ended
        await run.complete("well")

    async with working(settings, raw, emits) as desk:
        await desk.send()
        assert last_words(await desk.until(State.COMPLETED, State.FAILED)) == "well"
        await desk.is_settled()


@pytest.mark.parametrize("state", [State.COMPLETED, State.CANCELED, State.FAILED])
async def test_an_agent_that_emits_an_end_by_hand_ends_its_task_or_fails(
    settings: Settings, raw: redis.asyncio.Redis, state: State, caplog: pytest.LogCaptureFixture
) -> None:
    async def emits(run: Run) -> None:
        await run.emit(status_event(run.task_id, run.context_id, state))

    async with working(settings, raw, emits, lease_seconds=60.0) as desk:
        await desk.send()
        await desk.until(state, State.FAILED)
        await desk.is_settled()
    assert "a worker's job failed" not in caplog.text


async def test_an_answer_that_is_no_json_may_be_given_again(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async def tries_again(run: Run) -> None:
        with pytest.raises(TypeError):
            await run.complete("look", data_part({1, 2}))
        with pytest.raises(TypeError):
            await run.working("look", bookmark=("at", {1, 2}))
        await run.working("nothing of it is left")
        await is_whole(desk.manager)
        await run.complete("look", data_part([1, 2]))

    async with working(settings, raw, tries_again) as desk:
        await desk.send()
        task = await desk.until(State.COMPLETED, State.FAILED)
        assert last_words(task) == "look"
        await desk.is_settled()


async def test_a_bookmark_of_an_event_that_was_refused_isnt_set(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async def relays(run: Run) -> None:
        await run.working("one", bookmark=("at", 1))
        with pytest.raises(TypeError):
            await run.working("two", data_part({1, 2}), bookmark=("at", 2))
        await run.complete(str(run.bookmark("at")))

    async with working(settings, raw, relays) as desk:
        await desk.send()
        assert last_words(await desk.until(State.COMPLETED, State.FAILED)) == "1"
