"""The same message again: however often it is sent, it is one message."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import redis.asyncio

from a2a_streaming import Run
from a2a_streaming.caller import Caller
from a2a_streaming.errors import InvalidParams, TaskNotFound, UnsupportedOperation
from a2a_streaming.event import text_part
from a2a_streaming.sending import Sent
from a2a_streaming.settings import Settings
from a2a_streaming.task import Json, State
from agents import Desk, Notes, never, true, working
from tasks import log_of, until


async def send(
    desk: Desk,
    text: str = "hello",
    *,
    message_id: str | None = "m1",
    owner: str = "ann",
    task: str | None = None,
    context: str | None = "c1",
    metadata: Json | None = None,
) -> Sent:
    """Send a message as a client of A2A 1.0 does."""
    return await desk.service.send(
        [text_part(text)],
        caller=Caller(owner),
        task_id=task,
        context=context,
        message_id=message_id,
        message_metadata=metadata,
        dialect="1.0",
    )


async def is_one_run(desk: Desk, runs: Notes, sent: Sent) -> None:
    """A task was run once, on one message."""
    await until(lambda: true(runs.lines))
    await desk.until_done()
    log = await log_of(desk.manager, sent.task_id)
    assert [event.state for event in log] == [State.SUBMITTED, State.COMPLETED]
    assert runs.lines == [sent.task_id]


def counting(runs: Notes) -> Any:
    async def counts(run: Run) -> None:
        runs.note(run.task_id)
        await run.complete("done")

    return counts


async def test_the_same_message_joins_the_task_that_it_began(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    runs = Notes()
    async with working(settings, raw, counting(runs), lease_seconds=0.5) as desk:
        sent = await send(desk)
        assert await send(desk) == sent
        await is_one_run(desk, runs, sent)
        assert await send(desk) == sent  # also when it has long ended
        await is_one_run(desk, runs, sent)  # once the hint too many is forgotten
    assert (sent.after, sent.turn) == (None, None)


async def test_without_a_context_too_the_same_message_joins(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    runs = Notes()
    async with working(settings, raw, counting(runs)) as desk:
        sent = await send(desk, context=None)
        assert await send(desk, context=None) == sent
        await is_one_run(desk, runs, sent)


@pytest.mark.parametrize(
    "other", [{"text": "bye"}, {"metadata": {"urgent": True}}], ids=["text", "metadata"]
)
async def test_the_same_id_with_other_content_is_refused(
    settings: Settings, raw: redis.asyncio.Redis, other: dict[str, Any]
) -> None:
    async with working(settings, raw, never, role="front") as desk:
        sent = await send(desk)
        before = await log_of(desk.manager, sent.task_id)
        with pytest.raises(InvalidParams, match="sent before with other content"):
            await send(desk, **other)
        assert len(await log_of(desk.manager, sent.task_id)) == len(before)
        assert await desk.manager.inbox.waiting(sent.task_id) == 1


@pytest.mark.parametrize(
    "other",
    [{"owner": "bob"}, {"context": "c2"}, {"context": None}, {"message_id": "m2"}],
    ids=["owner", "context", "no context", "message id"],
)
async def test_what_another_sends_or_elsewhere_is_another_task(
    settings: Settings, raw: redis.asyncio.Redis, other: dict[str, Any]
) -> None:
    async with working(settings, raw, never, role="front") as desk:
        one, another = await send(desk), await send(desk, **other)
        assert one.task_id != another.task_id
        for sent in (one, another):
            assert await desk.manager.inbox.waiting(sent.task_id) == 1


async def test_messages_without_an_id_and_a_task_are_tasks_of_their_own(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async with working(settings, raw, never, role="front") as desk:
        sent = [await send(desk, message_id=None) for _ in range(3)]
        assert len({one.task_id for one in sent}) == 3


async def test_a_follow_up_that_is_sent_again_joins_where_its_turn_begins(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    turns = Notes()

    async def asks(run: Run) -> None:
        turns.note(run.text)
        await (run.complete("bye") if run.text == "bye" else run.input_required(run.text))

    async with working(settings, raw, asks) as desk:
        first = await send(desk)
        task = first.task_id
        await until_asked(desk, "hello", task)
        follow = await send(desk, "more", message_id="m2", task=task)
        assert await send(desk, "more", message_id="m2", task=task) == follow
        await until_asked(desk, "more", task)
        assert await send(desk, "more", message_id="m2", task=task) == follow
        last = await send(desk, "bye", message_id="m3", task=task)
        await is_completed(desk, task)
        for again, sent in (("more", follow), ("bye", last)):
            message_id = sent.turn
            assert await send(desk, again, message_id=message_id, task=task) == sent
        with pytest.raises(InvalidParams, match="sent before with other content"):
            await send(desk, "less", message_id="m2", task=task)
        with pytest.raises(UnsupportedOperation, match="has ended"):
            await send(desk, "more", message_id="m4", task=task)
        assert turns.lines == ["hello", "more", "bye"]
        # The story from there begins with the message itself.
        log = await log_of(desk.manager, task)
        for sent in (follow, last):
            [begins] = [event for event in log if event.previous == sent.after]
            assert begins.message is not None
            assert begins.message["messageId"] == sent.turn
        # The first message, sent as if it knew its task: it joins as well.
        assert (await send(desk, task=task)).task_id == task
        assert turns.lines == ["hello", "more", "bye"]


async def until_asked(desk: Desk, text: str, task: str) -> None:
    """Wait until an agent has asked something."""

    async def is_asked() -> bool:
        return (State.INPUT_REQUIRED, text) in await desk.story(task)

    await until(is_asked)


async def is_completed(desk: Desk, task: str) -> None:
    async def there() -> bool:
        found = await desk.service.get(task, caller=Caller("ann"))
        return found["status"]["state"] == State.COMPLETED

    await until(there)


async def test_a_client_that_gives_ids_to_messages_doesnt_choose_those_of_tasks(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async with working(settings, raw, never, role="front") as desk:
        with pytest.raises(TaskNotFound):
            await send(desk, task="t1")
        sent = await send(desk)
        with pytest.raises(TaskNotFound):
            await send(desk, message_id="m2", owner="bob", task=sent.task_id)
        with pytest.raises(InvalidParams, match="another session"):
            await send(desk, message_id="m2", context="c2", task=sent.task_id)


async def test_a_message_sent_ten_thousand_times_at_once_is_one_task_and_one_run(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    runs = Notes()
    async with (
        working(settings, raw, counting(runs)) as one,
        working(settings, raw, counting(runs)) as other,
    ):
        at_once = asyncio.Semaphore(200)

        async def sends(desk: Desk) -> Sent:
            async with at_once:
                return await send(desk)

        sent = set(await asyncio.gather(*(sends((one, other)[n % 2]) for n in range(10_000))))
        assert len(sent) == 1
        await is_one_run(one, runs, sent.pop())


# The first dialect: the client chooses its task's id, and messages have none


async def test_a_tasks_first_message_again_joins_it_also_when_it_has_ended(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    runs = Notes()
    async with working(settings, raw, counting(runs), lease_seconds=0.5) as desk:
        sent = await desk.send()
        assert await desk.send() == sent == Sent("t1", None, None)
        await is_one_run(desk, runs, sent)
        assert await desk.send() == sent
        await is_one_run(desk, runs, sent)
        with pytest.raises(UnsupportedOperation, match="new task id"):
            await desk.send("something else")


async def test_later_messages_are_never_merged_but_the_first_one_is_always_known(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    turns = Notes()

    async def asks(run: Run) -> None:
        turns.note(run.text)
        await (run.complete("done") if len(turns.lines) == 3 else run.input_required("Sure?"))

    async with working(settings, raw, asks) as desk:
        await desk.send("go")
        await desk.until(State.INPUT_REQUIRED)
        assert await desk.send("go") == Sent("t1", None, None)
        first, second = await desk.send("yes"), await desk.send("yes")
        assert first.turn != second.turn
        await desk.until(State.COMPLETED)
        await desk.has_ended_once()
    assert turns.lines == ["go", "yes", "yes"]


async def test_a_first_message_without_an_id_has_the_same_steps_though_redis_has_lost_its_task(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    keys = Notes()

    async def pays(run: Run) -> None:
        keys.note(run.step_key("pay"))
        await run.complete("paid")

    async with working(settings, raw, pays) as desk:
        for text in ("pay 5", "pay 5", "pay 6"):
            await desk.send(text)
            await desk.until(State.COMPLETED)
            await raw.delete(*await raw.keys("task:{t1}*"))
    first, again, other = keys.lines
    assert first == again != other
