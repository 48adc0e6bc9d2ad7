"""Who asks over gRPC, and how much they may ask."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

import grpc
import grpc.aio
import pytest
from a2a.compat.v0_3 import a2a_v0_3_pb2 as v03
from a2a.compat.v0_3 import a2a_v0_3_pb2_grpc as v03_grpc
from a2a.types import (
    CancelTaskRequest,
    GetTaskRequest,
    ListTasksRequest,
    Message,
    Part,
    Role,
    SendMessageRequest,
    SubscribeToTaskRequest,
    TaskState,
    a2a_pb2_grpc,
)

from a2a_streaming import create_app
from a2a_streaming.auth import tokens
from a2a_streaming.grpc import GrpcServer
from a2a_streaming.node import Node
from a2a_streaming.settings import Settings
from agents import Patient
from keyholders import key_for
from tasks import until

EOF: Any = cast("Any", grpc.aio).EOF


@dataclass
class Guarded:
    """A gRPC server that wants to know who asks, and calls to it."""

    node: Node
    agent: Patient
    v1: Any
    v03: Any

    async def key(self, subject: str) -> tuple[tuple[str, str]]:
        """Metadata by which somebody signs in."""
        return (("x-api-key", await key_for(self.node, subject)),)


@asynccontextmanager
async def guarding(settings: Settings, **changed: Any) -> AsyncIterator[Guarded]:
    cast("Any", grpc.aio).init_grpc_aio()  # for good, as in test_grpc
    agent = Patient()
    wanted = settings.model_copy(update={"auth_keys": True, **changed})
    node: Node = create_app(agent, settings=wanted).state.node
    await node.start()
    server = GrpcServer(node, {"": agent}, "127.0.0.1", 0)
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            v1 = a2a_pb2_grpc.A2AServiceStub(channel)
            yield Guarded(node, agent, v1, v03_grpc.A2AServiceStub(channel))
    finally:
        agent.gate.set()
        await server.stop()
        await node.aclose()


@pytest.fixture
async def guarded(settings: Settings) -> AsyncIterator[Guarded]:
    async with guarding(settings) as guarded:
        yield guarded


def sending(text: str, message_id: str = "m1") -> SendMessageRequest:
    said = Message(message_id=message_id, role=Role.ROLE_USER, parts=[Part(text=text)])
    return SendMessageRequest(message=said)


def background(text: str) -> SendMessageRequest:
    """A message whose turn isn't waited for."""
    whole = sending(text, "background")
    whole.configuration.return_immediately = True
    return whole


def sending_v03(text: str) -> Any:
    part = v03.Part(text=text)
    said = v03.Message(message_id="m1", role=v03.ROLE_USER, content=[part])
    return v03.SendMessageRequest(request=said)


async def refused(call: Any) -> tuple[grpc.StatusCode, str]:
    """How a call is refused, whether it streams or not."""
    streams = isinstance(call, grpc.aio.UnaryStreamCall)
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await (call.read() if streams else call)
    return error.value.code(), error.value.details() or ""


def calls(guarded: Guarded, task: str, metadata: Any) -> list[Any]:
    """Calls of every kind that concern one task, in both versions."""
    named = f"tasks/{task}"
    return [
        guarded.v1.GetTask(GetTaskRequest(id=task), metadata=metadata),
        guarded.v1.CancelTask(CancelTaskRequest(id=task), metadata=metadata),
        guarded.v1.SubscribeToTask(SubscribeToTaskRequest(id=task), metadata=metadata),
        guarded.v03.GetTask(v03.GetTaskRequest(name=named), metadata=metadata),
        guarded.v03.CancelTask(v03.CancelTaskRequest(name=named), metadata=metadata),
        guarded.v03.TaskSubscription(v03.TaskSubscriptionRequest(name=named), metadata=metadata),
    ]


async def test_who_doesnt_say_who_they_are_gets_nothing(guarded: Guarded) -> None:
    acting = tokens.acting_token(b"x" * 32, actor="router", owner="mia", seconds=60)
    wrong = [
        (),
        (("x-api-key", ""),),
        (("x-api-key", "a2a_000000000000_" + "x" * 43),),
        (("authorization", "Bearer"),),
        (("authorization", "Basic bWlhOm1pYQ=="),),
        (("authorization", f"Bearer {acting}"),),
        (("authorization", "Bearer " + "." * 5000),),
    ]
    for metadata in wrong:
        sent = [
            guarded.v1.SendMessage(sending("hello"), metadata=metadata),
            guarded.v1.SendStreamingMessage(sending("hello"), metadata=metadata),
            guarded.v1.ListTasks(ListTasksRequest(), metadata=metadata),
            guarded.v03.SendMessage(sending_v03("hello"), metadata=metadata),
            guarded.v03.SendStreamingMessage(sending_v03("hello"), metadata=metadata),
        ]
        for call in [*sent, *calls(guarded, "t1", metadata)]:
            code, words = await refused(call)
            assert code is grpc.StatusCode.UNAUTHENTICATED, (metadata, words)
            assert "Sign in" in words


async def test_a_key_signs_in_as_itself_or_as_a_bearer_token(guarded: Guarded) -> None:
    [(_, key)] = await guarded.key("mia")
    for at, metadata in enumerate(
        [
            (("x-api-key", key),),
            (("authorization", f"Bearer {key}"),),
            (("authorization", f"bearer  {key}"),),
        ]
    ):
        told = await guarded.v1.SendMessage(sending("hello", f"m{at}"), metadata=metadata)
        assert told.task.status.state == TaskState.TASK_STATE_COMPLETED
        listed = await guarded.v1.ListTasks(ListTasksRequest(), metadata=metadata)
        assert len(listed.tasks) == at + 1


async def test_anothers_task_is_not_found_in_either_version(guarded: Guarded) -> None:
    mia, tom = await guarded.key("mia"), await guarded.key("tom")
    whole = [told async for told in guarded.v1.SendStreamingMessage(sending("hello"), metadata=mia)]
    task = whole[0].task.id
    old = await guarded.v03.SendMessage(sending_v03("hello"), metadata=tom)
    for owner, other, owned in ((mia, tom, task), (tom, mia, old.task.id)):
        assert (await guarded.v1.GetTask(GetTaskRequest(id=owned), metadata=owner)).id == owned
        got = await guarded.v03.GetTask(v03.GetTaskRequest(name=f"tasks/{owned}"), metadata=owner)
        assert got.id == owned
        for call in calls(guarded, owned, other):
            assert (await refused(call))[0] is grpc.StatusCode.NOT_FOUND


async def test_more_calls_than_the_rate_are_refused_to_who_sends_them(settings: Settings) -> None:
    async with guarding(settings, limit_rate="3/hour") as guarded:
        mia, tom = await guarded.key("mia"), await guarded.key("tom")
        for _ in range(3):
            await guarded.v1.ListTasks(ListTasksRequest(), metadata=mia)
        for call in calls(guarded, "t1", mia):
            code, words = await refused(call)
            assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert "Try again in" in words
        await guarded.v1.ListTasks(ListTasksRequest(), metadata=tom)


async def opened(call: Callable[[], Any]) -> Any:
    """A stream that has begun, as soon as there is a place for it."""

    async def begun() -> Any:
        stream = call()
        try:
            await stream.read()
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
                raise
            return None
        return stream

    return await until(begun)


async def test_a_stream_has_a_place_until_it_ends_or_is_left(settings: Settings) -> None:
    async with guarding(settings, limit_streams=2) as guarded:
        mia, tom = await guarded.key("mia"), await guarded.key("tom")
        one = guarded.v1.SendStreamingMessage(sending("wait"), metadata=mia)
        task = (await one.read()).task.id
        wanted, named = (
            SubscribeToTaskRequest(id=task),
            v03.TaskSubscriptionRequest(name=f"tasks/{task}"),
        )
        two = guarded.v1.SubscribeToTask(wanted, metadata=mia)
        await two.read()
        for call in (
            guarded.v1.SendStreamingMessage(sending("wait", "m2"), metadata=mia),
            guarded.v03.SendStreamingMessage(sending_v03("wait"), metadata=mia),
            guarded.v1.SubscribeToTask(wanted, metadata=mia),
            guarded.v03.TaskSubscription(named, metadata=mia),
        ):
            assert (await refused(call))[0] is grpc.StatusCode.RESOURCE_EXHAUSTED
        listed = await guarded.v1.ListTasks(ListTasksRequest(), metadata=mia)
        assert [found.id for found in listed.tasks] == [task]  # what was refused began nothing
        other = guarded.v1.SendStreamingMessage(sending("wait"), metadata=tom)
        await other.read()  # whom it doesn't concern
        two.cancel()
        again = await opened(lambda: guarded.v03.TaskSubscription(named, metadata=mia))
        guarded.agent.gate.set()
        for call in (one, again, other):
            while await call.read() is not EOF:
                pass
        for at in range(3):  # what has ended holds no place
            whole = guarded.v1.SendStreamingMessage(sending("hello", f"n{at}"), metadata=mia)
            assert [told async for told in whole]


async def test_a_stream_that_cant_be_opened_holds_no_place(settings: Settings) -> None:
    async with guarding(settings, limit_streams=2) as guarded:
        mia = await guarded.key("mia")
        for _ in range(3):
            for call in calls(guarded, "none", mia):  # two of them are streams
                assert (await refused(call))[0] is grpc.StatusCode.NOT_FOUND
        whole = guarded.v1.SendStreamingMessage(sending("hello"), metadata=mia)
        assert [told async for told in whole]


async def test_streams_that_are_left_at_any_moment_hold_no_place(settings: Settings) -> None:
    places = 20
    async with guarding(settings, limit_streams=places) as guarded:
        mia = await guarded.key("mia")
        for at in range(places):
            call = guarded.v1.SendStreamingMessage(sending("hello", f"m{at}"), metadata=mia)
            for _ in range(at % 4):
                await call.read()
            call.cancel()
        told = await guarded.v1.SendMessage(background("wait"), metadata=mia)
        task = SubscribeToTaskRequest(id=told.task.id)
        for _ in range(places):
            await opened(lambda: guarded.v1.SubscribeToTask(task, metadata=mia))
        assert (await refused(guarded.v1.SubscribeToTask(task, metadata=mia)))[
            0
        ] is grpc.StatusCode.RESOURCE_EXHAUSTED
