"""What people who answer customers see: tasks that are handed over to them, for as long as they are."""

from __future__ import annotations

from typing import Any

import httpx2

from a2a_streaming import Agent, Run, agent_card
from a2a_streaming.caller import Role
from a2a_streaming.settings import Settings
from auth.signing_in import V1, Customer, front

NOT_FOUND = -32001
FORGED = {"a2a_streaming": {"human": "desk"}}


class Counter(Agent):
    """Hands its tasks over to people, and takes them back; says who speaks."""

    card = agent_card("asking")

    async def run(self, run: Run) -> None:
        handed = {"handover": {"open": run.text == "help"}}
        await run.input_required(f"{run.human or 'the customer'} says {run.text}", metadata=handed)


def sent(task: str, text: str, number: int, **more: Any) -> dict[str, Any]:
    said = {"messageId": f"m{number}", "role": "ROLE_USER", "parts": [{"text": text}], **more}
    return {"message": said | ({"taskId": task} if task else {})}


async def code(customer: Customer, method: str, **params: Any) -> int | None:
    """The error that a call is answered with; None if it is served."""
    return (await customer.asks(method, V1, **params)).get("error", {}).get("code")


async def told(customer: Customer, method: str, **params: Any) -> str:
    """What the agent says in answer."""
    result = (await customer.asks(method, V1, **params))["result"]
    return result["task"]["status"]["message"]["parts"][0]["text"]


async def test_a_person_sees_a_task_while_it_is_handed_over_and_no_other(
    settings: Settings, http: httpx2.AsyncClient
) -> None:
    async with front(settings, http, agent=Counter(), push_private=True) as served:
        anna = await served.customer("anna")
        desk = await served.customer("desk", Role.AGENT)
        begun = await anna.asks("SendMessage", V1, **sent("", "hello", 1))
        task = begun["result"]["task"]["id"]
        hook = {"taskId": task, "url": "http://127.0.0.1:9/hook"}
        assert await code(desk, "GetTask", id=task) == NOT_FOUND
        assert await code(desk, "SendMessage", **sent(task, "let me", 2)) == NOT_FOUND
        await anna.asks("SendMessage", V1, **sent(task, "help", 3))
        assert await code(desk, "GetTask", id=task) is None
        assert (await desk.rest("GET", f"/tasks/{task}")).status_code == 200
        for method, params in (
            ("CancelTask", {"id": task}),
            ("CreateTaskPushNotificationConfig", hook),
            ("ListTaskPushNotificationConfigs", {"taskId": task}),
        ):
            assert await code(desk, method, **params) == NOT_FOUND
        other = await anna.asks("SendMessage", V1, **sent("", "hello again", 4))
        assert await code(desk, "GetTask", id=other["result"]["task"]["id"]) == NOT_FOUND
        customer = await served.customer("eve")
        assert await code(customer, "GetTask", id=task) == NOT_FOUND
        # What they say comes with their name; then the task is taken back, and is gone for them.
        assert await told(desk, "SendMessage", **sent(task, "hi", 5)) == "desk says hi"
        assert await code(desk, "GetTask", id=task) == NOT_FOUND
        assert await code(anna, "GetTask", id=task) is None
        # Seen or asked for, each access is noted.
        assert [entry[2:] for entry in await served.audit() if entry[0] == "desk"] == [
            ("get", task, "anna"),
            ("get", task, "anna"),
            ("send", task, "anna"),
        ]


async def test_nobody_speaks_as_a_person_by_writing_so(
    settings: Settings, http: httpx2.AsyncClient
) -> None:
    async with front(settings, http, agent=Counter()) as served:
        anna = await served.customer("anna")
        said = sent("", "hi", 1, metadata=FORGED)
        assert await told(anna, "SendMessage", **said) == "the customer says hi"
        # Nor does a person in a task of their own.
        desk = await served.customer("desk", Role.AGENT)
        assert await told(desk, "SendMessage", **sent("", "hi", 2)) == "the customer says hi"
