"""1.0 and 0.3 over JSON-RPC, by hand, on the same tasks as the first dialect."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from a2a_streaming import Agent, Run, agent_card, create_app
from a2a_streaming.settings import Settings
from a2a_streaming.sse import Decoder
from conftest import Served, serving
from streams import called, message


class Asking(Agent):
    """Answers, or asks first."""

    card = agent_card("asking")

    async def run(self, run: Run) -> None:
        await run.working("Thinking")
        async with run.artifact("answer") as answer:
            await answer.write("one ")
            await answer.write("two")
        if run.text == "ask":
            await run.input_required("What else?")
        else:
            await run.complete("Bye")


@pytest.fixture
async def served(settings: Settings) -> AsyncIterator[Served]:
    """A server with that agent."""
    async with serving(create_app(Asking(), settings=settings)) as running:
        yield running


async def asked(
    http: httpx2.AsyncClient,
    served: Served,
    method: str,
    params: Any,
    *,
    path: str = "/",
    **headers: str,
) -> Any:
    """The answer to a call, as JSON."""
    body = {"jsonrpc": "2.0", "id": 7, "method": method, "params": params}
    response = await http.post(f"{served.url}{path}", json=body, headers=headers)
    return response.json()


async def streamed(
    http: httpx2.AsyncClient, served: Served, method: str, params: Any, **headers: str
) -> list[tuple[str, Any]]:
    """What a stream tells: each frame's position and result."""
    body = {"jsonrpc": "2.0", "id": 7, "method": method, "params": params}
    decoder, told = Decoder(), []
    async with http.stream("POST", f"{served.url}/", json=body, headers=headers) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        async for chunk in response.aiter_bytes():
            told += [(frame.id, json.loads(frame.data)["result"]) for frame in decoder.feed(chunk)]
    return told


def a_message(text: str, message_id: str, **more: str) -> Any:
    """A message by hand (1.0)."""
    said = {"messageId": message_id, "role": "ROLE_USER", "parts": [{"text": text}], **more}
    return {"message": said}


async def test_the_same_message_sent_again_joins_its_task(
    served: Served, http: httpx2.AsyncClient
) -> None:
    first = await asked(http, served, "SendMessage", a_message("go", "m1", contextId="c1"))
    again = await asked(http, served, "SendMessage", a_message("go", "m1", contextId="c1"))
    assert first["result"] == again["result"]
    other = await asked(http, served, "SendMessage", a_message("stop", "m1", contextId="c1"))
    assert other["error"]["code"] == -32602


async def test_a_cut_stream_goes_on_after_the_last_position_also_when_the_task_has_ended(
    served: Served, http: httpx2.AsyncClient
) -> None:
    told = await streamed(http, served, "SendStreamingMessage", a_message("go", "m1"))
    task = told[0][1]["task"]["id"]
    for cut, (position, _) in enumerate(told[:-1], start=1):
        rest = await streamed(
            http, served, "SubscribeToTask", {"id": task}, **{"Last-Event-ID": position}
        )
        assert rest == told[cut:]
    refused = await asked(http, served, "SubscribeToTask", {"id": task})
    assert refused["error"]["code"] == -32004


async def test_a_position_that_cant_be_continued_is_answered_by_the_task(
    served: Served, http: httpx2.AsyncClient
) -> None:
    told = await streamed(http, served, "SendStreamingMessage", a_message("go", "m1"))
    task = told[0][1]["task"]["id"]
    for method in ("SubscribeToTask", "tasks/resubscribe"):
        [(position, reset)] = await streamed(
            http, served, method, {"id": task}, **{"Last-Event-ID": "1-1"}
        )
        assert position == told[-1][0]
        whole = reset.get("task", reset)
        assert whole["metadata"]["urn:a2a-streaming:resume:v1"] == {"reset": "forked"}


async def test_a_task_of_any_dialect_is_read_in_every_other(
    served: Served, http: httpx2.AsyncClient
) -> None:
    await called(http, f"{served.url}/", "tasks/sendSubscribe", "t1", message("ask"))
    one = await asked(http, served, "GetTask", {"id": "t1"})
    three = await asked(http, served, "tasks/get", {"id": "t1"}, path="/rpc/0.3")
    first = await asked(http, served, "tasks/get", {"id": "t1"})
    assert one["result"]["status"]["state"] == "TASK_STATE_INPUT_REQUIRED"
    assert three["result"]["kind"] == "task"
    assert (
        three["result"]["status"]["state"] == first["result"]["status"]["state"] == "input-required"
    )
    canceled = await asked(http, served, "CancelTask", {"id": "t1"})
    assert canceled["result"]["status"]["state"] == "TASK_STATE_CANCELED"
    made = await asked(http, served, "SendMessage", a_message("ask", "m1"))
    born_new = await asked(http, served, "tasks/get", {"id": made["result"]["task"]["id"]})
    assert born_new["result"]["kind"] == "task"


async def test_lists_have_pages_filters_and_totals(
    served: Served, http: httpx2.AsyncClient
) -> None:
    for number in range(5):
        context = "even" if number % 2 == 0 else "odd"
        said = a_message("ask" if number == 4 else "go", f"m{number}", contextId=context)
        await asked(http, served, "SendMessage", said)
    seen, token = [], ""
    while True:
        params = {"pageSize": 2, "pageToken": token, "contextId": "even"}
        page = (await asked(http, served, "ListTasks", params))["result"]
        assert page["totalSize"] == 3
        assert all("artifacts" not in task for task in page["tasks"])
        seen += [task["id"] for task in page["tasks"]]
        token = page["nextPageToken"]
        if not token:
            break
    assert len(set(seen)) == 3
    waits = {"status": "TASK_STATE_INPUT_REQUIRED", "includeArtifacts": True}
    [task] = (await asked(http, served, "ListTasks", waits))["result"]["tasks"]
    assert task["artifacts"][0]["name"] == "answer"
    for wrong in ({"pageSize": 0}, {"pageSize": 101}, {"pageToken": "x"}, {"historyLength": -1}):
        assert (await asked(http, served, "ListTasks", wrong))["error"]["code"] == -32602


@pytest.mark.parametrize("version", ["1.7", "2.0", "0.2"])
async def test_other_versions_are_refused(
    served: Served, http: httpx2.AsyncClient, version: str
) -> None:
    refused = await asked(http, served, "GetTask", {"id": "t1"}, **{"A2A-Version": version})
    assert refused["error"]["code"] == -32009


@pytest.mark.parametrize("params", [{}, {"message": {}}, {"message": 5}, {"message": {"messageId": "m", "role": "ROLE_USER"}}, {"message": {"messageId": "m\n1", "role": "ROLE_USER", "parts": [{"text": "x"}]}}])  # fmt: skip
@pytest.mark.parametrize("method", ["SendMessage", "SendStreamingMessage"])
async def test_messages_that_lack_something_are_refused(
    served: Served, http: httpx2.AsyncClient, method: str, params: Any
) -> None:
    assert (await asked(http, served, method, params))["error"]["code"] == -32602


async def test_an_answer_to_a_task_that_isnt_there_is_refused(
    served: Served, http: httpx2.AsyncClient
) -> None:
    for method in ("SendMessage", "SendStreamingMessage"):
        refused = await asked(http, served, method, a_message("go", "m1", taskId="nope"))
        assert refused["error"]["code"] == -32001


async def test_a_message_keeps_what_it_refers_to_and_its_conversation(
    served: Served, http: httpx2.AsyncClient
) -> None:
    first = (await asked(http, served, "SendMessage", a_message("go", "m1")))["result"]["task"]
    said = a_message("ask", "m2", contextId=first["contextId"])
    said["message"] |= {"referenceTaskIds": [first["id"]], "extensions": ["urn:x"]}
    second = (await asked(http, served, "SendMessage", said))["result"]["task"]
    assert second["id"] != first["id"]
    assert second["contextId"] == first["contextId"]
    assert second["history"][0]["referenceTaskIds"] == [first["id"]]
    assert second["history"][0]["extensions"] == ["urn:x"]
    listed = await asked(http, served, "ListTasks", {"contextId": first["contextId"]})
    assert [task["id"] for task in listed["result"]["tasks"]] == [second["id"], first["id"]]
    wrong = a_message("go on", "m3", taskId=second["id"], contextId="another")
    assert (await asked(http, served, "SendMessage", wrong))["error"]["code"] == -32602


async def test_as_much_history_is_told_as_was_asked_for(
    served: Served, http: httpx2.AsyncClient
) -> None:
    made = (await asked(http, served, "SendMessage", a_message("ask", "m1")))["result"]["task"]
    more = a_message("ask", "m2", taskId=made["id"])
    said = {**more, "configuration": {"historyLength": 1}}
    told = (await asked(http, served, "SendMessage", said))["result"]["task"]
    whole = (await asked(http, served, "GetTask", {"id": made["id"]}))["result"]["history"]
    assert [one["messageId"] for one in whole if one["role"] == "ROLE_USER"] == ["m1", "m2"]
    assert told["history"] == whole[-1:]
    for wanted in (0, 2, 50):
        params = {"id": made["id"], "historyLength": wanted}
        task = (await asked(http, served, "GetTask", params))["result"]
        expected = whole[-wanted:] if wanted else []
        assert task.get("history", []) == expected
        listed = await asked(http, served, "ListTasks", {"historyLength": wanted})
        history = listed["result"]["tasks"][0].get("history", [])
        assert [one["messageId"] for one in history] == [one["messageId"] for one in expected]
