"""Whose task it is is checked in every operation, in every dialect, on every transport of HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import httpx2
import pytest

from a2a_streaming.caller import Role
from a2a_streaming.settings import Settings
from auth.signing_in import V03, V1, Customer, front
from streams import message, request

TASK_NOT_FOUND = -32001
Try: TypeAlias = Callable[[Customer, str], Awaitable[Any]]

HOOK = {"url": "http://127.0.0.1:9/hook"}
SAID = {"messageId": "m9", "role": "ROLE_USER", "parts": [{"text": "more"}]}
SAID_03 = {
    "kind": "message",
    "messageId": "m9",
    "role": "user",
    "parts": [{"kind": "text", "text": "x"}],
}
OPERATIONS: dict[str, Try] = {
    "1.0 get": lambda c, t: c.asks("GetTask", V1, id=t),
    "1.0 cancel": lambda c, t: c.asks("CancelTask", V1, id=t),
    "1.0 send": lambda c, t: c.asks("SendMessage", V1, message={**SAID, "taskId": t}),
    "1.0 stream": lambda c, t: c.asks("SendStreamingMessage", V1, message={**SAID, "taskId": t}),
    "1.0 subscribe": lambda c, t: c.asks("SubscribeToTask", V1, id=t),
    "1.0 webhook": lambda c, t: c.asks("CreateTaskPushNotificationConfig", V1, taskId=t, **HOOK),
    "1.0 webhooks": lambda c, t: c.asks("ListTaskPushNotificationConfigs", V1, taskId=t),
    "1.0 a webhook": lambda c, t: c.asks("GetTaskPushNotificationConfig", V1, taskId=t, id=t),
    "1.0 no webhook": lambda c, t: c.asks("DeleteTaskPushNotificationConfig", V1, taskId=t, id=t),
    "0.3 get": lambda c, t: c.asks("tasks/get", V03, id=t),
    "0.3 cancel": lambda c, t: c.asks("tasks/cancel", V03, id=t),
    "0.3 send": lambda c, t: c.asks("message/send", V03, message={**SAID_03, "taskId": t}),
    "0.3 stream": lambda c, t: c.asks("message/stream", V03, message={**SAID_03, "taskId": t}),
    "0.3 resubscribe": lambda c, t: c.asks("tasks/resubscribe", V03, id=t),
    "0.3 webhook": lambda c, t: c.asks(
        "tasks/pushNotificationConfig/set", V03, taskId=t, pushNotificationConfig=HOOK
    ),
    "0.3 webhooks": lambda c, t: c.asks("tasks/pushNotificationConfig/list", V03, id=t),
    "first get": lambda c, t: c.asks("tasks/get", {}, id=t),
    "first cancel": lambda c, t: c.asks("tasks/cancel", {}, id=t),
    "first resubscribe": lambda c, t: c.asks("tasks/resubscribe", {"A2A-Version": "0.1"}, id=t),
    "first follow": lambda c, t: c.asks("tasks/follow", {}, tasks=[{"id": t}]),
    "first webhook": lambda c, t: c.asks(
        "tasks/pushNotification/set", {}, id=t, pushNotificationConfig=HOOK
    ),
    "first webhooks": lambda c, t: c.asks("tasks/pushNotification/get", {}, id=t),
    "REST get": lambda c, t: c.rest("GET", f"/tasks/{t}"),
    "REST cancel": lambda c, t: c.rest("POST", f"/tasks/{t}:cancel"),
    "REST subscribe": lambda c, t: c.rest("GET", f"/tasks/{t}:subscribe"),
    "REST send": lambda c, t: c.rest("POST", "/message:send", {"message": {**SAID, "taskId": t}}),
    "REST stream": lambda c, t: c.rest(
        "POST", "/message:stream", {"message": {**SAID, "taskId": t}}
    ),
    "REST webhooks": lambda c, t: c.rest("GET", f"/tasks/{t}/pushNotificationConfigs"),
    "REST webhook": lambda c, t: c.rest("POST", f"/tasks/{t}/pushNotificationConfigs", HOOK),
}


def refusal(answer: Any) -> int:
    """The code with which something was refused."""
    told = answer.json() if isinstance(answer, httpx2.Response) else answer
    if isinstance(answer, httpx2.Response):
        assert answer.status_code == told["error"]["code"]
        return {404: TASK_NOT_FOUND}[answer.status_code]
    return told["error"]["code"]


@pytest.mark.parametrize("name", OPERATIONS)
async def test_another_owners_task_is_not_found(
    settings: Settings, http: httpx2.AsyncClient, name: str
) -> None:
    async with front(settings, http, push_private=True) as served:
        ann, bob = await served.customer("ann"), await served.customer("bob")
        made = (await ann.sends())["id"]
        await ann.begins("t1")
        for task in (made, "t1", "t1~0123456789abcdef0123"):
            assert refusal(await OPERATIONS[name](bob, task)) == TASK_NOT_FOUND, task
        for task in (made, "t1"):  # nothing has happened to them
            found = (await ann.asks("GetTask", V1, id=task))["result"]
            assert found["status"]["state"] == "TASK_STATE_INPUT_REQUIRED"
            assert len(found["history"]) == 1
            hooks = await ann.asks("ListTaskPushNotificationConfigs", V1, taskId=task)
            assert not hooks["result"].get("configs")


async def test_each_owner_has_ids_of_their_own(
    settings: Settings, http: httpx2.AsyncClient
) -> None:
    async with front(settings, http) as served:
        ann, bob = await served.customer("ann"), await served.customer("bob")
        for customer, name in ((ann, "ann"), (bob, "bob")):
            told = await customer.begins("task-123", "go")
            assert told["id"] == "task-123"
            assert told["status"]["message"]["parts"][0]["text"] == f"done for {name}"
        for customer, name in ((ann, "ann"), (bob, "bob")):
            found = (await customer.asks("GetTask", V1, id="task-123"))["result"]
            assert found["id"] == "task-123"
            assert found["artifacts"][0]["parts"][0]["text"] == f"for {name}"
            listed = (await customer.asks("ListTasks", V1))["result"]
            assert [task["id"] for task in listed["tasks"]] == ["task-123"]
            assert listed["totalSize"] == 1


async def test_every_event_tells_the_id_that_its_owner_knows(
    settings: Settings, http: httpx2.AsyncClient
) -> None:
    async with front(settings, http) as served:
        ann = await served.customer("ann")
        said = await ann.post(request("tasks/sendSubscribe", "task-123", message("hello")))
        assert said.text.count('"id":"task-123"') == 3
        assert "~" not in said.text
        told = await ann.post(request("tasks/resubscribe", "task-123"), **V03)
        assert '"id":"task-123"' in told.text
        canceled = (await ann.asks("CancelTask", V1, id="task-123"))["result"]
        assert canceled["id"] == "task-123"
        assert canceled["status"]["message"]["taskId"] == "task-123"


async def test_a_client_cant_take_the_id_under_which_anothers_task_is_stored(
    settings: Settings, http: httpx2.AsyncClient
) -> None:
    async with front(settings, http) as served:
        ann, bob = await served.customer("ann"), await served.customer("bob")
        await ann.begins("t1")
        [(_, stored)] = await served.node.manager.index.tasks([("owner", "ann")])
        for taken in (stored, "t2~0123456789abcdef0123"):
            answer = (await bob.post(request("tasks/send", taken, message("hello")))).json()
            assert answer["error"]["code"] == TASK_NOT_FOUND


async def test_operators_see_every_task_and_each_access_is_audited(
    settings: Settings, http: httpx2.AsyncClient
) -> None:
    async with front(settings, http) as served:
        ann, olga = await served.customer("ann"), await served.customer("olga", Role.OPERATOR)
        await ann.begins("t1")
        made = (await ann.sends())["id"]
        own = (await olga.sends())["id"]
        listed = (await olga.asks("ListTasks", V1))["result"]["tasks"]
        [stored] = [task["id"] for task in listed if task["id"].startswith("t1~")]
        assert {task["id"] for task in listed} == {stored, made, own}
        assert await served.audit() == [("olga", "operator", "list", "*", "*")]
        assert (await olga.asks("GetTask", V1, id=stored))["result"]["id"] == stored
        assert "result" in await olga.asks("GetTask", V1, id=own)
        followed = await olga.asks(
            "SendMessage", V1, message={**SAID, "taskId": made, "parts": [{"text": "go"}]}
        )
        assert followed["result"]["task"]["status"]["state"] == "TASK_STATE_COMPLETED"
        assert (await olga.asks("CancelTask", V1, id=stored))["result"]["id"] == stored
        canceled = (await ann.asks("GetTask", V1, id="t1"))["result"]
        assert canceled["status"]["state"] == "TASK_STATE_CANCELED"
        assert (await served.audit())[1:] == [
            ("olga", "operator", "get", stored, "ann"),
            ("olga", "operator", "send", made, "ann"),
            ("olga", "operator", "cancel", stored, "ann"),
        ]
        assert refusal(await olga.asks("GetTask", V1, id="t1")) == TASK_NOT_FOUND  # it isn't hers


@pytest.mark.parametrize("role", [Role.AGENT, Role.SERVICE])
async def test_people_and_services_see_their_own_tasks_alone(
    settings: Settings, http: httpx2.AsyncClient, role: Role
) -> None:
    async with front(settings, http) as served:
        ann, other = await served.customer("ann"), await served.customer("other", role)
        made = (await ann.sends())["id"]
        assert refusal(await other.asks("GetTask", V1, id=made)) == TASK_NOT_FOUND
        assert (await other.asks("ListTasks", V1))["result"].get("tasks", []) == []


async def test_the_same_message_of_two_owners_is_two_tasks(
    settings: Settings, http: httpx2.AsyncClient
) -> None:
    async with front(settings, http) as served:
        ann, bob = await served.customer("ann"), await served.customer("bob")
        one, two, again = await asyncio.gather(ann.sends(), bob.sends(), ann.sends())
        assert one["id"] == again["id"] != two["id"]
