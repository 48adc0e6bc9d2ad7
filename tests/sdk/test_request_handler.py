"""A program with a2a-sdk's own routes, in which `RedisRequestHandler` stands for `DefaultRequestHandler`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest
from a2a.auth.user import User
from a2a.server.context import ServerCallContext
from a2a.server.routes import create_jsonrpc_routes, create_rest_routes
from a2a.server.routes.common import DefaultServerCallContextBuilder
from a2a.types import (
    CancelTaskRequest,
    GetTaskRequest,
    ListTasksRequest,
    SubscribeToTaskRequest,
    TaskState,
)
from starlette.applications import Starlette
from starlette.requests import Request

from a2a_streaming.sdk import RedisRequestHandler
from a2a_streaming.settings import Settings
from conftest import Served, serving
from sdk import executors
from sdk.clients import chunks_of, last_of, sdk_client, sending, told_by
from sdk.executors import CARD, Does, Scripted

VERSIONS = pytest.mark.parametrize("version", ["1.0", "0.3"])


class Named(User):
    """Who a header says."""

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def is_authenticated(self) -> bool:
        return bool(self._name)

    @property
    def user_name(self) -> str:
        return self._name.removeprefix("nameless")


class ByHeader(DefaultServerCallContextBuilder):
    """Tells users by a header, as a program's own authentication would."""

    def build(self, request: Request) -> ServerCallContext:
        context = super().build(request)
        context.user = Named(request.headers.get("x-user", ""))
        return context


@asynccontextmanager
async def program(
    settings: Settings, does: Does, canceling: Does | None = None
) -> AsyncIterator[Served]:
    """A program of a2a-sdk."""
    handler = RedisRequestHandler(
        agent_executor=Scripted(does, canceling),
        agent_card=CARD,
        redis=settings.redis_url,
        settings=settings.model_copy(update={"redis_url": "redis://nowhere"}),
    )
    routes = create_jsonrpc_routes(
        handler, "/", context_builder=ByHeader(), enable_v0_3_compat=True
    )
    app = Starlette(routes=[*routes, *create_rest_routes(handler)])
    try:
        async with serving(app) as running:
            yield running
    finally:
        await handler.aclose()


@VERSIONS
async def test_a_task_streams_and_is_read_listed_and_followed_up(
    settings: Settings, version: str
) -> None:
    async with (
        program(settings, executors.asking) as server,
        sdk_client(f"{server.url}/", version) as client,
    ):
        told = await told_by(client, sending("Book a hotel", "m1"))
        assert last_of(told).state == TaskState.TASK_STATE_INPUT_REQUIRED
        task = told[0].task
        more = sending("Bonn", "m2", task_id=task.id, context_id=task.context_id)
        assert last_of(await told_by(client, more)).message.parts[0].text == "So Bonn"
        got = await client.get_task(GetTaskRequest(id=task.id))
        assert got.status.state == TaskState.TASK_STATE_COMPLETED
        if version == "1.0":
            listed = await client.list_tasks(ListTasksRequest())
            assert [one.id for one in listed.tasks] == [task.id]
        with pytest.raises(Exception, match="ended"):
            await told_by(client, sending("more", "m3", task_id=task.id))


@VERSIONS
@pytest.mark.parametrize("streaming", [True, False])
async def test_a_message_alone_is_all_that_is_told(
    settings: Settings, version: str, streaming: bool
) -> None:
    async with (
        program(settings, executors.message) as server,
        sdk_client(f"{server.url}/", version, streaming=streaming) as client,
    ):
        [told] = await told_by(client, sending("you", "m1"))
        assert told.message.parts[0].text == "Hello you"


async def test_a_second_watcher_sees_the_rest_also_in_another_program(settings: Settings) -> None:
    gate = asyncio.Event()

    async def gated(context, queue) -> None:
        await gate.wait()
        await executors.streaming(context, queue)

    async with (
        program(settings, gated) as one,
        program(settings, gated) as two,
        sdk_client(f"{one.url}/", "1.0", streaming=False) as first,
        sdk_client(f"{two.url}/", "1.0") as second,
    ):
        request = sending("hi", "m1", context_id="c1")

        async def listed() -> str:
            while not (tasks := (await second.list_tasks(ListTasksRequest())).tasks):
                await asyncio.sleep(0.01)
            return tasks[0].id

        sent = asyncio.create_task(told_by(first, request))
        rest = second.subscribe(SubscribeToTaskRequest(id=await listed()))
        assert (await anext(rest)).task.status.state == TaskState.TASK_STATE_SUBMITTED
        gate.set()
        assert chunks_of([event async for event in rest]) == "one two three"
        [answer] = await sent
        assert answer.task.status.state == TaskState.TASK_STATE_COMPLETED


@VERSIONS
async def test_a_cancel_uses_the_executors_last_word(settings: Settings, version: str) -> None:
    async with (
        program(settings, executors.hanging, executors.says_canceled) as server,
        sdk_client(f"{server.url}/", version) as client,
    ):
        told = client.send_message(sending("hi", "m1"))
        task = (await anext(told)).task.id
        await anext(told)
        canceled = await client.cancel_task(CancelTaskRequest(id=task))
        assert canceled.status.message.parts[0].text == "Stopped as you wish"


async def test_users_of_the_program_see_their_own_tasks_and_executors_know_them(
    settings: Settings, http: httpx2.AsyncClient
) -> None:
    async def greets(context, queue) -> None:
        updater = await executors.updating(context, queue)
        said = executors.text(f"Hello {context.call_context.user.user_name}")
        await updater.complete(updater.new_agent_message(said))

    async with program(settings, greets) as server:
        said = {"messageId": "m1", "role": "ROLE_USER", "parts": [{"text": "hi"}]}

        async def call(method: str, params: dict, user: str) -> dict:
            body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
            headers = {"A2A-Version": "1.0", "x-user": user}
            return (await http.post(f"{server.url}/", json=body, headers=headers)).json()

        task = (await call("SendMessage", {"message": said}, "anna"))["result"]["task"]
        assert task["status"]["message"]["parts"][0]["text"] == "Hello anna"
        assert "result" in await call("GetTask", {"id": task["id"]}, "anna")
        refused = await call("GetTask", {"id": task["id"]}, "bert")
        assert refused["error"]["code"] == -32001
        # Who has signed in without a name isn't everybody.
        assert "no name" in (await call("ListTasks", {}, "nameless"))["error"]["message"]


async def test_the_sdks_rest_routes_are_served_too(
    settings: Settings, http: httpx2.AsyncClient
) -> None:
    async with program(settings, executors.streaming) as server:
        said = {"messageId": "m1", "role": "ROLE_USER", "parts": [{"text": "hi"}]}
        response = await http.post(
            f"{server.url}/message:send", json={"message": said}, headers={"A2A-Version": "1.0"}
        )
        assert response.json()["task"]["status"]["state"] == "TASK_STATE_COMPLETED"


async def test_a_store_that_cant_be_reached_is_told_to_clients(
    settings: Settings, http: httpx2.AsyncClient
) -> None:
    handler = RedisRequestHandler(
        agent_executor=Scripted(executors.message),
        agent_card=CARD,
        redis="unix:///nowhere",
        settings=settings,
    )
    app = Starlette(routes=create_jsonrpc_routes(handler, "/"))
    async with serving(app) as server:
        body = {"jsonrpc": "2.0", "id": 1, "method": "GetTask", "params": {"id": "t1"}}
        told = await http.post(f"{server.url}/", json=body, headers={"A2A-Version": "1.0"})
        assert "try again later" in str(told.json()["error"])
    await handler.aclose()
