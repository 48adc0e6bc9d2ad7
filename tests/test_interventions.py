"""Interventions: a run that hangs is tried again, and a task is handed to a person, whatever it is doing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
import redis.asyncio

from a2a_streaming import Run, agent_card
from a2a_streaming.backbone.interventions import Escalation
from a2a_streaming.errors import Fenced, RunEnded, TaskNotFound, UnsupportedOperation
from a2a_streaming.intervening import EMITS, Done, Interventions
from a2a_streaming.settings import Settings
from a2a_streaming.task import State
from agents import (
    Desk,
    Notes,
    Script,
    Scripted,
    hangs,
    last_words,
    mortal,
    never,
    stubborn,
    true,
    working,
)
from tasks import meta_of, until


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """A lease that doesn't lapse in a test: nothing happens by itself."""
    return settings.model_copy(update={"lease_seconds": 60.0, "beat_seconds": 0.2})


class Handing(Scripted):
    """Does what a test says; and hands tasks over, as a test says."""

    card = agent_card("scripted")

    def __init__(self, script: Script, handing: Callable[[Run, str], Awaitable[None]]) -> None:
        super().__init__(script)
        self._handing = handing

    async def escalate(self, run: Run, reason: str) -> None:
        await self._handing(run, reason)


async def hands_over(run: Run, reason: str) -> None:
    ticket = await run.step("ticket", lambda idempotency_key: idempotency_key)
    await run.input_required(f"A person takes over: {reason}", metadata={"ticket": ticket})


def interventions(desk: Desk) -> Interventions:
    return Interventions(desk.manager, desk.node.feeds)


async def escalate(desk: Desk, task: str = "t1", reason: str = "too slow") -> None:
    """Have a task escalated, once the process's word is out that its agent can."""

    async def can() -> bool:
        alive = await desk.manager.nodes.alive()
        return any("scripted" in node["escalates"] for node in alive)

    await until(can)
    assert await interventions(desk).escalate(task, by="ann", reason=reason) is Done.ASKED


# Retry


async def test_a_run_that_hangs_is_fenced_off_and_begun_again_at_once(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    steps = Notes()
    began = asyncio.Event()

    async def hangs_first(run: Run) -> None:
        await run.step("look", steps.note, "looked")
        if run.attempt > 1:
            await run.complete(f"attempt {run.attempt}")
            return
        began.set()
        await hangs(run)

    async with working(settings, raw, hangs_first) as desk:
        await desk.send()
        await began.wait()
        assert await interventions(desk).retry("t1") is Done.REVOKED
        assert last_words(await desk.until(State.COMPLETED)) == "attempt 2"
        await desk.is_settled()
    assert steps.lines == ["looked"]


async def test_a_run_that_doesnt_stop_holds_up_no_other_attempt_and_says_nothing_more(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    began, let_go = asyncio.Event(), asyncio.Event()
    refused: list[BaseException] = []
    holds = stubborn(began, let_go)

    async def holds_first(run: Run) -> None:
        if run.attempt > 1:
            await run.complete("done")
            return
        await holds(run)
        try:
            await run.complete("a zombie's word")
        except BaseException as error:
            refused.append(error)
            raise

    async with working(settings, raw, holds_first, cancel_seconds=30.0) as desk:
        await desk.send()
        await began.wait()
        assert await interventions(desk).retry("t1") is Done.REVOKED
        await desk.until(State.COMPLETED)
        assert not let_go.is_set()
        let_go.set()
        await until(lambda: true(refused))
        await desk.is_settled()
        assert all(isinstance(error, RunEnded | Fenced) for error in refused)
        assert [said for _, said in await desk.story()] == [None, "done"]


@pytest.mark.parametrize("said", ["hello", "go on"])
async def test_what_waits_for_a_worker_is_hinted_at(
    settings: Settings, raw: redis.asyncio.Redis, said: str
) -> None:
    async def asks_first(run: Run) -> None:
        await (run.input_required("And?") if run.text == "hello" else run.complete("done"))

    async with working(settings, raw, never, role="front") as desk:
        await desk.send()
        wanted = State.INPUT_REQUIRED
        if said == "go on":
            async with working(settings, raw, asks_first, role="worker"):
                await desk.until(State.INPUT_REQUIRED)
            await desk.send("go on")
            wanted = State.COMPLETED
        await raw.delete(desk.manager.keys.work("scripted"))
        assert await interventions(desk).retry("t1") is Done.HINTED
        async with working(settings, raw, asks_first, role="worker"):
            await desk.until(wanted)
            await desk.until_done()


async def test_there_is_nothing_to_try_again_of_what_has_ended_waits_or_isnt_there(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async def does(run: Run) -> None:
        await (run.complete("done") if run.text == "end" else run.input_required("And?"))

    async with working(settings, raw, does) as desk:
        await desk.send("end", task="ended")
        await desk.send("wait", task="waiting")
        await desk.until(State.COMPLETED, task="ended")
        await desk.until(State.INPUT_REQUIRED, task="waiting")
        await desk.until_done()
        with pytest.raises(UnsupportedOperation, match="has ended as completed"):
            await interventions(desk).retry("ended")
        with pytest.raises(UnsupportedOperation, match="input-required, and no message waits"):
            await interventions(desk).retry("waiting")
        with pytest.raises(TaskNotFound):
            await interventions(desk).retry("nothing")
        await desk.until_done()


async def test_what_cant_be_run_twice_isnt_tried_again(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    began = asyncio.Event()

    async def emits(run: Run) -> None:
        await run.step(EMITS, lambda: True)
        began.set()
        await hangs(run)

    agent = Scripted(emits)
    agent.resumable = False
    async with working(settings, raw, agent) as desk:
        await desk.send()
        await began.wait()
        with pytest.raises(UnsupportedOperation, match="can't be run twice"):
            await interventions(desk).retry("t1")
        await desk.cancel()
        await desk.is_settled()


async def test_trying_again_counts_as_no_attempt_of_the_agents_own(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    began = Notes()

    async def hangs_often(run: Run) -> None:
        began.note(str(len(began.lines)))
        if len(began.lines) > 6:
            await run.complete("at last")
            return
        await hangs(run)

    async with working(settings, raw, hangs_often, max_attempts=2) as desk:
        await desk.send()
        for n in range(6):
            await began.until(str(n))
            await interventions(desk).retry("t1")
        await desk.until(State.COMPLETED)
        await desk.is_settled()


# Escalate


async def test_a_run_is_interrupted_and_its_task_handed_to_a_person(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    began = asyncio.Event()

    async def half(run: Run) -> None:
        await run.step("look", lambda: 1)
        async with run.artifact("half") as artifact:
            await artifact.write("a half")
            began.set()
            await hangs(run)

    async with working(settings, raw, Handing(half, hands_over)) as desk:
        await desk.send()
        await began.wait()
        await escalate(desk)
        task = await desk.until(State.INPUT_REQUIRED)
        assert last_words(task) == "A person takes over: too slow"
        told = task["metadata"]["escalated"]
        assert (told["by"], told["reason"]) == ("ann", "too slow")
        assert not task.get("artifacts")
        meta = await meta_of(raw, desk.manager)
        assert not {"escalate", "holder"} & meta.keys()
        await desk.until_done()


async def test_a_run_that_doesnt_stop_is_escalated_over(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    began, let_go = asyncio.Event(), asyncio.Event()
    agent = Handing(stubborn(began, let_go), hands_over)
    async with working(settings, raw, agent, cancel_seconds=0.1) as desk:
        await desk.send()
        await began.wait()
        await escalate(desk)
        await desk.until(State.INPUT_REQUIRED)
        let_go.set()


async def test_a_task_that_waits_for_its_customer_is_handed_over_and_goes_on_with_them(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async def asks(run: Run) -> None:
        await (run.input_required("And?") if run.text == "hello" else run.complete("done"))

    async with working(settings, raw, Handing(asks, hands_over)) as desk:
        await desk.send()
        await desk.until(State.INPUT_REQUIRED)
        await desk.until_done()
        tickets: list[str] = []
        for n in range(2):
            await escalate(desk, reason=f"reason {n}")
            await desk.until_said(f"A person takes over: reason {n}")
            await desk.until_done()
            tickets.append((await desk.get())["metadata"]["ticket"])
        assert len(set(tickets)) == 2  # a second escalation isn't the first one again
        await desk.send("go on")
        await desk.until(State.COMPLETED)
        await desk.is_settled()


async def test_a_task_whose_process_is_dead_is_handed_over_by_another(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async def ready(run: Run) -> None:
        await run.working("ready")
        await hangs(run)

    agent = Handing(ready, hands_over)
    async with working(settings, raw, never, role="front") as desk:
        await desk.send()
        async with mortal(settings, raw, agent) as first:
            await desk.until_said("ready")
            await first.crash()
        async with working(settings, raw, agent, role="worker"):
            await escalate(desk)
            assert (await desk.get())["status"]["state"] == State.WORKING
            await desk.take_over()
            await desk.until(State.INPUT_REQUIRED)


async def test_a_hand_over_whose_process_dies_is_done_by_another_once(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    opened = Notes()
    dying = asyncio.Event()

    async def dies_first(run: Run, reason: str) -> None:
        await run.step("ticket", opened.note, "ticket")
        if not dying.is_set():
            dying.set()
            await run.working("ready")
            await hangs(run)
        await run.input_required(reason)

    agent = Handing(hangs, dies_first)
    async with working(settings, raw, never, role="front") as desk:
        await desk.send()
        async with mortal(settings, raw, agent, beat_seconds=0.2) as first:
            await escalate(desk)
            await desk.until_said("ready")
            await first.crash()
        await desk.take_over()
        async with working(settings, raw, agent, role="worker"):
            assert last_words(await desk.until(State.INPUT_REQUIRED)) == "too slow"
    assert opened.lines == ["ticket"]


async def test_an_answer_that_comes_at_the_same_moment_is_told_and_then_handed_over(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    began, answers = asyncio.Event(), asyncio.Event()

    async def asks(run: Run) -> None:
        began.set()
        try:
            await answers.wait()
        finally:
            await run.input_required("And?")

    async with working(settings, raw, Handing(asks, hands_over)) as desk:
        await desk.send()
        await began.wait()
        await escalate(desk)
        await desk.until_said("A person takes over: too slow")
        assert [said for _, said in await desk.story()][:2] == [None, "And?"]
        await desk.until_done()


async def test_a_cancel_wins_over_a_hand_over(settings: Settings, raw: redis.asyncio.Redis) -> None:
    began = asyncio.Event()

    async def never_ends(run: Run, reason: str) -> None:
        began.set()
        await hangs(run)

    async with working(settings, raw, Handing(hangs, never_ends)) as desk:
        await desk.send()
        await escalate(desk)
        await began.wait()
        await desk.cancel()
        await desk.is_settled()


async def test_an_agent_that_hands_nothing_over_isnt_disturbed(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    began, gate = asyncio.Event(), asyncio.Event()

    async def works(run: Run) -> None:
        began.set()
        await gate.wait()
        await run.complete("done")

    async with working(settings, raw, works) as desk:
        await desk.send()
        await began.wait()
        await until(desk.manager.nodes.alive)
        with pytest.raises(UnsupportedOperation, match="hands nothing over to people"):
            await interventions(desk).escalate("t1", by="", reason="")
        # Somebody asks all the same, as when the agent's new version can't any more.
        await desk.manager.interventions.escalate("t1", Escalation.new("", ""))
        gate.set()
        await desk.until(State.COMPLETED)
        await desk.is_settled()


async def test_a_task_that_waits_is_left_alone_by_an_agent_that_hands_nothing_over(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async def asks(run: Run) -> None:
        await run.input_required("And?")

    async with working(settings, raw, asks) as desk:
        await desk.send()
        await desk.until(State.INPUT_REQUIRED)
        await desk.until_done()
        await desk.manager.index.open("scripted", "t1")
        await desk.manager.interventions.escalate("t1", Escalation.new("", ""))
        await desk.manager.work("scripted").hint("t1")
        await desk.until_done()
        assert not {"escalate", "holder"} & (await meta_of(raw, desk.manager)).keys()
        assert [said for _, said in await desk.story()] == [None, "And?"]


async def test_what_has_ended_isnt_handed_over(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async def ends(run: Run) -> None:
        await run.complete("done")

    async with working(settings, raw, Handing(ends, hands_over)) as desk:
        await desk.send()
        await desk.until(State.COMPLETED)
        await desk.is_settled()
        with pytest.raises(UnsupportedOperation, match="has ended as completed"):
            await escalate(desk)
        with pytest.raises(TaskNotFound):
            await escalate(desk, task="nothing")


async def test_the_sweep_finds_what_is_to_be_handed_over(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async def asks(run: Run) -> None:
        await run.input_required("And?")

    async with working(settings, raw, asks) as desk:
        await desk.send()
        await desk.until(State.INPUT_REQUIRED)
        await desk.until_done()
        await desk.manager.interventions.escalate("t1", Escalation.new("", ""))
        found = await desk.manager.sweep.page("scripted")
        assert {agent: set(tasks) for agent, tasks in found.items()} == {"scripted": {"t1"}}
