"""Agents that misbehave: their task fails in words for its customer, and their process lives on."""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import Any

import pytest
import redis.asyncio

from a2a_streaming import Run
from a2a_streaming.errors import Fenced, InvalidTransition, RunEnded
from a2a_streaming.event import data_part, status_event
from a2a_streaming.settings import Settings
from a2a_streaming.task import Json, State
from agents import Desk, Notes, Script, echo, hangs, last_words, raises, stubborn, working

RAISED = "Something went wrong on our side, and we couldn't finish this. Please try again."
SILENT = "We couldn't finish this: it ended without an answer. Please try again."
SLOW = "This took longer than we allow, so we stopped it. Please try again."


class Strange(BaseException):
    """No Exception."""


async def exits(run: Run) -> None:
    sys.exit(3)


async def exits_in_a_step(run: Run) -> None:
    await run.step("exit", sys.exit, 3)


async def leaves(run: Run) -> None:
    raise GeneratorExit


async def is_strange(run: Run) -> None:
    raise Strange("the secret password is 1234")


async def raises_a_group(run: Run) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(raises(run))


async def cancels_itself(run: Run) -> None:
    raise asyncio.CancelledError


async def stops_itself(run: Run) -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.Event().wait()


async def is_silent(run: Run) -> None:
    await run.working("thinking")


async def says_nothing(run: Run) -> None:
    return


async def asks_without_ending(run: Run) -> None:
    await run.emit(status_event(run.task_id, run.context_id, State.INPUT_REQUIRED))


async def answers_nonsense(run: Run) -> None:
    await run.complete("look", data_part({1, 2}))


async def attaches_nonsense(run: Run) -> None:
    await run.attach("thing", data_part(object()))


async def goes_back(run: Run) -> None:
    await run.working("on it")
    await run.emit(status_event(run.task_id, run.context_id, State.SUBMITTED))


async def pretends_to_be_fenced(run: Run) -> None:
    raise ValueError(Fenced("t1", 7))


CASES: list[tuple[Script, str, type[BaseException] | None]] = [
    (raises, RAISED, LookupError),
    (exits, RAISED, RuntimeError),
    (exits_in_a_step, RAISED, RuntimeError),
    (leaves, RAISED, GeneratorExit),
    (is_strange, RAISED, Strange),
    (raises_a_group, RAISED, ExceptionGroup),
    (cancels_itself, RAISED, None),
    (stops_itself, RAISED, None),
    (answers_nonsense, RAISED, TypeError),
    (attaches_nonsense, RAISED, TypeError),
    (goes_back, RAISED, InvalidTransition),
    (pretends_to_be_fenced, RAISED, ValueError),
    (asks_without_ending, RAISED, ValueError),
    (is_silent, SILENT, None),
    (says_nothing, SILENT, None),
    (hangs, SLOW, None),
]


async def fails(
    settings: Settings, raw: redis.asyncio.Redis, script: Script, cleaning: Script | None = None
) -> Json:
    """The task of an agent that misbehaves, in a process that does another one's well afterwards."""

    async def sometimes(run: Run) -> None:
        await (echo(run) if run.text == "well" else script(run))

    changed: dict[str, Any] = {"run_seconds": 0.3, "lease_seconds": 60.0}
    async with working(settings, raw, sometimes, cleaning, **changed) as desk:
        await desk.send("badly")
        task = await desk.until(State.FAILED)
        if cleaning is None:
            await desk.is_settled()
        await does_the_next(desk)
        await desk.has_ended_once()
    return task


async def does_the_next(desk: Desk) -> None:
    """The worker goes on."""
    await desk.send("well", task="t2")
    assert last_words(await desk.until(State.COMPLETED, task="t2")) == "You said well"


def causes(caplog: pytest.LogCaptureFixture) -> list[BaseException | None]:
    """Why an agent failed, by the log."""
    errors = [r for r in caplog.records if r.getMessage().startswith("the agent failed")]
    return [record.exc_info[1] if record.exc_info else None for record in errors]


@pytest.mark.parametrize(
    ("script", "reason", "cause"),
    CASES,
    ids=lambda value: value.__name__ if callable(value) else "",
)
async def test_the_task_fails_in_words_for_its_customer_and_the_log_has_the_cause(
    settings: Settings,
    raw: redis.asyncio.Redis,
    caplog: pytest.LogCaptureFixture,
    script: Script,
    reason: str,
    cause: type[BaseException] | None,
) -> None:
    task = await fails(settings, raw, script)
    assert last_words(task) == reason
    assert "secret" not in str(task)
    [told] = causes(caplog)
    assert type(told) is (cause or type(None))
    [line] = [r for r in caplog.records if r.getMessage().startswith("the agent failed")]
    assert line.levelno == logging.ERROR
    assert (line.__dict__["task"], line.__dict__["agent"]) == ("t1", "scripted")


async def test_an_agent_that_exits_while_it_cleans_up_takes_nobody_with_it(
    settings: Settings, raw: redis.asyncio.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    task = await fails(settings, raw, raises, exits)
    assert last_words(task) == RAISED
    assert "the agent's cancel raised" in caplog.text


async def test_what_an_agent_emits_after_its_end_is_refused_and_logged(
    settings: Settings, raw: redis.asyncio.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    refused = Notes()

    async def goes_on(run: Run) -> None:
        await run.complete("done")
        late = {
            "working": run.working("still here"),
            "complete": run.complete("again"),
            "input": run.input_required("or not?"),
            "attach": run.attach("thing", "x"),
            "emit": run.emit(status_event(run.task_id, run.context_id, State.WORKING)),
            "step": run.step("pay", lambda: refused.note("paid")),
        }
        for name, call in late.items():
            with pytest.raises(RunEnded):
                await call
            refused.note(name)
        await run.fail("not caught")

    async with working(settings, raw, goes_on) as desk:
        await desk.send("well")
        await desk.until(State.COMPLETED)
        await desk.is_settled()
        assert await desk.story() == [(State.SUBMITTED, None), (State.COMPLETED, "done")]
    assert refused.lines == ["working", "complete", "input", "attach", "emit", "step"]
    [line] = [r for r in caplog.records if r.getMessage() == "the agent raised after its answer"]
    assert line.exc_info is not None
    assert isinstance(line.exc_info[1], RunEnded)


async def test_an_agent_that_doesnt_stop_can_emit_nothing_more(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    refused = Notes()
    began, let_go = asyncio.Event(), asyncio.Event()

    async def stays(run: Run) -> None:
        await stubborn(began, let_go)(run)
        try:
            await run.complete("done after all")
        except RunEnded:
            refused.note("refused")

    async with working(settings, raw, stays, run_seconds=0.2, cancel_seconds=0.2) as desk:
        await desk.send()
        await desk.until(State.FAILED)
        let_go.set()
        await refused.until("refused")
        await desk.is_settled()


async def test_an_agent_that_answers_while_it_is_stopped_has_answered(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async def at_the_last_moment(run: Run) -> None:
        try:
            await hangs(run)
        except asyncio.CancelledError:
            await run.complete("just in time")

    async with working(settings, raw, at_the_last_moment, run_seconds=0.2) as desk:
        await desk.send()
        assert last_words(await desk.until(State.COMPLETED, State.FAILED)) == "just in time"
        await desk.is_settled()
