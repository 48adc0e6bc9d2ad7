"""Runs: whatever an agent, a worker or a customer does, each task goes on and ends, once."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import pytest
import redis.asyncio
from redis.exceptions import ResponseError

from a2a_streaming import Agent, Run, agent_card
from a2a_streaming.backbone.log import Grant
from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.backbone.writer import LogWriter
from a2a_streaming.errors import Fenced, RunEnded, StepRepeated, TaskNotCancelable, TaskNotFound
from a2a_streaming.event import Event, data_part, text_part
from a2a_streaming.node import Node, Role
from a2a_streaming.service import Sent, TaskService
from a2a_streaming.session import Reset
from a2a_streaming.settings import Settings
from a2a_streaming.task import Json, State
from tasks import connected, is_whole, lapse, leased, log_of, meta_of, status, turn_of, until

Script: TypeAlias = Callable[[Run], Awaitable[None]]


class Scripted(Agent):
    """Does what a test says.

    Args:
        script: What it does in a turn.
        cleaning: What it does when a turn was canceled.
    """

    card = agent_card("scripted")

    def __init__(self, script: Script, cleaning: Script | None = None) -> None:
        self._script = script
        self._cleaning = cleaning

    async def run(self, run: Run) -> None:
        await self._script(run)

    async def cancel(self, run: Run) -> None:
        if self._cleaning is not None:
            await self._cleaning(run)


@dataclass
class Desk:
    """A node, as its customers see it."""

    node: Node
    raw: redis.asyncio.Redis

    @property
    def service(self) -> TaskService:
        return self.node.service("scripted")

    @property
    def manager(self) -> RedisManager:
        return self.node.manager

    async def send(self, text: str = "hello", *, task: str = "t1") -> Sent:
        return await self.service.send(
            [text_part(text)], owner="", task_id=task, context=None, dialect="0.1"
        )

    async def get(self, task: str = "t1") -> Json:
        return await self.service.get(task, owner="")

    async def cancel(self, task: str = "t1") -> Json:
        return await self.service.cancel(task, owner="")

    async def until(self, *states: State, task: str = "t1") -> Json:
        """Wait until a task is in one of these states."""

        async def is_there() -> Json | None:
            found = await self.get(task)
            return found if found["status"]["state"] in states else None

        found = await until(is_there)
        assert found is not None
        return found

    async def story(self, task: str = "t1") -> list[tuple[State | None, str | None]]:
        """The statuses and words of a task's log."""
        return [(event.state, words(event)) for event in await log_of(self.manager, task)]

    async def has_ended_once(self, task: str = "t1") -> None:
        """The task has ended once, and nobody holds its lease."""
        log = await log_of(self.manager, task)
        ends = [event for event in log if event.state is not None and event.state.terminal]
        assert ends == log[-1:]
        await is_whole(self.manager, task)
        meta = await meta_of(self.raw, self.manager, task)
        assert "holder" not in meta

    async def is_settled(self, task: str = "t1") -> None:
        """The task has ended once, and no task has anything left to do."""
        await self.has_ended_once(task)

        async def is_quiet() -> bool:
            left: Any = await self.raw.xlen(self.manager.keys.work("scripted"))
            open_ = await self.raw.zcard(self.manager.keys.index("open", "scripted"))
            return left == 0 and open_ == 0

        await until(is_quiet)


def words(event: Event) -> str | None:
    said = event.message
    return "".join(part.get("text", "") for part in said["parts"]) if said else None


@asynccontextmanager
async def working(
    settings: Settings,
    raw: redis.asyncio.Redis,
    script: Script | Agent,
    *,
    role: Role = "all",
    **changed: Any,
) -> AsyncIterator[Desk]:
    """A node with an agent."""
    agent = script if isinstance(script, Agent) else Scripted(script)
    node = Node([agent], settings.model_copy(update=changed), role=role)
    await node.start()
    try:
        yield Desk(node, raw)
    finally:
        await node.aclose()


async def echo(run: Run) -> None:
    await run.complete(f"You said {run.text}")


async def never(run: Run) -> None:
    raise AssertionError("this agent is never run")


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
        task = await desk.service.wait_for_turn(sent, owner="", seconds=20)
        assert task["status"]["state"] == State.COMPLETED
        assert await desk.story() == [
            (State.SUBMITTED, None),
            (State.COMPLETED, "You said hello"),
        ]
        await desk.is_settled()


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
        task = await desk.service.wait_for_turn(sent, owner="", seconds=20)
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
        await until(lambda: _is(turns))
        await desk.send("m1")
        await asyncio.gather(*(desk.send(f"m{n}") for n in range(2, 6)))  # at once
        gate.set()
        await desk.until(State.COMPLETED)
        assert turns[:2] == ["m0", "m1"]
        assert sorted(turns) == [f"m{n}" for n in range(6)]
        told = [text for _, text in await desk.story() if text and text.startswith("m")]
        assert told == turns[1:]
        await desk.is_settled()


async def _is(value: Any) -> Any:
    return value


async def test_two_answers_at_once_are_two_turns(quick: Settings, raw: redis.asyncio.Redis) -> None:
    turns: list[str] = []

    async def asks(run: Run) -> None:
        turns.append(run.text)
        await (run.complete("done") if len(turns) == 3 else run.input_required("Sure?"))

    async with working(quick, raw, asks) as one, working(quick, raw, asks) as other:
        await one.send("go")
        await one.until(State.INPUT_REQUIRED)
        await asyncio.gather(one.send("yes"), other.send("yes"))  # the same words, twice
        await one.until(State.COMPLETED)
        assert turns == ["go", "yes", "yes"]
        await one.is_settled()


async def test_an_answer_that_comes_the_moment_a_turn_ends_isnt_forgotten(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async def asks(run: Run) -> None:
        await (run.complete("bye") if run.text == "bye" else run.input_required(run.text))

    # No lease lapses and nothing is swept in time: only its own hint can bring each answer on.
    async with working(settings, raw, asks, lease_seconds=60.0) as desk:
        await desk.send("0")
        async with await desk.service.watch("t1", owner="") as session:
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


async def test_an_agent_may_clean_up_after_its_answer_for_longer_than_a_lease(
    quick: Settings, raw: redis.asyncio.Redis
) -> None:
    cleaned: list[str] = []

    async def cleans(run: Run) -> None:
        if run.text == "wait":
            await until(lambda: _is(len(cleaned) == 3))
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
        await until(lambda: _is(len(cleaned) == 2))
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


async def test_a_message_sent_two_thousand_times_is_one_run(
    quick: Settings, raw: redis.asyncio.Redis
) -> None:
    runs: list[str] = []

    async def counts(run: Run) -> None:
        runs.append(run.message_id)
        await run.complete("done")

    async with working(quick, raw, counts) as one, working(quick, raw, counts) as other:
        for _ in range(10):
            await asyncio.gather(*(desk.send() for desk in (one, other) for _ in range(100)))
        await one.until(State.COMPLETED)
        await one.is_settled()
    assert len(runs) == 1


# Agents that fail


async def raises(run: Run) -> None:
    raise LookupError("the secret password is 1234")


async def exits(run: Run) -> None:
    sys.exit(3)


async def cancels_itself(run: Run) -> None:
    raise asyncio.CancelledError


async def is_silent(run: Run) -> None:
    await run.working("thinking")


async def hangs(run: Run) -> None:
    await asyncio.Event().wait()


async def answers_nonsense(run: Run) -> None:
    await run.complete("look", data_part({1, 2}))


async def raises_fenced(run: Run) -> None:
    raise ValueError(Fenced("t1", 7))


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (raises, "went wrong"),
        (exits, "went wrong"),
        (cancels_itself, "went wrong"),
        (answers_nonsense, "went wrong"),
        (raises_fenced, "went wrong"),
        (is_silent, "without an answer"),
        (hangs, "longer than we allow"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
async def test_an_agent_that_fails_ends_its_task_as_failed_with_words_for_the_customer(
    settings: Settings, raw: redis.asyncio.Redis, script: Script, reason: str
) -> None:
    async def sometimes(run: Run) -> None:
        await (echo(run) if run.text == "well" else script(run))

    async with working(settings, raw, sometimes, run_seconds=0.3) as desk:
        await desk.send("badly")
        task = await desk.until(State.FAILED)
        text = task["status"]["message"]["parts"][0]["text"]
        assert reason in text
        assert "secret" not in text
        await desk.is_settled()
        await desk.send("well", task="t2")  # the process goes on
        await desk.until(State.COMPLETED, task="t2")


async def test_what_an_agent_emits_after_its_end_is_refused(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    refused: list[str] = []

    async def goes_on(run: Run) -> None:
        await run.complete("done")
        late = [
            run.working("still here"),
            run.complete("again"),
            run.input_required("or not?"),
            run.attach("thing", "x"),
            run.step("pay", lambda: refused.append("paid")),
        ]
        for call in late:
            try:
                await call
            except RunEnded:
                refused.append("refused")
        await run.fail("not caught")

    async with working(settings, raw, goes_on) as desk:
        await desk.send()
        await desk.until(State.COMPLETED)
        await until(lambda: _is(len(refused) == 5))
        await desk.is_settled()
        assert await desk.story() == [(State.SUBMITTED, None), (State.COMPLETED, "done")]
    assert refused == ["refused"] * 5


async def test_an_agent_that_doesnt_stop_can_emit_nothing_more(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    refused = asyncio.Event()
    failed = asyncio.Event()

    async def stubborn(run: Run) -> None:
        while not failed.is_set():
            try:
                await failed.wait()
            except asyncio.CancelledError:
                continue
        try:
            await run.complete("done after all")
        except RunEnded:
            refused.set()

    async with working(settings, raw, stubborn, run_seconds=0.2, cancel_seconds=0.2) as desk:
        await desk.send()
        await desk.until(State.FAILED)
        failed.set()
        async with asyncio.timeout(20):
            await refused.wait()
        await desk.is_settled()


async def test_an_agent_that_answers_while_it_is_stopped_has_answered(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async def at_the_last_moment(run: Run) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await run.complete("just in time")

    async with working(settings, raw, at_the_last_moment, run_seconds=0.2) as desk:
        await desk.send()
        task = await desk.until(State.COMPLETED, State.FAILED)
        assert task["status"]["message"]["parts"] == [{"text": "just in time"}]
        await desk.is_settled()


async def test_a_step_of_the_same_name_twice_in_a_turn_raises(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async def repeats(run: Run) -> None:
        await run.step("look", lambda: 1)
        with pytest.raises(StepRepeated):
            await run.step("look", lambda: 2)
        await run.complete("done")

    async with working(settings, raw, repeats) as desk:
        await desk.send()
        await desk.until(State.COMPLETED)
        await desk.is_settled()


# Cancel


async def test_a_queued_task_is_canceled_at_once_and_never_run(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async with working(settings, raw, never, role="front") as desk:
        await desk.send()
        await desk.send("and this")
        task = await desk.cancel()
        assert task["status"]["state"] == State.CANCELED
        assert ("and this") in [text for _, text in await desk.story()]
        async with working(settings, raw, never) as later:
            await later.is_settled()


@dataclass
class Watched:
    """What became of a run."""

    began: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: int = 0
    cleaned: int = 0


async def test_a_running_task_is_canceled_and_its_agent_may_clean_up(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    seen = Watched()

    async def works(run: Run) -> None:
        seen.began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0.05)  # what it does here isn't cut short by a second cancel
            seen.cancelled += 1
            raise

    async def cleans(run: Run) -> None:
        with pytest.raises(RunEnded):
            await run.working("cleaning")
        seen.cleaned += 1

    async with working(settings, raw, Scripted(works, cleans)) as desk:
        await desk.send()
        await seen.began.wait()
        task = await desk.cancel()
        assert task["status"]["state"] == State.CANCELED
        assert (seen.cancelled, seen.cleaned) == (1, 1)
        await desk.is_settled()
        with pytest.raises(TaskNotCancelable):
            await desk.cancel()


async def test_a_task_that_runs_in_another_process_is_canceled(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async with (
        working(settings, raw, hangs, role="worker"),
        working(settings, raw, never, role="front") as desk,
    ):
        await desk.send()
        await until(lambda: raw.hexists(desk.manager.keys.meta("t1"), "holder"))
        assert (await desk.cancel())["status"]["state"] == State.CANCELED
        await desk.is_settled()


async def test_a_hanging_task_is_canceled(settings: Settings, raw: redis.asyncio.Redis) -> None:
    let_go = asyncio.Event()
    began = asyncio.Event()

    async def stubborn(run: Run) -> None:
        began.set()
        while not let_go.is_set():
            try:
                await let_go.wait()
            except asyncio.CancelledError:
                continue

    agent = Scripted(stubborn, stubborn)
    async with working(settings, raw, agent, cancel_seconds=0.2, max_attempts=1) as desk:
        await desk.send()
        await began.wait()
        assert (await desk.cancel())["status"]["state"] == State.CANCELED
        await desk.is_settled()
        let_go.set()


async def test_an_agent_whose_cleaning_fails_is_canceled_all_the_same(
    quick: Settings, raw: redis.asyncio.Redis
) -> None:
    settings = quick.model_copy(update={"max_attempts": 2})
    async with working(settings, raw, Scripted(hangs, raises)) as desk:
        await desk.send()
        await until(lambda: raw.hexists(desk.manager.keys.meta("t1"), "holder"))
        assert (await desk.cancel())["status"]["state"] == State.CANCELED
        await desk.is_settled()


async def test_a_task_that_waits_for_its_customer_is_canceled(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async def asks(run: Run) -> None:
        await run.input_required("What?")

    async with working(settings, raw, asks) as desk:
        await desk.send()
        await desk.until(State.INPUT_REQUIRED)
        assert (await desk.cancel())["status"]["state"] == State.CANCELED
        await desk.is_settled()


async def test_a_task_whose_agent_asks_when_it_is_canceled_is_canceled(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    began = asyncio.Event()

    async def asks_instead(run: Run) -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await run.input_required("Are you sure?")

    async with working(settings, raw, asks_instead) as desk:
        await desk.send()
        await began.wait()
        assert (await desk.cancel())["status"]["state"] == State.CANCELED
        assert [state for state, _ in await desk.story()] == [
            State.SUBMITTED,
            State.INPUT_REQUIRED,
            State.CANCELED,
        ]
        await desk.is_settled()


async def test_a_task_that_completes_just_as_it_is_canceled_ends_once(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    gates: dict[str, asyncio.Event] = {f"t{n}": asyncio.Event() for n in range(40)}
    began: set[str] = set()

    async def completes(run: Run) -> None:
        began.add(run.task_id)
        await gates[run.task_id].wait()
        await run.working("almost")
        await run.complete("done")

    async with working(settings, raw, completes) as desk:
        for task in gates:
            await desk.send(task=task)
        await until(lambda: _is(len(began) == 40))
        for n, (task, gate) in enumerate(gates.items()):
            canceling = asyncio.create_task(desk.cancel(task))
            for _ in range(n):  # a little later each time
                await asyncio.sleep(0)
            gate.set()
            [answer] = await asyncio.gather(canceling, return_exceptions=True)
            state = (await desk.get(task))["status"]["state"]
            if isinstance(answer, TaskNotCancelable):
                assert state == State.COMPLETED
            else:
                assert not isinstance(answer, BaseException)
                assert state == answer["status"]["state"] == State.CANCELED
            await desk.has_ended_once(task)
        await desk.is_settled()


async def test_a_task_whose_worker_is_dead_is_canceled(
    quick: Settings, raw: redis.asyncio.Redis
) -> None:
    async def works(writer: LogWriter, grant: Grant) -> None:
        await writer.append(status(text="on it"))

    async with working(quick, raw, never, role="front") as desk:
        await desk.send()
        await a_dead_run(quick, works)
        async with working(quick, raw, never):
            assert (await desk.cancel())["status"]["state"] == State.CANCELED
            await desk.is_settled()


async def test_who_may_not_see_a_task_cant_cancel_it(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async with working(settings, raw, never, role="front") as desk:
        await desk.send()
        for task, owner in (("t1", "bob"), ("t2", "")):
            with pytest.raises(TaskNotFound):
                await desk.service.cancel(task, owner=owner)
        assert (await desk.get())["status"]["state"] == State.SUBMITTED


# Runs that outlive their process


async def test_a_second_attempt_repeats_no_finished_step_and_doubles_no_artifact(
    quick: Settings, raw: redis.asyncio.Redis
) -> None:
    paid: list[str] = []
    attempts: list[int] = []
    gate = asyncio.Event()

    def pay(amount: int, *, idempotency_key: str) -> str:
        paid.append(idempotency_key)
        return f"receipt {amount}"

    async def refund(run: Run) -> None:
        attempts.append(run.attempt)
        receipt = await run.step("pay", pay, 7)
        async with run.artifact("receipt") as artifact:
            await artifact.write(receipt)
            if not gate.is_set():
                await run.working("half of it")
                await gate.wait()
            await artifact.write(", with thanks")
        await run.attach("note", "one")
        await run.complete("paid")

    async with working(quick, raw, refund) as first:
        await first.send()
        await until(lambda: _is(paid))
        await until(lambda: raw.hexists(first.manager.keys.meta("t1"), "holder"))
        await first.until(State.WORKING)
        # Another process finds the lease lapsed, as if the first had died; and dies itself.
        await lapse(raw, first.manager)
        dead = await leased(first.manager, holder="dead")
        gate.set()
        await first.until(State.COMPLETED)
        assert dead.attempt == 2
        assert attempts == [1, 3]
        assert paid == [f"t1:{turn_of(dead)}:pay"]
        task = await first.get()
        assert [
            ("".join(part["text"] for part in artifact["parts"])) for artifact in task["artifacts"]
        ] == ["receipt 7, with thanks", "one"]
        await first.is_settled()


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


async def test_a_task_that_was_tried_too_often_fails(
    quick: Settings, raw: redis.asyncio.Redis
) -> None:
    async def dies(writer: LogWriter, grant: Grant) -> None:
        async with connected(quick) as manager:
            await lapse(raw, manager)

    async with working(quick, raw, never, role="front") as desk:
        await desk.send()
        await a_dead_run(quick, dies, attempts=2)
        async with working(quick, raw, never, max_attempts=2):
            task = await desk.until(State.FAILED)
            assert "several times" in task["status"]["message"]["parts"][0]["text"]
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
            await until(lambda: _is(seen.cancelled))
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


async def test_a_process_that_drains_hands_its_runs_over_without_spending_an_attempt(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    attempts: list[tuple[str, int]] = []
    gate = asyncio.Event()
    looked: list[str] = []

    async def works(run: Run) -> None:
        attempts.append((run.task_id, run.attempt))
        await run.step("look", lambda: looked.append(run.task_id))
        await gate.wait()
        await run.complete("done")

    # A lease that doesn't lapse in this test: what is handed over is handed over at once.
    async with working(settings, raw, works, lease_seconds=60.0) as other:
        tasks = [f"t{n}" for n in range(10)]
        async with working(settings, raw, works, lease_seconds=60.0) as one:
            for task in tasks:
                await one.send(task=task)
            await until(lambda: _is(len(looked) == 10))
        await until(lambda: _is(len(set(attempts)) == 10 and len(attempts) > 10))
        gate.set()
        for task in tasks:
            await other.until(State.COMPLETED, task=task)
            await other.is_settled(task)
    assert {attempt for _, attempt in attempts} == {1}
    assert sorted(looked) == tasks


async def test_a_process_that_drains_finishes_what_is_just_ending(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    began = asyncio.Event()

    async def completes(run: Run) -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await run.complete("just done")

    async with working(settings, raw, never, role="front") as desk:
        async with working(settings, raw, completes):
            await desk.send()
            await began.wait()
        assert (await desk.get())["status"]["state"] == State.COMPLETED
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


async def test_a_process_that_drains_takes_an_agent_that_doesnt_stop_away(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    let_go = asyncio.Event()
    began = asyncio.Event()

    async def stubborn(run: Run) -> None:
        began.set()
        while not let_go.is_set():
            try:
                await let_go.wait()
            except asyncio.CancelledError:
                continue
        await run.complete("a zombie's word")

    slow = settings.model_copy(update={"lease_seconds": 60.0, "cancel_seconds": 0.3})
    async with working(slow, raw, stubborn) as one:
        await one.send()
        await began.wait()
    async with working(slow, raw, echo) as other:
        await other.until(State.COMPLETED)
        let_go.set()
        await other.is_settled()
        assert await other.story() == [
            (State.SUBMITTED, None),
            (State.COMPLETED, "You said hello"),
        ]


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
