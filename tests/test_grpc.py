"""gRPC, with the official client and with bare calls, beside HTTP on the same tasks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

import grpc
import grpc.aio
import httpx2
import pytest
from a2a.client import ClientConfig, ClientFactory
from a2a.types import (
    AgentCard,
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
from google.protobuf.json_format import MessageToDict, ParseDict

from a2a_streaming import Agent, Run, agent_card, create_app
from a2a_streaming.errors import SetupError
from a2a_streaming.grpc import GrpcServer
from a2a_streaming.node import Node
from a2a_streaming.position import Position
from a2a_streaming.settings import Settings
from a2a_streaming.wire.cards import RESUME
from conftest import Served, serving


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


@dataclass
class Both:
    """A process that serves HTTP and gRPC."""

    node: Node
    http: Served
    port: int

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"


@pytest.fixture
async def both(settings: Settings) -> AsyncIterator[Both]:
    cast(
        "Any", grpc.aio
    ).init_grpc_aio()  # for good: its end, after each test, would block the event loop
    agent = Asking()
    app = create_app(agent, settings=settings)
    node: Node = app.state.node
    async with serving(app) as http:
        await node.start()
        server = GrpcServer(node, {"": agent}, "127.0.0.1", 0)
        await server.start()
        node.grpc_address = f"127.0.0.1:{server.port}"
        try:
            yield Both(node, http, server.port)
        finally:
            await server.stop()


@asynccontextmanager
async def sdk_client(both: Both, http: httpx2.AsyncClient, version: str) -> AsyncIterator[Any]:
    """The official client, with what the card says of gRPC."""
    told = (await http.get(f"{both.http.url}/.well-known/agent-card.json")).json()
    card = ParseDict(told, AgentCard(), ignore_unknown_fields=True)
    wanted = [
        one
        for one in card.supported_interfaces
        if (one.protocol_binding, one.protocol_version) == ("GRPC", version)
    ]
    assert [one.tenant for one in wanted] == ["asking"]
    del card.supported_interfaces[:]
    card.supported_interfaces.extend(wanted)
    config = ClientConfig(
        streaming=True,
        supported_protocol_bindings=["GRPC"],
        grpc_channel_factory=grpc.aio.insecure_channel,
    )
    client = ClientFactory(config).create(card)
    try:
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def stub(both: Both) -> AsyncIterator[Any]:
    """Bare calls."""
    async with grpc.aio.insecure_channel(both.address) as channel:
        yield a2a_pb2_grpc.A2AServiceStub(channel)


def sending(text: str, message_id: str, **more: Any) -> SendMessageRequest:
    said = Message(message_id=message_id, role=Role.ROLE_USER, parts=[Part(text=text)], **more)
    return SendMessageRequest(message=said)


@pytest.mark.parametrize("version", ["1.0", "0.3"])
async def test_the_official_client_streams_follows_up_reads_and_lists(
    both: Both, http: httpx2.AsyncClient, version: str
) -> None:
    async with sdk_client(both, http, version) as client:
        events = [event async for event in client.send_message(sending("ask", "m1"))]
        task = events[0].task
        assert task.status.state == TaskState.TASK_STATE_SUBMITTED
        assert events[-1].status_update.status.state == TaskState.TASK_STATE_INPUT_REQUIRED
        more = sending("enough", "m2", task_id=task.id, context_id=task.context_id)
        followed = [event async for event in client.send_message(more)]
        assert followed[0].task.id == task.id
        got = await client.get_task(GetTaskRequest(id=task.id))
        assert got.status.state == TaskState.TASK_STATE_COMPLETED
        assert "a2a_streaming" not in str(MessageToDict(got))
        with pytest.raises(Exception, match="ended"):
            await client.cancel_task(CancelTaskRequest(id=task.id))
        if version == "1.0":
            listed = await client.list_tasks(ListTasksRequest(context_id=task.context_id))
            assert [one.id for one in listed.tasks] == [task.id]


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
