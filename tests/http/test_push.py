"""Push notifications: set over every dialect, delivered in order, at least once, whatever dies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
import redis.asyncio

from a2a_streaming import Agent, Run, agent_card, create_app
from a2a_streaming.node import Node
from a2a_streaming.push import TOKEN_HEADER
from a2a_streaming.settings import Settings
from conftest import Served, serving
from receivers import Receiver, receiving
from tasks import until

V1 = {"A2A-Version": "1.0"}


class Telling(Agent):
    """Says three things, the last when it is let go."""

    card = agent_card("telling")

    def __init__(self) -> None:
        self.go = asyncio.Event()

    async def run(self, run: Run) -> None:
        await run.working("one")
        await self.go.wait()
        await run.working("two")
        await run.complete("three")


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as taking:
        yield taking


@asynccontextmanager
async def telling(settings: Settings, **changed: Any) -> AsyncIterator[tuple[Telling, Served]]:
    agent = Telling()
    quick = {"push_private": True, "push_retry_first_seconds": 0.01}
    private = settings.model_copy(update={**quick, **changed})
    async with serving(create_app(agent, settings=private)) as running:
        yield agent, running


async def asked(http: httpx2.AsyncClient, served: Served, method: str, params: Any) -> Any:
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    return (await http.post(served.url, json=body)).json()


def sending(message_id: str = "m1", **configuration: Any) -> Any:
    said = {"messageId": message_id, "role": "ROLE_USER", "parts": [{"text": "hello"}]}
    return {"message": said, "configuration": {"returnImmediately": True, **configuration}}


async def test_a_webhook_that_comes_with_the_message_is_told_the_whole_story_in_order(
    settings: Settings, http: httpx2.AsyncClient, receiver: Receiver
) -> None:
    config = {
        "url": receiver.url,
        "token": "of the client",
        "authentication": {"scheme": "Bearer", "credentials": "secret"},
    }
    async with telling(settings) as (agent, served):
        agent.go.set()
        sent = await asked(http, served, "SendMessage", sending(taskPushNotificationConfig=config))
        await receiver.until(4)
        assert [*receiver.taken[0][2]] == ["task"]
        assert receiver.words == ["one", "two", "three"]
        positions = [position for position, _, _ in receiver.taken]
        assert [one.partition("-")[2] for one in positions] == ["1", "2", "3", "4"]
        for _, headers, _ in receiver.taken:
            assert headers[TOKEN_HEADER.lower()] == "of the client"
            assert headers["authorization"] == "Bearer secret"
            assert headers["content-type"] == "application/a2a+json"
        assert receiver.taken[0][2]["task"]["id"] == sent["result"]["task"]["id"]


async def test_a_webhook_that_is_set_later_is_told_what_follows_until_it_is_deleted(
    settings: Settings, http: httpx2.AsyncClient, receiver: Receiver
) -> None:
    async with telling(settings) as (agent, served):
        task = (await asked(http, served, "SendMessage", sending()))["result"]["task"]["id"]

        async def is_waiting() -> bool:
            got = await asked(http, served, "GetTask", {"id": task})
            return got["result"]["status"]["state"] == "TASK_STATE_WORKING"

        await until(is_waiting)
        where = {"taskId": task, "id": "mine", "url": receiver.url}
        made = await asked(http, served, "CreateTaskPushNotificationConfig", where)
        assert made["result"] == where
        path = f"{served.url}/v1/tasks/{task}/pushNotificationConfigs"
        assert (await http.get(f"{path}/mine", headers=V1)).json() == where
        other = {"taskId": task, "id": "other", "url": receiver.url + "/nowhere"}
        assert (await http.post(path, json=other, headers=V1)).json() == other
        listed = await asked(http, served, "ListTaskPushNotificationConfigs", {"taskId": task})
        assert listed["result"]["configs"] == [where, other]
        for _ in range(2):
            assert (await http.delete(f"{path}/other", headers=V1)).status_code == 200
        missing = await asked(
            http, served, "GetTaskPushNotificationConfig", {"taskId": task, "id": "other"}
        )
        assert missing["error"]["code"] == -32001
        agent.go.set()
        await receiver.until(2)
        assert receiver.words == ["two", "three"]


async def test_oh_three_sets_webhooks_too_and_is_told_the_task(
    settings: Settings, http: httpx2.AsyncClient, receiver: Receiver
) -> None:
    async with telling(settings) as (agent, served):
        said = {"messageId": "m1", "role": "user", "parts": [{"kind": "text", "text": "hello"}]}
        params = {
            "message": {"kind": "message", **said},
            "configuration": {"blocking": False, "pushNotificationConfig": {"url": receiver.url}},
        }
        task = (await asked(http, served, "message/send", params))["result"]["id"]
        got = await asked(http, served, "tasks/pushNotificationConfig/get", {"id": task})
        assert got["result"]["pushNotificationConfig"]["url"] == receiver.url
        listed = await asked(http, served, "tasks/pushNotificationConfig/list", {"id": task})
        assert len(listed["result"]) == 1
        agent.go.set()
        await receiver.until(4)
        assert {body["kind"] for _, _, body in receiver.taken} == {"task"}
        assert receiver.taken[-1][2]["status"]["state"] == "completed"
        deleting = {"id": task, "pushNotificationConfigId": task}
        await asked(http, served, "tasks/pushNotificationConfig/delete", deleting)
        left = await http.get(f"{served.url}/v1/tasks/{task}/pushNotificationConfigs")
        assert left.json() == {}


async def test_oh_three_sets_webhooks_over_rest_by_the_configuration_alone(
    settings: Settings, http: httpx2.AsyncClient, receiver: Receiver
) -> None:
    async with telling(settings) as (agent, served):
        task = (await asked(http, served, "SendMessage", sending()))["result"]["task"]["id"]
        path = f"{served.url}/v1/tasks/{task}/pushNotificationConfigs"
        config = {"pushNotificationConfig": {"id": "mine", "url": receiver.url}}
        whole = {"config": config, "configId": "mine"}  # as gRPC has it; a2a-sdk's clients do
        for body in (config, whole, {**whole, "parent": f"tasks/{task}"}):
            made = (await http.post(path, json=body)).json()
            assert made["name"] == f"tasks/{task}/pushNotificationConfigs/mine"
            assert made["pushNotificationConfig"] == config["pushNotificationConfig"]
        for wrong in ([config], "config", {}):
            assert (await http.post(path, json=wrong)).status_code == 400
        agent.go.set()


async def test_the_first_dialect_sets_webhooks_too_and_is_told_the_task(
    settings: Settings, http: httpx2.AsyncClient, receiver: Receiver
) -> None:
    config = {
        "url": receiver.url,
        "token": "of the client",
        "authentication": {"schemes": ["Bearer"], "credentials": "secret"},
    }
    said = {"role": "user", "parts": [{"type": "text", "text": "hello"}]}
    async with telling(settings, send_seconds=0.01) as (agent, served):
        params = {"id": "t1", "message": said, "pushNotification": config}
        assert (await asked(http, served, "tasks/send", params))["result"]["id"] == "t1"
        webhook = {"id": "t1", "pushNotificationConfig": config}
        got = await asked(http, served, "tasks/pushNotification/get", {"id": "t1"})
        assert got["result"] == webhook
        agent.go.set()
        await receiver.until(4)
        states = [body["status"]["state"] for _, _, body in receiver.taken]
        assert states[-1] == "completed"
        assert {headers["authorization"] for _, headers, _ in receiver.taken} == {"Bearer secret"}
        again = await asked(http, served, "tasks/pushNotification/set", webhook)
        assert again["result"] == webhook


async def test_a_webhook_that_fails_is_tried_again_and_told_in_order(
    settings: Settings, http: httpx2.AsyncClient, receiver: Receiver
) -> None:
    receiver.failing = 2
    async with telling(settings) as (agent, served):
        agent.go.set()
        config = {"url": receiver.url}
        await asked(http, served, "SendMessage", sending(taskPushNotificationConfig=config))
        await receiver.until(4)
        assert receiver.words == ["one", "two", "three"]


async def test_another_process_goes_on_where_the_first_one_stopped(
    settings: Settings, http: httpx2.AsyncClient, receiver: Receiver, raw: redis.asyncio.Redis
) -> None:
    async with telling(settings) as (_, served):
        config = {"url": receiver.url}
        await asked(http, served, "SendMessage", sending(taskPushNotificationConfig=config))
        await receiver.until(2)
    async with telling(settings) as (agent, served):
        agent.go.set()
        await receiver.until(5)

        async def is_settled() -> bool:
            return not await raw.zcard("index:push")

        await until(is_settled)
    positions = [position for position, _, _ in receiver.taken]
    assert sorted(set(positions), key=lambda one: int(one.partition("-")[2])) == [
        *dict.fromkeys(positions)
    ]
    assert receiver.words[-1] == "three"


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1/", "http://169.254.169.254/", "ftp://1.1.1.1/", "nonsense", ""]
)
async def test_a_webhook_that_isnt_on_the_public_internet_is_refused(
    settings: Settings, http: httpx2.AsyncClient, url: str
) -> None:
    async with telling(settings, push_private=False) as (_, served):
        refused = await asked(
            http, served, "SendMessage", sending(taskPushNotificationConfig={"url": url})
        )
        assert refused["error"]["code"] == -32602
        listed = await asked(http, served, "ListTasks", {})
        assert listed["result"]["totalSize"] == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"token": "two\nlines"},
        {"token": "ü"},
        {"token": "x" * 4097},
        {"authentication": {"scheme": "Bearer", "credentials": "a\r\nX-Other: b"}},
        {"authentication": {"scheme": "Bea\nrer", "credentials": "a"}},
    ],
    ids=["lines", "no ASCII", "long", "credentials", "scheme"],
)
async def test_a_webhook_whose_words_no_header_can_carry_is_refused(
    settings: Settings, http: httpx2.AsyncClient, receiver: Receiver, wrong: dict[str, Any]
) -> None:
    async with telling(settings) as (_, served):
        config = {"url": receiver.url, **wrong}
        refused = await asked(
            http, served, "SendMessage", sending(taskPushNotificationConfig=config)
        )
        assert refused["error"]["code"] == -32602


async def test_where_pushing_is_switched_off_the_card_and_the_errors_say_so(
    settings: Settings, http: httpx2.AsyncClient, receiver: Receiver
) -> None:
    async with telling(settings, push=False) as (_, served):
        card = (await http.get(f"{served.url}/.well-known/agent-card.json")).json()
        assert card["capabilities"]["pushNotifications"] is False
        config = {"taskId": "t", "id": "mine", "url": receiver.url}
        refused = await asked(http, served, "CreateTaskPushNotificationConfig", config)
        assert refused["error"]["code"] == -32003


async def test_the_webhooks_of_a_task_are_bounded_and_its_own(
    settings: Settings, http: httpx2.AsyncClient, receiver: Receiver
) -> None:
    async with telling(settings, push_limit=2) as (agent, served):
        task = (await asked(http, served, "SendMessage", sending()))["result"]["task"]["id"]
        codes: list[int] = []
        for name in ("a", "b", "b", "c"):
            config = {"taskId": task, "id": name, "url": receiver.url}
            answer = await asked(http, served, "CreateTaskPushNotificationConfig", config)
            codes.append(answer.get("error", {}).get("code", 0))
        assert codes == [0, 0, 0, -32602]
        config = {"taskId": "none", "id": "a", "url": receiver.url}
        answer = await asked(http, served, "CreateTaskPushNotificationConfig", config)
        assert answer["error"]["code"] == -32001
        agent.go.set()


def test_a_node_pushes_unless_it_is_a_front(settings: Settings) -> None:
    assert Node([Telling()], settings).settings.push
