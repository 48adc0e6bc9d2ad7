"""a2a-sdk's client: every transport and version that it speaks, from the card to the webhook."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc.aio
import httpx
import pytest
from a2a.client import A2ACardResolver, ClientConfig, ClientFactory
from a2a.client.client import ClientCallContext
from a2a.compat.v0_3 import types as v03
from a2a.types import (
    AuthenticationInfo,
    CancelTaskRequest,
    DeleteTaskPushNotificationConfigRequest,
    GetTaskPushNotificationConfigRequest,
    GetTaskRequest,
    ListTaskPushNotificationConfigsRequest,
    ListTasksRequest,
    Role,
    StreamResponse,
    SubscribeToTaskRequest,
    TaskPushNotificationConfig,
    TaskState,
)
from a2a.utils.errors import TaskNotCancelableError, TaskNotFoundError
from google.protobuf.json_format import MessageToDict, ParseDict

from a2a_streaming.push import TOKEN_HEADER
from a2a_streaming.settings import Settings
from a2a_streaming.wire.cards import RESUME
from receivers import Receiver, receiving
from sdk.clients import chunks_of, sending, told_by
from transports import SPOKEN, Both, Counting, serving_both

every = pytest.mark.parametrize(("transport", "version"), SPOKEN)


@dataclass
class Counted:
    """A counting agent, and the process that serves it."""

    agent: Counting
    both: Both


@pytest.fixture
async def counted(settings: Settings) -> AsyncIterator[Counted]:
    agent = Counting()
    private = settings.model_copy(update={"push_private": True})
    async with serving_both(agent, private) as both:
        yield Counted(agent, both)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as taking:
        yield taking


@asynccontextmanager
async def sdk_client(
    counted: Counted, transport: str, version: str, **config: Any
) -> AsyncIterator[Any]:
    """The client, with what the card says of one transport and version."""
    async with httpx.AsyncClient(timeout=20) as http:
        card = await A2ACardResolver(http, counted.both.http.url).get_agent_card()
        wanted = [
            one
            for one in card.supported_interfaces
            if (one.protocol_binding, one.protocol_version) == (transport, version)
        ]
        assert [one.tenant for one in wanted] == ["counting" if transport == "GRPC" else ""]
        del card.supported_interfaces[:]
        card.supported_interfaces.extend(wanted)
        factory = ClientFactory(
            ClientConfig(
                httpx_client=http,
                grpc_channel_factory=grpc.aio.insecure_channel,
                supported_protocol_bindings=[transport],
                **config,
            )
        )
        async with factory.create(card) as client:
            yield client


def states_of(events: list[Any]) -> list[str]:
    """The states that a stream tells."""
    statuses = [
        event.task.status if event.HasField("task") else event.status_update.status
        for event in events
        if not event.HasField("artifact_update")
    ]
    return [TaskState.Name(status.state).removeprefix("TASK_STATE_").lower() for status in statuses]


@every
async def test_it_streams_follows_up_reads_and_lists(
    counted: Counted, transport: str, version: str
) -> None:
    async with sdk_client(counted, transport, version) as client:
        events = await told_by(client, sending("ask", "m1"))
        task = events[0].task
        assert states_of(events) == ["submitted", "working", "input_required"]
        assert chunks_of(events) == "one two three four"
        more = sending("enough", "m2", task_id=task.id, context_id=task.context_id)
        followed = await told_by(client, more)
        assert followed[0].task.id == task.id
        assert states_of(followed)[-1] == "completed"
        got = await client.get_task(GetTaskRequest(id=task.id))
        assert got.status.state == TaskState.TASK_STATE_COMPLETED
        said = [m.parts[0].text for m in got.history if m.role == Role.ROLE_USER]
        assert said == ["ask", "enough"]
        assert "a2a_streaming" not in str(MessageToDict(got))
        with pytest.raises(TaskNotCancelableError, match="ended"):
            await client.cancel_task(CancelTaskRequest(id=task.id))
        with pytest.raises(TaskNotFoundError, match="none"):
            await client.get_task(GetTaskRequest(id="none"))
        listing = ListTasksRequest(context_id=task.context_id)
        if version == "1.0":
            listed = await client.list_tasks(listing)
            assert [one.id for one in listed.tasks] == [task.id]
        else:  # whose protocol has no lists
            with pytest.raises(NotImplementedError):
                await client.list_tasks(listing)


@every
async def test_a_send_that_isnt_streamed_is_answered_when_its_turn_has_ended(
    counted: Counted, transport: str, version: str
) -> None:
    async with sdk_client(counted, transport, version, streaming=False) as client:
        [sent] = await told_by(client, sending("go", "m1"))
        assert sent.task.status.state == TaskState.TASK_STATE_COMPLETED
        assert "".join(p.text for p in sent.task.artifacts[0].parts) == "one two three four"


@every
async def test_a_stream_that_is_cut_goes_on_with_the_task_as_it_is_and_live(
    counted: Counted, transport: str, version: str
) -> None:
    async with sdk_client(counted, transport, version) as client:
        seen = await cut(client, sending("wait", "m1"))
        assert states_of(seen) == ["submitted", "working"]
        rest: list[Any] = []
        async for told in client.subscribe(SubscribeToTaskRequest(id=seen[0].task.id)):
            rest.append(told)
            counted.agent.go.set()
        assert states_of(rest) == ["working", "completed"]
        known = "".join(p.text for a in rest[0].task.artifacts for p in a.parts)
        assert known + chunks_of(rest) == "one two three four"


@every
async def test_a_stream_that_is_cut_goes_on_after_the_last_position_if_the_client_knows_of_them(
    counted: Counted, transport: str, version: str
) -> None:
    knowing = {"A2A-Extensions": RESUME}
    async with sdk_client(counted, transport, version) as client:
        context = ClientCallContext(service_parameters=dict(knowing))
        seen = await cut(client, sending("wait", "m1"), context=context)
        counted.agent.go.set()
        [last] = MessageToDict(seen[-1]).values()
        assert "a2a_streaming" not in str(last)  # what is told so is told without our notes
        position = last["metadata"][RESUME]["position"]
        context = ClientCallContext(service_parameters={**knowing, "Last-Event-ID": position})
        request = SubscribeToTaskRequest(id=seen[0].task.id)
        rest = [told async for told in client.subscribe(request, context=context)]
        assert states_of(rest) == ["completed"]
        assert chunks_of(seen + rest) == "one two three four"


async def cut(client: Any, request: Any, **more: Any) -> list[Any]:
    """What a stream tells until its first chunk, with which its client leaves."""
    told: list[Any] = []
    async with contextlib.aclosing(client.send_message(request, **more)) as events:
        async for event in events:
            told.append(event)
            if event.HasField("artifact_update"):
                break
    return told


@every
async def test_a_task_that_runs_is_canceled(counted: Counted, transport: str, version: str) -> None:
    async with sdk_client(counted, transport, version) as client:
        events: list[Any] = []
        async for event in client.send_message(sending("wait", "m1")):
            events.append(event)
            if event.HasField("artifact_update"):
                canceled = await client.cancel_task(CancelTaskRequest(id=events[0].task.id))
                assert canceled.status.state == TaskState.TASK_STATE_CANCELED
        assert states_of(events) == ["submitted", "working", "canceled"]


@every
async def test_a_webhook_that_comes_with_the_message_is_told_its_whole_turn(
    counted: Counted, receiver: Receiver, transport: str, version: str
) -> None:
    config = webhook(receiver)
    async with sdk_client(counted, transport, version, push_notification_config=config) as client:
        events = await told_by(client, sending("go", "m1"))
        await receiver.until_completed()
        if version == "1.0":
            told = told_to(receiver)
            assert [one.WhichOneof("payload") for one in told] == [
                one.WhichOneof("payload") for one in events
            ]
            assert (states_of(told), chunks_of(told)) == (states_of(events), chunks_of(events))
        else:
            assert {told.id for told in tasks_told_to(receiver)} == {events[0].task.id}
        assert {headers["authorization"] for _, headers, _ in receiver.taken} == {"Bearer secret"}
        assert {headers[TOKEN_HEADER.lower()] for _, headers, _ in receiver.taken} == {"mine"}


@every
async def test_webhooks_are_set_read_listed_deleted_and_told_what_follows(
    counted: Counted, receiver: Receiver, transport: str, version: str
) -> None:
    async with sdk_client(counted, transport, version) as client:
        task = (await cut(client, sending("wait", "m1")))[0].task.id
        for name in ("mine", "other"):
            made = await client.create_task_push_notification_config(webhook(receiver, task, name))
            assert made == webhook(receiver, task, name)
        reading = GetTaskPushNotificationConfigRequest(task_id=task, id="mine")
        assert await client.get_task_push_notification_config(reading) == webhook(
            receiver, task, "mine"
        )
        listing = ListTaskPushNotificationConfigsRequest(task_id=task)
        deleting = DeleteTaskPushNotificationConfigRequest(task_id=task, id="other")
        if (transport, version) == ("HTTP+JSON", "0.3"):
            # This client neither lists nor deletes here, though 0.3 can (test_js_sdk.py does it).
            for asking in (
                client.list_task_push_notification_configs(listing),
                client.delete_task_push_notification_config(deleting),
            ):
                with pytest.raises(NotImplementedError):
                    await asking
        else:
            listed = await client.list_task_push_notification_configs(listing)
            assert [*listed.configs] == [webhook(receiver, task, n) for n in ("mine", "other")]
            await client.delete_task_push_notification_config(deleting)
            listed = await client.list_task_push_notification_configs(listing)
            assert [*listed.configs] == [webhook(receiver, task, "mine")]
            deleted = GetTaskPushNotificationConfigRequest(task_id=task, id="other")
            with pytest.raises(TaskNotFoundError):
                await client.get_task_push_notification_config(deleted)
        counted.agent.go.set()
        await receiver.until_completed()
        if version == "1.0":
            assert chunks_of(told_to(receiver)) == "three four"
            assert states_of(told_to(receiver)) == ["completed"]
        else:
            told = {(one.id, one.status.state) for one in tasks_told_to(receiver)}
            assert told == {(task, "completed")}


def webhook(receiver: Receiver, task: str = "", name: str = "") -> TaskPushNotificationConfig:
    """A configuration; a new one each time, as the client may write its tenant into it."""
    return TaskPushNotificationConfig(
        task_id=task,
        id=name,
        url=receiver.url,
        token="mine",  # noqa: S106 - it guards nothing
        authentication=AuthenticationInfo(scheme="Bearer", credentials="secret"),
    )


def told_to(receiver: Receiver) -> list[StreamResponse]:
    """What a webhook was told in 1.0."""
    return [ParseDict(body, StreamResponse()) for _, _, body in receiver.taken]


def tasks_told_to(receiver: Receiver) -> list[v03.Task]:
    """What a webhook was told in 0.3."""
    return [v03.Task.model_validate(body) for _, _, body in receiver.taken]
