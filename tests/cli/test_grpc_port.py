"""gRPC beside HTTP, from the command line."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any, cast

import grpc
import grpc.aio
import httpx2
from a2a.types import Message, Part, Role, SendMessageRequest, a2a_pb2_grpc

from processes import free_port, started


def asks(tenant: str, message_id: str) -> SendMessageRequest:
    said = Message(
        message_id=message_id, role=Role.ROLE_USER, parts=[Part(text="What's my account balance?")]
    )
    return SendMessageRequest(tenant=tenant, message=said)


async def test_grpc_serves_all_agents_by_their_tenants_and_ends_with_the_process(
    tmp_path: Path, http: httpx2.AsyncClient
) -> None:
    cast("Any", grpc.aio).init_grpc_aio()  # for good: its end would block the event loop
    port = free_port()
    with started("up", "--grpc-port", str(port), data_dir=tmp_path / "data") as up:
        card = (await http.get(f"{up.url}/agents/billing/.well-known/agent-card.json")).json()
        [v1, _] = [i for i in card["supportedInterfaces"] if i["protocolBinding"] == "GRPC"]
        assert (v1["url"], v1["tenant"]) == (f"127.0.0.1:{port}", "billing")
        async with grpc.aio.insecure_channel(v1["url"]) as channel:
            calls: Any = a2a_pb2_grpc.A2AServiceStub(channel)
            answer = await calls.SendMessage(asks("billing", "m1"))
            read = f"{up.url}/agents/billing/v1/tasks/{answer.task.id}"
            told = (await http.get(read, headers={"A2A-Version": "1.0"})).json()
            assert told["status"]["state"] == "TASK_STATE_COMPLETED"
            stream = calls.SendStreamingMessage(asks("", "m2"))  # the root: the Intent Agent
            names = [
                event.artifact_update.artifact.name
                async for event in stream
                if event.HasField("artifact_update")
            ]
            assert "intent" in names
        assert up.ended(signal.SIGTERM) == 0
