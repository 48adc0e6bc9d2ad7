"""Runs: whatever an agent, a worker or a customer does, each task goes on and ends, once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import redis.asyncio
from redis.exceptions import ResponseError

from a2a_streaming import Run
from a2a_streaming.backbone.log import Grant
from a2a_streaming.backbone.writer import LogWriter
from a2a_streaming.settings import Settings
from a2a_streaming.task import State
from agents import Desk, echo, hangs, never, true, working
from tasks import connected, lapse, leased, status, turn_of, until


@pytest.fixture
def quick(settings: Settings) -> Settings:
    """Leases that lapse soon."""
    return settings.model_copy(update={"lease_seconds": 0.8, "cancel_seconds": 0.4})


async def a_dead_run(
    settings: Settings, work: Callable[[LogWriter, Grant], Awaitable[None]], *, attempts: int = 1
) -> None:
    """A process that takes the lease, does something, and dies without a word."""
    async with connected(settings) as manager:
        for _ in range(attempts):
            grant = await leased(manager, holder="dead")
            await work(LogWriter(manager.log, grant), grant)


# Turns


async def test_a_message_is_answered(settings: Settings, raw: redis.asyncio.Redis) -> None:
    async with working(settings, raw, echo) as desk:
        sent = await desk.send()
        task = await desk.service.wait_for_turn(sent, seconds=20)
        assert task["status"]["state"] == State.COMPLETED
        assert await desk.story() == [
            (State.SUBMITTED, None),
            (State.COMPLETED, "You said hello"),
        ]
        await desk.is_settled()


async def test_an_agent_may_clean_up_after_its_answer_for_longer_than_a_lease(
    quick: Settings, raw: redis.asyncio.Redis
) -> None:
    cleaned: list[str] = []

    async def cleans(run: Run) -> None:
        if run.text == "wait":
            await until(lambda: true(len(cleaned) == 3))
        await (run.input_required("And?") if run.text == "hello" else run.complete("bye"))
        ends: set[Any] = set()

        async def leases_were_renewed() -> bool:
            ends.add(await raw.hget(desk.manager.keys.meta("t3"), "lease_end"))
            return len(ends) > 4 or run.text == "wait"

        await until(leases_were_renewed)  # something slow
        cleaned.append(run.text)

    async with working(quick, raw, cleans) as desk:
        await desk.send("wait", task="t3")
        await desk.send("hello")
        await desk.send("bye", task="t2")
        await until(lambda: true(len(cleaned) == 2))
        await desk.send("bye")
        for task in ("t1", "t2", "t3"):
            await desk.until(State.COMPLETED, task=task)
        await desk.is_settled()
    assert sorted(cleaned) == ["bye", "bye", "hello", "wait"]


async def test_an_answer_that_is_still_on_its_way_when_the_agent_is_stopped_is_its_answer(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    turns: list[str] = []
    cut_short = asyncio.Event()

    async def asks(run: Run) -> None:
        turns.append(run.text)
        await raw.client_pause(60_000, all=False)  # Redis takes no writes
        try:
            await run.input_required("And?")
        finally:
            cut_short.set()

    async with working(settings, raw, asks, lease_seconds=60.0, run_seconds=0.2) as desk:
        await desk.send()
        async with asyncio.timeout(20):
            await cut_short.wait()
        await raw.client_unpause()
        await desk.until(State.INPUT_REQUIRED)
        await until(lambda: _is_free(desk))
        assert len(turns) == 1
        assert [text for _, text in await desk.story()] == [None, "And?"]


async def _is_free(desk: Desk) -> bool:
    return not await desk.raw.zcard(desk.manager.keys.index("open", "scripted"))


async def test_a_hundred_tasks_at_once_all_end(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    running = most = 0

    async def counts(run: Run) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await run.working("looking")
        await run.attach("answer", run.text)
        running -= 1
        await run.complete("done")

    async with (
        working(settings, raw, counts, max_runs=8) as one,
        working(settings, raw, counts, max_runs=8) as other,
    ):
        desks = (one, other)
        await asyncio.gather(*(desks[n % 2].send(str(n), task=f"t{n}") for n in range(100)))
        for n in range(100):
            await one.until(State.COMPLETED, task=f"t{n}")
            await one.is_settled(f"t{n}")
    assert 1 < most <= 16


@dataclass
class Watched:
    """What became of a run."""

    began: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: int = 0
    cleaned: int = 0


# Runs that outlive their process


async def test_a_dead_workers_task_is_taken_over(quick: Settings, raw: redis.asyncio.Redis) -> None:
    async def half(writer: LogWriter, grant: Grant) -> None:
        await writer.append(status(text="on it"))
        await writer.append(step=(f"{turn_of(grant)} s look", b'{"found": 1}'))

    async def looks(run: Run) -> None:
        found = await run.step("look", lambda: {"found": 2})
        more = await run.step("more", lambda: {"found": 3})
        await run.complete(f"{run.attempt} {found['found']} {more['found']}")

    async with working(quick, raw, looks, role="front") as desk:
        await desk.send()
        await a_dead_run(quick, half)
        async with working(quick, raw, looks):
            task = await desk.until(State.COMPLETED)
            assert task["status"]["message"]["parts"] == [{"text": "2 1 3"}]
            await desk.is_settled()


async def test_a_run_whose_lease_another_has_stops_and_writes_nothing(
    quick: Settings, raw: redis.asyncio.Redis
) -> None:
    seen = Watched()

    async def works(run: Run) -> None:
        seen.began.set()
        try:
            await asyncio.Event().wait()
        finally:
            seen.cancelled += 1
            await run.complete("a zombie's word")

    async with working(quick, raw, works) as desk:
        await desk.send()
        await seen.began.wait()
        await lapse(raw, desk.manager)
        async with connected(quick, lease_seconds=60) as other:
            grant = await leased(other, holder="w2")
            await until(lambda: true(seen.cancelled))
            await LogWriter(other.log, grant).append(status(State.COMPLETED, "the other's"))
        assert await desk.story() == [(State.SUBMITTED, None), (State.COMPLETED, "the other's")]
        await desk.is_settled()


async def test_a_run_that_cant_renew_its_lease_stops_by_its_own_clock(
    quick: Settings, raw: redis.asyncio.Redis
) -> None:
    began, stopped = asyncio.Event(), asyncio.Event()

    async def works(run: Run) -> None:
        if run.attempt > 1:
            await run.complete("done")
            return
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    async with working(quick, raw, works, redis_timeout=50.0) as desk:
        await desk.send()
        await began.wait()
        await raw.client_pause(50_000, all=False)  # Redis takes no writes: no renewal
        try:
            async with asyncio.timeout(20):
                await stopped.wait()
        finally:
            await raw.client_unpause()
        await desk.until(State.COMPLETED)
        await desk.is_settled()


async def test_a_process_that_drains_gives_up_hints_on_which_it_couldnt_act(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    slow = settings.model_copy(update={"lease_seconds": 60.0})
    async with working(slow, raw, never, role="front") as desk:
        await desk.send()
        await leased(desk.manager, holder="dead")
        work = desk.manager.keys.work("scripted")

        async def is_pending() -> bool:
            try:
                pending: Any = await raw.xpending(work, "workers")
            except ResponseError:
                return False  # the worker hasn't made its group yet
            return pending["pending"] == 1

        async with working(slow, raw, never):
            await until(is_pending)
            await lapse(raw, desk.manager)
        async with working(slow, raw, echo):  # whose own patience would be a minute
            await desk.until(State.COMPLETED)
            await desk.is_settled()


async def test_a_task_whose_hint_is_lost_is_found(
    quick: Settings, raw: redis.asyncio.Redis
) -> None:
    async with working(quick, raw, echo, role="front") as desk:
        await desk.send()
        await desk.send(task="t2")
        assert await raw.delete(desk.manager.keys.work("scripted")) == 1
        async with working(quick, raw, echo):
            for task in ("t1", "t2"):
                await desk.until(State.COMPLETED, task=task)
            await desk.is_settled()


async def test_hints_that_are_lost_while_workers_wait_for_them_are_found(
    quick: Settings, raw: redis.asyncio.Redis
) -> None:
    async with working(quick, raw, echo) as desk:
        await desk.send()
        await desk.until(State.COMPLETED)
        await raw.delete(desk.manager.keys.work("scripted"))  # its group is gone as well
        await desk.send(task="t2")
        await desk.until(State.COMPLETED, task="t2")
        await desk.is_settled("t2")


async def test_a_hint_too_many_is_harmless(quick: Settings, raw: redis.asyncio.Redis) -> None:
    runs: list[str] = []

    async def counts(run: Run) -> None:
        runs.append(run.task_id)
        await run.complete("done")

    async with working(quick, raw, counts) as desk:
        work = desk.manager.work("scripted")
        await work.hint(*["t1", "nothing", "t1"])
        await desk.send()
        await work.hint(*["t1"] * 50)
        await desk.until(State.COMPLETED)
        await desk.is_settled()
    assert runs == ["t1"]


async def test_tasks_go_on_when_every_connection_breaks(
    quick: Settings, raw: redis.asyncio.Redis
) -> None:
    gate = asyncio.Event()

    async def works(run: Run) -> None:
        for n in range(5):
            await run.working(f"step {n}")
        await gate.wait()
        await run.complete("done")

    async with working(quick, raw, works) as desk:
        for n in range(10):
            await desk.send(task=f"t{n}")
            await raw.client_kill_filter(_type="normal", skipme=True)
            await raw.client_kill_filter(_type="pubsub")
        gate.set()
        for n in range(10):
            await desk.until(State.COMPLETED, task=f"t{n}")
        await desk.is_settled("t9")


async def test_a_node_that_closes_leaves_nothing_behind(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    before = asyncio.all_tasks()
    async with working(settings, raw, hangs) as desk:
        for n in range(5):
            await desk.send(task=f"t{n}")
        await until(lambda: raw.hexists(desk.manager.keys.meta("t4"), "holder"))

    async def is_alone() -> bool:
        return len(await raw.client_list()) == 1

    await until(is_alone)
    assert asyncio.all_tasks() == before
