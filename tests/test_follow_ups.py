"""Follow-ups: each message is a turn of its own, in order, and none is lost."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import redis.asyncio

from a2a_streaming import Run
from a2a_streaming.caller import ANYBODY
from a2a_streaming.errors import InboxFull, UnsupportedOperation
from a2a_streaming.sending import Sent
from a2a_streaming.session import Reset
from a2a_streaming.settings import Settings
from a2a_streaming.task import State
from agents import Notes, dies, messages_of, mortal, never, true, working
from tasks import until


async def test_a_follow_up_to_a_question_begins_the_next_turn(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async def asks(run: Run) -> None:
        if "answer" in run.metadata:
            await run.complete(f"{run.metadata['answer']}, {run.text}")
        else:
            await run.input_required("What else?", metadata={"answer": run.text})

    async with working(settings, raw, asks) as desk:
        await desk.send("one")
        await desk.until(State.INPUT_REQUIRED)
        sent = await desk.send("two")
        task = await desk.service.wait_for_turn(sent, seconds=20)
        assert task["status"]["message"]["parts"] == [{"text": "one, two"}]
        assert await desk.story() == [
            (State.SUBMITTED, None),
            (State.INPUT_REQUIRED, "What else?"),
            (State.WORKING, "two"),
            (State.COMPLETED, "one, two"),
        ]
        await desk.is_settled()


async def test_follow_ups_to_a_running_task_are_handled_in_order_each_in_its_own_turn(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    gate = asyncio.Event()
    turns: list[str] = []

    async def gated(run: Run) -> None:
        turns.append(run.text)
        assert run.attempt == 1
        await gate.wait()
        if len(turns) == 6:
            await run.complete("done")
        else:
            await run.input_required("And?")

    async with working(settings, raw, gated) as desk:
        await desk.send("m0")
        await until(lambda: true(turns))
        await desk.send("m1")
        await asyncio.gather(*(desk.send(f"m{n}") for n in range(2, 6)))  # at once
        gate.set()
        await desk.until(State.COMPLETED)
        assert turns[:2] == ["m0", "m1"]
        assert sorted(turns) == [f"m{n}" for n in range(6)]
        told = [text for _, text in await desk.story() if text and text.startswith("m")]
        assert told == turns[1:]
        await desk.is_settled()


async def test_two_answers_at_once_are_two_turns(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    turns: list[str] = []

    async def asks(run: Run) -> None:
        turns.append(run.text)
        await (run.complete("done") if len(turns) == 3 else run.input_required("Sure?"))

    async with working(settings, raw, asks) as one, working(settings, raw, asks) as other:
        await one.send("go")
        await one.until(State.INPUT_REQUIRED)
        await asyncio.gather(one.send("yes"), other.send("yes"))  # the same words, twice
        await one.until(State.COMPLETED)
        assert turns == ["go", "yes", "yes"]
        await one.has_ended_once()


async def test_an_answer_that_comes_the_moment_a_turn_ends_isnt_forgotten(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async def asks(run: Run) -> None:
        await (run.complete("bye") if run.text == "bye" else run.input_required(run.text))

    # No lease lapses and nothing is swept in time: only its own hint can bring each answer on.
    async with working(settings, raw, asks, lease_seconds=60.0) as desk:
        await desk.send("0")
        async with await desk.service.watch("t1", caller=ANYBODY) as session:
            answered = 0
            async with asyncio.timeout(30):
                while answered < 100:
                    got = await session.next(20)
                    assert not isinstance(got, Reset)
                    for event in got:
                        if event.state is State.INPUT_REQUIRED:
                            answered += 1
                            await desk.send("bye" if answered == 100 else str(answered))
        await desk.until(State.COMPLETED)
        await desk.has_ended_once()


async def test_an_answer_to_an_agent_that_hasnt_returned_yet_isnt_forgotten(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    gate = asyncio.Event()
    turns: list[str] = []

    async def lingers(run: Run) -> None:
        turns.append(run.text)
        await (run.complete("bye") if run.text == "bye" else run.input_required("And?"))
        await gate.wait()  # something to clean up, long after its answer

    async with working(settings, raw, lingers, lease_seconds=60.0) as desk:
        await desk.send("hello")
        await desk.until(State.INPUT_REQUIRED)
        await desk.send("bye")
        work = desk.manager.keys.work("scripted")

        async def was_handed_to_the_worker() -> bool:
            pending: Any = await raw.xpending(work, "workers")
            return pending["pending"] == 2

        await until(was_handed_to_the_worker)
        gate.set()
        await desk.until(State.COMPLETED)
        await desk.has_ended_once()
    assert turns == ["hello", "bye"]


async def test_ten_answers_to_a_question_at_once_are_ten_turns(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    turns = Notes()

    async def asks(run: Run) -> None:
        turns.note(run.text)
        await (run.complete("done") if len(turns.lines) == 11 else run.input_required("And?"))

    async with working(settings, raw, asks) as one, working(settings, raw, asks) as other:
        await one.send("go")
        await one.until(State.INPUT_REQUIRED)
        await asyncio.gather(*((one, other)[n % 2].send(f"m{n}") for n in range(10)))
        await one.until(State.COMPLETED)
        assert sorted(turns.lines) == sorted(["go", *(f"m{n}" for n in range(10))])
        told = [text for _, text in await one.story() if text and text.startswith("m")]
        assert told == turns.lines[1:]
        await one.has_ended_once()


async def test_messages_that_wait_when_a_task_ends_are_told_before_its_end(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    gate = asyncio.Event()

    async def works(run: Run) -> None:
        await run.working("begun")
        await gate.wait()
        await run.complete("done")

    async with working(settings, raw, works) as desk:
        await desk.send()
        await desk.until_said("begun")
        for n in range(5):
            await desk.send(f"late {n}")
        gate.set()
        task = await desk.until(State.COMPLETED)
        late = [f"late {n}" for n in range(5)]
        assert [text for _, text in await desk.story()] == [None, "begun", *late, "done"]
        assert [*messages_of(task)] == ["hello", "begun", *late, "done"]
        await desk.is_settled()


@pytest.mark.parametrize("state", [State.COMPLETED, State.FAILED, State.REJECTED, State.CANCELED])
async def test_a_follow_up_to_a_task_that_has_ended_is_refused_with_a_clear_error(
    settings: Settings, raw: redis.asyncio.Redis, state: State
) -> None:
    async def ends(run: Run) -> None:
        await {
            State.COMPLETED: run.complete,
            State.FAILED: run.fail,
            State.REJECTED: run.reject,
            State.CANCELED: run.input_required,
        }[state]("bye")

    async with working(settings, raw, ends) as desk:
        await desk.send()
        if state is State.CANCELED:
            await desk.until(State.INPUT_REQUIRED)
            await desk.cancel()
        await desk.until(state)
        before = await desk.get()
        with pytest.raises(UnsupportedOperation, match=f"has ended as {state.label}"):
            await desk.send("one more thing")
        assert await desk.get() == before
        await desk.has_ended_once()


async def test_each_message_is_answered_or_refused_or_told_however_it_races_with_the_end(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async def works(run: Run) -> None:
        for _ in range(int(run.text)):
            await asyncio.sleep(0)
        await run.complete("done")

    async with working(settings, raw, works) as desk:
        for n in range(40):
            task = f"t{n}"
            await desk.send(str(5 * n), task=task)
            sends = (desk.send(f"more {m}", task=task) for m in range(4))
            answers = await asyncio.gather(*sends, return_exceptions=True)
            await desk.until(State.COMPLETED, task=task)
            told = [text for _, text in await desk.story(task)]
            for m, answer in enumerate(answers):
                if isinstance(answer, UnsupportedOperation):
                    assert f"more {m}" not in told
                else:
                    assert not isinstance(answer, BaseException)
                    assert told.count(f"more {m}") == 1
            await desk.has_ended_once(task)


async def test_a_follow_up_is_answered_after_its_process_has_died(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async def works(run: Run) -> None:
        if run.text == "hello":
            await dies(run)
            await run.input_required("And?")
        else:
            assert run.attempt == 1
            await run.complete(run.text)

    async with working(settings, raw, never, role="front") as desk:
        await desk.send()
        async with mortal(settings, raw, works, lease_seconds=60.0) as first:
            await desk.until_said("ready")
            await desk.send("more")
            await first.crash()
        await desk.take_over()
        async with working(settings, raw, works, role="worker"):
            await desk.until(State.COMPLETED)
        assert await desk.story() == [
            (State.SUBMITTED, None),
            (State.WORKING, "ready"),
            (State.WORKING, None),
            (State.INPUT_REQUIRED, "And?"),
            (State.WORKING, "more"),
            (State.COMPLETED, "more"),
        ]
        await desk.is_settled()


async def test_more_messages_than_may_wait_are_refused_and_none_of_the_others_is_lost(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    turns = Notes()

    async def asks(run: Run) -> None:
        turns.note(run.text)
        await run.input_required("And?")

    async with working(settings, raw, never, role="front", inbox_limit=5) as desk:
        sends = (desk.send(f"m{n}") for n in range(9))
        answers = await asyncio.gather(*sends, return_exceptions=True)
        taken = [f"m{n}" for n, answer in enumerate(answers) if isinstance(answer, Sent)]
        assert len(taken) == 5
        assert sum(isinstance(answer, InboxFull) for answer in answers) == 4
        async with working(settings, raw, asks, role="worker"):
            await until(lambda: true(len(turns.lines) == 5))
            await desk.until(State.INPUT_REQUIRED)
    assert sorted(turns.lines) == taken
