"""Executors of a2a-sdk run unchanged: over real HTTP, with the official client, in every dialect."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest
from a2a.server.agent_execution import AgentExecutor, RequestContext
from a2a.server.events import EventQueue
from a2a.server.tasks import TaskUpdater
from a2a.types import (
    CancelTaskRequest,
    GetTaskRequest,
    ListTasksRequest,
    SubscribeToTaskRequest,
    Task,
    TaskArtifactUpdateEvent,
    TaskState,
    TaskStatus,
    TaskStatusUpdateEvent,
)

import streams
from a2a_streaming import create_app
from a2a_streaming.errors import SetupError
from a2a_streaming.settings import Settings
from conftest import Served, serving
from sdk import executors
from sdk.clients import chunks_of, last_of, sdk_client, sending, told_by
from sdk.executors import Does, Scripted, text

VERSIONS = pytest.mark.parametrize("version", ["1.0", "0.3"])


@asynccontextmanager
async def served(
    settings: Settings, does: Does, canceling: Does | None = None
) -> AsyncIterator[Served]:
    """A server with an executor."""
    app = create_app(Scripted(does, canceling), settings=settings)
    async with serving(app) as running:
        yield running


async def streamed(settings: Settings, does: Does, version: str = "1.0") -> list:
    """All that a message's stream tells."""
    async with (
        served(settings, does) as server,
        sdk_client(f"{server.url}/", version) as client,
    ):
        return await told_by(client, sending("hi", "m1"))


@VERSIONS
async def test_a_message_alone_is_all_that_its_stream_tells(
    settings: Settings, version: str
) -> None:
    async with (
        served(settings, executors.message) as server,
        sdk_client(f"{server.url}/", version) as client,
    ):
        [told] = await told_by(client, sending("you", "m1", context_id="c1"))
        assert told.message.parts[0].text == "Hello you"
        assert told.message.context_id == "c1"
        [again] = await told_by(client, sending("you", "m1", context_id="c1"))
        assert again == told

        task = told.message.task_id
        for refused in (
            client.get_task(GetTaskRequest(id=task)),
            client.cancel_task(CancelTaskRequest(id=task)),
            anext(client.subscribe(SubscribeToTaskRequest(id=task))),
        ):
            with pytest.raises(Exception, match="no task"):
                await refused
        if version == "1.0":
            listed = await client.list_tasks(ListTasksRequest())
            assert (list(listed.tasks), listed.total_size) == ([], 0)


@VERSIONS
@pytest.mark.parametrize("at_once", [False, True])
async def test_a_message_alone_answers_a_send_that_doesnt_stream(
    settings: Settings, version: str, at_once: bool
) -> None:
    async with (
        served(settings, executors.message) as server,
        sdk_client(f"{server.url}/", version, streaming=False) as client,
    ):
        request = sending("you", "m1")
        request.configuration.return_immediately = at_once
        [told] = await told_by(client, request)
        assert told.message.parts[0].text == "Hello you"


async def test_the_first_dialect_knows_no_answer_but_a_task_so_a_message_completes_it(
    settings: Settings, http: httpx2.AsyncClient
) -> None:
    async with served(settings, executors.message) as server:
        url = f"{server.url}/"
        told = await streams.called(http, url, "tasks/sendSubscribe", "t1", streams.message("you"))
        assert streams.states(told) == ["submitted", "completed"]
        assert told[-1].data["status"]["message"]["parts"][0]["text"] == "Hello you"
        assert told[-1].data["final"]
        got = await streams.asked(http, url, "tasks/get", "t1")
        assert got["result"]["status"]["state"] == "completed"


@VERSIONS
async def test_a_task_streams_its_chunks_and_is_there_afterwards(
    settings: Settings, version: str
) -> None:
    async with (
        served(settings, executors.streaming) as server,
        sdk_client(f"{server.url}/", version) as client,
    ):
        told = await told_by(client, sending("hi", "m1"))
        assert told[0].task.status.state == TaskState.TASK_STATE_SUBMITTED
        assert chunks_of(told) == "one two three"
        assert last_of(told).message.parts[0].text == "Bye"
        task = await client.get_task(GetTaskRequest(id=told[0].task.id))
        assert task.status.state == TaskState.TASK_STATE_COMPLETED
        [artifact] = task.artifacts
        assert "".join(part.text for part in artifact.parts) == "one two three"
        assert [m.parts[0].text for m in task.history] == ["hi", "Thinking"]


async def test_the_first_dialect_is_told_of_an_executors_task_as_of_any_other(
    settings: Settings, http: httpx2.AsyncClient
) -> None:
    async with served(settings, executors.streaming) as server:
        told = await streams.called(
            http, f"{server.url}/", "tasks/sendSubscribe", "t1", streams.message("hi")
        )
    assert streams.states(told) == ["submitted", "working", "completed"]
    chunks = [frame.data["artifact"] for frame in told if "artifact" in frame.data]
    assert [chunk["index"] for chunk in chunks] == [0, 0, 0]
    assert [chunk.get("append", False) for chunk in chunks] == [False, True, True]


async def test_one_task_that_holds_everything_is_told_in_events(settings: Settings) -> None:
    told = await streamed(settings, executors.whole)
    assert chunks_of(told) == "one two three"
    assert last_of(told).state == TaskState.TASK_STATE_COMPLETED
    assert last_of(told).message.parts[0].text == "All done"


@VERSIONS
async def test_a_question_is_answered_on_a_task_that_is_as_it_was_left(
    settings: Settings, version: str
) -> None:
    async with (
        served(settings, executors.asking) as server,
        sdk_client(f"{server.url}/", version) as client,
    ):
        told = await told_by(client, sending("Book a hotel", "m1"))
        assert last_of(told).state == TaskState.TASK_STATE_INPUT_REQUIRED
        task = told[0].task
        more = sending("Bonn", "m2", task_id=task.id, context_id=task.context_id)
        told = await told_by(client, more)
        assert last_of(told).state == TaskState.TASK_STATE_COMPLETED
        assert last_of(told).message.parts[0].text == "So Bonn"


@VERSIONS
async def test_an_authorization_that_is_wanted_ends_the_turn_when_the_executor_returns(
    settings: Settings, version: str
) -> None:
    async with (
        served(settings, executors.authorizing) as server,
        sdk_client(f"{server.url}/", version) as client,
    ):
        told = await told_by(client, sending("Pay", "m1"))
        assert last_of(told).state == TaskState.TASK_STATE_AUTH_REQUIRED
        task = told[0].task
        more = sending("done", "m2", task_id=task.id, context_id=task.context_id)
        told = await told_by(client, more)
        assert last_of(told).state == TaskState.TASK_STATE_COMPLETED


async def test_an_executor_that_waits_for_an_authorization_itself_goes_on_in_its_turn(
    settings: Settings,
) -> None:
    authorized = asyncio.Event()

    async def waits(context: RequestContext, queue: EventQueue) -> None:
        updater = await executors.updating(context, queue)
        await updater.requires_auth(updater.new_agent_message(text("Log in")))
        await authorized.wait()
        await updater.start_work()
        await updater.complete(updater.new_agent_message(text("Paid")))

    async with (
        served(settings, waits) as server,
        sdk_client(f"{server.url}/", "1.0") as client,
    ):
        told = await told_by(client, sending("Pay", "m1"))
        assert last_of(told).state == TaskState.TASK_STATE_AUTH_REQUIRED
        rest = client.subscribe(SubscribeToTaskRequest(id=told[0].task.id))
        assert (await anext(rest)).task.status.state == TaskState.TASK_STATE_AUTH_REQUIRED
        authorized.set()
        assert last_of([event async for event in rest]).message.parts[0].text == "Paid"


@VERSIONS
@pytest.mark.parametrize("canceling", [executors.says_canceled, None])
async def test_a_cancel_stops_the_executor_and_uses_its_last_word(
    settings: Settings, version: str, canceling: Does | None
) -> None:
    async with (
        served(settings, executors.hanging, canceling) as server,
        sdk_client(f"{server.url}/", version) as client,
    ):
        told = client.send_message(sending("hi", "m1"))
        task = (await anext(told)).task.id
        assert (await anext(told)).status_update.status.message.parts[0].text == "Working on it"
        canceled = await client.cancel_task(CancelTaskRequest(id=task))
        assert canceled.status.state == TaskState.TASK_STATE_CANCELED
        last = last_of([event async for event in told])
        expected = "Stopped as you wish" if canceling else "This request was canceled."
        assert last.message.parts[0].text == expected


@VERSIONS
async def test_an_executor_that_raises_fails_its_task_and_tells_nothing_of_the_exception(
    settings: Settings, version: str
) -> None:
    told = await streamed(settings, executors.raising, version)
    assert last_of(told).state == TaskState.TASK_STATE_FAILED
    assert "secret" not in str(told)


async def test_an_executor_that_raises_first_fails_its_task(settings: Settings) -> None:
    async def raises(context: RequestContext, queue: EventQueue) -> None:
        raise LookupError

    told = await streamed(settings, raises)
    assert told[0].task.status.state == TaskState.TASK_STATE_SUBMITTED
    assert last_of(told).state == TaskState.TASK_STATE_FAILED


async def test_an_executor_that_returns_without_an_answer_fails_its_task(
    settings: Settings,
) -> None:
    async def silent(context: RequestContext, queue: EventQueue) -> None:
        await executors.updating(context, queue)

    assert last_of(await streamed(settings, silent)).state == TaskState.TASK_STATE_FAILED


async def test_what_an_executor_emits_after_its_end_is_dropped(settings: Settings) -> None:
    async def talkative(context: RequestContext, queue: EventQueue) -> None:
        updater = await executors.updating(context, queue)
        await updater.complete(updater.new_agent_message(text("Bye")))
        task = context.current_task or Task(id=updater.task_id, context_id=updater.context_id)
        await queue.enqueue_event(task)
        late = TaskStatus(state=TaskState.TASK_STATE_WORKING)
        await queue.enqueue_event(
            TaskStatusUpdateEvent(
                task_id=updater.task_id, context_id=updater.context_id, status=late
            )
        )

    told = await streamed(settings, talkative)
    assert last_of(told).message.parts[0].text == "Bye"


async def test_another_tasks_events_and_a_message_after_a_task_fail_the_task(
    settings: Settings,
) -> None:
    async def strays(context: RequestContext, queue: EventQueue) -> None:
        updater = TaskUpdater(queue, "another", "c")
        await updater.start_work()

    async def stray_task(context: RequestContext, queue: EventQueue) -> None:
        await queue.enqueue_event(Task(id="another", context_id="c"))

    async def swallows(context: RequestContext, queue: EventQueue) -> None:
        updater = await executors.updating(context, queue)
        try:
            await queue.enqueue_event(TaskArtifactUpdateEvent(task_id=updater.task_id))
        except ValueError:
            await updater.start_work()

    async def both(context: RequestContext, queue: EventQueue) -> None:
        updater = await executors.updating(context, queue)
        await updater.start_work()
        await executors.message(context, queue)

    for wrong in (strays, stray_task, swallows, both):
        async with (
            served(settings, wrong) as server,
            sdk_client(f"{server.url}/", "1.0") as client,
        ):
            told = await told_by(client, sending("hi", wrong.__name__))
            assert last_of(told).state == TaskState.TASK_STATE_FAILED, wrong


async def test_an_executor_without_a_card_is_refused(settings: Settings) -> None:
    class Bare(AgentExecutor):
        async def execute(self, context: RequestContext, event_queue: EventQueue) -> None: ...

        async def cancel(self, context: RequestContext, event_queue: EventQueue) -> None: ...

    with pytest.raises(SetupError, match="attribute `card`"):
        create_app(Bare(), settings=settings)
    create_app(Bare(), card=executors.CARD, settings=settings)
