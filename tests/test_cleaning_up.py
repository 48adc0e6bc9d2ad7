"""Cleaning up: an agent's `cancel` is called for a task that it doesn't end itself, at least once."""

from __future__ import annotations

import asyncio

import pytest
import redis.asyncio

from a2a_streaming import Run
from a2a_streaming.settings import Settings
from a2a_streaming.task import State
from agents import Desk, Notes, Script, hangs, mortal, never, raises, stubborn, working
from tasks import log_of, until


async def asks(run: Run) -> None:
    """Wait for the customer."""
    await run.input_required("What?")


def cleaning(cleaned: Notes) -> Script:
    async def cleans(run: Run) -> None:
        cleaned.note(f"{run.task_id} {run.text}")

    return cleans


async def canceled_while_it_waits(desk: Desk) -> None:
    """A task that waited for its customer, and is canceled."""
    await desk.send()
    await desk.until(State.INPUT_REQUIRED)
    assert (await desk.cancel())["status"]["state"] == State.CANCELED


async def test_a_task_that_waits_for_its_customer_is_canceled_at_once_and_cleaned_up_by_a_worker(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    cleaned = Notes()
    async with working(settings, raw, never, role="front") as desk:
        async with working(settings, raw, asks, never, role="worker"):
            await desk.send()
            await desk.until(State.INPUT_REQUIRED)
        assert (await desk.cancel())["status"]["state"] == State.CANCELED  # nobody is there
        before = await log_of(desk.manager)
        async with working(settings, raw, never, cleaning(cleaned), role="worker"):
            await desk.is_cleaned_up()
        assert len(await log_of(desk.manager)) == len(before)
    assert cleaned.lines == ["t1 hello"]


async def test_cleaning_up_is_done_again_where_a_process_died_in_it(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    began = asyncio.Event()
    cleaned = Notes()

    async def dies(run: Run) -> None:
        began.set()
        await hangs(run)

    slow = settings.model_copy(update={"lease_seconds": 60.0, "cancel_seconds": 30.0})
    async with working(slow, raw, never, role="front") as desk:
        async with mortal(slow, raw, asks, dies) as first:
            await canceled_while_it_waits(desk)
            await began.wait()
            await first.crash()
        await desk.take_over()
        async with working(slow, raw, never, cleaning(cleaned), role="worker"):
            await desk.is_cleaned_up()
    assert cleaned.lines == ["t1 hello"]


@pytest.mark.parametrize("where", ["running", "waiting"])
async def test_a_task_whose_cleaning_raises_is_canceled_all_the_same_and_cleaned_up_later(
    settings: Settings, raw: redis.asyncio.Redis, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    cleaned = Notes()

    async def works(run: Run) -> None:
        await run.working("begun")
        await (asks if where == "waiting" else hangs)(run)

    async def cleans(run: Run) -> None:
        cleaned.note("tried")
        if len(cleaned.lines) < 3:
            raise LookupError("no connection")

    async with working(settings, raw, works, cleans, lease_seconds=0.3) as desk:
        await desk.send()
        await desk.until_said("What?" if where == "waiting" else "begun")
        assert (await desk.cancel())["status"]["state"] == State.CANCELED
        await desk.is_cleaned_up()
    assert cleaned.lines == ["tried"] * 3
    causes = [r.exc_info for r in caplog.records if r.getMessage() == "the agent's cancel raised"]
    assert [type(cause[1]) for cause in causes if cause] == [LookupError] * 2


async def test_a_task_whose_cleaning_hangs_is_canceled_all_the_same(
    settings: Settings, raw: redis.asyncio.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    let_go = asyncio.Event()
    began, cleaning_began = asyncio.Event(), asyncio.Event()

    async def works(run: Run) -> None:
        began.set()
        await hangs(run)

    quick = {"lease_seconds": 0.3, "cancel_seconds": 0.1, "max_attempts": 2}
    async with working(settings, raw, works, stubborn(cleaning_began, let_go), **quick) as desk:
        await desk.send()
        await began.wait()
        assert (await desk.cancel())["status"]["state"] == State.CANCELED
        assert cleaning_began.is_set()
        await desk.is_cleaned_up()
        let_go.set()
        said = [record.getMessage() for record in caplog.records]
        assert said.count("the agent's cancel is too slow") == 3
        assert said.count("gave up on cleaning up") == 1


async def test_cleaning_that_never_succeeds_is_given_up(
    settings: Settings, raw: redis.asyncio.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    quick = {"lease_seconds": 0.3, "max_attempts": 2}
    async with working(settings, raw, asks, raises, **quick) as desk:
        await canceled_while_it_waits(desk)
        await desk.is_cleaned_up()
    said = [record.getMessage() for record in caplog.records]
    assert said.count("the agent's cancel raised") == 2
    assert said.count("gave up on cleaning up") == 1


async def test_cleaning_up_isnt_done_twice_at_once(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    gate = asyncio.Event()
    cleaned = Notes()

    async def cleans(run: Run) -> None:
        cleaned.note("tried")
        await gate.wait()

    slow = settings.model_copy(update={"cancel_seconds": 30.0})
    async with (
        working(slow, raw, asks, cleans) as one,
        working(slow, raw, asks, cleans, role="worker"),
    ):
        await canceled_while_it_waits(one)
        await cleaned.until("tried")
        await one.manager.work("scripted").hint(*["t1"] * 10)

        async def are_handed_out() -> bool:
            groups = await raw.xinfo_groups(one.manager.keys.work("scripted"))
            return groups[0]["lag"] == 0

        await until(are_handed_out)
        gate.set()
        await one.is_cleaned_up()
    assert cleaned.lines == ["tried"]


async def test_a_process_that_drains_while_it_cleans_up_lets_another_do_it(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    began, cleaned = Notes(), Notes()

    async def slowly(run: Run) -> None:
        began.note("cleaning")
        await hangs(run)

    quick = settings.model_copy(update={"cancel_seconds": 0.2, "lease_seconds": 0.4})
    async with working(quick, raw, never, role="front") as desk:
        async with working(quick, raw, asks, slowly, role="worker"):
            await canceled_while_it_waits(desk)
            await began.until("cleaning")
        async with working(quick, raw, never, cleaning(cleaned), role="worker"):
            await cleaned.until("t1 hello")
            await desk.is_cleaned_up()


@pytest.mark.parametrize("how", ["raises", "is silent", "is too slow"])
async def test_an_agent_cleans_up_after_a_turn_that_fails(
    settings: Settings, raw: redis.asyncio.Redis, how: str
) -> None:
    cleaned = Notes()

    async def fails(run: Run) -> None:
        if how != "is silent":
            await (raises if how == "raises" else hangs)(run)

    async with working(settings, raw, fails, cleaning(cleaned), run_seconds=0.2) as desk:
        await desk.send()
        await desk.until(State.FAILED)
        assert cleaned.lines == ["t1 hello"]
        await desk.is_cleaned_up()


async def test_an_agent_that_ends_its_task_itself_has_nothing_to_clean_up(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    cleaned = Notes()

    async def ends(run: Run) -> None:
        await {"complete": run.complete, "fail": run.fail, "reject": run.reject}[run.text]("bye")

    async with working(settings, raw, ends, cleaning(cleaned)) as desk:
        for n, how in enumerate(["complete", "fail", "reject"]):
            await desk.send(how, task=f"t{n}")
            await desk.until(State.COMPLETED, State.FAILED, State.REJECTED, task=f"t{n}")
        await desk.until_done()
    assert cleaned.lines == []


async def test_the_turn_that_is_cleaned_up_is_the_latest_one(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    cleaned = Notes()
    async with working(settings, raw, asks, cleaning(cleaned)) as desk:
        await desk.send("one")
        await desk.until(State.INPUT_REQUIRED)
        await desk.send("two")
        await desk.until_said("two")
        await desk.until(State.INPUT_REQUIRED)
        await desk.cancel()
        await desk.is_cleaned_up()
    assert cleaned.lines == ["t1 two"]


@pytest.mark.parametrize("worked", ["step", "half a step"])
@pytest.mark.parametrize("canceled", ["before", "after"])
async def test_what_a_drained_process_began_without_a_word_is_cleaned_up(
    settings: Settings, raw: redis.asyncio.Redis, worked: str, canceled: str
) -> None:
    reserved, cleaned = Notes(), Notes()

    async def reserve() -> None:
        reserved.note("reserved")
        if worked == "half a step":
            await asyncio.Event().wait()

    async def works(run: Run) -> None:
        await run.step("reserve", reserve)
        reserved.note("stored")
        await hangs(run)

    quick = settings.model_copy(update={"lease_seconds": 0.8})
    async with working(quick, raw, never, role="front") as desk:
        await desk.send()
        async with working(quick, raw, works, role="worker"):
            await reserved.until("stored" if worked == "step" else "reserved")
        if canceled == "before":
            await desk.cancel()
        async with working(quick, raw, works, cleaning(cleaned), role="worker"):
            if canceled == "after":
                await desk.cancel()
            await desk.is_cleaned_up()
    assert cleaned.lines == ["t1 hello"]
