"""A cancel that comes at the same time as something else: one of them wins, everybody is told which."""

from __future__ import annotations

import asyncio

import pytest
import redis.asyncio

from a2a_streaming import Run
from a2a_streaming.errors import TaskNotCancelable
from a2a_streaming.settings import Settings
from a2a_streaming.task import State
from agents import (
    Notes,
    hangs,
    never,
    true,
    working,
)
from tasks import until


@pytest.mark.parametrize("others", [0, 1], ids=["same process", "another process"])
async def test_a_task_that_completes_just_as_it_is_canceled_ends_once(
    settings: Settings, raw: redis.asyncio.Redis, others: int
) -> None:
    gates: dict[str, asyncio.Event] = {f"t{n}": asyncio.Event() for n in range(60)}
    began = Notes()
    seen: set[State] = set()

    async def completes(run: Run) -> None:
        began.note(run.task_id)
        await gates[run.task_id].wait()
        await run.working("almost")
        await run.complete("done")

    async with (
        working(settings, raw, completes) as own,
        working(settings, raw, never, role="front") as other,
    ):
        desk = (own, other)[others]
        for task in gates:
            await desk.send(task=task)
        await until(lambda: true(len(began.lines) == len(gates)))
        for n, (task, gate) in enumerate(gates.items()):
            canceling = asyncio.create_task(desk.cancel(task))
            for _ in range(n):  # a little later each time
                await asyncio.sleep(0)
            gate.set()
            [answer] = await asyncio.gather(canceling, return_exceptions=True)
            state = State((await desk.get(task))["status"]["state"])
            seen.add(state)
            if isinstance(answer, TaskNotCancelable):
                assert state is State.COMPLETED
            else:
                assert not isinstance(answer, BaseException)
                assert state == answer["status"]["state"] == State.CANCELED
            await desk.has_ended_once(task)
    assert seen == {State.COMPLETED, State.CANCELED}


@pytest.mark.parametrize("where", ["queued", "running", "waiting"])
async def test_a_task_that_is_canceled_by_many_at_once_ends_once(
    settings: Settings, raw: redis.asyncio.Redis, where: str
) -> None:
    began = asyncio.Event()
    cleaned = Notes()

    async def works(run: Run) -> None:
        if where == "waiting":
            await run.input_required("What?")
        else:
            began.set()
            await hangs(run)

    async def cleans(run: Run) -> None:
        cleaned.note(run.task_id)

    async with (
        working(settings, raw, never, role="front") as one,
        working(settings, raw, never, role="front") as other,
    ):
        await one.send()
        worker = working(settings, raw, works, cleans, role="worker")
        if where != "queued":
            await worker.__aenter__()
            await (one.until(State.INPUT_REQUIRED) if where == "waiting" else began.wait())
        cancels = (desk.cancel() for desk in (one, other) for _ in range(5))
        answers = await asyncio.gather(*cancels, return_exceptions=True)
        ended = [answer for answer in answers if isinstance(answer, dict)]
        assert ended
        assert all(answer["status"]["state"] == State.CANCELED for answer in ended)
        refused = [answer for answer in answers if not isinstance(answer, dict)]
        assert all(isinstance(answer, TaskNotCancelable) for answer in refused)
        await one.has_ended_once()
        if where != "queued":
            await one.is_settled()
            await worker.__aexit__(None, None, None)
    assert cleaned.lines == ([] if where == "queued" else ["t1"])
