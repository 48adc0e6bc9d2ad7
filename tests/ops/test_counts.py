"""What lists count is what the logs tell: after crashes too, once the sweep has been there."""

from __future__ import annotations

import asyncio
from collections import Counter

import redis.asyncio

from a2a_streaming import Run
from a2a_streaming.backbone.index import in_state
from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.settings import Settings
from a2a_streaming.task import State, state_of
from agents import hangs, mortal, never, true, working
from tasks import until

TASKS = 240


async def truth(manager: RedisManager) -> Counter[str]:
    """How many tasks are in which state, by their logs."""
    states: Counter[str] = Counter()
    for n in range(TASKS):
        snapshot = await manager.snapshots.get(f"t{n}")
        assert snapshot is not None
        states[state_of(snapshot.task).label] += 1
    return states


async def test_counts_by_state_are_the_logs_whatever_crashes_have_left_out(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    begun: list[str] = []
    ended: list[str] = []

    async def does(run: Run) -> None:
        begun.append(run.task_id)
        number = len(begun)
        await run.working("on it")
        match number % 4:
            case 0:
                await run.input_required("And?")
            case 1:
                await run.fail("no")
            case 2:
                await run.complete("yes")
            case _:
                await hangs(run)
        ended.append(run.task_id)

    async with working(settings, raw, never, role="front") as desk:
        manager = desk.manager
        for n in range(TASKS):
            await desk.send(task=f"t{n}")
        for crash in range(1, 4):
            async with mortal(settings, raw, does) as doomed:
                least = crash * 30
                await until(lambda least=least: true(len(ended) >= least))
                await doomed.crash()
        # As if lists had been written halfway.
        for n in range(0, TASKS, 7):
            snapshot = await manager.snapshots.get(f"t{n}")
            assert snapshot is not None
            right = manager.keys.index(*in_state("scripted", state_of(snapshot.task)))
            await raw.zrem(right, f"t{n}")
            wrong = State.SUBMITTED if n % 2 else State.WORKING
            await raw.zadd(manager.keys.index(*in_state("scripted", wrong)), {f"t{n}": 1})

        async def is_right() -> bool:
            await manager.sweep.page("scripted")
            counted = (await manager.census.states(["scripted"]))["scripted"]
            return counted == await truth(manager)

        await until(is_right)
        assert len(await truth(manager)) >= 3


async def test_a_run_that_sends_chunks_isnt_silent_and_one_that_hangs_is(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    chunks: asyncio.Queue[str] = asyncio.Queue()

    async def talks(run: Run) -> None:
        await run.working("talking")
        if run.text == "hang":
            await hangs(run)
        async with run.artifact("talk") as talk:
            while True:
                await talk.write(await chunks.get())

    async with working(settings, raw, talks) as desk:
        await desk.send("hang", task="hangs")
        await desk.send("talk", task="talks")
        for task in ("hangs", "talks"):
            await desk.until(State.WORKING, task=task)
        key = desk.manager.keys.index(*in_state("scripted", State.WORKING))

        async def scores() -> tuple[float, float]:
            hanging, talking = await raw.zmscore(key, ["hangs", "talks"])
            return hanging or 0.0, talking or 0.0

        async def both() -> bool:
            return all(await scores())

        await until(both)
        for _ in range(2):
            before = await scores()
            chunks.put_nowait("a word")

            async def has_moved(before: tuple[float, float] = before) -> bool:
                return (await scores())[1] > before[1]

            await until(has_moved)
        found = await desk.manager.census.page([in_state("scripted", State.WORKING)], count=2)
        assert [task for _, task in found] == ["talks", "hangs"]
