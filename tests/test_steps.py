"""Steps: pieces of work that are done once, however often a process dies."""

from __future__ import annotations

from typing import Any

import pytest
import redis.asyncio

from a2a_streaming import Run
from a2a_streaming.caller import ANYBODY
from a2a_streaming.errors import StepRepeated
from a2a_streaming.event import text_part
from a2a_streaming.sending import Sent
from a2a_streaming.settings import Settings
from a2a_streaming.task import State
from agents import (
    Desk,
    Notes,
    after_a_crash,
    dies,
    last_words,
    working,
)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """No lease lapses and nothing is swept, unless a test lets it."""
    return settings.model_copy(update={"lease_seconds": 60.0})


async def test_steps_functions_arent_called_again_and_their_results_are_returned(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    calls = Notes()
    results: list[Any] = []

    async def works(run: Run) -> None:
        found = await run.step("look", lambda: {"call": calls.note("look"), "n": [1, None, "ü"]})
        nothing = await run.step("notify", lambda: calls.lines.append("notify"))
        results.append((found, nothing))
        await dies(run)
        await run.step("pay", calls.note, "pay")
        await run.complete()

    async with after_a_crash(settings, raw, works) as desk:
        await desk.until(State.COMPLETED)
        assert calls.lines == ["look", "notify", "pay"]
        assert results == [({"call": "look", "n": [1, None, "ü"]}, None)] * 2
        await desk.is_settled()


async def test_a_steps_key_is_of_its_task_message_and_name(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    keys = Notes()

    def pay(*, idempotency_key: str) -> None:
        keys.note(idempotency_key)

    async def ask(*, idempotency_key: str) -> None:
        keys.note(idempotency_key)

    async def works(run: Run) -> None:
        await run.step("pay", pay)
        await run.step("ask", ask)
        assert run.step_key("pay") == keys.lines[-2]
        await (run.complete() if run.text == "second" else run.input_required("And?"))

    async with working(settings, raw, works) as desk:
        sent = await follow(desk, "first", "m:1", None)
        await desk.until(State.INPUT_REQUIRED, task=sent.task_id)
        await follow(desk, "second", "m~2", sent.task_id)
        await desk.until(State.COMPLETED, task=sent.task_id)
    own = sent.task_id
    assert keys.lines == [
        f"{own}:m%3A1:pay",
        f"{own}:m%3A1:ask",
        f"{own}:m~2:pay",
        f"{own}:m~2:ask",
    ]


async def follow(desk: Desk, text: str, message_id: str, task: str | None) -> Sent:
    """Send a message that has an id."""
    return await desk.service.send(
        [text_part(text)],
        caller=ANYBODY,
        task_id=task,
        context=None,
        message_id=message_id,
        dialect="1.0",
    )


async def test_two_tasks_whose_ids_could_be_read_in_two_ways_have_keys_of_their_own(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    keys = Notes()

    async def works(run: Run) -> None:
        keys.note(run.step_key("a:b"))
        keys.note(run.step_key("b"))
        await run.complete()

    async with working(settings, raw, works) as desk:
        one = await follow(desk, "hello", "m", None)
        other = await follow(desk, "hello", "m:a", None)
        for sent in (one, other):
            await desk.until(State.COMPLETED, task=sent.task_id)
    assert len(set(keys.lines)) == 4


async def test_a_second_turn_does_steps_of_the_same_names_anew(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    calls = Notes()

    async def works(run: Run) -> None:
        got = await run.step("look", lambda: calls.note(run.text))
        await (run.complete(got) if run.text == "two" else run.input_required(got))

    async with working(settings, raw, works) as desk:
        await desk.send("one")
        await desk.until(State.INPUT_REQUIRED)
        await desk.send("two")
        assert last_words(await desk.until(State.COMPLETED)) == "two"
    assert calls.lines == ["one", "two"]


async def test_a_step_of_the_same_name_twice_in_a_turn_raises(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    calls = Notes()

    async def repeats(run: Run) -> None:
        await run.step("look", calls.note, "first")
        with pytest.raises(StepRepeated, match="look"):
            await run.step("look", calls.note, "second")
        await dies(run)
        await run.complete("done")

    async with after_a_crash(settings, raw, repeats) as desk:
        await desk.until(State.COMPLETED)
        await desk.is_settled()
    assert calls.lines == ["first"]


@pytest.mark.parametrize(
    "result",
    [
        pytest.param({1, 2}, id="set"),
        pytest.param(object(), id="object"),
        pytest.param({"when": {"deep": b"bytes"}}, id="bytes"),
        pytest.param(2**70, id="huge"),
        pytest.param("\ud800", id="surrogate"),
        pytest.param({(1, 2): 3}, id="key"),
    ],
)
async def test_a_result_that_is_no_json_raises_and_the_step_is_done_again_later(
    settings: Settings, raw: redis.asyncio.Redis, result: Any
) -> None:
    calls = Notes()

    async def works(run: Run) -> None:
        def look() -> Any:
            calls.note("look")
            return result if run.attempt == 1 else "fine"

        if run.attempt == 1:
            with pytest.raises(TypeError, match="Step 'look' must return JSON"):
                await run.step("look", look)
        else:
            assert await run.step("look", look) == "fine"
        await dies(run)
        await run.complete()

    async with after_a_crash(settings, raw, works) as desk:
        await desk.until(State.COMPLETED)
        await desk.is_settled()
    assert calls.lines == ["look", "look"]


async def test_a_step_whose_function_raises_is_done_again_in_the_next_attempt(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    calls = Notes()

    def look() -> str:
        calls.note("look")
        if len(calls.lines) == 1:
            raise ConnectionError
        return "found"

    async def works(run: Run) -> None:
        if run.attempt == 1:
            with pytest.raises(ConnectionError):
                await run.step("look", look)
        else:
            await run.step("look", look)
        await dies(run)
        await run.complete()

    async with after_a_crash(settings, raw, works) as desk:
        await desk.until(State.COMPLETED)
    assert calls.lines == ["look", "look"]


async def test_what_a_step_returns_is_as_a_later_attempt_will_have_it(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    results: list[Any] = []

    async def works(run: Run) -> None:
        shared: dict[str, Any] = {"n": (1, 2)}
        results.append(await run.step("look", lambda: shared))
        shared["n"] = (3,)
        await dies(run)
        await run.complete()

    async with after_a_crash(settings, raw, works) as desk:
        await desk.until(State.COMPLETED)
    assert results == [{"n": [1, 2]}, {"n": [1, 2]}]
