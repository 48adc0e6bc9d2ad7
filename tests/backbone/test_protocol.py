"""The protocol: whatever order the scripts run in, whatever is lost on the way, the promises hold.

Hypothesis sets customers, workers and cancellers going on one task in a real Redis, kills processes,
loses replies, requests and the log's tail; `protocol.py` checks every call. To look for longer:
`PROTOCOL_EXAMPLES=5000 pytest -n 0 --timeout 0 tests/backbone/test_protocol.py`.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Coroutine
from typing import Any, Literal, TypeVar

import pytest
from hypothesis import note
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from a2a_streaming.backbone.connection import Store
from a2a_streaming.backbone.inbox import Offer
from a2a_streaming.backbone.keys import Keys
from a2a_streaming.backbone.log import Appended, Renewal
from a2a_streaming.errors import Fenced, Unavailable
from a2a_streaming.settings import Settings
from backbone.protocol import Story, acknowledged
from backbone.protocol_jobs import Call, Hurried, Job, Plan
from tasks import offer

T = TypeVar("T")

EXAMPLES = int(os.environ.get("PROTOCOL_EXAMPLES", "100"))
JOBS, MESSAGES, MANY = 4, 8, 500
WHICH = st.integers(0, JOBS - 1)
PLANS = st.builds(
    Plan,
    events=st.integers(0, 3),
    steps=st.integers(0, 2),
    eager=st.booleans(),
    ends=st.sampled_from([False] * 4 + [True]),
)
_numbers = itertools.count()


class Protocol(RuleBasedStateMachine):
    """Everybody who has to do with one task."""

    def __init__(self, runner: asyncio.Runner, redis: tuple[Store, Keys, Settings]) -> None:
        super().__init__()
        self._runner, self._redis = runner, redis
        self._jobs: list[Job] = []
        self._strays: list[Call] = []
        self._offers: list[Offer] = []
        self._receipts: dict[str, str] = {}
        self._begun = 0
        self._failed = False

    def run(self, doing: Coroutine[Any, Any, T]) -> T:
        try:
            return self._runner.run(doing)
        except BaseException:
            self._failed = True
            raise

    @initialize(plan=PLANS, clock_behind=st.booleans(), survive=st.booleans())
    def begin(self, plan: Plan, clock_behind: bool, survive: bool) -> None:
        self._task_id = f"protocol-{next(_numbers)}"
        self._survive = survive
        self.story = Story(*self._redis, self._task_id, clock_behind=clock_behind)
        self.run(self.story.begin())
        self.a_customer_writes(plan, twice=False)

    # Customers

    @precondition(lambda self: len(self._offers) < MESSAGES)
    @rule(plan=PLANS, twice=st.booleans())
    def a_customer_writes(self, plan: Plan, twice: bool) -> None:
        message_id, first = f"m{len(self._offers)}", not self._offers
        made = offer(self._task_id, plan.text(message_id), message_id=message_id, may_create=first)
        self._offers.append(made)
        self.run(self.story.accept(*([made, made] if twice else [made])))

    @precondition(lambda self: len(self._offers) > 1)
    @rule(which=st.integers(0, 9), how=st.sampled_from(["same", "other content", "by content"]))
    def a_customer_sends_again(self, which: int, how: str) -> None:
        made = self._offers[which % len(self._offers)]
        said_id = made.message["messageId"]
        if how == "other content":
            other = Plan.told(made.message).text("other")
            made = offer(self._task_id, other, message_id=said_id, may_create=made.may_create)
        elif how == "by content" and self.story.told.accepted:
            made = offer(self._task_id, self.story.told.accepted[0][1], by_content=True)
        self.run(self.story.accept(made))

    # Processes

    @precondition(lambda self: len(self._jobs) < JOBS)
    @rule(purpose=st.sampled_from(["run"] * 5 + ["cancel"]), calls=st.integers(0, 4))
    def a_process_begins(self, purpose: Literal["run", "cancel"], calls: int) -> None:
        self.run(self._begin(purpose, calls))

    @precondition(lambda self: self._jobs)
    @rule(which=WHICH)
    def a_process_goes_on(self, which: int) -> None:
        self.run(self._go_on(self._job(which), 1))

    @precondition(lambda self: self._jobs)
    @rule(which=WHICH, calls=st.integers(2, 9))
    def a_process_goes_on_for_a_while(self, which: int, calls: int) -> None:
        self.run(self._go_on(self._job(which), calls))

    @precondition(lambda self: self._jobs)
    @rule(which=WHICH)
    def a_process_goes_on_to_its_end(self, which: int) -> None:
        self.run(self._go_on(self._job(which), MANY))

    @precondition(lambda self: self._jobs)
    @rule(which=WHICH, what=st.sampled_from(["late", "lost", "not carried out", "stray"]))
    def a_call_goes_wrong(self, which: int, what: str) -> None:
        self.run(self._go_wrong(self._job(which), what))

    @precondition(lambda self: self._strays)
    @rule(which=st.integers(0, 9))
    def a_stray_call_arrives(self, which: int) -> None:
        call = self._strays.pop(which % len(self._strays))
        note(f"  a stray of {call.job.holder}")
        self.run(self.story.carry_out(call))

    @precondition(lambda self: self._jobs)
    @rule(which=WHICH, stray=st.booleans())
    def a_process_dies(self, which: int, stray: bool) -> None:
        self.run(self._cease(self._job(which), stray=stray))

    @precondition(lambda self: self._jobs)
    @rule(which=WHICH)
    def a_process_drains(self, which: int) -> None:
        self.run(self._switch(self._job(which), "drain"))

    @precondition(lambda self: self._jobs)
    @rule(which=WHICH)
    def a_process_renews_its_lease(self, which: int) -> None:
        self.run(self._renew(self._job(which)))

    # Those who oversee tasks

    @rule()
    def a_run_is_to_be_tried_again(self) -> None:
        self.run(self.story.revoke())

    @rule()
    def the_task_is_to_be_escalated(self) -> None:
        self.run(self.story.escalate())

    # What happens to Redis

    @precondition(lambda self: "holder" in self.story.seen.meta)
    @rule(clock_steps=st.booleans(), taken_over=st.booleans())
    def a_lease_ends(self, clock_steps: bool, taken_over: bool) -> None:
        self.run(self.story.lapse(clock_steps=clock_steps))
        if taken_over and len(self._jobs) < JOBS:
            self.run(self._begin("run", 1))

    @precondition(lambda self: len(self.story.versions) > 1)
    @rule(
        calls=st.sampled_from([1, 2, 3, 4, 6, 9] * 2 + [MANY]), which=WHICH, then=st.integers(0, 3)
    )
    def the_last_calls_are_lost(self, calls: int, which: int, then: int) -> None:
        self.run(self.story.lose(calls))
        if then and self._jobs:
            self.run(self._go_on(self._job(which), then))

    # In the end

    def teardown(self) -> None:
        try:
            if hasattr(self, "story") and not self._failed:
                self.run(self._settle())
        finally:
            self._runner.run(self._cease_all())

    async def _settle(self) -> None:
        """Without further faults everything comes to its end, and stays there."""
        note("in the end")
        for job in [*self._jobs]:
            if self._survive:
                await self._go_on(job, MANY)
                assert job not in self._jobs, f"{job.holder} doesn't come to its end"
        for _ in range(MESSAGES):
            if "holder" in self.story.seen.meta:
                await self.story.lapse(clock_steps=False)
            job = await self._begin("run", MANY)
            assert job not in self._jobs, f"{job.holder} doesn't come to its end"
            if job.grant is None:
                break
        self.story.check_settled()
        settled = self.story.seen
        while self._strays:
            await self.story.carry_out(self._strays.pop())
        for job in [*self._jobs]:
            await self._go_on(job, MANY)
        if self.story.seen.meta.get("epoch") == settled.meta.get("epoch"):
            assert self.story.seen.log == settled.log
        await self.story.check_readers()

    async def _cease_all(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # How processes are driven

    def _job(self, which: int) -> Job:
        return self._jobs[which % len(self._jobs)]

    async def _begin(self, purpose: Literal["run", "cancel"], calls: int) -> Job:
        self._begun += 1
        job = Job.start(f"w{self._begun}", purpose, self._task_id, self._redis, self._receipts)
        self._jobs.append(job)
        await job.until_still()
        await self._go_on(job, calls)
        return job

    async def _go_on(self, job: Job, calls: int) -> None:
        for _ in range(calls):
            if job not in self._jobs or (call := job.pending) is None:
                return
            if not call.carried_out:
                await self.story.carry_out(call)
            await self._reply(job, call)

    async def _reply(self, job: Job, call: Call, error: Exception | None = None) -> None:
        job.pending = None
        if error is not None:
            call.reply.set_exception(error)
        else:
            job.last = call.answer
            if isinstance(call.answer, Appended) and call.answer.code == "OK":
                job.acknowledged.append(acknowledged(call))
            call.reply.set_result(call.answer)
        await job.until_still()
        self._look_at(job)

    def _look_at(self, job: Job) -> None:
        self.story.check_fold(job)
        if not job.finished:
            return
        self._jobs.remove(job)
        error = job.main.exception()
        if isinstance(error, Fenced):
            assert job.last.code in ("FENCED", "TERMINAL"), f"gave up after {job.last}"
        elif error is not None:
            raise error

    async def _go_wrong(self, job: Job, what: str) -> None:
        if (call := job.pending) is None:
            return
        note(f"  {job.holder}: {call.kind} {what}")
        if what in ("late", "lost") and not call.carried_out:
            await self.story.carry_out(call)
        if what == "stray":
            self._stray(call)
        if what != "late":
            await self._reply(job, call, Unavailable("away"))

    async def _cease(self, job: Job, *, stray: bool) -> None:
        self._jobs.remove(job)
        call = await job.cease()
        if stray and call is not None:
            self._stray(call)

    def _stray(self, call: Call) -> None:
        """Have a call come to Redis late, when nobody waits for its reply any more."""
        if not call.carried_out and call.kind != "steps":
            self._strays.append(call)
            call.job_waits = False

    async def _switch(self, job: Job, what: Literal["drain", "cancel"]) -> None:
        if job.writer is None:
            await self._cease(job, stray=True)
        else:
            await job.switch(what)
            self._look_at(job)

    async def _renew(self, job: Job) -> None:
        if job.purpose == "cancel" or job.writer is None or job.writer.released:
            return
        answer = await self.story.renew(job)
        note(f"  {job.holder}: renew → {answer}")
        if answer is Renewal.LOST:
            await self._cease(job, stray=True)
        elif answer is Renewal.CANCEL and job.grant is not None and not job.grant.task_ended:
            await self._switch(job, "cancel")


@pytest.mark.timeout(600)  # a failure is made small for some minutes
def test_what_is_promised_holds_whatever_is_lost_on_the_way(redis_url: str) -> None:
    settings = Settings(
        redis_timeout=1e9,  # the loop's clock jumps
        lease_seconds=600,
        inbox_limit=4,
        open_ttl=1000,
        history_ttl=2000,
        snapshot_ttl=3000,
    )
    with asyncio.Runner(loop_factory=Hurried) as runner:
        store = Store(redis_url, timeout=settings.redis_timeout)
        redis = (store, Keys(), settings)
        try:
            run_state_machine_as_test(
                lambda: Protocol(runner, redis),  # pyright: ignore[reportArgumentType] - a factory is what it calls
                settings=hypothesis_settings(max_examples=EXAMPLES, stateful_step_count=40),
            )
        finally:
            runner.run(store.aclose())
