"""Every way of speaking A2A to this server: what each says to begin, read, resume and cancel a task."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import grpc.aio
import httpx2
from a2a.compat.v0_3 import a2a_v0_3_pb2 as v03
from a2a.compat.v0_3 import a2a_v0_3_pb2_grpc as v03_grpc
from a2a.types import a2a_pb2 as v1
from a2a.types import a2a_pb2_grpc as v1_grpc
from google.protobuf.json_format import MessageToDict, ParseDict

from a2a_streaming.sse import Decoder
from transports import Both

RESUME = "urn:a2a-streaming:resume:v1"
Told: TypeAlias = list[tuple[str, str]]
"""What a stream told: each event's position, and what kind of event it is."""


@dataclass(frozen=True)
class Speaker:
    """One dialect over one transport."""

    begin: Callable[[str], Awaitable[str]]
    """Send a message that begins a task; its id, once its turn has ended."""
    state: Callable[[str], Awaitable[str]]
    """The state that a task is in, in lower case."""
    resume: Callable[[str, str], Awaitable[Told]]
    """What a stream tells after a position."""
    cancel: Callable[[str], Awaitable[str]]
    """Cancel a task; the state that it is in then."""


def label(state: str | int) -> str:
    """A state in one word of lower case, whatever the dialect."""
    return (
        str(state)
        .removeprefix("TASK_STATE_")
        .lower()
        .replace("_", "-")
        .replace("cancelled", "canceled")
    )


def jsonrpc(both: Both, http: httpx2.AsyncClient, version: str) -> Speaker:
    """JSON-RPC, in any dialect."""
    url = f"{both.http.url}/rpc/{version}"
    get, cancel, watch, send = {
        "1.0": ("GetTask", "CancelTask", "SubscribeToTask", "SendMessage"),
        "0.3": ("tasks/get", "tasks/cancel", "tasks/resubscribe", "message/send"),
        "0.1": ("tasks/get", "tasks/cancel", "tasks/resubscribe", "tasks/send"),
    }[version]

    async def ask(method: str, params: Any) -> Any:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return (await http.post(url, json=body)).json()["result"]

    async def begin(text: str) -> str:
        if version == "0.1":
            said: Any = {"role": "user", "parts": [{"type": "text", "text": text}]}
            return (await ask(send, {"id": f"chosen-{text}", "message": said}))["id"]
        told = await ask(send, {"message": _said(text, version)})
        return told.get("task", told)["id"]

    async def state(task: str) -> str:
        return label((await ask(get, {"id": task}))["status"]["state"])

    async def resume(task: str, position: str) -> Told:
        body = {"jsonrpc": "2.0", "id": 1, "method": watch, "params": {"id": task}}
        opened = http.stream("POST", url, json=body, headers={"Last-Event-ID": position})
        return [pair async for pair in _sse(opened, "result")]

    async def end(task: str) -> str:
        return label((await ask(cancel, {"id": task}))["status"]["state"])

    return Speaker(begin, state, resume, end)


def rest(both: Both, http: httpx2.AsyncClient, version: str) -> Speaker:
    """REST, in 1.0 and 0.3."""
    url = f"{both.http.url}/v1"
    headers = {"A2A-Version": "1.0"} if version == "1.0" else {}

    async def begin(text: str) -> str:
        field = "message"
        said = _said(text, "1.0") if version == "1.0" else _said_03_rest(text)
        told = await http.post(f"{url}/message:send", json={field: said}, headers=headers)
        return told.json()["task"]["id"]

    async def state(task: str) -> str:
        told = await http.get(f"{url}/tasks/{task}", headers=headers)
        return label(told.json()["status"]["state"])

    async def resume(task: str, position: str) -> Told:
        seen = {**headers, "Last-Event-ID": position}
        opened = http.stream("GET", f"{url}/tasks/{task}:subscribe", headers=seen)
        return [pair async for pair in _sse(opened, None)]

    async def end(task: str) -> str:
        told = await http.post(f"{url}/tasks/{task}:cancel", headers=headers, json={})
        return label(told.json()["status"]["state"])

    return Speaker(begin, state, resume, end)


def over_grpc(channel: grpc.aio.Channel, version: str) -> Speaker:
    """gRPC, in 1.0 and 0.3."""
    new = version == "1.0"
    stub: Any = (v1_grpc if new else v03_grpc).A2AServiceStub(channel)
    module: Any = v1 if new else v03
    asking = (("a2a-version", version), ("a2a-extensions", RESUME), ("x-a2a-extensions", RESUME))

    def named(task: str) -> Any:
        return {"id": task} if new else {"name": f"tasks/{task}"}

    async def begin(text: str) -> str:
        said = {"message": _said(text, "1.0")} if new else {"request": _said_03_rest(text)}
        request = ParseDict(said, module.SendMessageRequest())
        return (await stub.SendMessage(request, metadata=asking)).task.id

    async def state(task: str) -> str:
        told = await stub.GetTask(module.GetTaskRequest(**named(task)), metadata=asking)
        return label(MessageToDict(told)["status"]["state"])

    async def resume(task: str, position: str) -> Told:
        request = (module.SubscribeToTaskRequest if new else module.TaskSubscriptionRequest)(
            **named(task)
        )
        watch = stub.SubscribeToTask if new else stub.TaskSubscription
        seen = (*asking, ("last-event-id", position))
        events = [MessageToDict(event) async for event in watch(request, metadata=seen)]
        return [
            (told["metadata"][RESUME]["position"], kind)
            for event in events
            for kind, told in event.items()
        ]

    async def end(task: str) -> str:
        told = await stub.CancelTask(module.CancelTaskRequest(**named(task)), metadata=asking)
        return label(MessageToDict(told)["status"]["state"])

    return Speaker(begin, state, resume, end)


def speakers(both: Both, http: httpx2.AsyncClient, channel: grpc.aio.Channel) -> dict[str, Speaker]:
    """All of them, by name."""
    found = {
        f"JSON-RPC {version}": jsonrpc(both, http, version) for version in ("0.1", "0.3", "1.0")
    }
    found |= {f"REST {version}": rest(both, http, version) for version in ("0.3", "1.0")}
    return found | {f"gRPC {version}": over_grpc(channel, version) for version in ("0.3", "1.0")}


def _said(text: str, version: str) -> Any:
    if version == "1.0":
        return {"messageId": f"m-{text}", "role": "ROLE_USER", "parts": [{"text": text}]}
    parts = [{"kind": "text", "text": text}]
    return {"kind": "message", "messageId": f"m-{text}", "role": "user", "parts": parts}


def _said_03_rest(text: str) -> Any:
    return {"messageId": f"m-{text}", "role": "ROLE_USER", "content": [{"text": text}]}


async def _sse(opened: Any, envelope: str | None) -> AsyncIterator[tuple[str, str]]:
    decoder = Decoder()
    async with opened as response:
        assert response.status_code == 200, await response.aread()
        async for chunk in response.aiter_bytes():
            for frame in decoder.feed(chunk):
                told = json.loads(frame.data)
                told = told[envelope] if envelope and envelope in told else told
                kind = told.get("kind") or next(
                    k
                    for k in ("statusUpdate", "artifactUpdate", "task", "status", "artifact")
                    if k in told
                )
                yield frame.id, kind
