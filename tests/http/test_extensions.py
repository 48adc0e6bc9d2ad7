"""Extensions that an agent requires: a client that doesn't know them is told so, over every transport."""

from __future__ import annotations

from typing import Any, cast

import grpc
import grpc.aio
import httpx2
import pytest
from a2a.types import AgentExtension, Message, Part, Role, SendMessageRequest, a2a_pb2_grpc

from a2a_streaming import Agent, Run, agent_card, create_app
from a2a_streaming.grpc import GrpcServer
from a2a_streaming.settings import Settings
from conftest import serving

REQUIRED = "https://example.com/extensions/politeness/v1"


class Polite(Agent):
    """Speaks with polite clients alone."""

    card = agent_card("polite")

    async def run(self, run: Run) -> None:
        await run.complete("You are welcome")


Polite.card.capabilities.extensions.append(AgentExtension(uri=REQUIRED, required=True))

V1: Any = {"message": {"messageId": "m1", "role": "ROLE_USER", "parts": [{"text": "Thank you"}]}}
V03: Any = {
    "message": {
        "kind": "message",
        "messageId": "m2",
        "role": "user",
        "parts": [{"kind": "text", "text": "Thank you"}],
    }
}


@pytest.mark.parametrize(
    ("method", "params", "header"),
    [
        ("SendMessage", V1, "A2A-Extensions"),
        ("message/send", V03, "X-A2A-Extensions"),
    ],
)
async def test_who_doesnt_know_a_required_extension_is_told(
    settings: Settings, http: httpx2.AsyncClient, method: str, params: Any, header: str
) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    async with serving(create_app(Polite(), settings=settings)) as served:
        for said in ({}, {header: "https://example.com/other"}):
            refused = (await http.post(served.url, json=body, headers=said)).json()
            assert refused["error"]["code"] == -32008
        knows = {header: f"https://example.com/other, {REQUIRED}"}
        assert "result" in (await http.post(served.url, json=body, headers=knows)).json()


async def test_so_it_is_over_rest_and_grpc(settings: Settings, http: httpx2.AsyncClient) -> None:
    app = create_app(Polite(), settings=settings)
    async with serving(app) as served:
        version = {"A2A-Version": "1.0"}
        path = f"{served.url}/v1/message:send"
        refused = await http.post(path, json=V1, headers=version)
        assert refused.json()["error"]["details"][0]["reason"] == "EXTENSION_SUPPORT_REQUIRED"
        knows = {**version, "A2A-Extensions": REQUIRED}
        assert (await http.post(path, json=V1, headers=knows)).status_code == 200
        cast("Any", grpc.aio).init_grpc_aio()  # for good: its end would block the event loop
        grpc_server = GrpcServer(app.state.node, {"": Polite()}, "127.0.0.1", 0)
        await grpc_server.start()
        said = Message(message_id="m3", role=Role.ROLE_USER, parts=[Part(text="Thank you")])
        request = SendMessageRequest(message=said)
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{grpc_server.port}") as channel:
                calls: Any = a2a_pb2_grpc.A2AServiceStub(channel)
                with pytest.raises(grpc.aio.AioRpcError, match="politeness"):
                    await calls.SendMessage(request)
                answer = await calls.SendMessage(request, metadata=(("a2a-extensions", REQUIRED),))
                assert answer.task.id
        finally:
            await grpc_server.stop()
