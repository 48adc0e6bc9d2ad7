"""gRPC, with bare calls: what the official clients don't show."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import pytest
from a2a.compat.v0_3 import a2a_v0_3_pb2 as v03
from a2a.compat.v0_3 import a2a_v0_3_pb2_grpc as v03_grpc
from a2a.types import (
    AgentCard,
    GetExtendedAgentCardRequest,
    GetTaskRequest,
    ListTasksRequest,
    Message,
    Part,
    Role,
    SendMessageRequest,
    SubscribeToTaskRequest,
    a2a_pb2_grpc,
)
from google.protobuf.json_format import MessageToDict

from a2a_streaming import Agent, Run, agent_card
from a2a_streaming.errors import SetupError
from a2a_streaming.grpc import GrpcServer
from a2a_streaming.position import Position
from a2a_streaming.settings import Settings
from a2a_streaming.wire.cards import RESUME
from transports import Both, serving_both


class Asking(Agent):
    """Answers, or asks first."""

    card = agent_card("asking")

    async def run(self, run: Run) -> None:
        await run.working("Thinking")
        await run.attach("answer", "one two")
        if run.text == "ask":
            await run.input_required("What else?")
        else:
            await run.complete("Bye")


@pytest.fixture
async def both(settings: Settings) -> AsyncIterator[Both]:
    async with serving_both(Asking(), settings) as running:
        yield running


@asynccontextmanager
async def stub(both: Both) -> AsyncIterator[Any]:
    """Bare calls."""
    async with grpc.aio.insecure_channel(both.address) as channel:
        yield a2a_pb2_grpc.A2AServiceStub(channel)


def sending(text: str, message_id: str, **more: Any) -> SendMessageRequest:
    said = Message(message_id=message_id, role=Role.ROLE_USER, parts=[Part(text=text)], **more)
    return SendMessageRequest(message=said)


async def test_positions_are_told_to_who_asks_and_a_stream_goes_on_after_one(both: Both) -> None:
    asking = (("a2a-version", "1.0"), ("a2a-extensions", RESUME))
    async with stub(both) as calls:
        call = calls.SendStreamingMessage(sending("well", "m1"), metadata=asking)
        whole = [told async for told in call]
        positions = [at(told) for told in whole]
        assert [Position.parse(one).offset for one in positions] == [1, 2, 3, 4]
        task = SubscribeToTaskRequest(id=whole[0].task.id)
        resuming = (*asking, ("last-event-id", positions[1]))
        assert [told async for told in calls.SubscribeToTask(task, metadata=resuming)] == whole[2:]
        plain = calls.SendStreamingMessage(sending("well", "m1"))
        assert RESUME not in str([told async for told in plain])


def at(told: Any) -> str:
    """An event's position."""
    [event] = MessageToDict(told).values()
    return event["metadata"][RESUME]["position"]


@pytest.mark.parametrize(
    ("request_", "metadata", "code", "words"),
    [
        ({"id": "none"}, (), grpc.StatusCode.NOT_FOUND, "none"),
        ({"id": "t", "tenant": "other"}, (), grpc.StatusCode.INVALID_ARGUMENT, "asking"),
        ({"id": "t"}, (("a2a-version", "1.7"),), grpc.StatusCode.FAILED_PRECONDITION, "1.0"),
        ({"id": "t"}, (("a2a-version", "0.3"),), grpc.StatusCode.FAILED_PRECONDITION, "1.0"),
    ],
)
async def test_what_cant_be_served_is_refused_in_words_and_codes(
    both: Both, request_: dict[str, Any], metadata: Any, code: grpc.StatusCode, words: str
) -> None:
    async with stub(both) as calls:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await calls.GetTask(GetTaskRequest(**request_), metadata=metadata)
        assert refused.value.code() is code
        assert words in (refused.value.details() or "")
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            async for _ in calls.SubscribeToTask(
                SubscribeToTaskRequest(**request_), metadata=metadata
            ):
                pass
        assert refused.value.code() is code


async def test_a_process_on_its_way_out_sends_clients_elsewhere(both: Both) -> None:
    async with stub(both) as calls:
        both.node.draining = True
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await calls.SendMessage(sending("well", "m1"))
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        both.node.draining = False


async def test_a_port_that_is_taken_is_told(both: Both) -> None:
    with pytest.raises(SetupError, match="--grpc-port"):
        await GrpcServer(both.node, {"": Asking()}, "127.0.0.1", both.port).start()


async def refusal(call: Any) -> grpc.StatusCode:
    """The code with which a call is refused, one that streams or one that doesn't."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await (call.read() if hasattr(call, "read") else call)
    return refused.value.code()


async def test_bytes_that_are_no_request_are_the_clients_fault(both: Both) -> None:
    async with grpc.aio.insecure_channel(both.address) as channel:
        for service in ("lf.a2a.v1.A2AService", "a2a.v1.A2AService"):
            for bad in (b"\xff", b"\x0a\x01\xff", b"\x0a\xff"):
                call = channel.unary_unary(f"/{service}/GetTask")(bad)
                assert await refusal(call) is grpc.StatusCode.INVALID_ARGUMENT
                call = channel.unary_stream(f"/{service}/SendStreamingMessage")(bad)
                assert await refusal(call) is grpc.StatusCode.INVALID_ARGUMENT
            call = channel.unary_unary(f"/{service}/Dance")(b"")
            assert await refusal(call) is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("name", ["x" * 50_000, "😀" * 10_000])
async def test_an_error_is_told_however_long_what_it_tells_of_is(both: Both, name: str) -> None:
    async with grpc.aio.insecure_channel(both.address) as channel:
        v1, old = a2a_pb2_grpc.A2AServiceStub(channel), v03_grpc.A2AServiceStub(channel)
        for call in (
            v1.GetTask(GetTaskRequest(id=name)),
            v1.GetTask(GetTaskRequest(id="t", tenant=name)),
            old.GetTask(v03.GetTaskRequest(name=name)),
            old.GetTask(v03.GetTaskRequest(name=f"tasks/{name}")),
        ):
            assert await refusal(call) is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    "wrong",
    [
        {"status": 99},
        {"status_timestamp_after": {"seconds": 2**62}},
        {"page_size": 0},
        {"history_length": -1},
    ],
)
async def test_a_list_that_cant_be_asked_for_is_refused(both: Both, wrong: dict[str, Any]) -> None:
    async with stub(both) as calls:
        call = calls.ListTasks(ListTasksRequest(**wrong))
        assert await refusal(call) is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
async def test_numbers_that_json_hasnt_are_refused(both: Both, number: float) -> None:
    data = {"number_value": number}
    said = {"message_id": "m1", "role": 1}
    async with grpc.aio.insecure_channel(both.address) as channel:
        v1, old = a2a_pb2_grpc.A2AServiceStub(channel), v03_grpc.A2AServiceStub(channel)
        part = v03.Part(data=v03.DataPart(data={"fields": {"a": data}}))
        for call in (
            v1.SendMessage(SendMessageRequest(message={**said, "parts": [{"data": data}]})),
            v1.SendStreamingMessage(
                SendMessageRequest(message={**said, "parts": [{"data": data}]})
            ),
            old.SendMessage(v03.SendMessageRequest(request={**said, "content": [part]})),
            old.SendMessage(v03.SendMessageRequest(request={**said, "content": [{}]})),
        ):
            assert await refusal(call) is grpc.StatusCode.INVALID_ARGUMENT


class Secretive(Asking):
    """Breaks where its extended card is asked for."""

    @property
    def extended_card(self) -> AgentCard:  # pyright: ignore[reportIncompatibleVariableOverride] - it breaks
        raise RuntimeError("the secret")


async def test_a_fault_of_ours_is_logged_and_not_told(
    both: Both, caplog: pytest.LogCaptureFixture
) -> None:
    both.node.agents[:] = [Secretive()]
    async with stub(both) as calls:
        with pytest.raises(grpc.aio.AioRpcError) as broken:
            await calls.GetExtendedAgentCard(GetExtendedAgentCardRequest())
    assert broken.value.code() is grpc.StatusCode.INTERNAL
    assert "secret" not in (broken.value.details() or "")
    [line] = [r for r in caplog.records if r.getMessage() == "a call failed"]
    assert line.exc_info
