"""Depth: what is accepted, from a customer or from an agent, every client can be told."""

from __future__ import annotations

import json
from typing import Any, cast

import grpc.aio
import httpx2
import pytest
from a2a.compat.v0_3 import a2a_v0_3_pb2 as v03
from a2a.compat.v0_3 import a2a_v0_3_pb2_grpc as v03_grpc
from a2a.types import GetTaskRequest, ListTasksRequest, a2a_pb2_grpc

from a2a_streaming import Agent, Run, agent_card, create_app
from a2a_streaming.event import MAX_DEPTH, data_part
from a2a_streaming.grpc import GrpcServer
from a2a_streaming.node import Node
from a2a_streaming.settings import Settings
from conftest import Served, serving

MESSAGE = MAX_DEPTH - 6
"""How deep a part's data may nest in a customer's message: below event, task, history, message, parts and part."""
ARTIFACT = MAX_DEPTH - 5
METADATA = MAX_DEPTH - 3


def nested(kind: str, levels: int) -> Any:
    value: Any = "deep"
    for _ in range(levels):
        value = [value] if kind == "list" else {"a": value}
    return value


class Deep(Agent):
    """Says what nests as deep as it may, and tries what nests deeper."""

    card = agent_card("deep")

    async def run(self, run: Run) -> None:
        kind = run.text or "dict"
        with pytest.raises(ValueError, match="flatter"):
            await run.attach("deep", data_part(nested(kind, ARTIFACT + 1)))
        with pytest.raises(ValueError, match="flatter"):
            await run.working("on it", metadata={"deep": nested(kind, METADATA + 1)})
        await run.attach("deep", data_part(nested(kind, ARTIFACT)))
        await run.working("on it", metadata={"deep": nested(kind, METADATA)})
        await run.complete("well", data_part(nested(kind, MESSAGE)))


async def asked(http: httpx2.AsyncClient, served: Served, method: str, **params: Any) -> Any:
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    version = "1.0" if method[0].isupper() else params.pop("version", "")
    headers = {"A2A-Version": version} if version else {}
    response = await http.post(served.url, json=body, headers=headers)
    if response.headers["content-type"].startswith("text/event-stream"):
        data = [line[5:] for line in response.text.splitlines() if line.startswith("data:")]
        assert data, (method, version)
        return json.loads(data[-1])
    return response.json()


@pytest.mark.parametrize("kind", ["dict", "list"])
async def test_what_nests_as_deep_as_it_may_is_told_over_every_transport(
    settings: Settings, http: httpx2.AsyncClient, kind: str
) -> None:
    cast("Any", grpc.aio).init_grpc_aio()  # for good: its end would block the event loop
    agent = Deep()
    app = create_app(agent, settings=settings)
    node: Node = app.state.node
    async with serving(app) as served:
        deepest = {"a": nested(kind, MESSAGE - 1)}
        said = {
            "messageId": "m1",
            "role": "ROLE_USER",
            "parts": [{"text": kind}, {"data": deepest}],
        }
        task = (await asked(http, served, "SendMessage", message=said))["result"]["task"]
        told = [
            await asked(http, served, "GetTask", id=task["id"]),
            await asked(http, served, "ListTasks", includeArtifacts=True),
            await asked(http, served, "tasks/get", id=task["id"], version="0.3"),
            await asked(http, served, "tasks/resubscribe", id=task["id"], version="0.3"),
            await asked(http, served, "tasks/get", id=task["id"], historyLength=9),
            await asked(http, served, "tasks/resubscribe", id=task["id"]),
        ]
        assert not [one["error"] for one in told if "error" in one]
        for version in ("1.0", "0.3"):
            headers = {"A2A-Version": version}
            response = await http.get(f"{served.url}/v1/tasks/{task['id']}", headers=headers)
            assert response.status_code == 200
        server = GrpcServer(node, {"": agent}, "127.0.0.1", 0)
        await server.start()
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
                v1 = a2a_pb2_grpc.A2AServiceStub(channel)
                got = await v1.GetTask(GetTaskRequest(id=task["id"]))
                listed = await v1.ListTasks(ListTasksRequest(include_artifacts=True))
                assert list(listed.tasks) == [got]
                old = v03_grpc.A2AServiceStub(channel)
                await old.GetTask(v03.GetTaskRequest(name=f"tasks/{task['id']}"))
                name = v03.TaskSubscriptionRequest(name=f"tasks/{task['id']}")
                assert [one async for one in old.TaskSubscription(name)]
        finally:
            await server.stop()


@pytest.mark.parametrize("kind", ["dict", "list"])
@pytest.mark.parametrize("levels", [MESSAGE + 1, 40, 60, 100, 300])
async def test_what_nests_deeper_is_refused_in_every_dialect(
    settings: Settings, http: httpx2.AsyncClient, kind: str, levels: int
) -> None:
    data = {"a": nested(kind, levels - 1)}
    v1 = {"messageId": "m1", "role": "ROLE_USER", "parts": [{"data": data}]}
    v03_ = {"messageId": "m1", "role": "user", "kind": "message"}
    v03_rest = {"messageId": "m1", "role": "ROLE_USER", "content": [{"data": {"data": data}}]}
    first = {"role": "user", "parts": [{"type": "data", "data": data}]}
    async with serving(create_app(Deep(), settings=settings)) as served:
        refused = [
            await asked(http, served, "SendMessage", message=v1),
            await asked(http, served, "SendStreamingMessage", message=v1),
            *[
                await asked(
                    http,
                    served,
                    method,
                    message={**v03_, "parts": [{"kind": "data", "data": data}]},
                )
                for method in ("message/send", "message/stream")
            ],
            await asked(http, served, "tasks/send", id="t1", message=first),
            await asked(http, served, "tasks/sendSubscribe", id="t1", message=first),
        ]
        assert {one["error"]["code"] for one in refused} <= {-32600, -32602}
        for version, message in (("1.0", v1), ("0.3", v03_rest)):
            for path in ("message:send", "message:stream"):
                response = await http.post(
                    f"{served.url}/v1/{path}",
                    json={"message": message},
                    headers={"A2A-Version": version},
                )
                assert response.status_code == 400
